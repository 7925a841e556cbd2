"""SQL over a manifest: DuckDB, locked in with the manifest's own files.

The views are `photos` (the latest row of each photo), `rows` (every row of every run) and `runs`.
DuckDB sees no file system but `ManifestFiles`, which knows these files by name and cannot write:
no other file, no network, no extensions, and only statements that select.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, BinaryIO, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from storage.base import DestinationStore
from storage.errors import QueryError
from storage.manifest.database_files import SCHEME, ManifestFiles
from storage.manifest.latest import open_latest
from storage.manifest.parts import DamagedManifest
from storage.manifest.views import View, views

__all__ = ["MAX_SPILL_GB", "MAX_THREADS", "ManifestDatabase", "QueryError", "Result"]

MAX_THREADS: Final = 4
"""Of a query, unless told otherwise: Parquet of this size needs no more."""
MAX_SPILL_GB: Final = 20
"""Of what does not fit in memory, 10^9 bytes in `TMPDIR`."""

_FETCHED_ROWS: Final = 2_000
_WRITTEN_ROWS: Final = 50_000


class Result:
    """What a query found. It is read once, by `rows` or by `columns`, as it is made.

    Attributes:
        names: of the columns; each once, a second `n` is called `n_1`.
        types: their types in DuckDB's words, such as "VARCHAR" and "DOUBLE".
    """

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, translated: Callable[[Exception], Exception]
    ) -> None:
        described = cursor.description or []
        self.names: Final = _unique([str(column[0]) for column in described])
        self.types: Final = tuple(str(column[1]).strip('"') for column in described)
        self._cursor = cursor
        self._translated = translated

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
            raise self._translated(error) from error
        finally:
            self._cursor.close()


class ManifestDatabase:
    """A manifest, open for queries; a context manager. Nothing in the destination is changed.

    Made by `open`. `photos` is as of then; parts that runs write later are in no view.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        files: ManifestFiles,
        views: Sequence[View],
        held: ExitStack,
    ) -> None:
        self._connection = connection
        self._files = files
        self._held = held
        self._views = list(views)
        self._lock = threading.Lock()

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
            files = ManifestFiles(stack.enter_context(open_latest(destination)), destination)
            spill = stack.enter_context(tempfile.TemporaryDirectory(prefix="restore-archive-"))
            connection = duckdb.connect(":memory:", config=_config(threads, memory_gb, spill))
            stack.callback(connection.close)
            connection.register_filesystem(files)
            made = views(files.parts, files.runs)
            try:
                for statement in (*(view.sql for view in made if view.is_cheap), *_LOCKS):
                    connection.execute(statement)
            except duckdb.Error as error:
                if files.problems:
                    raise files.problems.pop() from error
                raise DamagedManifest(f"the manifest cannot be read: {_one_line(error)}") from error
            wanted = [view for view in made if not view.is_cheap]
            return cls(connection, files, wanted, stack.pop_all())

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
            StorageError: a file of the manifest cannot be read.
        """
        with self._cursor(sql) as (cursor, held):
            cursor.execute(sql, list(parameters))
            held.pop_all()  # the result closes it
            return Result(cursor, self._translated)

    def write_parquet(self, sql: str, file: BinaryIO, parameters: Sequence[object] = ()) -> int:
        """Writes what a query finds as a Parquet file; in bounded memory, as `query`.

        Args:
            sql: as in `query`.
            file: where to.
            parameters: as in `query`.

        Returns:
            How many rows.

        Raises:
            QueryError: as `query`.
            OSError: from the file.
        """
        with self._cursor(sql) as (cursor, _):
            found = cursor.sql(sql, params=list(parameters)).to_arrow_reader(_WRITTEN_ROWS)
            with found, pq.ParquetWriter(file, found.schema, compression="zstd") as writer:
                rows = 0
                for batch in found:
                    writer.write_batch(batch)
                    rows += batch.num_rows
        return rows

    @contextmanager
    def _cursor(self, sql: str) -> Iterator[tuple[duckdb.DuckDBPyConnection, ExitStack]]:
        """A cursor for a statement that may be run; its errors are in our words."""
        with ExitStack() as held:
            cursor = self._connection.cursor()
            held.callback(cursor.close)
            try:
                _check(cursor.extract_statements(sql))
                self._make_views(sql)
                yield cursor, held
            except (duckdb.Error, pa.ArrowException) as error:
                raise self._translated(error) from error

    def _translated(self, error: Exception) -> Exception:
        """DuckDB's error in our words; a problem with the manifest's files as what it was."""
        problems = self._files.problems
        return problems.pop() if problems else QueryError(_one_line(error))

    def _make_views(self, sql: str) -> None:
        """Makes the views that a statement may name: some look into thousands of parts."""
        with self._lock:
            for view in list(self._views):
                if re.search(rf"\b({view.name}|{_CATALOGUES})\b", sql, re.IGNORECASE):
                    self._connection.execute(view.sql)
                    self._views.remove(view)


_CATALOGUES: Final = r"show|tables|views|columns|information_schema|pg_\w+|duckdb_\w+"
"""Words by which a statement asks what views there are."""

_LOCKS: Final = (
    "SET GLOBAL TimeZone = 'UTC'",
    f"SET allowed_directories = ['{SCHEME}://']",
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
