"""Batches out, summaries back; and what is done about a batch that kills its workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count

from flows.batch import (
    BatchOrder,
    BatchSummary,
    PartialBatch,
    publish_part,
    recorded,
    summarise,
)
from flows.pool import BatchPool, LostBatch
from flows.progress import current_reporter
from flows.rows import Outcome, lost_row
from storage import DestinationStore
from storage.manifest import WorkItem, read_worklist, write_worklist

MAX_ALONE = 16
"""Suspects that get a batch each; more are first cut in halves."""


def dispatched(
    planned: Iterator[list[WorkItem]],
    destination: DestinationStore,
    template: BatchOrder,
    pool: BatchPool,
) -> Iterator[BatchSummary]:
    """Have batches restored, a bounded number of them at a time.

    Args:
        planned: the photos of each batch; asked for the next one when there is room for it, so
            that the crawl goes on while batches run.
        destination: where work-lists and parts are.
        template: the order of every batch but for its work-list and number.
        pool: where they run.

    Yields:
        Summaries, in the order in which batches end.

    Raises:
        Exception: what ended a batch, after those in flight were asked to stop and did.
    """
    desk = _Desk(destination, template, pool)
    try:
        for items in planned:
            current_reporter().planned(len(items))
            desk.send(items)
            while len(pool) >= pool.capacity:
                yield from desk.receive()
        while len(pool):
            yield from desk.receive()
    except BaseException:
        # The lock is held by our caller: no batch may still write when it is given up.
        try:
            pool.stop()
        finally:
            pool.drain()
        raise


class _Desk:
    """Sends batches, and sends the parts of a lost one again."""

    def __init__(
        self, destination: DestinationStore, template: BatchOrder, pool: BatchPool
    ) -> None:
        self._destination = destination
        self._template = template
        self._pool = pool
        self._numbers = count()

    def send(self, items: Sequence[WorkItem]) -> None:
        """Write the work-list of a new batch and hand it over."""
        order = replace(self._template, number=next(self._numbers))
        worklist = write_worklist(self._destination, order.run_id, order.number, items)
        self._pool.submit(replace(order, worklist=worklist))

    def receive(self) -> Iterator[BatchSummary]:
        """Wait for a batch to end; yields nothing where it was cut into smaller ones."""
        ended = self._pool.next_ended()
        if isinstance(ended, LostBatch):
            yield from self._rescue(ended)
        else:
            yield self._completed(ended)

    def _completed(self, ended: BatchSummary) -> BatchSummary:
        """Have done what the part of a batch lacks, if anything."""
        if isinstance(ended, PartialBatch):
            self.send(ended.missing)
            self._destination.delete(ended.worklist)
        return ended

    def _rescue(self, lost: LostBatch) -> Iterator[BatchSummary]:
        """Find out which of its photos killed a batch's workers."""
        order = lost.order
        # An empty part takes the batch's place: a worker that was only thought dead can no longer
        # publish rows of photos that go to others now. If it was faster, the batch is done.
        if not publish_part(self._destination, order, []):
            yield self._completed(recorded(self._destination, order))
        elif len(items := read_worklist(self._destination, order.worklist)) == 1:
            yield self._give_up(items[0])
        else:
            for part in pieces(items, lost.suspects):
                self.send(part)
        self._destination.delete(order.worklist)

    def _give_up(self, item: WorkItem) -> BatchSummary:
        """Write the row of a photo that killed its workers by itself."""
        order = replace(self._template, number=next(self._numbers))
        row = lost_row(item, run_id=order.run_id, options=order.options, device=order.device)
        publish_part(self._destination, order, [row])
        current_reporter().done(row)
        return summarise([Outcome(row)])


def pieces(items: Sequence[WorkItem], suspects: Sequence[str]) -> list[list[WorkItem]]:
    """Cut a batch that killed its workers: the photos in work then alone, the others together.

    Args:
        items: at least two.
        suspects: paths of the photos in work. Where they are not known, or are the whole batch,
            it is cut in halves, down to single photos.
    """
    alone = [item for item in items if item.path in suspects]
    others = [item for item in items if item.path not in suspects]
    if len(alone) == 1 or (alone and others and len(alone) <= MAX_ALONE):
        return [*([item] for item in alone), *([others] if others else [])]
    if alone and others:
        return [alone, others]
    middle = len(items) // 2
    return [list(items[:middle]), list(items[middle:])]
