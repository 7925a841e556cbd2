"""What a batch is to work on, kept beside the results so that any worker can fetch it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from storage.base import DestinationStore
from storage.manifest.columns import columns_of, rows_from, schema_of, table_of
from storage.manifest.parts import encode_table, numbered, read_table
from storage.manifest.row import Decision
from storage.paths import PRIVATE_FOLDER

WORKLIST_FOLDER: Final = f"{PRIVATE_FOLDER}/worklists"


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One photograph to work on.

    Attributes:
        path: relative POSIX path in the source.
        size: bytes.
        mtime_ns: time of the last change, nanoseconds since 1970 UTC.
        kind: value of its `EntryKind`.
        problem: plain words when the kind is not "file", else empty.
        megapixels: millions of pixels; 0.0 where they are not known.
        previous_sha256: of the original when it was last worked on; empty where it was not.
        earlier_outputs: paths of what its latest row names in the destination.
        may_have_others: whether there may be other outputs of it: a photo that fails keeps those
            of its last success, and its row names none; or those of a withdrawn one are still
            there.
        source_etag: of the object as it was listed; empty for a file.
        source_version_id: of the object, where it is known; else empty.
        settings: of this photo alone, as the manifest has them; likewise what follows.
        decided_sha256: of the original that settings and decision are about; None for whatever
            is there.
        review_decision: that this run has to follow.
        reviewer: whose it was.
        review_time: when it was made.
        review_note: what the reviewer had to say.
    """

    path: str
    size: int
    mtime_ns: int
    kind: str
    problem: str
    megapixels: float
    previous_sha256: str
    source_etag: str = ""
    source_version_id: str = ""
    earlier_outputs: tuple[str, ...] = ()
    may_have_others: bool = False
    settings: str | None = None
    decided_sha256: str | None = None
    review_decision: Decision | None = None
    reviewer: str | None = None
    review_time: datetime | None = None
    review_note: str | None = None


_COLUMNS: Final = columns_of(WorkItem)
_SCHEMA: Final = schema_of(WorkItem, {})


def write_worklist(
    destination: DestinationStore, run_id: str, batch: int, items: Sequence[WorkItem]
) -> str:
    """Stores the work of one batch.

    Returns:
        Its path: `.restore-archive/worklists/<run_id>/batch-000123.parquet`.

    Raises:
        UnsafePath: the run id is not made of letters, digits, `-` and `_`.
        ValueError: the batch number is out of range.
        StorageError: it cannot be stored.
    """
    path = numbered(WORKLIST_FOLDER, run_id, "batch", batch)
    destination.put(path, encode_table(table_of(_SCHEMA, items)))
    return path


def read_worklist(destination: DestinationStore, path: str) -> list[WorkItem]:
    """The work of one batch, in the order in which it was written.

    Raises:
        NotFound: there is no such list.
        DamagedManifest: it cannot be read.
    """
    with destination.open(path) as file:
        return rows_from(WorkItem, read_table(file, path, _SCHEMA, _COLUMNS))
