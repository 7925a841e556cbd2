"""The latest row of each source as an Arrow table in the order of the sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from storage.manifest.columns import rows_from
from storage.manifest.row import SCHEMA, Decision, Status

_REPEATING: Final = (
    "recipe_id",
    "status",
    "error_class",
    "error_message",
    "settings",
    "review_decision",
    "reviewer",
)

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
    access_path: str | None
    access_size: int | None
    sidecar_path: str | None
    sidecar_size: int | None
    settings: str | None
    decided_sha256: str | None
    review_decision: Decision | None
    reviewer: str | None
    review_time: datetime | None
    review_note: str | None

    @property
    def outputs(self) -> tuple[tuple[str, int | None], ...]:
        """Path and size of each output that there is."""
        pairs = (
            (self.restored_path, self.restored_size),
            (self.colorized_path, self.colorized_size),
            (self.access_path, self.access_size),
            (self.sidecar_path, self.sidecar_size),
        )
        return tuple((path, size) for path, size in pairs if path)

    def may_have(self, path: str) -> bool:
        """Whether an output that lies where one of the source's can is to be taken for its own.

        It is where the row names it, or where an unnamed one of the last success may still lie.
        """
        return self.status.keeps_outputs or path in dict(self.outputs)


_KNOWN: Final = tuple(KnownPhoto.__dataclass_fields__)
SNAPSHOT_COLUMNS: Final = ("_row", "source", *_KNOWN)
"""Those of `SortedRows.table`, in order."""


def index_schema() -> pa.Schema:
    """The columns of the manifest that the index needs."""
    fields = []
    for name in ("source", *_KNOWN):
        field = SCHEMA.field(name)
        if name in _REPEATING:
            field = field.with_type(pa.dictionary(pa.int32(), pa.string()))
        fields.append(field)
    return pa.schema(fields)


class SortedRows:
    """One row for each source, in the order of the sources.

    Args:
        table: `SNAPSHOT_COLUMNS`: `_row`, a row's number in the manifest as a whole, and the
            columns of `index_schema`.
    """

    def __init__(self, table: pa.Table) -> None:
        self.table: Final = table
        self._sources = _in_one_piece(table.column("source"))
        self._known = table.drop_columns(["source"])

    def __len__(self) -> int:
        return len(self._sources)

    @classmethod
    def latest(cls, table: pa.Table, first_row: int) -> SortedRows:
        """Of rows in the order of their parts, the last one of each source.

        Args:
            table: the columns of `index_schema`.
            first_row: number of its first row in the manifest as a whole.
        """
        order = _latest_rows(table.column("source"))
        names, arrays = ["_row"], [pa.array(order + first_row)]
        indices = pa.array(order)
        for name in table.column_names:
            # Column by column, each dropped when it was copied: never twice the whole table.
            names.append(name)
            arrays.append(_in_one_piece(_wide(table.column(name)).take(indices)))
            table = table.drop_columns([name])
        return cls(pa.Table.from_arrays(arrays, names=names))

    def lookup(self, sources: Sequence[str]) -> list[KnownPhoto | None]:
        """What is known of these sources, in any order; None where there is no row.

        Fastest for neighbours, as a crawl yields them: only what is between the first and the last
        of them is looked at, and no hash of the whole is ever made.
        """
        if not sources or not len(self):
            return [None] * len(sources)
        first = self.position(min(sources))
        between = self._sources[first : self.position(max(sources)) + 1]
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

    def row_number(self, source: str) -> int | None:
        """The number of a source's row in the manifest as a whole; None where there is none."""
        at = self.position(source)
        if at == len(self) or self._sources[at].as_py() != source:
            return None
        number: int = self._known.column("_row")[at].as_py()
        return number

    def __iter__(self) -> Iterator[tuple[str, KnownPhoto]]:
        """Every source with its row, in order."""
        for start in range(0, len(self), _SLICE):
            names = self._sources.slice(start, _SLICE).to_pylist()
            photos = rows_from(KnownPhoto, self._known.slice(start, _SLICE))
            yield from zip(names, photos, strict=True)

    def position(self, source: str) -> int:
        """Where the source is, or where it would be."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self._sources[middle].as_py() < source:
                low = middle + 1
            else:
                high = middle
        return low

    def updated(self, newer: pa.Table) -> pa.Table:
        """These rows with newer ones in the place of, or among, them.

        Args:
            newer: as `table`.
        """
        if not newer.num_rows:
            return self.table
        stale = pc.is_in(self._sources, value_set=_in_one_piece(newer.column("source")))
        kept = self.table.filter(pc.invert(stale))
        merged = pa.concat_tables([kept, newer]).unify_dictionaries()
        return merged.sort_by("source")


def with_own_dictionaries(table: pa.Table) -> pa.Table:
    """A table whose dictionaries hold its own values only, not those of what it was cut from.

    They are stored with it, and the messages of a whole archive would be in each piece.
    """
    for at, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            plain = table.column(at).cast(field.type.value_type)
            table = table.set_column(at, field, plain.combine_chunks().dictionary_encode())
    return table


def _in_one_piece(column: Any) -> Any:  # noqa: ANN401 - an array, chunked or not
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


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
