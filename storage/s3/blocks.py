"""What was read of an object, so that it is not asked for again: in memory, then on the disk."""

from __future__ import annotations

import contextlib
import tempfile
from collections import OrderedDict
from typing import BinaryIO, Final, cast

KEPT_BLOCKS: Final = 8
"""In memory beside the first: with blocks of 8 MiB, up to 64 MiB never touch the disk."""
SPILLED_BYTES: Final = 1 << 30
"""Of one object in its temporary file: far more than a photo of the permitted size has."""


class Blocks:
    """The blocks of one object, by number; block 0, with the header, always stays in memory.

    What memory does not hold goes into a temporary file without a name, which disappears with the
    process. Where there is no room for it, blocks are forgotten.

    Args:
        block_bytes: of each block but 0 and the last one.
        kept: blocks in memory beside block 0.
        spilled_bytes: how large the temporary file may grow.
    """

    def __init__(
        self, block_bytes: int, *, kept: int = KEPT_BLOCKS, spilled_bytes: int = SPILLED_BYTES
    ) -> None:
        self._block_bytes = block_bytes
        self._kept = kept
        self._room = spilled_bytes // block_bytes
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._spilled: dict[int, int] = {}
        self._file: BinaryIO | None = None

    def get(self, number: int) -> bytes | None:
        """A block; None where it was never added or is forgotten."""
        data = self._blocks.get(number)
        if data is not None:
            self._blocks.move_to_end(number)
        elif number in self._spilled and (data := self._read(number)) is not None:
            self.add(number, data)
        return data

    def add(self, number: int, data: bytes) -> None:
        """Keeps a block, in the place of the one that was not used for longest."""
        self._blocks[number] = data
        if len(self._blocks) > self._kept + 1:
            oldest = next(kept for kept in self._blocks if kept)
            self._spill(oldest, self._blocks.pop(oldest))

    def close(self) -> None:
        """Frees the memory and the file."""
        self._blocks.clear()
        self._forget()

    def _spill(self, number: int, data: bytes) -> None:
        if number in self._spilled or number > self._room:
            return
        try:
            if self._file is None:
                self._file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115
            self._file.seek((number - 1) * self._block_bytes)
            self._file.write(data)
            self._file.flush()
        except OSError:
            self._room = 0
            self._forget()
        else:
            self._spilled[number] = len(data)

    def _read(self, number: int) -> bytes | None:
        if self._file is None:
            return None
        try:
            self._file.seek((number - 1) * self._block_bytes)
            data = self._file.read(self._spilled[number])
        except OSError:
            return None
        return data if len(data) == self._spilled[number] else None

    def _forget(self) -> None:
        self._spilled.clear()
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None
