"""What earlier runs already did: the latest row of every source."""

from __future__ import annotations

import bisect
import heapq
import itertools
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import BinaryIO, Final

import pyarrow as pa

from storage.base import DestinationStore, StoredEntry
from storage.errors import NotFound
from storage.manifest.parts import part_entries, read_parts, read_table, rows_of
from storage.manifest.row import COLUMNS, SCHEMA, ManifestRow
from storage.manifest.snapshot import SNAPSHOT_PATH, ReadPart, Snapshot, write_snapshot
from storage.manifest.sorted_rows import KnownPhoto, SortedRows, index_schema

NEW_PARTS: Final = 32
"""Parts beside the snapshot from which on a new one is worth its writing."""
HELD_ROWS: Final = 500_000
"""Rows of such parts that are held in memory; before there are more, they go to a file."""


class ManifestIndex:
    """The latest row of every source of a manifest. Made by `load`; close it when done.

    Memory is bounded, however large the archive is: a group of the snapshot's rows, and the rows
    of parts that are not in it.
    """

    def __init__(
        self,
        destination: DestinationStore,
        old: Snapshot | None,
        new: SortedRows,
        parts: _Parts,
        stored_parts: int,
    ) -> None:
        self._destination = destination
        self._stored_parts = stored_parts
        self._old = old
        self._new = new
        self._parts = parts

    @classmethod
    def load(cls, destination: DestinationStore, held_rows: int = HELD_ROWS) -> ManifestIndex:
        """Opens the snapshot and reads the parts that are not in it.

        Of two rows, that of the later run is the later one; within a run, that of the later part.

        Args:
            destination: where the manifest is.
            held_rows: rows of parts that are held in memory.

        Raises:
            DamagedManifest: a part cannot be read; the message says which and what to do.
            StorageError: the manifest cannot be listed.
        """
        listed = list(part_entries(destination))
        old = _snapshot_of(destination, listed)
        parts = _Parts(old.parts if old else ())
        stored_parts = len(parts)
        schema = index_schema()
        held = [schema.empty_table()]
        first_row = parts.rows
        unread = {entry.path: entry.size for entry in listed[stored_parts:]}
        for path, table in read_parts(destination, unread, schema):
            if parts.rows - first_row + table.num_rows > held_rows and parts.rows > first_row:
                file = tempfile.TemporaryFile()  # noqa: SIM115 - the snapshot closes it
                _write(file, old, _sorted(held, first_row), parts)
                if old is not None:
                    old.close()
                old, held, first_row = Snapshot(file), [schema.empty_table()], parts.rows
            held.append(table)
            parts.add(ReadPart(path, unread[path], table.num_rows))
        index = cls(destination, old, _sorted(held, first_row), parts, stored_parts)
        pa.default_memory_pool().release_unused()
        return index

    def close(self) -> None:
        """Close the snapshot."""
        if self._old is not None:
            self._old.close()

    def lookup(self, sources: Sequence[str]) -> list[KnownPhoto | None]:
        """What is known of these sources.

        Fastest for neighbours in the order of sources, as a crawl yields them.

        Args:
            sources: relative paths, in any order.

        Returns:
            As many entries as sources; None where no run has seen the source.
        """
        found = self._new.lookup(sources)
        if self._old is not None:
            missing = [at for at, known in enumerate(found) if known is None]
            older = self._old.lookup([sources[at] for at in missing])
            for at, known in zip(missing, older, strict=True):
                found[at] = known
        return found

    def __iter__(self) -> Iterator[tuple[str, KnownPhoto]]:
        """Every source with its latest row, in the order of the sources."""
        source = itemgetter(0)
        # Of equal sources, heapq.merge yields that of the first iterable first: the newer row.
        merged = heapq.merge(self._new, self._old or (), key=source)
        for _, rows in itertools.groupby(merged, key=source):
            yield next(rows)

    def latest(self) -> Iterator[pa.Table]:
        """The latest row of every source as `SNAPSHOT_COLUMNS`, in order, some at a time."""
        return self._old.updated(self._new) if self._old else iter([self._new.table])

    @property
    def rows(self) -> int:
        """Rows of all parts together, by whose numbers `latest` counts."""
        return self._parts.rows

    @property
    def part_paths(self) -> tuple[str, ...]:
        """The parts that those rows are in, in order."""
        return tuple(part.path for part in self._parts.read)

    @property
    def parts(self) -> tuple[ReadPart, ...]:
        """As `part_paths`, with their sizes and rows."""
        return tuple(self._parts.read)

    def row(self, source: str) -> ManifestRow | None:
        """The full latest row of a source, read from its part; None where no run has seen it.

        Raises:
            DamagedManifest: the part cannot be read (any more).
            NotFound: the part was removed meanwhile.
        """
        return self.full_rows([source]).get(source)

    def full_rows(self, sources: Iterable[str]) -> dict[str, ManifestRow]:
        """The full latest rows of some sources, each part read once; without those never seen.

        Raises:
            DamagedManifest: a part cannot be read (any more).
            NotFound: a part was removed meanwhile.
        """
        places: dict[str, list[int]] = {}
        for source in sources:
            number = self._new.row_number(source)
            if number is None and self._old is not None:
                number = self._old.row_number(source)
            if number is not None:
                path, at = self._parts.locate(number)
                places.setdefault(path, []).append(at)
        found: dict[str, ManifestRow] = {}
        for path, rows in places.items():
            with self._destination.open(path) as file:
                table = read_table(file, path, SCHEMA, COLUMNS)
            found |= {row.source: row for row in rows_of(table.take(rows))}
        return found

    def save(self, new_parts: int = NEW_PARTS) -> bool:
        """Writes a snapshot of this index, if enough parts are not in the one that is there.

        The caller holds the destination's lock.

        Args:
            new_parts: how many are enough.

        Returns:
            Whether it was written.
        """
        if len(self._parts) - self._stored_parts < new_parts or not self._parts.rows:
            return False
        with tempfile.TemporaryFile() as file:
            _write(file, self._old, self._new, self._parts)
            self._destination.put(SNAPSHOT_PATH, file)
        return True


