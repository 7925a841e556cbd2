"""Batches on Dask workers: processes of this machine that a run starts, or a cluster's.

The only place that knows Dask. A worker is one process with one thread and one device; it keeps
its networks loaded from batch to batch. What it does is reported as events of the cluster, so
that a person sees every photo, and the run knows which photos were in work when a worker died.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any, Final

import dask
import distributed
from distributed.scheduler import KilledWorker
from distributed.utils import LoopRunner
from prefect.futures import PrefectFuture
from prefect_dask.task_runners import DaskTaskRunner

from flows.batch import BatchOrder, BatchSummary
from flows.pool import BatchPool, LostBatch
from flows.progress import current_reporter, reporting_to
from flows.stopping import nothing_in_hand, request_stop, signals_left_to_us
from flows.version import software_version
from flows.worker_devices import environments
from flows.workers import ClusterError, Workers
from storage.manifest import ManifestRow, Status

if TYPE_CHECKING:
    from tornado.ioloop import IOLoop

GPU: Final = "GPU"
"""Name of the resource that a worker of a cluster has one of: `dask worker --resources GPU=1`."""
AHEAD_PER_WORKER: Final = 2
"""Batches in flight for each worker: the one in work, and one that it need not wait for."""
PATIENCE_S: Final = 60.0
"""Seconds that a run waits for a worker, at its start and when all were lost."""


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
        for name in ("distributed", "distributed.client"):  # Dask gives the latter its own level
            logging.getLogger(name).setLevel(logging.CRITICAL)
        if workers.kind == "local":
            each = environments(workers.count, device)
            runner = DaskTaskRunner(cluster_class=lambda: local_cluster(each, self._loop()))
        else:
            runner = DaskTaskRunner(address=workers.address)
        super().__init__(runner)
        self._dask = runner
        self._name = workers.address or "the cluster of this run"
        self._in_work: dict[int, tuple[str, ...]] = {}
        self._seen: dict[int, set[str]] = {}
        self._resources: dict[str, float] = {}
        self._alone_since: float | None = None
        self._loop_runner: LoopRunner | None = None

    def __enter__(self) -> ClusterPool:
        """Connect, and wait for a worker.

        Raises:
            ClusterError: no scheduler, no worker, or workers with other software than ours.
            StoppedIdle: a request to stop came first.
        """
        super().__enter__()
        try:
            with nothing_in_hand():
                client = self._dask.client
                client.wait_for_workers(1, timeout=PATIENCE_S)
                _check_versions(client)
                self._look_around()
                client.subscribe_topic(self.topic, self._on_event)
        except BaseException as error:
            self.__exit__(None, None, None)
            # Dask's own is a RuntimeError where a process of a local cluster does not start.
            if isinstance(error, OSError | TimeoutError | RuntimeError):
                raise ClusterError(f"no Dask worker at {self._name}: {error}") from error
            raise
        return self

    def __exit__(self, *error: Any) -> None:  # noqa: ANN401 - what Python passes
        super().__exit__(*error)
        if self._loop_runner is not None:
            self._loop_runner.stop()
            self._loop_runner = None

    def _loop(self) -> IOLoop:
        """A running loop, from whose thread workers are started.

        They have to finish the photos in hand, and are asked to by the run: they must not see the
        signals that ask it.
        """
        # Starting it, as the first child process would, lets the signals through again.
        resource_tracker.ensure_running()
        self._loop_runner = LoopRunner()
        with signals_left_to_us():
            self._loop_runner.start()
        loop: IOLoop = self._loop_runner.loop
        return loop

    def submit(self, order: BatchOrder) -> None:
        """Hand a batch to the cluster as it is now: workers come and go during a run."""
        self._look_around()
        super().submit(order)

    def _look_around(self) -> None:
        """Count the workers, and see whether they have GPUs; with none, what was known stands."""
        found = self._dask.client.scheduler_info(n_workers=-1)["workers"].values()
        if found:
            self.capacity = AHEAD_PER_WORKER * len(found)
            has_gpus = any(GPU in worker.get("resources", {}) for worker in found)
            self._resources = {GPU: 1} if has_gpus else {}

    def _lost(self) -> str:
        client = self._dask.client
        if client.status != "running":
            return f"lost the Dask scheduler at {self._name}; the same command goes on from here"
        if client.scheduler_info(n_workers=0)["n_workers"]:
            self._alone_since = None
            return ""
        now = time.monotonic()
        self._alone_since = self._alone_since or now
        if not self._stopped and now - self._alone_since < PATIENCE_S:
            return ""
        return (
            f"no Dask worker is left at {self._name}, and none came for "
            f"{now - self._alone_since:.0f} s; the same command goes on from here"
        )

    def _placement(self) -> AbstractContextManager[Any]:
        placement: AbstractContextManager[Any] = dask.annotate(resources=self._resources)
        return placement

    def _stop_workers(self, run_id: str) -> None:
        client = self._dask.client
        if client.status == "running":
            # A worker that cannot be told has died, or is about to find that it lost the cluster.
            with suppress(OSError):
                client.run(request_stop, run_id, on_error="ignore")

    def _outcome(
        self, future: PrefectFuture[BatchSummary], order: BatchOrder
    ) -> BatchSummary | LostBatch:
        try:
            return future.result()
        except KilledWorker:
            return LostBatch(order, self._in_work.get(order.number, ()))
        except distributed.CancelledError as error:  # by our client, when its connection broke
            raise ClusterError(
                f"lost the Dask scheduler at {self._name}; the same command goes on from here"
            ) from error
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
        left = (each for each in self._in_work.get(order.number, ()) if each != report["source"])
        self._in_work[order.number] = tuple(left)
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
        """Say which photos are in work."""
        self._send(started=[_utf8(photo) for photo in photos])

    def planned(self, photos: int) -> None:
        """Ignore: the run itself knows."""

    def unchanged(self, photos: int) -> None:
        """Ignore: the run itself knows."""

    def done(self, row: ManifestRow, *, was_unchanged: bool = False) -> None:
        """Say what became of a photo."""
        self._send(
            source=_utf8(row.source),
            status=str(row.status),
            width=row.width,
            height=row.height,
            plan=list(row.plan),
            message=None if row.error_message is None else _utf8(row.error_message),
            was_unchanged=was_unchanged,
        )

    def warned(self, line: str) -> None:
        """Ignore: the run itself warns."""

    def _send(self, **report: Any) -> None:  # noqa: ANN401 - whatever an event may hold
        report |= {"run": self._order.run_id, "batch": self._order.number}
        self._worker.log_event(self._order.topic, report)


@contextmanager
def reporting_to_topic(order: BatchOrder) -> Iterator[None]:
    """In a worker: report the photos of a batch to the run that ordered it."""
    with reporting_to(EventReporter(order)):
        yield


def _check_versions(client: distributed.Client) -> None:
    """See that all workers have our software: objects that only some know are exchanged.

    Raises:
        ClusterError: one has another version, or none.
    """
    ours = software_version()
    for address, theirs in client.run(software_version, on_error="return").items():
        if isinstance(theirs, OSError):
            continue  # gone already
        if isinstance(theirs, Exception):
            raise ClusterError(
                f"the Dask worker at {address} cannot use restore-archive ({theirs}): "
                f"install version {ours} there"
            )
        if theirs != ours:
            raise ClusterError(
                f"the Dask worker at {address} has restore-archive {theirs}, this is {ours}: "
                "install the same version everywhere"
            )


def _is_of(report: dict[str, Any], order: BatchOrder) -> bool:
    return bool(report["run"] == order.run_id and report["batch"] == order.number)


def _utf8(text: str) -> str:
    """A text that an event can hold: bytes of file names that are no UTF-8 are written out."""
    return text.encode("utf-8", "backslashreplace").decode()


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


def local_cluster(
    environments: Sequence[dict[str, str]], loop: IOLoop | None = None
) -> distributed.SpecCluster:
    """Processes of this machine, one for each of the environments.

    Args:
        environments: of the processes.
        loop: running, from whose thread they are started; None for one of the cluster's own.
    """
    quiet = logging.CRITICAL
    # As quiet as this process: an error that ends a run is told once, by the run.
    level = logging.getLogger("prefect.task_runs").getEffectiveLevel()
    workers = {
        number: {
            "cls": distributed.Nanny,
            "options": {
                "nthreads": 1,
                "resources": {GPU: 1},
                "env": {**environment, "PREFECT_LOGGING_LEVEL": logging.getLevelName(level)},
                # Dask would pause or end a worker that takes more than an equal share of memory;
                # a run bounds its memory itself (`--memory`).
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
    return distributed.SpecCluster(
        workers=workers, scheduler=scheduler, silence_logs=quiet, loop=loop
    )
