"""What earlier runs already did: the latest row of every source, in Arrow columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from storage.base import DestinationStore
from storage.manifest.columns import rows_from
from storage.manifest.parts import read_parts, read_table, rows_of
from storage.manifest.row import COLUMNS, SCHEMA, ManifestRow, Status

_REPEATING: Final = ("recipe_id", "status", "error_class", "error_message")

_SLICE: Final = 10_000
"""Rows that become Python objects at a time."""


@dataclass(frozen=True, slots=True)
class KnownPhoto:
    """What the latest row says of a source; each field is the manifest's column of that name."""

    source_size: int
    source_mtime_ns: int
    source_sha256: str | None
    source_etag: str | None
    recipe_id: str
    status: Status
    error_class: str | None
    error_message: str | None
    error_is_permanent: bool
    restored_path: str | None
    restored_size: int | None
    colorized_path: str | None
    colorized_size: int | None


_KNOWN: Final = tuple(KnownPhoto.__dataclass_fields__)


class ManifestIndex:
    """The latest row of every source of a manifest. Made by `load`.

    Attributes:
        nbytes: memory that the columns take.
    """

    def __init__(self, destination: DestinationStore, table: pa.Table, parts: _PartTable) -> None:
        """Takes a table sorted by source, one row each, with `_row` in the manifest as a whole."""
        self._destination = destination
        self._sources = table.column("source").chunk(0)
        self._known = table.drop_columns(["source"])
        self._parts = parts
        self.nbytes: Final[int] = table.nbytes

    def __len__(self) -> int:
        return len(self._sources)

    @classmethod
    def load(cls, destination: DestinationStore) -> ManifestIndex:
        """Reads the needed columns of all parts and keeps the latest row of each source.

        Of two rows, that of the later run is the later one; within a run, that of the later part.

        Raises:
            DamagedManifest: a part cannot be read; the message says which and what to do.
            StorageError: the manifest cannot be listed.
        """
        parts = _PartTable([], [0])
        # The table has no name here, so that _latest can free each column once it was copied.
        latest = _latest(_read_parts(destination, parts))
        pa.default_memory_pool().release_unused()
        return cls(destination, latest, parts)

    def lookup(self, sources: Sequence[str]) -> list[KnownPhoto | None]:
        """What is known of these sources.

        Fastest for neighbours, as a crawl yields them: only the index between the first and the
        last of them is looked at, and no hash of the whole index is ever made.

        Args:
            sources: relative paths, in any order.

        Returns:
            As many entries as sources; None where no run has seen the source.
        """
        if not sources or not len(self):
            return [None] * len(sources)
        first = self._position(min(sources))
        between = self._sources[first : self._position(max(sources)) + 1]
        wanted = pa.array(sources, pa.large_string())
        unique = wanted.unique()
        which = pc.index_in(between, value_set=unique)
        rows = pc.indices_nonzero(which.is_valid())
        slots = which.take(rows).to_numpy()
        found = rows_from(KnownPhoto, self._known.take(pc.add(rows, first)))
        known: list[KnownPhoto | None] = [None] * len(unique)
        for slot, photo in zip(slots.tolist(), found, strict=True):
            known[slot] = photo
        if len(unique) == len(sources):
            return known
        return [known[slot] for slot in pc.index_in(wanted, value_set=unique).to_pylist()]

    def __iter__(self) -> Iterator[tuple[str, KnownPhoto]]:
        """Every source with its latest row, in the order of the sources."""
        for start in range(0, len(self), _SLICE):
            names = self._sources.slice(start, _SLICE).to_pylist()
            photos = rows_from(KnownPhoto, self._known.slice(start, _SLICE))
            yield from zip(names, photos, strict=True)

    def row(self, source: str) -> ManifestRow | None:
        """The full latest row of a source, read from its part; None where no run has seen it.

        Raises:
            DamagedManifest: the part cannot be read (any more).
            NotFound: the part was removed meanwhile.
        """
        at = self._position(source)
        if at == len(self) or self._sources[at].as_py() != source:
            return None
        path, number = self._parts.locate(self._known.column("_row")[at].as_py())
        with self._destination.open(path) as file:
            table = read_table(file, path, SCHEMA, COLUMNS)
        return rows_of(table.slice(number, 1))[0]

    def _position(self, source: str) -> int:
        """Where the source is, or where it would be."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self._sources[middle].as_py() < source:
                low = middle + 1
            else:
                high = middle
        return low


class _PartTable:
    """Which part holds which row of the manifest as a whole."""

    def __init__(self, paths: list[str], starts: list[int]) -> None:
        self._paths = paths
        self._starts = starts

    def add(self, path: str, rows: int) -> None:
        self._paths.append(path)
        self._starts.append(self._starts[-1] + rows)

    def locate(self, row: int) -> tuple[str, int]:
        # side="right": an empty part starts where the next one does and holds nothing.
        part = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self._paths[part], row - self._starts[part]


def _index_schema() -> pa.Schema:
    fields = []
    for name in ("source", *_KNOWN):
        field = SCHEMA.field(name)
        if name in _REPEATING:
            field = field.with_type(pa.dictionary(pa.int32(), pa.string()))
        fields.append(field)
    return pa.schema(fields)


def _read_parts(destination: DestinationStore, parts: _PartTable) -> pa.Table:
    """The needed columns of all parts, in order; `parts` learns where each one starts."""
    schema = _index_schema()
    tables = [schema.empty_table()]
    for path, part in read_parts(destination, schema):
        tables.append(part)
        parts.add(path, part.num_rows)
    return pa.concat_tables(tables).unify_dictionaries()


def _latest(table: pa.Table) -> pa.Table:
    """One row per source, the last one, sorted by source; each column in one piece."""
    order = _latest_rows(table.column("source"))
    names, arrays = ["_row"], [pa.array(order)]
    for name in table.column_names:
        # Column by column, each dropped when it was copied: never twice the whole table.
        taken = _wide(table.column(name)).take(arrays[0])
        names.append(name)
        arrays.append(taken.combine_chunks() if isinstance(taken, pa.ChunkedArray) else taken)
        table = table.drop_columns([name])
    return pa.Table.from_arrays(arrays, names=names)


def _wide(column: Any) -> Any:  # noqa: ANN401 - a ChunkedArray
    """Strings with 64-bit offsets: tens of millions of paths exceed 2 GiB in one piece."""
    return column.cast(pa.large_string()) if pa.types.is_string(column.type) else column


def _latest_rows(sources: pa.ChunkedArray) -> NDArray[np.int64]:
    """Row numbers of the last row of every source, in the order of the sources."""
    rows = np.arange(len(sources), dtype=np.int64)
    keyed = pa.table({"source": sources.cast(pa.large_string()), "row": rows})
    order = pc.sort_indices(keyed, sort_keys=[("source", "ascending"), ("row", "ascending")])
    in_order = keyed.column("source").take(order).combine_chunks()
    last = np.ones(len(rows), dtype=np.bool_)
    if len(rows) > 1:
        differs = pc.not_equal(in_order[1:], in_order[:-1])
        last[:-1] = differs.to_numpy(zero_copy_only=False)
    result: NDArray[np.int64] = order.to_numpy().astype(np.int64)[last]
    return result
