"""One batch of photographs: from its work-list to its manifest part. No Prefect here."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from flows.crew import Crew, Passage, crew_for
from flows.photo import process
from flows.progress import describe_row
from flows.rows import Outcome, Workshop
from flows.stopping import stop_requested
from restoration.codec import shared_decoder
from restoration.device import resolve_device
from restoration.recipe import Options
from restoration.resources import Resources
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

LICENCE_EVERY_S = 5.0
"""Seconds between two looks at whether a batch's work-list is still there."""
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
        resources: that each process that works on the run's batches may use.
    """

    source: str
    destination: str
    worklist: str
    run_id: str
    number: int
    options: Options
    device: str
    topic: str = ""
    resources: Resources = field(default_factory=Resources)


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
    crew = crew_for(order.resources, order.device)
    device = resolve_device(order.device)
    workshop = Workshop(
        source=source,
        destination=destination,
        restorer=Restorer(device, options=order.options, resources=crew.resources),
        options=order.options,
        run_id=order.run_id,
        decoder=shared_decoder(crew.threads),
        budget=crew.budget,
    )
    return _work_through(items, workshop, order, crew)


def _work_through(
    items: Sequence[WorkItem], workshop: Workshop, order: BatchOrder, crew: Crew
) -> BatchSummary:
    destination = workshop.destination
    licence = _Licence(destination, order)
    passage = Passage(crew, lambda item: process(item, workshop))
    is_ours = True
    try:
        passage.take(items, licence.allows)
    finally:
        # Also when the disk is full: what was published should be known, if there is room left.
        outcomes = passage.in_order()
        if outcomes:
            rows = [outcome.row for outcome in outcomes]
            is_ours = licence.is_there() and publish_part(destination, order, rows)
    if not (is_ours and licence.holds):
        return recorded(destination, order, items)
    destination.delete(order.worklist)
    return summarise(outcomes, stopped=licence.stopped)


class _Licence:
    """Whether a batch may take another photo.

    The work-list is looked at when the batch begins, and then every `LICENCE_EVERY_S` at most: in
    a bucket that is a request, which would keep a GPU waiting for each photo. Who has lost the
    licence works in vain for so long, and publishes no row: that is asked again before.

    Attributes:
        stopped: whether the run was asked to stop.
        holds: whether the work-list was there when it was last looked at.
    """

    def __init__(self, destination: DestinationStore, order: BatchOrder) -> None:
        self._destination = destination
        self._order = order
        self._looked_s: float | None = None
        self.stopped = False
        self.holds = True

    def allows(self, _item: WorkItem) -> bool:
        """Whether a photo may be taken in hand now."""
        self.stopped = stop_requested(self._order.run_id)
        if self.stopped:
            return False
        now = time.monotonic()
        if self._looked_s is None or now - self._looked_s >= LICENCE_EVERY_S:
            self._looked_s = now
            self.holds = self.is_there()
        return self.holds

    def is_there(self) -> bool:
        """Whether the work-list is there."""
        return self._destination.size(self._order.worklist) is not None


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
