"""What is to be looked at, and what was decided: of all latest rows, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.base import DestinationStore
from storage.manifest.columns import rows_from
from storage.manifest.latest import open_latest
from storage.manifest.row import Decision, Status

_TELLING: Final = ("review_decision", "settings")
"""A row that has one of these is told of, and one that needs review."""


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


def reviewed(destination: DestinationStore) -> Iterator[Reviewed]:
    """The photos that need review, were decided on or have settings of their own, by source.

    Args:
        destination: where the manifest is.

    Raises:
        DamagedManifest: a part cannot be read.
        StorageError: the manifest cannot be listed.
        OSError: no room for a temporary file.
    """
    names = list(Reviewed.__dataclass_fields__)
    with open_latest(destination) as file:
        parquet = pq.ParquetFile(file, page_checksum_verification=True)
        for number in range(parquet.num_row_groups):
            table = parquet.read_row_group(number, columns=names, use_threads=False)
            yield from rows_from(Reviewed, table.filter(_is_telling(table)))


def _is_telling(table: pa.Table) -> pa.ChunkedArray:
    mask = table.column("needs_review")
    for name in _TELLING:
        mask = pc.or_(mask, table.column(name).is_valid())
    return mask
