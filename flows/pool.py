"""Batches in flight: handed to an engine's task runner, taken back as they come to an end."""

from __future__ import annotations

import queue
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.batch import BatchOrder, BatchSummary, run_batch
from flows.stopping import request_stop, stop_requested
from flows.workers import ClusterError

THREAD_CAPACITY = 2
"""Batches of a run on one device: the second one begins when the first has taken its last photo."""

_LOOK_UP_EVERY_S = 0.5


@task(name="restore-batch", task_run_name="batch-{order.number}", cache_policy=NO_CACHE)
def restore_batch(order: BatchOrder) -> BatchSummary:
    """Restore one batch; see `flows.batch.run_batch`."""
    if not order.topic:
        return run_batch(order)
    from flows.cluster import reporting_to_topic  # only workers of a cluster need Dask

    with reporting_to_topic(order):
        return run_batch(order)


@dataclass(frozen=True)
class LostBatch:
    """A batch that the engine gave up, because each worker that took it died.

    Attributes:
        order: of the batch.
        suspects: paths of the photos that were in work when a worker died; empty if unknown.
    """

    order: BatchOrder
    suspects: tuple[str, ...] = ()


class BatchPool:
    """Runs batches as Prefect tasks on one device of this process, which they take turns at.

    A context manager: batches are submitted inside.

    Attributes:
        topic: of the events by which workers report; "" where they share our memory.

    Args:
        runner: the engine.
        capacity: batches that are handed over at a time; the crawl waits for the others.
    """

    topic: ClassVar[str] = ""

    def __init__(self, runner: TaskRunner[Any], capacity: int = THREAD_CAPACITY) -> None:
        self.capacity = capacity
        self._runner = runner
        self._in_flight: dict[PrefectFuture[BatchSummary], BatchOrder] = {}
        self._ended: queue.SimpleQueue[PrefectFuture[BatchSummary]] = queue.SimpleQueue()
        self._stopped = False

    def __enter__(self) -> BatchPool:
        self._runner.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:  # noqa: ANN401 - what Python passes
        self._runner.__exit__(*error)

    def __len__(self) -> int:
        """Batches in flight."""
        return len(self._in_flight)

    def submit(self, order: BatchOrder) -> None:
        """Hand a batch to the engine."""
        order = replace(order, topic=self.topic)
        with self._placement():
            future = self._runner.submit(restore_batch, {"order": order})
        self._in_flight[future] = order
        future.add_done_callback(self._ended.put)

    def next_ended(self) -> BatchSummary | LostBatch:
        """Wait for a batch, whichever ends first.

        A request to stop that arrives meanwhile is passed on to the workers.

        Raises:
            ClusterError: no batch can end any more.
            Exception: what ended the batch, such as `OutOfSpace`.
        """
        while True:
            if stop_requested() and not self._stopped:
                self.stop()
            try:
                future = self._ended.get(timeout=_LOOK_UP_EVERY_S)
                break
            except queue.Empty:
                if reason := self._lost():
                    raise ClusterError(reason) from None
        return self._outcome(future, self._in_flight.pop(future))

    def stop(self) -> None:
        """Ask the workers to stop after the photos in hand."""
        self._stopped = True
        for run_id in {order.run_id for order in self._in_flight.values()}:
            self._stop_workers(run_id)

    def drain(self) -> None:
        """Wait until no batch is in flight or none can end any more, whatever became of each."""
        while self._in_flight:
            try:
                self._in_flight.pop(self._ended.get(timeout=_LOOK_UP_EVERY_S))
            except queue.Empty:
                if self._lost():
                    return

    def _lost(self) -> str:
        """Why no batch in flight can end any more; "" where nothing is known against it."""
        return ""

    def _placement(self) -> AbstractContextManager[Any]:
        """In which the engine is told where a batch may go."""
        return nullcontext()

    def _stop_workers(self, run_id: str) -> None:
        request_stop(run_id)

    def _outcome(
        self,
        future: PrefectFuture[BatchSummary],
        order: BatchOrder,
    ) -> BatchSummary | LostBatch:
        return future.result()


def thread_pool() -> BatchPool:
    """A pool on one device of this process."""
    return BatchPool(ThreadPoolTaskRunner(max_workers=THREAD_CAPACITY))