class _Parts:
    """Which part holds which row of the manifest as a whole."""

    def __init__(self, parts: Sequence[ReadPart]) -> None:
        self.read: Final[list[ReadPart]] = []
        self._starts = [0]
        for part in parts:
            self.add(part)

    def __len__(self) -> int:
        return len(self.read)

    @property
    def rows(self) -> int:
        """Of all parts together."""
        return self._starts[-1]

    def add(self, part: ReadPart) -> None:
        self.read.append(part)
        self._starts.append(self._starts[-1] + part.rows)

    def locate(self, row: int) -> tuple[str, int]:
        # To the right: an empty part starts where the next one does and holds nothing.
        part = bisect.bisect_right(self._starts, row) - 1
        return self.read[part].path, row - self._starts[part]


def _snapshot_of(destination: DestinationStore, listed: Sequence[StoredEntry]) -> Snapshot | None:
    """The snapshot that is there, if what it was made of still is what comes first."""
    try:
        file = destination.open(SNAPSHOT_PATH)
    except NotFound:
        return None
    try:
        found = Snapshot(file)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError):
        file.close()
        return None
    there = [(entry.path, entry.size) for entry in listed[: len(found.parts)]]
    if there == [(part.path, part.size) for part in found.parts]:
        return found
    found.close()
    return None


def _sorted(tables: Sequence[pa.Table], first_row: int) -> SortedRows:
    return SortedRows.latest(pa.concat_tables(tables).unify_dictionaries(), first_row)


def _write(file: BinaryIO, old: Snapshot | None, new: SortedRows, parts: _Parts) -> None:
    write_snapshot(file, old.updated(new) if old else iter([new.table]), parts.read)
    file.seek(0)
