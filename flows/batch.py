"""One batch of photographs: from its work-list to its manifest part. No Prefect here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flows.photo import process
from flows.progress import current_reporter, describe_row
from flows.rows import Outcome, Workshop
from flows.stopping import stop_requested
from restoration.models import resolve_device
from restoration.recipe import Options
from restoration.restore import Restorer
from storage import AlreadyExists, DestinationStore, open_destination, open_source
from storage.manifest import (
    ManifestRow,
    Status,
    WorkItem,
    encode_rows,
    part_path,
    read_worklist,
)

GROUP_MEGAPIXELS = 6.0
"""Photos that go through the networks together; a larger photo goes alone."""
GROUP_PHOTOS = 16
MAX_NAMED_FAILURES = 50


@dataclass(frozen=True)
class BatchOrder:
    """Everything a worker needs to know, by reference: no pixels, no lists of photos.

    Attributes:
        source: location of the archive.
        destination: location of the restored archive.
        worklist: path of the batch's work-list in the destination.
        run_id: of the run.
        number: of the batch in the run.
        options: what is done.
        device: auto, cpu or cuda.
        topic: of a cluster's events, under which a worker reports its photos; "" for none.
    """

    source: str
    destination: str
    worklist: str
    run_id: str
    number: int
    options: Options
    device: str
    topic: str = ""


@dataclass(frozen=True)
class BatchSummary:
    """What became of a batch.

    Attributes:
        restored: photos with at least one step taken.
        nothing_to_do: photos passed through.
        skipped: photos left alone with a reason.
        failed: photos that could not be done.
        unchanged: photos that an earlier run had finished; in a batch, those that were touched
            since but hold the same bytes.
        unchanged_failures: those of them that had failed, for a reason that still holds.
        megapixels: done now, 10^6 pixels.
        failures: the first failures, one line each.
        stopped: whether photos were left because the run was asked to stop.
    """

    restored: int = 0
    nothing_to_do: int = 0
    skipped: int = 0
    failed: int = 0
    unchanged: int = 0
    unchanged_failures: int = 0
    megapixels: float = 0.0
    failures: tuple[str, ...] = ()
    stopped: bool = False

    @property
    def all_well(self) -> bool:
        """Whether no photo failed, now or earlier for a reason that still holds."""
        return self.failed == 0 and self.unchanged_failures == 0


def run_batch(order: BatchOrder) -> BatchSummary:
    """Restore the photos of one work-list and publish their rows as one manifest part.

    The part is written after its images: it is the record that the batch is done. When asked to
    stop, the part holds what was finished, and the next run goes on with the rest.
    """
    source = open_source(order.source)
    destination = open_destination(order.destination, source)
    workshop = Workshop(
        source=source,
        destination=destination,
        restorer=Restorer(resolve_device(order.device), options=order.options),
        options=order.options,
        run_id=order.run_id,
    )
    outcomes: list[Outcome] = []
    stopped = False
    try:
        for group in groups(read_worklist(destination, order.worklist)):
            if stop_requested(order.run_id):
                stopped = True
                break
            current_reporter().started([item.path for item in group])
            for outcome in process(group, workshop):
                outcomes.append(outcome)
                current_reporter().done(outcome.row, was_unchanged=outcome.was_unchanged)
    finally:
        # Also when the disk is full: what was published should be known, if there is room left.
        if outcomes:
            publish_part(destination, order, [outcome.row for outcome in outcomes])
    destination.delete(order.worklist)
    return summarise(outcomes, stopped=stopped)


def publish_part(
    destination: DestinationStore, order: BatchOrder, rows: Sequence[ManifestRow]
) -> bool:
    """Publish a batch's rows, unless its part is there already.

    An engine that lost sight of a worker lets another one do the batch again while the first may
    still be at work. The part that comes first stands: both tell of the same photos.

    Returns:
        Whether these rows are the part.
    """
    path = part_path(order.run_id, order.number)
    try:
        destination.put(path, encode_rows(rows), overwrite=False)
    except AlreadyExists:
        return False
    return True


def groups(items: Sequence[WorkItem]) -> Iterator[list[WorkItem]]:
    """Cut a work-list into runs of photos that fit in memory together, keeping its order."""
    group: list[WorkItem] = []
    megapixels = 0.0
    for item in items:
        is_full = megapixels + item.megapixels > GROUP_MEGAPIXELS
        if group and (is_full or len(group) == GROUP_PHOTOS):
            yield group
            group, megapixels = [], 0.0
        group.append(item)
        megapixels += item.megapixels
    if group:
        yield group


def summarise(outcomes: Sequence[Outcome], *, stopped: bool = False) -> BatchSummary:
    """Count what became of the photos."""
    done = [outcome.row for outcome in outcomes if not outcome.was_unchanged]
    unchanged = [outcome.row for outcome in outcomes if outcome.was_unchanged]
    counts = Counter(row.status for row in done)
    failures = [describe_row(row) for row in done if row.status == Status.FAILED]
    return BatchSummary(
        restored=counts[Status.RESTORED],
        nothing_to_do=counts[Status.NOTHING_TO_DO],
        skipped=counts[Status.SKIPPED],
        failed=counts[Status.FAILED],
        unchanged=len(unchanged),
        unchanged_failures=sum(row.status == Status.FAILED for row in unchanged),
        megapixels=sum((row.width or 0) * (row.height or 0) for row in done) / 1e6,
        failures=tuple(failures[:MAX_NAMED_FAILURES]),
        stopped=stopped,
    )
