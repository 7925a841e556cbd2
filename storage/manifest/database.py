"""SQL over a manifest: DuckDB, locked in with the manifest's own files.

The views are `photos` (the latest row of each photo), `rows` (every row of every run) and `runs`.
DuckDB sees no file system but `_ManifestFiles`, which knows these files by name and cannot write:
no other file, no network, no extensions, and only statements that select.
"""

from __future__ import annotations

import io
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any, BinaryIO, Final, NoReturn, cast

import duckdb
from fsspec import AbstractFileSystem

from storage.base import DestinationStore
from storage.manifest.columns import Column, table_of
from storage.manifest.latest import LATEST_PATH, open_latest
from storage.manifest.parts import encode_table, part_entries
from storage.manifest.row import COLUMNS, SCHEMA, Status
from storage.manifest.runs import RUN_COLUMNS, RUN_SCHEMA, read_runs

MAX_THREADS: Final = 4
"""Of a query, unless told otherwise: Parquet of this size needs no more."""
MAX_SPILL_GB: Final = 20
"""Of what does not fit in memory, 10^9 bytes in `TMPDIR`."""

_SCHEME: Final = "manifest"
_COLUMNS_PATH: Final = "columns.parquet"
_RUNS_PATH: Final = "runs.parquet"
_FETCHED_ROWS: Final = 2_000
_LONG_AGO: Final = datetime(1970, 1, 1)

_DERIVED: Final = """
    parse_dirpath(source, 'forward_slash') AS folder,
    parse_filename(source, false, 'forward_slash') AS name,
    width * height / 1e6 AS megapixels
"""


class QueryError(ValueError):
    """A query that cannot be answered; the message is one plain line."""


class Result:
    """What a query found. It is read once, by `rows` or by `columns`, as it is made.

    Attributes:
        names: of the columns; each once, a second `n` is called `n_1`.
        types: their types in DuckDB's words, such as "VARCHAR" and "DOUBLE".
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        described = cursor.description or []
        self.names: Final = _unique([str(column[0]) for column in described])
        self.types: Final = tuple(str(column[1]).strip('"') for column in described)
        self._cursor = cursor

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Its rows as plain Python objects; lists for lists, `datetime`s in UTC for times.

        Raises:
            QueryError: the query fails on the way, for example in a cast.
        """
        for chunk in self._chunks(_FETCHED_ROWS):
            yield from chunk

    def columns(self, chunk_rows: int = 10_000) -> Iterator[dict[str, list[Any]]]:
        """Its rows as lists of values by column; of `chunk_rows` rows, the last one of fewer.

        Raises:
            QueryError: the query fails on the way.
        """
        for chunk in self._chunks(chunk_rows):
            yield dict(zip(self.names, map(list, zip(*chunk, strict=True)), strict=True))

    def _chunks(self, rows: int) -> Iterator[list[tuple[Any, ...]]]:
        try:
            while chunk := self._cursor.fetchmany(rows):
                yield chunk
        except duckdb.Error as error:
            raise QueryError(_one_line(error)) from error
        finally:
            self._cursor.close()


class ManifestDatabase:
    """A manifest, open for queries; a context manager. Nothing in the destination is changed.

    Made by `open`. `photos` is as of then; parts that runs write later are in no view.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, held: ExitStack) -> None:
        self._connection = connection
        self._held = held

    @classmethod
    def open(
        cls,
        destination: DestinationStore,
        *,
        threads: int | None = None,
        memory_gb: float = 1.0,
    ) -> ManifestDatabase:
        """Opens the manifest of a destination; one without a manifest has no rows.

        Args:
            destination: what runs left.
            threads: of a query; by default those of the machine, `MAX_THREADS` at most.
            memory_gb: of DuckDB, 10^9 bytes; what does not fit goes to a private folder in
                `TMPDIR`, which is gone when this is closed.

        Raises:
            DamagedManifest: a part cannot be read.
            StorageError: the manifest cannot be listed.
            OSError: no room for temporary files.
        """
        with ExitStack() as stack:
            files = _ManifestFiles(stack.enter_context(open_latest(destination)), destination)
            spill = stack.enter_context(tempfile.TemporaryDirectory(prefix="restore-archive-"))
            connection = duckdb.connect(":memory:", config=_config(threads, memory_gb, spill))
            stack.callback(connection.close)
            connection.register_filesystem(files)
            for statement in (*_views(files), *_LOCKS):
                connection.execute(statement)
            return cls(connection, stack.pop_all())

    def __enter__(self) -> ManifestDatabase:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends all queries and removes what was temporary."""
        self._held.close()

    def query(self, sql: str, parameters: Sequence[object] = ()) -> Result:
        """Runs one statement that selects; several results may be open at a time.

        Args:
            sql: in DuckDB's dialect.
            parameters: for the `?` in it, or `$1`, `$2` and so on.

        Raises:
            QueryError: it is not SQL, none or several statements, one that does anything but
                select, or one that names what there is not.
        """
        cursor = self._connection.cursor()
        try:
            _check(cursor.extract_statements(sql))
            cursor.execute(sql, list(parameters))
        except BaseException as error:
            cursor.close()
            if isinstance(error, duckdb.Error):
                raise QueryError(_one_line(error)) from error
            raise
        return Result(cursor)


