"""One batch of photographs: from its work-list to its manifest part. No Prefect here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from flows.photo import process
from flows.progress import current_reporter, describe_row
from flows.rows import Outcome, Workshop
from flows.stopping import stop_requested
from restoration.models import resolve_device
from restoration.recipe import Options
from restoration.restore import Restorer
from storage import AlreadyExists, DestinationStore, NotFound, open_destination, open_source
from storage.manifest import (
    ManifestRow,
    Status,
    WorkItem,
    decode_rows,
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


@dataclass(frozen=True)
class PartialBatch(BatchSummary):
    """The counts of a part that somebody else published, and that lacks photos of its batch.

    Its author was asked to stop, or met a full disk or expired credentials.

    Attributes:
        missing: the photos that are still to be done.
        worklist: of the batch; it stays until they have a batch of their own.
    """

    missing: tuple[WorkItem, ...] = ()
    worklist: str = ""


def run_batch(order: BatchOrder) -> BatchSummary:
    """Restore the photos of one work-list and publish their rows as one manifest part.

    The part is written after its images: it is the record that the batch is done. When asked to
    stop, the part holds what was finished, and the next run goes on with the rest.

    The work-list is the licence to work: it goes when the batch is done, was given to others, or
    when the next run has begun.

    Returns:
        The counts; those of the part that is there where somebody else was faster.

    Raises:
        NotFound: there is no work-list (any more), and no part either.
        EndsRun: the disk is full, or the credentials expired.
    """
    source = open_source(order.source)
    destination = open_destination(order.destination, source)
    try:
        items = read_worklist(destination, order.worklist)
    except NotFound:  # a worker that died after its work: the engine has the batch done again
        return recorded(destination, order)
    workshop = Workshop(
        source=source,
        destination=destination,
        restorer=Restorer(resolve_device(order.device), options=order.options),
        options=order.options,
        run_id=order.run_id,
    )
    return _work_through(items, workshop, order)


def _work_through(items: Sequence[WorkItem], workshop: Workshop, order: BatchOrder) -> BatchSummary:
    destination = workshop.destination
    outcomes: list[Outcome] = []
    stopped, is_ours = False, True
    try:
        for group in groups(items):
            stopped = stop_requested(order.run_id)
            is_ours = stopped or _is_wanted(destination, order)
            if stopped or not is_ours:
                break
            current_reporter().started([item.path for item in group])
            for outcome in process(group, workshop):
                outcomes.append(outcome)
                current_reporter().done(outcome.row, was_unchanged=outcome.was_unchanged)
    finally:
        # Also when the disk is full: what was published should be known, if there is room left.
        if outcomes:
            rows = [outcome.row for outcome in outcomes]
            is_ours = _is_wanted(destination, order) and publish_part(destination, order, rows)
    if not is_ours:
        return recorded(destination, order, items)
    destination.delete(order.worklist)
    return summarise(outcomes, stopped=stopped)


def _is_wanted(destination: DestinationStore, order: BatchOrder) -> bool:
    return destination.size(order.worklist) is not None


def recorded(
    destination: DestinationStore, order: BatchOrder, items: Sequence[WorkItem] | None = None
) -> BatchSummary:
    """What the part says that somebody else published in a batch's place.

    Args:
        destination: where the part is.
        order: of the batch.
        items: its work-list; None reads it, where it is still there.

    Returns:
        A `PartialBatch` where the part lacks some of them.

    Raises:
        NotFound: there is no part.
    """
    path = part_path(order.run_id, order.number)
    with destination.open(path) as file:
        rows = decode_rows(file, path)
    if items is None:
        with suppress(NotFound):
            items = read_worklist(destination, order.worklist)
    summary = summarise([Outcome(row) for row in rows])
    done = {row.source for row in rows}
    missing = tuple(item for item in items or () if item.path not in done)
    if missing:
        return PartialBatch(**vars(summary), missing=missing, worklist=order.worklist)
    destination.delete(order.worklist)
    return summary


def publish_part(
    destination: DestinationStore, order: BatchOrder, rows: Sequence[ManifestRow]
) -> bool:
    """Publish a batch's rows, unless its part is there already.

    An engine that lost sight of a worker lets another one do the batch again while the first may
    still be at work. The part that comes first stands.

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
