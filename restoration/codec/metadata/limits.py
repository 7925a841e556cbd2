"""How much metadata a file may have, and what is raised when it is too much or makes no sense."""

from __future__ import annotations

import io
from typing import BinaryIO, Final

from restoration.errors import RestorationError, TooLarge

MIB: Final = 1 << 20
DEFAULT_LIMIT_BYTES: Final = 64 * MIB
"""Bytes of metadata that are read of one page unless the caller says otherwise."""
_MAX_BLOCKS: Final = 100_000


class DamagedMetadata(RestorationError, ValueError):  # noqa: N818 - reads as a sentence
    """Metadata that make no sense; the pixels may still be sound."""


class Budget:
    """Counts the bytes of metadata taken from one file, before anything is allocated for them."""

    def __init__(self, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self._limit = limit_bytes
        self._left = limit_bytes
        self._blocks_left = _MAX_BLOCKS

    @property
    def left(self) -> int:
        """Bytes that may still be taken."""
        return self._left

    def take(self, size: int) -> None:
        """Count one block of `size` bytes.

        Raises:
            TooLarge: more bytes or blocks than the limit allows.
        """
        self._left -= size
        self._blocks_left -= 1
        if self._left < 0:
            raise TooLarge(
                f"the file has more than {self._limit / MIB:g} MiB of metadata (--max-metadata-mb)"
            )
        if self._blocks_left < 0:
            raise TooLarge(f"the file has more than {_MAX_BLOCKS:,} blocks of metadata")


def read_block(file: BinaryIO, size: int, budget: Budget) -> bytes:
    """Read exactly `size` bytes.

    Raises:
        TooLarge: over the budget; nothing was read.
        DamagedMetadata: the file ends before.
    """
    budget.take(size)
    data = file.read(size)
    if len(data) != size:
        raise DamagedMetadata("the file ends within its metadata")
    return data


def size_of(file: BinaryIO) -> int:
    """Bytes of a seekable file; its position stays."""
    position = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(position)
    return size


def copy_range(source: BinaryIO, output: BinaryIO, size: int) -> None:
    """Copy the next `size` bytes in small parts.

    Raises:
        DamagedMetadata: the source ends before.
    """
    while size > 0:
        part = source.read(min(size, MIB))
        if not part:
            raise DamagedMetadata("the encoded file is cut off")
        output.write(part)
        size -= len(part)