_LOCKS: Final = (
    "SET GLOBAL TimeZone = 'UTC'",
    f"SET allowed_directories = ['{_SCHEME}://']",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
"""The last words that can set anything."""


def _config(
    threads: int | None, memory_gb: float, spill: str
) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "threads": threads or min(os.cpu_count() or 1, MAX_THREADS),
        "memory_limit": f"{round(memory_gb * 1000)}MB",
        "temp_directory": spill,
        "max_temp_directory_size": f"{MAX_SPILL_GB}GB",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        # Else `SELECT * FROM name` would find the Python variable of that name.
        "python_enable_replacements": False,
    }


def _check(statements: Sequence[duckdb.Statement]) -> None:
    if len(statements) != 1:
        raise QueryError(f"one statement at a time, not {len(statements)}")
    kind = statements[0].type
    if kind != duckdb.StatementType.SELECT:
        raise QueryError(f"only SELECT is allowed, not {kind.name}")


def _one_line(error: Exception) -> str:
    """DuckDB's message without its drawing of the place."""
    return " ".join(str(error).partition("\n\nLINE")[0].split())


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    taken: dict[str, None] = {}
    for name in names:
        number, new = 0, name
        while new in taken:
            number += 1
            new = f"{name}_{number}"
        taken[new] = None
    return tuple(taken)


def _views(files: _ManifestFiles) -> Iterator[str]:
    """Statements that make the views."""
    yield f"""CREATE VIEW photos AS SELECT *, {_DERIVED}
        FROM read_parquet('{_SCHEME}://{LATEST_PATH}')"""
    columns = ", ".join(map(_with_default, COLUMNS))
    yield f"CREATE VIEW rows AS SELECT {columns}, {_DERIVED} FROM {_together(files.parts)}"
    recorded = f"SELECT * FROM read_parquet('{_SCHEME}://{_RUNS_PATH}')"
    unrecorded = [path for path in files.parts if path.split("/")[1] not in files.runs]
    derived = f"UNION ALL BY NAME {_runs_of(_together(unrecorded))}" if unrecorded else ""
    yield f"CREATE VIEW runs AS {recorded} {derived} ORDER BY run_id"


def _together(parts: Sequence[str]) -> str:
    """Parts of any version; the first file has all columns of this one, and no rows."""
    files = ", ".join(_quoted(f"{_SCHEME}://{path}") for path in (_COLUMNS_PATH, *parts))
    return f"read_parquet([{files}], union_by_name = true)"


def _runs_of(rows: str) -> str:
    """What the rows of runs say of them; a run's id begins with its start."""
    counts = ", ".join(
        f"count(*) FILTER (status = '{status}') AS {status}"
        for status in Status
        if status in {column.name for column in RUN_COLUMNS}
    )
    begun = "try_strptime(left(run_id, 16), '%Y%m%dT%H%M%SZ')::TIMESTAMP AT TIME ZONE 'UTC'"
    return f"""
        SELECT run_id, 'restore' AS kind, '{{}}' AS options,
            coalesce({begun}, min(time)) AS started, max(time) AS ended,
            epoch(max(time)) - epoch(coalesce({begun}, min(time))) AS seconds,
            max(device) AS device, max(software_version) AS software_version,
            count(*) AS photos, {counts},
            coalesce(sum(width * height), 0) / 1e6 AS megapixels, false AS stopped
        FROM {rows} GROUP BY run_id"""


