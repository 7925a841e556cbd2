"""Where batches go, and how those that killed their workers are cut up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.batch import BatchOrder, BatchSummary
from flows.dispatch import MAX_ALONE, dispatched, pieces
from flows.pool import LostBatch
from flows.rows import lost_row
from flows.worker_devices import environments
from flows.workers import Workers, check_server_for, parse_workers, shared
from restoration.errors import UsageError
from restoration.recipe import Options
from restoration.resources import Resources
from storage import LocalDestination, OutOfSpace
from storage.manifest import WorkItem, encode_rows, part_path, read_manifest, read_worklist
from tests.flows.pools import QueuedPool

OPTIONS = Options()


def item(name: str) -> WorkItem:
    return WorkItem(name, 10, 0, "file", "", 0.1, "")


@pytest.mark.parametrize(
    ("text", "workers"),
    [
        (None, Workers()),
        ("local:3", Workers("local", count=3)),
        ("tcp://127.0.0.1:8786", Workers("cluster", address="tcp://127.0.0.1:8786")),
        ("tls://rack:8786", Workers("cluster", address="tls://rack:8786")),
    ],
)
def test_what_workers_may_be(text: str | None, workers: Workers) -> None:
    assert parse_workers(text) == workers
    assert workers.is_remote == (text == "tls://rack:8786")


@pytest.mark.parametrize(
    "server",
    [None, "", "http://127.0.0.1:4200/api", "http://localhost:4200/api", "http://[::1]:4200/api"],
)
def test_workers_elsewhere_need_a_server_that_they_reach(server: str | None) -> None:
    for here in (Workers(), parse_workers("local:2"), parse_workers("tcp://localhost:8786")):
        check_server_for(here, server)
    remote = parse_workers("tcp://rack:8786")
    check_server_for(remote, "http://prefect:4200/api")
    with pytest.raises(UsageError, match=r"cannot reach .*server.*: set PREFECT_API_URL"):
        check_server_for(remote, server)


@pytest.mark.parametrize(
    "text",
    ["", "3", "local", "local:0", "local:-1", "local:2x", "tcp://rack", "tcp://:8786",
     "http://rack:8786", "tcp://rack:port", "tcp://rack:8786/path", "tcp://[::1:1"],
)  # fmt: skip
def test_what_workers_may_not_be(text: str) -> None:
    with pytest.raises(UsageError, match="neither local:N"):
        parse_workers(text)


def test_each_process_gets_a_gpu_of_those_that_are_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.worker_devices.gpu_count", lambda: 3)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5, 2,GPU-7f")
    assert [each["CUDA_VISIBLE_DEVICES"] for each in environments(3, "auto")] == [
        "5",
        "2",
        "GPU-7f",
    ]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr("flows.worker_devices.available_cores", lambda: 8)
    pair = environments(2, "cuda")
    assert [each["CUDA_VISIBLE_DEVICES"] for each in pair] == ["0", "1"]
    assert [each["OMP_NUM_THREADS"] for each in pair] == ["4", "4"]
    with pytest.raises(UsageError, match=r"this machine has 3 GPU\(s\)"):
        environments(4, "auto")


@pytest.mark.parametrize(("gpus", "device"), [(0, "auto"), (2, "cpu")])
def test_without_gpus_the_cores_are_shared(
    monkeypatch: pytest.MonkeyPatch, gpus: int, device: str
) -> None:
    monkeypatch.setattr("flows.worker_devices.gpu_count", lambda: gpus)
    monkeypatch.setattr("flows.worker_devices.available_cores", lambda: 8)
    each = environments(3, device)
    threads = {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    assert each == [{"CUDA_VISIBLE_DEVICES": "", **threads}] * 3


def test_processes_of_one_machine_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.workers.memory_for", lambda _: 8_000_000_000)
    four, cluster = Workers("local", count=4), Workers("cluster", address="tcp://rack:8786")
    wanted = Resources(threads=2, precision="fp32")
    assert shared(wanted, four) == Resources(memory_gb=2.0, threads=2, precision="fp32")
    asked = Resources(memory_gb=3.0)
    assert shared(asked, four) == asked, "of each process"
    assert shared(wanted, cluster) == shared(wanted, Workers()) == wanted


@given(total=st.integers(2, 60), data=st.data())
def test_pieces_hold_every_photo_once_and_are_smaller(total: int, data: st.DataObject) -> None:
    items = [item(f"{number:03}.png") for number in range(total)]
    suspects = data.draw(st.sets(st.sampled_from([i.path for i in items] + ["gone.png"])))
    parts = pieces(items, tuple(suspects))
    assert sorted(i.path for part in parts for i in part) == [i.path for i in items]
    assert all(0 < len(part) < total for part in parts)
    known = suspects - {"gone.png"}
    if 0 < len(known) <= MAX_ALONE and len(known) < total:
        assert [part[0].path for part in parts[: len(known)]] == sorted(known)
        assert all(len(part) == 1 for part in parts[: len(known)])


class DyingPool(QueuedPool):
    """Stands for workers that die with one photo, and tell of their work before or do not."""

    def __init__(self, store: LocalDestination, deadly: str, *, tells: bool) -> None:
        super().__init__(store)
        self.deadly, self.tells = deadly, tells
        self.deaths = 0

    def next_ended(self) -> BatchSummary | LostBatch:
        order = self.orders.pop(0)
        items = read_worklist(self.store, order.worklist)
        if any(i.path == self.deadly for i in items):
            self.deaths += 1
            group = tuple(i.path for i in items if i.path[:2] == self.deadly[:2])
            return LostBatch(order, group if self.tells else ())
        rows = [lost_row(i, run_id=order.run_id, options=OPTIONS, device="cpu") for i in items]
        self.store.put(part_path(order.run_id, order.number), encode_rows(rows), overwrite=False)
        self.store.delete(order.worklist)
        return BatchSummary(restored=len(items))


@pytest.mark.parametrize(("tells", "deaths"), [(True, 2), (False, 5)])
def test_a_deadly_photo_is_isolated(tmp_path: Path, tells: bool, deaths: int) -> None:
    store = LocalDestination(tmp_path)
    photos = [item(f"{number:03}.png") for number in range(40)]
    pool = DyingPool(store, "013.png", tells=tells)

    def planned() -> Iterator[list[WorkItem]]:
        for start in range(0, 40, 15):
            yield photos[start : start + 15]

    template = BatchOrder("photos", str(tmp_path), "", "run-1", 0, OPTIONS, "cpu")
    done = list(dispatched(planned(), store, template, pool))
    assert sum(summary.restored for summary in done) == 39
    assert sum(summary.failed for summary in done) == 1
    assert "013.png" in next(line for s in done for line in s.failures)
    assert pool.deaths == deaths
    assert sorted(read_manifest(store, ["source"])["source"].to_pylist()) == [
        photo.path for photo in photos
    ]
    assert list(store.list(".restore-archive")) == []


def test_the_batches_in_flight_are_waited_for_also_if_they_cannot_be_told_to_stop(
    tmp_path: Path,
) -> None:
    store = LocalDestination(tmp_path)
    template = BatchOrder("photos", str(tmp_path), "", "run-1", 0, OPTIONS, "cpu")

    class UnheardPool(DyingPool):
        def stop(self) -> None:
            raise OSError("nobody listens")

        def drain(self) -> None:
            self.orders.clear()

    def planned() -> Iterator[list[WorkItem]]:
        yield [item("a.png")]
        raise OutOfSpace("the disk is full")

    pool = UnheardPool(store, "none", tells=False)
    with pytest.raises(OSError, match="nobody listens"):
        list(dispatched(planned(), store, template, pool))
    assert len(pool) == 0


def test_a_batch_whose_worker_was_only_thought_dead_is_not_done_again(tmp_path: Path) -> None:
    store = LocalDestination(tmp_path)
    template = BatchOrder("photos", str(tmp_path), "", "run-1", 0, OPTIONS, "cpu")

    class LatePool(DyingPool):
        def next_ended(self) -> BatchSummary | LostBatch:
            order = self.orders[0]
            super().next_ended()
            return LostBatch(order)

    pool = LatePool(store, "none", tells=False)
    done = list(dispatched(iter([[item("a.png"), item("b.png")]]), store, template, pool))
    assert [summary.failed for summary in done] == [2]  # as the rows of the part say
    assert read_manifest(store, ["source"])["source"].to_pylist() == ["a.png", "b.png"]
