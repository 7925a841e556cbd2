"""Batches on Dask workers: processes of this machine that a run starts, or a cluster's.

The only place that knows Dask. A worker is one process with one thread and one device; it keeps
its networks loaded from batch to batch. What it does is reported as events of the cluster, so
that a person sees every photo, and the run knows which photos were in work when a worker died.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

import dask
import distributed
from distributed.scheduler import KilledWorker
from prefect.futures import PrefectFuture
from prefect_dask.task_runners import DaskTaskRunner

from flows.batch import BatchOrder, BatchSummary
from flows.pool import BatchPool, LostBatch
from flows.progress import current_reporter, reporting_to
from flows.stopping import request_stop
from flows.workers import ClusterError, Workers, environments
from storage.manifest import ManifestRow, Status

GPU: Final = "GPU"
"""Name of the resource that a worker of a cluster has one of: `dask worker --resources GPU=1`."""
AHEAD_PER_WORKER: Final = 2
"""Batches in flight for each worker: the one in work, and one that it need not wait for."""
PATIENCE_S: Final = 60.0
"""Seconds until a cluster must have a worker."""


class ClusterPool(BatchPool):
    """Runs batches on Dask workers, as many at a time as there are workers.

    Args:
        workers: what `--workers` says.
        device: auto, cpu or cuda, for processes of this machine.

    Raises:
        UsageError: more processes than GPUs, on a machine that has some.
    """

    topic = "restore-archive"

    def __init__(self, workers: Workers, device: str = "auto") -> None:
        # What Dask has to say, of lost workers for instance, a run says in its own lines.
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        if workers.kind == "local":
            each = environments(workers.count, device)
            runner = DaskTaskRunner(cluster_class=lambda: local_cluster(each))
        else:
            runner = DaskTaskRunner(address=workers.address)
        super().__init__(runner)
        self._dask = runner
        self._name = workers.address or "the cluster of this run"
        self._in_work: dict[int, tuple[str, ...]] = {}
        self._seen: dict[int, set[str]] = {}
        self._resources: dict[str, float] = {}

    def __enter__(self) -> ClusterPool:
        """Connect, and wait for a worker.

        Raises:
            ClusterError: no scheduler, or no worker.
        """
        super().__enter__()
        try:
            client = self._dask.client
            client.wait_for_workers(1, timeout=PATIENCE_S)
        except (OSError, TimeoutError) as error:
            self.__exit__(None, None, None)
            raise ClusterError(f"no Dask worker at {self._name}: {error}") from error
        found = client.scheduler_info(n_workers=-1)["workers"].values()
        if any(GPU in worker.get("resources", {}) for worker in found):
            self._resources = {GPU: 1}
        self.capacity = AHEAD_PER_WORKER * max(1, len(found))
        client.subscribe_topic(self.topic, self._on_event)
        return self

    def _placement(self) -> AbstractContextManager[Any]:
        placement: AbstractContextManager[Any] = dask.annotate(resources=self._resources)
        return placement

    def _stop_workers(self, run_id: str) -> None:
        self._dask.client.run(request_stop, run_id)

    def _outcome(
        self, future: PrefectFuture[BatchSummary], order: BatchOrder
    ) -> BatchSummary | LostBatch:
        try:
            return future.result()
        except KilledWorker:
            return LostBatch(order, self._in_work.get(order.number, ()))
        finally:
            self._in_work.pop(order.number, None)
            self._seen.pop(order.number, None)

    def _on_event(self, event: tuple[float, dict[str, Any]]) -> None:
        """Take a worker's report; Dask calls it in a thread of its own."""
        _, report = event
        order = next((o for o in self._orders() if _is_of(report, o)), None)
        if order is None:  # of another run, or of a batch that ended
            return
        if "started" in report:
            self._in_work[order.number] = tuple(report["started"])
            return
        seen = self._seen.setdefault(order.number, set())
        if report["source"] in seen:  # done again, its first worker having died
            return
        seen.add(report["source"])
        current_reporter().done(_row_of(report), was_unchanged=report["was_unchanged"])

    def _orders(self) -> Sequence[BatchOrder]:
        return tuple(self._in_flight.values())


class EventReporter:
    """Reports a worker's photos as events of its cluster.

    Args:
        order: of the batch in work.
    """

    def __init__(self, order: BatchOrder) -> None:
        self._worker = distributed.get_worker()
        self._order = order

    def started(self, photos: Sequence[str]) -> None:
        """Say which photos are taken in hand."""
        self._send(started=list(photos))

    def planned(self, photos: int) -> None:
        """Ignore: the run itself knows."""

    def unchanged(self, photos: int) -> None:
        """Ignore: the run itself knows."""

    def done(self, row: ManifestRow, *, was_unchanged: bool = False) -> None:
        """Say what became of a photo."""
        self._send(
            source=row.source,
            status=str(row.status),
            width=row.width,
            height=row.height,
            plan=list(row.plan),
            message=row.error_message,
            was_unchanged=was_unchanged,
        )

    def _send(self, **report: Any) -> None:  # noqa: ANN401 - whatever an event may hold
        report |= {"run": self._order.run_id, "batch": self._order.number}
        self._worker.log_event(self._order.topic, report)


@contextmanager
def reporting_to_topic(order: BatchOrder) -> Iterator[None]:
    """In a worker: report the photos of a batch to the run that ordered it."""
    with reporting_to(EventReporter(order)):
        yield


def _is_of(report: dict[str, Any], order: BatchOrder) -> bool:
    return bool(report["run"] == order.run_id and report["batch"] == order.number)


def _row_of(report: dict[str, Any]) -> ManifestRow:
    """As much of a manifest row as a person is shown."""
    return ManifestRow(
        source=report["source"],
        source_size=0,
        source_mtime_ns=0,
        status=Status(report["status"]),
        width=report["width"],
        height=report["height"],
        plan=tuple(report["plan"]),
        error_message=report["message"],
    )


def local_cluster(environments: Sequence[dict[str, str]]) -> distributed.SpecCluster:
    """Processes of this machine, one for each of the environments."""
    quiet = logging.CRITICAL
    workers = {
        number: {
            "cls": distributed.Nanny,
            "options": {
                "nthreads": 1,
                "resources": {GPU: 1},
                "env": environment,
                # Dask would pause or end a worker that takes more than an equal share of memory;
                # a run bounds its memory itself, by the megapixels that it works on.
                "memory_limit": 0,
                "silence_logs": quiet,
                "dashboard": False,
            },
        }
        for number, environment in enumerate(environments)
    }
    scheduler = {
        "cls": distributed.Scheduler,
        "options": {
            "host": "127.0.0.1",
            "dashboard": False,
            "dashboard_address": None,
            # A batch may lose a worker by accident; with a second one it is looked at closely.
            "allowed_failures": 1,
        },
    }
    return distributed.SpecCluster(workers=workers, scheduler=scheduler, silence_logs=quiet)
