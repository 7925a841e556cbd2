"""Sorting more names than should be kept in memory."""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Callable, Generator, Iterator
from typing import BinaryIO, Final, cast

from storage.errors import StorageError, reason

_READ_BYTES: Final = 64 * 1024


class NameSorter:
    """Sorts byte strings without NUL; beyond `run_length` of them, through a temporary file.

    The file has no name and disappears with the process. Memory: `run_length` names while adding,
    then 64 KiB for every full run.

    Args:
        key: what to sort by.
        run_length: how many names are kept in memory.
    """

    def __init__(self, key: Callable[[bytes], bytes], run_length: int) -> None:
        self._key = key
        self._run_length = run_length
        self._names: list[bytes] = []
        self._runs: list[tuple[int, int]] = []
        self._file: BinaryIO | None = None

    def add(self, name: bytes) -> None:
        """Takes one name.

        Raises:
            StorageError: the temporary file cannot be written.
        """
        self._names.append(name)
        if len(self._names) >= self._run_length:
            self._spill()

    def drain(self) -> Generator[bytes, None, None]:
        """Yields all names in order, once; closing the generator frees the file."""
        try:
            self._names.sort(key=self._key)
            if self._file is None:
                # Popping from the end lets go of each name once it was used.
                self._names.reverse()
                while self._names:
                    yield self._names.pop()
            else:
                self._file.flush()
                readers = [_read_run(self._file, start, end) for start, end in self._runs]
                yield from heapq.merge(*readers, self._names, key=self._key)
        finally:
            if self._file is not None:
                self._file.close()

    def _spill(self) -> None:
        self._names.sort(key=self._key)
        try:
            if self._file is None:
                # Lives as long as the generator of drain(), which closes it.
                self._file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115
            start = self._file.tell()
            self._file.write(b"".join(name + b"\0" for name in self._names))
            self._file.flush()
        except OSError as error:
            raise StorageError(
                f"cannot write to the temporary folder {tempfile.gettempdir()}: {reason(error)}"
            ) from error
        self._runs.append((start, self._file.tell()))
        self._names = []


def _read_run(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    rest = b""
    while start < end:
        # Every reader keeps its own place: they share the one file.
        file.seek(start)
        block = file.read(min(_READ_BYTES, end - start))
        if not block:
            raise StorageError("the temporary file of a large folder was cut short")
        start += len(block)
        *names, rest = (rest + block).split(b"\0")
        yield from names
