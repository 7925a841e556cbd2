"""What the manifest says of the files of every source: of all of them, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from storage.base import DestinationStore
from storage.manifest.columns import rows_from
from storage.manifest.index import ManifestIndex
from storage.manifest.parts import read_parts
from storage.manifest.row import SCHEMA, Status

_KEEPING: Final = pa.array([status.value for status in Status if status.keeps_outputs])


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the last success of a source says of its files.

    Each field is the manifest's column of that name.
    """

    source: str
    source_size: int
    source_sha256: str | None
    restored_path: str | None
    restored_sha256: str | None
    colorized_path: str | None
    colorized_sha256: str | None
    access_path: str | None
    access_sha256: str | None
    sidecar_path: str | None
    sidecar_sha256: str | None

    @property
    def outputs(self) -> tuple[tuple[str, str], ...]:
        """Path and SHA-256 of each output that there is."""
        pairs = (
            (self.restored_path, self.restored_sha256),
            (self.colorized_path, self.colorized_sha256),
            (self.access_path, self.access_sha256),
            (self.sidecar_path, self.sidecar_sha256),
        )
        return tuple((path, sha256) for path, sha256 in pairs if path and sha256)


def recorded(index: ManifestIndex, destination: DestinationStore) -> Iterator[list[Recorded]]:
    """The files of every source that was ever done, part by part.

    Memory: one bit for every row of the manifest, and the sources whose latest row is a failure.

    Args:
        index: of the manifest.
        destination: where the manifest is.

    Raises:
        DamagedManifest: a part cannot be read.
        StorageError: the manifest cannot be read.
    """
    wanted = _last_successes(index, destination)
    schema = pa.schema([SCHEMA.field(name) for name in Recorded.__dataclass_fields__])
    start = 0
    for _, table in read_parts(destination, index.part_paths, schema):
        mask = wanted[start : start + table.num_rows]
        start += table.num_rows
        if mask.any():
            yield rows_from(Recorded, table.filter(pa.array(mask)))


def _last_successes(index: ManifestIndex, destination: DestinationStore) -> NDArray[np.bool_]:
    """Which rows of the manifest as a whole are the last success of their source."""
    wanted = np.zeros(index.rows, np.bool_)
    failed: list[pa.Array] = []
    for table in index.latest():
        keeping = pc.is_in(table.column("status").cast(pa.string()), value_set=_KEEPING)
        wanted[table.column("_row").filter(pc.invert(keeping)).to_numpy()] = True
        failed.extend(table.column("source").filter(keeping).chunks)
    sources = pa.chunked_array(failed, pa.large_string())
    if len(sources):
        earlier = _earlier_successes(index, destination, sources.combine_chunks())
        wanted[list(earlier.values())] = True
    return wanted


def _earlier_successes(
    index: ManifestIndex, destination: DestinationStore, sources: pa.Array
) -> dict[str, int]:
    """The number of the last row of these sources that is no failure, where there is one."""
    schema = pa.schema([SCHEMA.field("source"), SCHEMA.field("status")])
    found: dict[str, int] = {}
    start = 0
    for _, table in read_parts(destination, index.part_paths, schema):
        names = table.column("source").cast(pa.large_string())
        keeping = pc.is_in(table.column("status"), value_set=_KEEPING)
        rows = pc.indices_nonzero(pc.and_not(pc.is_in(names, value_set=sources), keeping))
        found |= zip(names.take(rows).to_pylist(), (rows.to_numpy() + start).tolist(), strict=True)
        start += table.num_rows
    return found
