"""Every row that runs ever wrote of one photograph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from storage.base import DestinationStore
from storage.manifest.parts import read_parts, rows_of
from storage.manifest.row import SCHEMA, ManifestRow

_SOURCE: Final = pa.schema([SCHEMA.field("source")])


def history(
    destination: DestinationStore, parts: Sequence[str], source: str
) -> tuple[ManifestRow, ...]:
    """The rows of a photo, the oldest first.

    Each part is read, but only those that have rows of it are decoded as a whole.

    Args:
        destination: where the manifest is.
        parts: its parts in order, as `ManifestIndex.part_paths`.
        source: the photo.

    Raises:
        DamagedManifest: a part cannot be read.
        NotFound: a part was removed meanwhile.
    """
    telling = [
        path
        for path, table in read_parts(destination, parts, _SOURCE)
        if pc.any(pc.equal(table.column("source"), source)).as_py()
    ]
    return tuple(
        row
        for _, table in read_parts(destination, telling, SCHEMA)
        for row in rows_of(table.filter(pc.equal(table.column("source"), source)))
    )
