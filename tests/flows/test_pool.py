"""What a run sees of a Dask cluster: who is there, who went away, who is of no use."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dask
import distributed
import pytest
import torch

from flows.batch import BatchOrder
from flows.cluster import GPU, ClusterPool, EventReporter, local_cluster
from flows.stopping import stopping
from flows.version import software_version
from flows.worker_devices import environments
from flows.workers import ClusterError, parse_workers
from restoration.recipe import Options
from storage.manifest import ManifestRow, Status
from tests.flows.processes import PATIENCE_S

ORDER = BatchOrder("photos", "restored", "", "run-1", 0, Options(), "cpu", topic="topic")
SCHEDULER = {
    "cls": distributed.Scheduler,
    "options": {"host": "127.0.0.1", "dashboard": False, "dashboard_address": ":0"},
}
WORKER = {"cls": distributed.Worker, "options": {"nthreads": 1, "dashboard": False}}
GIVE_UP_S = 60.0
"""Seconds after which an answer that takes milliseconds is not waited for any more."""


@pytest.fixture
def cluster() -> Iterator[distributed.SpecCluster]:
    """A scheduler and a worker, in this process."""
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "2s"}),
        distributed.SpecCluster(workers={0: WORKER}, scheduler=SCHEDULER) as cluster,
    ):
        yield cluster


def pool_at(cluster: distributed.SpecCluster) -> ClusterPool:
    return ClusterPool(parse_workers(cluster.scheduler_address))


def lose_the_worker(cluster: distributed.SpecCluster) -> None:
    cluster.sync(cluster.workers[0].close)
    while cluster.scheduler.workers:
        pass


def test_a_run_that_lost_its_workers_ends_after_a_while(
    cluster: distributed.SpecCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pool_at(cluster) as pool:
        lose_the_worker(cluster)
        pool.submit(ORDER)
        monkeypatch.setattr("flows.cluster.PATIENCE_S", 0.0)
        with pytest.raises(ClusterError, match=r"no Dask worker is left at tcp:.* goes on"):
            pool.next_ended()
        pool.stop()
        pool.drain()


def test_a_run_that_lost_its_workers_ends_at_once_if_it_is_to_stop(
    cluster: distributed.SpecCluster,
) -> None:
    with pool_at(cluster) as pool:
        lose_the_worker(cluster)
        pool.submit(ORDER)
        with stopping(), pytest.raises(ClusterError, match="no Dask worker is left"):
            pool.next_ended()
        pool.drain()


def test_a_run_that_lost_its_scheduler_ends(
    cluster: distributed.SpecCluster, capfd: pytest.CaptureFixture[str]
) -> None:
    with pool_at(cluster) as pool:
        lose_the_worker(cluster)
        pool.submit(ORDER)
        pool.submit(ORDER)
        cluster.close()
        with pytest.raises(ClusterError, match=r"lost the Dask scheduler at tcp:.* goes on"):
            pool.next_ended()
        pool.stop()
        pool.drain()
    assert capfd.readouterr().err == ""


def test_workers_that_come_during_a_run_get_work(cluster: distributed.SpecCluster) -> None:
    async def with_gpu() -> distributed.Worker:
        return await distributed.Worker(  # whose GPU is in use, so that nothing is run
            cluster.scheduler_address, nthreads=1, resources={GPU: 0}, dashboard=False
        )

    with pool_at(cluster) as pool:
        assert pool.capacity == 2
        newcomer = cluster.sync(with_gpu)
        pool.submit(ORDER)
        assert pool.capacity == 4
        while not cluster.scheduler.tasks:
            pass
        (task,) = cluster.scheduler.tasks.values()
        assert task.resource_restrictions == {GPU: 1}
        cluster.sync(newcomer.close)


def test_a_cluster_that_does_not_start_is_one_line() -> None:
    with (
        dask.config.set({"distributed.scheduler.preload": ["no_such_module"]}),
        pytest.raises(ClusterError, match=r"no Dask worker at the cluster of this run: .*no_such"),
        ClusterPool(parse_workers("local:1"), "cpu"),
    ):
        pass


@contextmanager
def foreign_worker(address: str, package: Path) -> Iterator[None]:
    """A Dask worker that imports the packages of another folder."""
    process = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-nanny",
         "--nthreads", "1", "--no-dashboard"],
        cwd=package,
        env={**os.environ, "PYTHONPATH": str(package)},
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        process.kill()
        process.wait(timeout=PATIENCE_S)


@pytest.mark.parametrize(
    ("version", "complaint"),
    [
        (
            "raise ModuleNotFoundError('No module named flows')",
            "cannot use restore-archive .*No module named flows.* install version",
        ),
        ("def software_version(): return '0.0.1'", "has restore-archive 0.0.1, this is"),
    ],
)
def test_workers_with_other_software_are_refused(
    tmp_path: Path, version: str, complaint: str
) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "__init__.py").touch()
    (tmp_path / "flows" / "version.py").write_text(version)
    with (
        distributed.SpecCluster(scheduler=SCHEDULER) as cluster,
        foreign_worker(cluster.scheduler_address, tmp_path),
        pytest.raises(ClusterError, match=complaint) as refused,
        pool_at(cluster),
    ):
        pass
    assert "the Dask worker at tcp://127.0.0.1:" in str(refused.value)
    assert software_version() in str(refused.value)


def test_a_process_on_the_cpu_uses_its_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.worker_devices.available_cores", lambda: 2)
    with (
        local_cluster(environments(1, "cpu")) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(1, timeout=PATIENCE_S)
        assert list(client.run(torch.get_num_threads).values()) == [2]


def report(order: BatchOrder) -> None:
    reporter = EventReporter(order)
    reporter.started(["caf\udce9.jpg"])
    reporter.done(
        ManifestRow(
            source="caf\udce9.jpg",
            source_size=1,
            source_mtime_ns=0,
            status=Status.FAILED,
            error_message="no 'caf\udce9.jpg'",
        )
    )


def test_names_that_are_no_utf8_are_reported(cluster: distributed.SpecCluster) -> None:
    with distributed.Client(cluster) as client:
        # An event that cannot be sent holds up all that the worker sends after it.
        client.submit(report, ORDER).result(timeout=GIVE_UP_S)
        (_, started), (_, done) = client.get_events("topic")
    assert list(started["started"]) == ["caf\\udce9.jpg"]
    assert done["source"] == "caf\\udce9.jpg"
    assert done["message"] == "no 'caf\\udce9.jpg'"


def test_of_a_lost_batch_only_photos_that_were_in_work_are_suspects(
    cluster: distributed.SpecCluster,
) -> None:
    with pool_at(cluster) as pool:
        pool._in_flight[distributed.Future("batch", pool._dask.client)] = ORDER
        for event in (
            {"started": ["a.png"]},
            {"started": ["a.png", "b.png"]},
            {"source": "a.png", "status": "failed", "width": None, "height": None, "plan": [],
             "message": "no photo", "was_unchanged": False},
        ):  # fmt: skip
            pool._on_event((0.0, {"run": ORDER.run_id, "batch": ORDER.number, **event}))
        assert pool._in_work[ORDER.number] == ("b.png",)
        pool._in_flight.clear()
