"""The compacted view of a manifest: `latest.parquet`, one row for each photo, in their order.

A manifest grows by a part per batch and a row per photo and run; most readers want to know how
things stand. `latest.parquet` has the latest row of each source with all columns, sorted by
`source`, in row groups that memory holds. It is a copy: whoever deletes it loses time only. Its
metadata lists the parts that it was made of, so that a reader sees whether it is up to date.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from storage.base import DestinationStore
from storage.errors import EndsRun, StorageError
from storage.manifest.columns import conform
from storage.manifest.index import ManifestIndex
from storage.manifest.parts import DamagedManifest, parquet_writer, part_entries, read_parts
from storage.manifest.row import COLUMNS, FILE_METADATA, SCHEMA
from storage.manifest.snapshot import ReadPart, in_groups
from storage.manifest.sorted_rows import SortedRows

LATEST_PATH: Final = "latest.parquet"
GROUP_ROWS: Final = 50_000
"""Rows of a row group: so many are in memory at a time, some 75 MB."""
MERGED_ROWS: Final = 50_000
"""Rows of new parts up to which they are merged into the file that is there."""
HELD_ROWS: Final = 200_000
"""Rows of parts that are kept because a later group needs some of them."""

_VERSION: Final = 1
_KEY: Final = "restore_archive.latest"


def write_latest(destination: DestinationStore) -> bool:
    """Brings `latest.parquet` up to date. The caller holds the destination's lock.

    A few new parts are merged into the file that is there; otherwise it is made of the parts
    themselves. Memory is that of some row groups, however large the archive is, beside 8 bytes for
    each photo and the new rows; the file is made in an anonymous temporary one (in `TMPDIR`).

    Returns:
        Whether it was written: not where it was up to date, nor where there are no rows.

    Raises:
        DamagedManifest: a part cannot be read.
        StorageError: the manifest cannot be listed, or the file not be stored.
        OSError: no room for the temporary file.
    """
    with closing(_Latest.stored(destination)) as stored:
        if stored.parts == _listed(destination):
            return False
        with tempfile.TemporaryFile() as file:
            if not _make(destination, stored, file):
                return False
            destination.put(LATEST_PATH, file)
    return True


def open_latest(destination: DestinationStore) -> BinaryIO:
    """The latest row of every photo as a Parquet file, up to date; the caller closes it.

    That is `latest.parquet`, or, where parts have been written since, an anonymous temporary file:
    nothing in the destination is changed, and no lock is needed. Where a run writes meanwhile,
    its parts so far are in it.

    Raises:
        DamagedManifest: a part cannot be read.
        StorageError: the manifest cannot be listed.
        OSError: no room for the temporary file.
    """
    stored = _Latest.stored(destination)
    if stored.file is not None and stored.parts == _listed(destination):
        stored.file.seek(0)
        return stored.file
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        with closing(stored):
            _make(destination, stored, file)
    except BaseException:
        file.close()
        raise
    return file


def latest_rows(destination: DestinationStore) -> int | None:
    """Photos that `latest.parquet` has rows of, from its footer; None where it is not up to date.

    Raises:
        StorageError: the manifest cannot be listed.
    """
    with closing(_Latest.stored(destination)) as stored:
        if stored.file is None or stored.parts != _listed(destination):
            return None
        stored.file.seek(0)
        rows: int = pq.ParquetFile(stored.file).metadata.num_rows
        return rows


def latest_is_current(destination: DestinationStore) -> bool:
    """Whether `latest.parquet` is there and made of the parts that are there.

    Raises:
        StorageError: the manifest cannot be listed.
    """
    with closing(_Latest.stored(destination)) as stored:
        return stored.file is not None and stored.parts == _listed(destination)


class _Latest:
    """The file that is there, open; without one, one of no parts and no rows.

    Attributes:
        file: None where there is none that can be used.
        parts: path and size of what it was made of.
    """

    def __init__(self, file: BinaryIO | None = None, parts: Sequence[ReadPart] = ()) -> None:
        self.file = file
        self.read = tuple(parts)
        self.parts = [(part.path, part.size) for part in parts]

    @classmethod
    def stored(cls, destination: DestinationStore) -> _Latest:
        try:
            file = destination.open(LATEST_PATH)
        except EndsRun:
            raise
        except StorageError:  # mostly because there is none yet
            return cls()
        try:
            parquet = pq.ParquetFile(file)
            described = json.loads((parquet.metadata.metadata or {}).get(_KEY.encode(), b"{}"))
            if described.get("version") == _VERSION and parquet.schema_arrow.equals(SCHEMA):
                return cls(file, [ReadPart(**part) for part in described["parts"]])
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError):
            pass  # not one of ours, or damaged: it is made anew
        file.close()
        return cls()

    def close(self) -> None:
        if self.file is not None:
            self.file.close()

    def groups(self) -> Iterator[pa.Table]:
        """Its rows, group by group; raises as pyarrow does where they cannot be read."""
        if self.file is None:
            return
        self.file.seek(0)
        parquet = pq.ParquetFile(self.file, page_checksum_verification=True)
        for number in range(parquet.num_row_groups):
            yield conform(parquet.read_row_group(number, use_threads=False), SCHEMA, COLUMNS)


def _listed(destination: DestinationStore) -> list[tuple[str, int]]:
    return [(entry.path, entry.size) for entry in part_entries(destination)]


def _make(destination: DestinationStore, stored: _Latest, file: BinaryIO) -> int:
    """Writes the latest rows to `file`, which then stands at its start; returns how many."""
    rows = _merge(destination, stored, file)
    if rows is None:
        file.seek(0)
        file.truncate()
        with closing(ManifestIndex.load(destination)) as index:
            rows = _write(file, _gathered(destination, index), index.parts)
    file.seek(0)
    return rows


def _merge(destination: DestinationStore, stored: _Latest, file: BinaryIO) -> int | None:
    """Writes the rows that are there with those of new parts in their places.

    Returns:
        How many; None where it has to be made of all the parts.
    """
    listed = _listed(destination)
    known = len(stored.parts)
    if not known or listed[:known] != stored.parts:
        return None
    sizes = dict(listed[known:])
    parts, tables = list(stored.read), [SCHEMA.empty_table()]
    for path, table in read_parts(destination, sizes, SCHEMA):
        tables.append(table)
        parts.append(ReadPart(path, sizes[path], table.num_rows))
        if sum(each.num_rows for each in tables) > MERGED_ROWS:
            return None
    newer = SortedRows.latest(pa.concat_tables(tables), 0)
    try:
        return _write(file, _updated(stored.groups(), newer), parts)
    except (pa.ArrowException, OSError, ValueError):
        return None  # it is damaged; should the disk be full, the other way will say so


def _updated(groups: Iterator[pa.Table], newer: SortedRows) -> Iterator[pa.Table]:
    """Groups with newer rows in the place of, or among, theirs; all in the order of the sources."""
    done, before = 0, None
    for group in groups:
        if before is not None:
            end = newer.position(group.column("source")[0].as_py())
            yield _with(before, newer.table.slice(done, end - done))
            done = end
        before = group
    rest = newer.table.slice(done)
    yield _with(SCHEMA.empty_table() if before is None else before, rest)


def _with(group: pa.Table, newer: pa.Table) -> pa.Table:
    if not newer.num_rows:
        return group
    return SortedRows(group).updated(newer.select(SCHEMA.names).cast(SCHEMA))


def _gathered(destination: DestinationStore, index: ManifestIndex) -> Iterator[pa.Table]:
    """The latest row of every source from the parts that they are in, in the order of sources.

    Runs crawl in that order, so a group's rows are mostly in a few parts of each run, one after
    the other. What a later group needs of them is kept, up to `HELD_ROWS`; beyond, it is read
    again.
    """
    order = np.concatenate([table.column("_row").to_numpy() for table in index.latest()])
    starts = np.cumsum([0, *(part.rows for part in index.parts)])
    # To the right: an empty part starts where the next one does and holds nothing.
    part_of = np.searchsorted(starts, order, side="right") - 1
    left = np.bincount(part_of, minlength=len(index.parts))
    held: dict[int, pa.Table] = {}
    for first in range(0, len(order), GROUP_ROWS):
        group = slice(first, first + GROUP_ROWS)
        needed, which = np.unique(part_of[group], return_inverse=True)
        _hold(destination, index.parts, needed, held)
        rows = order[group] - starts[needed][which]
        yield _taken([held[part] for part in needed.tolist()], which, rows)
        np.subtract.at(left, part_of[group], 1)
        _drop(held, left)


def _hold(
    destination: DestinationStore,
    parts: Sequence[ReadPart],
    needed: NDArray[np.int64],
    held: dict[int, pa.Table],
) -> None:
    """Reads those of the needed parts that are not held."""
    numbers = {parts[part].path: part for part in needed.tolist() if part not in held}
    for path, table in read_parts(destination, numbers, SCHEMA):
        if table.num_rows != parts[numbers[path]].rows:
            raise DamagedManifest(
                f"{path} was changed while it was read: {table.num_rows} rows,"
                f" {parts[numbers[path]].rows} before; try again"
            )
        held[numbers[path]] = table


def _drop(held: dict[int, pa.Table], left: NDArray[np.int64]) -> None:
    """Forgets parts of which no row is needed any more, and the oldest where too many are held."""
    for part in [part for part in held if not left[part]]:
        del held[part]
    rows = sum(table.num_rows for table in held.values())
    for part in list(held):
        if rows <= HELD_ROWS:
            break
        rows -= held.pop(part).num_rows


def _taken(
    tables: Sequence[pa.Table], which: NDArray[np.int64], rows: NDArray[np.int64]
) -> pa.Table:
    """Of each entry, row `rows` of table `which`."""
    firsts = np.cumsum([0, *(table.num_rows for table in tables)])
    together = pa.concat_tables(tables).combine_chunks()
    return together.take(pa.array(firsts[which] + rows))


def _write(file: BinaryIO, tables: Iterator[pa.Table], parts: Sequence[ReadPart]) -> int:
    """Writes rows, in order, and what they were made of; returns how many."""
    rows = 0
    with parquet_writer(file, SCHEMA) as writer:
        for group in in_groups(tables, GROUP_ROWS):
            writer.write_table(group, row_group_size=GROUP_ROWS)
            rows += group.num_rows
        described = {
            "version": _VERSION,
            "parts": [asdict(part) for part in parts],
        }
        writer.add_key_value_metadata({**FILE_METADATA, _KEY: json.dumps(described)})
    return rows
