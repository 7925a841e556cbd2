"""The latest rows of most of a manifest in one sorted file, so that runs need not read every part.

A million photographs are thousands of parts. Their latest rows, in the order of the sources, are
kept beside the lock as `.restore-archive/index.parquet`, with a list of the parts that they are
from. The file is a copy: whoever deletes it loses time only, and where its list does not fit the
parts that are there, it counts for nothing.

A crawl asks for sources in their order, so one group of rows is in memory at a time, however
large the archive is.
"""

from __future__ import annotations

import bisect
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from storage.manifest.parts import DamagedManifest, parquet_writer
from storage.manifest.sorted_rows import (
    SNAPSHOT_COLUMNS,
    KnownPhoto,
    SortedRows,
    with_own_dictionaries,
)
from storage.paths import PRIVATE_FOLDER

SNAPSHOT_PATH: Final = f"{PRIVATE_FOLDER}/index.parquet"
GROUP_ROWS: Final = 50_000
"""Rows that are in memory at a time, some 13 MB."""

_VERSION: Final = 1
_KEY: Final = b"restore-archive.index"
_KEPT_GROUPS: Final = 2


@dataclass(frozen=True, slots=True)
class ReadPart:
    """A part whose rows were taken up: its path, bytes and rows."""

    path: str
    size: int
    rows: int


class Snapshot:
    """A snapshot, open for reading.

    Args:
        file: seekable; it is closed with the snapshot.

    Raises:
        ValueError: it is none, or one of another version.
        pa.ArrowException: it is no Parquet file.
        OSError: it cannot be read.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._parquet = pq.ParquetFile(file, page_checksum_verification=True)
        metadata = self._parquet.metadata.metadata or {}
        described = json.loads(metadata.get(_KEY, b"{}"))
        if described.get("version") != _VERSION:
            raise ValueError("not an index of this version")
        if self._parquet.schema_arrow.names != list(SNAPSHOT_COLUMNS):
            raise ValueError("an index of other columns")
        self.parts: Final = tuple(ReadPart(*part) for part in described["parts"])
        self._firsts: list[str] = described["firsts"]
        self._group = lru_cache(_KEPT_GROUPS)(self._read_group)

    def __len__(self) -> int:
        rows: int = self._parquet.metadata.num_rows
        return rows

    def close(self) -> None:
        """Close the file."""
        self._group.cache_clear()
        self._parquet.close(force=True)
        self._file.close()

    def lookup(self, sources: Sequence[str]) -> list[KnownPhoto | None]:
        """See `SortedRows.lookup`."""
        by_group: dict[int, list[int]] = {}
        for at, source in enumerate(sources):
            by_group.setdefault(self._group_of(source), []).append(at)
        found: list[KnownPhoto | None] = [None] * len(sources)
        for group, places in sorted(by_group.items()):
            if group < 0:  # before the first source
                continue
            answers = self._group(group).lookup([sources[at] for at in places])
            for at, answer in zip(places, answers, strict=True):
                found[at] = answer
        return found

    def row_number(self, source: str) -> int | None:
        """See `SortedRows.row_number`."""
        group = self._group_of(source)
        return None if group < 0 else self._group(group).row_number(source)

    def __iter__(self) -> Iterator[tuple[str, KnownPhoto]]:
        """Every source with its row, in order."""
        for number in range(len(self._firsts)):
            yield from self._group(number)

    def updated(self, newer: SortedRows) -> Iterator[pa.Table]:
        """The rows with newer ones in the place of, or among, them; in order, group by group."""
        done = 0
        for number in range(len(self._firsts)):
            is_last = number + 1 == len(self._firsts)
            end = len(newer) if is_last else newer.position(self._firsts[number + 1])
            yield self._group(number).updated(newer.table.slice(done, end - done))
            done = end
        if not self._firsts:
            yield newer.table

    def _group_of(self, source: str) -> int:
        return bisect.bisect_right(self._firsts, source) - 1

    def _read_group(self, number: int) -> SortedRows:
        try:
            return SortedRows(self._parquet.read_row_group(number, use_threads=False))
        except (pa.ArrowException, OSError) as error:
            first_line = str(error).partition("\n")[0]
            raise DamagedManifest(
                f"{SNAPSHOT_PATH} cannot be read ({first_line}); delete it and start again: it is a"
                " copy of the manifest, and made anew"
            ) from error


def write_snapshot(file: BinaryIO, tables: Iterator[pa.Table], parts: Sequence[ReadPart]) -> None:
    """Write a snapshot.

    Args:
        file: where to.
        tables: as `SortedRows.table`, one behind the other in the order of the sources.
        parts: that the rows are from.
    """
    firsts: list[str] = []
    writer: pq.ParquetWriter | None = None
    for group in in_groups(tables, GROUP_ROWS):
        if writer is None:
            writer = parquet_writer(file, group.schema)
        writer.write_table(group)
        firsts.append(group.column("source")[0].as_py())
    if writer is None:
        raise ValueError("a snapshot of nothing")
    described = {
        "version": _VERSION,
        "parts": [(part.path, part.size, part.rows) for part in parts],
        "firsts": firsts,
    }
    writer.add_key_value_metadata({_KEY: json.dumps(described).encode()})
    writer.close()


def in_groups(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The rows in groups of so many, the last one excepted: what is too little goes on."""
    rest: pa.Table | None = None
    for table in tables:
        if rest is not None:
            table = pa.concat_tables([rest, table.cast(rest.schema)]).unify_dictionaries()
        full = table.num_rows - table.num_rows % rows
        for start in range(0, full, rows):
            yield with_own_dictionaries(table.slice(start, rows))
        rest = with_own_dictionaries(table.slice(full))
    if rest is not None and rest.num_rows:
        yield rest
