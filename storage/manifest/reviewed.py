"""What is to be looked at, and what was decided: of all latest rows, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.base import DestinationStore
from storage.manifest.columns import rows_from
from storage.manifest.index import ManifestIndex
from storage.manifest.parts import read_parts
from storage.manifest.row import SCHEMA, Decision, Status

_TELLING: Final = ("review_decision", "settings")
"""A row with one of these, or that needs review, is told of."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What the latest row of a source says of its review.

    Each field is the manifest's column of that name.
    """

    source: str
    status: Status
    needs_review: bool
    review_reasons: tuple[str, ...]
    settings: str | None
    review_decision: Decision | None
    reviewer: str | None
    review_time: datetime | None
    review_note: str | None


def reviewed(index: ManifestIndex, destination: DestinationStore) -> Iterator[list[Reviewed]]:
    """The sources that need review, were decided on or have settings of their own, part by part.

    Args:
        index: of the manifest.
        destination: where the manifest is.

    Raises:
        DamagedManifest: a part cannot be read.
        StorageError: the manifest cannot be read.
    """
    is_latest = np.zeros(index.rows, np.bool_)
    for table in index.latest():
        is_latest[table.column("_row").to_numpy()] = True
    schema = pa.schema([SCHEMA.field(name) for name in Reviewed.__dataclass_fields__])
    start = 0
    for _, table in read_parts(destination, index.part_paths, schema):
        mask = is_latest[start : start + table.num_rows]
        start += table.num_rows
        wanted = table.column("needs_review")
        for name in _TELLING:
            wanted = pc.or_(wanted, table.column(name).is_valid())
        rows = table.filter(pc.and_(wanted, pa.array(mask)))
        if rows.num_rows:
            yield rows_from(Reviewed, rows)