def _with_default(column: Column) -> str:
    """A column as `conform` reads it: with its default where a part is from before it was."""
    if column.nullable or column.default is None:
        return column.name
    default = column.default
    if isinstance(default, tuple):
        literal = "[]"
    else:
        literal = _quoted(default) if isinstance(default, str) else str(default).lower()
    return f"coalesce({column.name}, {literal}) AS {column.name}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class _ManifestFiles(AbstractFileSystem):  # type: ignore[misc]
    """The only files that DuckDB can see: the manifest's, by name, and to be read.

    Args:
        latest: `latest.parquet`, up to date.
        destination: where the parts are.

    Attributes:
        parts: paths of the parts, in order.
        runs: ids of the runs that left a record.
    """

    protocol = _SCHEME
    cachable = False

    def __init__(self, latest: BinaryIO, destination: DestinationStore) -> None:
        super().__init__()
        entries = list(part_entries(destination))
        self.parts: Final = tuple(entry.path for entry in entries)
        records = read_runs(destination)
        self.runs: Final = frozenset(record.run_id for record in records)
        no_rows = encode_table(SCHEMA.empty_table())
        runs = encode_table(table_of(RUN_SCHEMA, records))
        self._sizes = {entry.path: entry.size for entry in entries}
        self._sizes |= {LATEST_PATH: latest.seek(0, io.SEEK_END)}
        self._sizes |= {_COLUMNS_PATH: len(no_rows), _RUNS_PATH: len(runs)}
        lock = threading.Lock()
        self._opened: Mapping[str, Callable[[], BinaryIO]] = {
            **{path: partial(destination.open, path) for path in self.parts},
            LATEST_PATH: lambda: cast(BinaryIO, _View(latest, lock)),
            _COLUMNS_PATH: partial(io.BytesIO, no_rows),
            _RUNS_PATH: partial(io.BytesIO, runs),
        }

    def open(self, path: str, mode: str = "rb", **_: object) -> BinaryIO:
        """One of the files."""
        if mode != "rb":
            raise PermissionError(f"{path} can only be read")
        file = self._opened[self._known(path)]()
        return file if isinstance(file, _View) else cast(BinaryIO, _View(file, threading.Lock()))

    def info(self, path: str, **_: object) -> dict[str, object]:
        """Its name and size, as fsspec has them."""
        return {"name": path, "size": self._sizes[self._known(path)], "type": "file"}

    def exists(self, path: str, **_: object) -> bool:
        """Whether it is one of them."""
        return path.removeprefix(f"{_SCHEME}://") in self._sizes

    def glob(self, path: str, **_: object) -> list[str]:
        """The file of this very name; there are no patterns."""
        return [path] if self.exists(path) else []

    def modified(self, _path: str) -> datetime:
        """Always the same: none of them changes while they are open."""
        return _LONG_AGO

    def _known(self, path: str) -> str:
        name = path.removeprefix(f"{_SCHEME}://")
        if name not in self._sizes:
            _refuse(path)
        return name


def _refuse(path: str) -> NoReturn:
    raise FileNotFoundError(f"{path} is no file of the manifest")


class _View(io.RawIOBase):
    """One of several readers of a file that was opened once, each with positions of its own.

    DuckDB reads one and the same reader in several threads, also where it is told to use only one:
    each of them seeks and then reads, which the others must not come between. So each has its own
    position, and nothing is buffered.
    """

    def __init__(self, file: BinaryIO, lock: threading.Lock) -> None:
        self._file = file
        self._lock = lock
        self._at: dict[int, int] = {}
        with lock:
            self._size = file.seek(0, io.SEEK_END)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at.get(threading.get_ident(), 0)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.tell(), io.SEEK_END: self._size}[whence]
        self._at[threading.get_ident()] = at = max(0, start + offset)
        return at

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer
        at = self.tell()
        with self._lock:
            self._file.seek(at)
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._at[threading.get_ident()] = at + len(data)
        return len(data)
