"""What a run leaves beside its photos' rows: its record, and what makes rows quick to read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Final

from storage import DestinationStore, EndsRun, StorageError
from storage.manifest import (
    ManifestIndex,
    RunRecord,
    part_paths,
    read_run,
    write_latest,
    write_run,
)

LOOKED_BACK: Final = 8
"""Runs whose records are looked at: those that were killed, and reviews, do not name a source."""


def keep_books(target: DestinationStore, record: RunRecord) -> Iterator[str]:
    """Write down a run that has ended, and sort the manifest's latest rows for readers and runs.

    Without these files all that there is to know is in the parts, and takes longer to find out:
    no problem with them ends a run. The caller holds the destination's lock.

    Yields:
        Problems, one line each.
    """
    steps = (
        ("record of the run", lambda: write_run(target, record)),
        ("manifest's index", lambda: _save_index(target)),
        ("manifest's latest.parquet", lambda: write_latest(target)),
    )
    for what, write in steps:
        try:
            write()
        except (StorageError, OSError) as error:
            yield f"the {what} was not written: {error}"


def source_of_earlier_runs(target: DestinationStore) -> str | None:
    """Where the latest run that says so found its originals; None where none does."""
    run_ids = {path.split("/")[1] for path in part_paths(target)}
    for run_id in sorted(run_ids, reverse=True)[:LOOKED_BACK]:
        try:
            record = read_run(target, run_id)
        except EndsRun:
            raise
        except StorageError:  # one that cannot be read says nothing
            continue
        if record is not None and record.source is not None:
            return record.source
    return None


def _save_index(target: DestinationStore) -> None:
    """Sort what runs ask for into one file, so that the next one need not read each part."""
    with closing(ManifestIndex.load(target)) as index:
        index.save()
