"""The manifest's own files as the only file system that DuckDB sees."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, BinaryIO, Final

from fsspec import AbstractFileSystem

from storage.base import DestinationStore
from storage.errors import StorageError
from storage.manifest.columns import table_of
from storage.manifest.latest import LATEST_PATH
from storage.manifest.parts import DamagedManifest, encode_table, part_entries
from storage.manifest.row import SCHEMA
from storage.manifest.runs import RUN_SCHEMA, read_runs

SCHEME: Final = "manifest"
COLUMNS_PATH: Final = "columns.parquet"
"""A file with all columns of this version and no rows."""
RUNS_PATH: Final = "runs.parquet"
"""The records of runs, a row each."""

_LONG_AGO: Final = datetime(1970, 1, 1)


class ManifestFiles(AbstractFileSystem):  # type: ignore[misc]
    """The only files that DuckDB can see: the manifest's, by name, and to be read.

    Args:
        latest: `latest.parquet`, up to date.
        destination: where the parts are.

    Attributes:
        parts: paths of the parts, in order.
        runs: ids of the runs that left a record.
        problems: with reading them. What DuckDB says of one is a traceback in a message.
    """

    protocol = SCHEME
    cachable = False

    def __init__(self, latest: BinaryIO, destination: DestinationStore) -> None:
        super().__init__()
        self._destination = destination
        self.problems: Final[list[StorageError | OSError]] = []
        entries = list(part_entries(destination))
        self.parts: Final = tuple(entry.path for entry in entries)
        records = read_runs(destination)
        self.runs: Final = frozenset(record.run_id for record in records)
        no_rows = encode_table(SCHEMA.empty_table())
        runs = encode_table(table_of(RUN_SCHEMA, records))
        self._sizes = {entry.path: entry.size for entry in entries}
        self._sizes |= {LATEST_PATH: latest.seek(0, io.SEEK_END)}
        self._sizes |= {COLUMNS_PATH: len(no_rows), RUNS_PATH: len(runs)}
        self._latest, self._lock = latest, threading.Lock()
        self._made = {COLUMNS_PATH: no_rows, RUNS_PATH: runs}

    def open(self, path: str, mode: str = "rb", **_: object) -> io.RawIOBase:
        """One of the files."""
        if mode != "rb":
            raise PermissionError(f"{path} can only be read")
        name = self._known(path)
        if name == LATEST_PATH:
            return _Handle(self._latest, self._lock, self.problems, is_own=False)
        if name in self._made:
            file: BinaryIO = io.BytesIO(self._made[name])
        else:
            with _noted(self.problems):
                file = self._part(name)
        return _Handle(file, threading.Lock(), self.problems, is_own=True)

    def info(self, path: str, **_: object) -> dict[str, object]:
        """Its name and size, as fsspec has them."""
        return {"name": path, "size": self._sizes[self._known(path)], "type": "file"}

    def exists(self, path: str, **_: object) -> bool:
        """Whether it is one of them."""
        return path.removeprefix(f"{SCHEME}://") in self._sizes

    def glob(self, path: str, **_: object) -> list[str]:
        """The file of this very name; there are no patterns."""
        return [path] if self.exists(path) else []

    def modified(self, _path: str) -> datetime:
        """Always the same: none of them changes while they are open."""
        return _LONG_AGO

    def _part(self, path: str) -> BinaryIO:
        file = self._destination.open(path)
        if file.seek(0, io.SEEK_END) != self._sizes[path]:
            file.close()
            raise DamagedManifest(f"{path} was changed since the manifest was opened; ask again")
        return file

    def _known(self, path: str) -> str:
        name = path.removeprefix(f"{SCHEME}://")
        if name not in self._sizes:
            raise FileNotFoundError(f"{path} is no file of the manifest")
        return name


@contextmanager
def _noted(problems: list[StorageError | OSError]) -> Iterator[None]:
    try:
        yield
    except (StorageError, OSError) as error:
        problems.append(error)
        raise


class _Handle(io.RawIOBase):
    """What DuckDB reads by, from several threads at a time.

    It seeks, then reads, and another thread may come between: each has a position of its own.

    Args:
        file: seekable.
        lock: of the file.
        problems: takes those with reading it.
        is_own: whether the file is closed with this.
    """

    def __init__(
        self,
        file: BinaryIO,
        lock: threading.Lock,
        problems: list[StorageError | OSError],
        *,
        is_own: bool,
    ) -> None:
        self._file = file
        self._lock = lock
        self._problems = problems
        self._is_own = is_own
        self._of_thread = threading.local()
        with lock, _noted(problems):
            self._size = file.seek(0, io.SEEK_END)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return getattr(self._of_thread, "position", 0)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.tell(), io.SEEK_END: self._size}[whence]
        self._of_thread.position = max(0, start + offset)
        return self.tell()

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer
        at = self.tell()
        with self._lock, _noted(self._problems):
            self._file.seek(at)
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._of_thread.position = at + len(data)
        return len(data)

    def close(self) -> None:
        if self._is_own and not self.closed:
            self._file.close()
        super().close()
