"""Several photos of a batch on their way at once: what they share, and what they must not feel."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import flows.photo
import flows.stopping
from flows.batch import BatchOrder, BatchSummary, run_batch
from flows.crew import crew_for, threads_for
from flows.photo import process
from flows.progress import SilentReporter, reporting_to
from flows.rows import Workshop
from flows.stopping import request_stop
from restoration.codec import DecoderProcess, Limits, Photo
from restoration.device import resolve_device
from restoration.errors import DeviceLost
from restoration.recipe import Options
from restoration.resources import Resources, available_cores
from restoration.restore import DEFAULT_OPTIONS, Job, Restored, Restorer
from storage import LocalDestination, NotFound, OutOfSpace, open_destination, open_source
from storage.manifest import (
    ManifestRow,
    Status,
    WorkItem,
    decode_rows,
    part_path,
    read_manifest,
    rows_of,
    write_worklist,
)
from tests.scenes import encoded, gray_scene, noisy, scene

NAMES = [f"{number}.png" for number in range(8)]
FOUR = Resources(threads=4)


class Archive:
    """A folder of small photos, and batches of them."""

    def __init__(self, folder: Path) -> None:
        self.photos, self.restored = folder / "photos", folder / "restored"
        self.photos.mkdir()
        self.store = open_destination(str(self.restored), open_source(str(self.photos)))

    def lay(self, name: str, data: bytes) -> None:
        (self.photos / name).write_bytes(data)

    def order(
        self,
        names: list[str],
        resources: Resources = FOUR,
        number: int = 0,
        megapixels: float = 0.01,
        options: Options = DEFAULT_OPTIONS,
    ) -> BatchOrder:
        items = [
            WorkItem(name, (self.photos / name).stat().st_size, 0, "file", "", megapixels, "")
            for name in names
        ]
        worklist = write_worklist(self.store, "run-1", number, items)
        places = str(self.photos), str(self.restored), worklist
        return BatchOrder(*places, "run-1", number, options, "cpu", resources=resources)

    def rows(self, number: int = 0) -> list[ManifestRow]:
        """Of a part, in its order."""
        path = part_path("run-1", number)
        with self.store.open(path) as file:
            return list(decode_rows(file, path))


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Eight small photos that need nothing."""
    made = Archive(tmp_path)
    for seed, name in enumerate(NAMES):
        made.lay(name, encoded(scene(48, 48, seed=seed), "PNG"))
    return made


@pytest.fixture(autouse=True)
def _no_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows.stopping, "_stopped_runs", set())


class Watching(SilentReporter):
    """Keeps what is reported, in its order."""

    def __init__(self, at_end: Callable[[str], None] = lambda _: None) -> None:
        self.ended: list[str] = []
        self.in_work: list[tuple[str, ...]] = []
        self.threads: set[threading.Thread] = set()
        self.at_end = at_end

    def started(self, photos: object) -> None:
        self.in_work.append(tuple(photos))

    def done(self, row: ManifestRow, *, was_unchanged: bool = False) -> None:
        self.ended.append(row.source)
        self.threads.add(threading.current_thread())
        self.at_end(row.source)


def held_back(
    monkeypatch: pytest.MonkeyPatch, name: str, event: threading.Event, where: str = "prepare"
) -> None:
    """Have one photo wait for an event before a step of its way."""
    real = getattr(flows.photo, where)

    def wait_first(first: object, *given: object, **more: object) -> object:
        if getattr(first, "item", first).path == name:
            assert event.wait(60)
        return real(first, *given, **more)

    monkeypatch.setattr(flows.photo, where, wait_first)


def test_rows_are_in_the_order_of_the_work_list(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    others_done = threading.Event()
    held_back(monkeypatch, NAMES[0], others_done)

    def at_end(_: str) -> None:
        if len(reporter.ended) == len(NAMES) - 1:
            others_done.set()

    with reporting_to(reporter := Watching(at_end)):
        summary = run_batch(archive.order(NAMES))
    assert summary.nothing_to_do == len(NAMES)
    assert reporter.ended[-1] == NAMES[0]
    assert [row.source for row in archive.rows()] == NAMES
    assert reporter.threads == {threading.current_thread()}, "reporters need not be safe"


def test_no_more_photos_are_in_work_than_there_are_threads(archive: Archive) -> None:
    for threads in (1, 3):
        with reporting_to(reporter := Watching()):
            run_batch(archive.order(NAMES, Resources(threads=threads), number=threads))
        assert len(reporter.in_work) == len(NAMES)
        assert max(len(photos) for photos in reporter.in_work) <= threads
        assert [photos[-1] for photos in reporter.in_work] == NAMES, "taken in their order"


@pytest.mark.parametrize("large", [NAMES[0], NAMES[3]])
def test_a_photo_that_needs_all_memory_is_alone(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, large: str
) -> None:
    archive.lay(large, encoded(scene(900, 900), "PNG"))
    with_memory: set[str] = set()
    together: list[set[str]] = []
    real = flows.photo._planned

    def planned(item: WorkItem, *given: object) -> object:
        with_memory.add(item.path)
        together.append(set(with_memory))
        return real(item, *given)

    real_finish = flows.photo.finish

    def finish(prepared: object, *given: object, **more: object) -> object:
        outcome = real_finish(prepared, *given, **more)
        with_memory.discard(prepared.item.path)
        return outcome

    monkeypatch.setattr(flows.photo, "_planned", planned)
    monkeypatch.setattr(flows.photo, "finish", finish)
    summary = run_batch(archive.order(NAMES, Resources(threads=4, memory_gb=0.01)))
    assert (summary.nothing_to_do, summary.failed) == (len(NAMES), 0)
    assert {large} in together
    assert [names for names in together if large in names] == [{large}]


def test_who_was_thought_smaller_waits_for_its_turn_again(
    archive: Archive, decoded: list[str]
) -> None:
    archive.lay("large.png", encoded(scene(400, 400), "PNG"))
    crew = crew_for(Resources(threads=1, memory_gb=0.01), "cpu")
    source = open_source(str(archive.photos))
    workshop = Workshop(
        source, archive.store, Restorer(resolve_device("cpu")), Options(), "run-1",
        budget=crew.budget,
    )  # fmt: skip
    item = WorkItem("large.png", 10, 0, "file", "", 0.001, "")
    another = crew.budget.reserve(crew.budget.total - 100_000)
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(process, item, workshop)
        while not (crew.budget.waiting or done.done()):
            pass
        assert not done.done()
        assert len(decoded) == 1
        another.release()
        assert done.result().row.status == Status.NOTHING_TO_DO
    assert len(decoded) == 2
    assert crew.budget.free == crew.budget.total


def test_a_full_disk_lets_those_in_work_end_and_keeps_what_was_done(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_full = threading.Event()
    held_back(monkeypatch, NAMES[1], is_full, "finish")
    real = LocalDestination.put

    def put(self: LocalDestination, path: str, data: object, **options: object) -> object:
        if path.endswith(NAMES[2]):
            is_full.set()
            raise OutOfSpace("the disk is full")
        return real(self, path, data, **options)

    monkeypatch.setattr(LocalDestination, "put", put)
    with reporting_to(reporter := Watching()), pytest.raises(OutOfSpace):
        run_batch(order := archive.order(NAMES, Resources(threads=3)))
    names = [row.source for row in archive.rows()]
    assert names == sorted(reporter.ended)
    assert {NAMES[0], NAMES[1]} <= set(names), "the second was in work"
    assert NAMES[2] not in names
    assert len(names) < len(NAMES) - 1, "no more were taken"
    assert archive.store.size(order.worklist) is not None


def test_a_gpu_that_broke_down_ends_the_work_and_no_photo_has_failed(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Restorer.restore

    def restore(self: Restorer, jobs: Sequence[Job]) -> list[Restored | Exception]:
        return [DeviceLost("the GPU does not answer any more")] if is_lost else real(self, jobs)

    monkeypatch.setattr(Restorer, "restore", restore)
    is_lost = True
    with pytest.raises(DeviceLost):
        run_batch(order := archive.order(NAMES, Resources(threads=2)))
    with pytest.raises(NotFound):
        archive.rows()
    is_lost = False
    assert run_batch(order).failed == 0
    assert [row.source for row in archive.rows()] == sorted(NAMES)


class Panic(BaseException):
    """What libraries written in Rust raise, and no `except Exception` catches."""


def test_photos_that_end_worse_than_by_an_error_cost_no_thread_its_place(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(3)

    def panicking(*_: object) -> object:
        together.wait(60)
        raise Panic("on purpose")

    monkeypatch.setattr(flows.photo, "_attempt", panicking)
    crew = crew_for(Resources(threads=3), "cpu")
    with pytest.raises(Panic):
        run_batch(archive.order(NAMES[:3], Resources(threads=3)))
    assert crew.places == crew.threads


def test_a_request_to_stop_lets_those_in_work_end(archive: Archive) -> None:
    with reporting_to(reporter := Watching(lambda _: request_stop("run-1"))):
        summary = run_batch(order := archive.order(NAMES, Resources(threads=3)))
    assert summary.stopped
    assert 1 <= summary.nothing_to_do <= 3
    assert [row.source for row in archive.rows()] == sorted(reporter.ended)
    assert sorted(reporter.in_work[-1]) == NAMES[:3]
    assert archive.store.size(order.worklist) is None


def test_a_decoder_that_dies_costs_one_photo_of_those_in_work(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadly = NAMES[2]
    archive.lay(deadly, encoded(np.tile(scene(600, 600), (4, 4, 1)), "PNG"))
    size = (archive.photos / deadly).stat().st_size
    real = DecoderProcess.decode

    def decode(self: DecoderProcess, file: object, limits: Limits, **more: object) -> object:
        if file.entry.size == size:  # the kernel ends it in the middle of its work
            limits = replace(limits, decode_seconds=0.0001)
        return real(self, file, limits, **more)

    monkeypatch.setattr(DecoderProcess, "decode", decode)
    summary = run_batch(archive.order(NAMES, Resources(threads=8)))
    assert (summary.nothing_to_do, summary.failed) == (len(NAMES) - 1, 1)
    rows = {row.source: row for row in archive.rows()}
    assert rows[deadly].error_class == "DecoderDied"


def test_the_next_batch_begins_while_the_last_photos_are_in_work(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_one_done = threading.Event()
    held_back(monkeypatch, NAMES[3], next_one_done)

    def at_end(name: str) -> None:
        if name == NAMES[4]:
            next_one_done.set()

    orders = [archive.order(NAMES[:4], number=0), archive.order(NAMES[4:], number=1)]
    with reporting_to(reporter := Watching(at_end)), ThreadPoolExecutor(2) as pool:
        first = pool.submit(run_batch, orders[0])
        assert [each.result().nothing_to_do for each in (first, pool.submit(run_batch, orders[1]))]
    assert sorted(reporter.ended) == NAMES
    assert [row.source for row in archive.rows(0)] == NAMES[:4]
    assert [row.source for row in archive.rows(1)] == NAMES[4:]


def outputs(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    kept = {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}
    return {
        name: data
        for name, data in kept.items()
        if name.startswith(("restored", "colorized", "access"))
    }


def of_all_kinds() -> Iterator[tuple[str, bytes]]:
    yield "a.png", encoded(noisy(scene(96, 96), 25), "PNG")
    yield "b.jpg", encoded(noisy(gray_scene(96, 112, seed=2), 20), "JPEG", quality=95)
    yield "broken.jpg", encoded(scene(seed=3), "JPEG")[:3000]
    yield "c.tif", encoded(gray_scene(80, 80, seed=4), "TIFF")
    yield "c.tif.jpg", encoded(noisy(scene(80, 80, seed=5), 20), "JPEG", quality=95)
    yield "c.tif.jpg.jpg", encoded(scene(64, 64, seed=6), "JPEG", quality=95)
    yield "d.png", encoded(scene(64, 64, seed=7), "PNG")


def restored_with(
    folder: Path, threads: int
) -> tuple[BatchSummary, dict[str, bytes], list[ManifestRow]]:
    folder.mkdir()
    made = Archive(folder)
    names = []
    for name, data in of_all_kinds():
        made.lay(name, data)
        names.append(name)
    options = Options(sidecar=True)
    summary = run_batch(made.order(names, Resources(threads=threads), options=options))
    return summary, outputs(made.restored), made.rows()


def test_however_many_threads_the_outputs_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On one core: a network that is cut up among several adds up in another order.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    alone, one_by_one, rows = restored_with(tmp_path / "1", 1)
    together, at_once, others = restored_with(tmp_path / "4", 4)
    assert (alone, one_by_one) == (together, at_once)
    varying = {"time", "source_mtime", "source_mtime_ns"}
    for one, other in zip(rows, others, strict=True):
        for name in ManifestRow.__dataclass_fields__:
            if not name.startswith("seconds_") and name not in varying:
                assert getattr(one, name) == getattr(other, name), (one.source, name)
    used = Restorer(resolve_device("cpu")).precision
    for row in rows:
        expected = used if "denoise" in row.plan else "fp32" if row.models else None
        assert row.precision == expected, row.source
    assert {row.precision for row in rows} >= {used, None}


def test_photos_whose_outputs_might_meet_do_not_harm_each_other(tmp_path: Path) -> None:
    left: list[list[set[str]]] = []
    for threads in (1, 4):
        folder = tmp_path / str(threads)
        folder.mkdir()
        made = Archive(folder)
        for seed, name in enumerate(["c.tif", "c.tif.jpg", "c.tif.jpg.jpg"]):
            kind = "TIFF" if seed == 0 else "JPEG"
            made.lay(name, encoded(scene(40, 40, seed=seed), kind))
        left.append([])
        earlier: dict[str, tuple[str, ...]] = {}
        for number, output_format in enumerate([None, "JPEG", None, "PNG", "JPEG"]):
            items = [
                WorkItem(path.name, path.stat().st_size, 0, "file", "", 0.1, "",
                         earlier_outputs=earlier.get(path.name, ()), may_have_others=number % 2 > 0)
                for path in sorted(made.photos.iterdir())
            ]  # fmt: skip
            run_id = f"run-{number}"
            worklist = write_worklist(made.store, run_id, 0, items)
            order = BatchOrder(
                str(made.photos), str(made.restored), worklist, run_id, 0,
                Options(output_format=output_format), "cpu", resources=Resources(threads=threads),
            )  # fmt: skip
            assert run_batch(order).nothing_to_do == 3
            rows = {row.source: row for row in rows_of(read_manifest(made.store))}
            earlier = {name: (str(row.restored_path),) for name, row in rows.items()}
            left[-1].append(set(outputs(made.restored)))
            assert left[-1][-1] == {row.restored_path for row in rows.values()}
    assert left[0] == left[1]


def test_threads_are_some_more_than_cores() -> None:
    assert threads_for(Resources(), "cpu") == available_cores() + 2
    assert threads_for(Resources(), "cuda") == available_cores() + 4
    assert threads_for(Resources(threads=3), "cuda") == 3


def test_a_crew_stays_until_another_one_is_wanted() -> None:
    first = crew_for(FOUR, "cpu")
    assert crew_for(Resources(threads=4), "cpu") is first
    assert crew_for(Resources(threads=2), "cpu") is not first


def test_what_is_held_goes_with_the_photo(archive: Archive) -> None:
    """Files and memory are given back however a photo's way ends."""
    archive.lay("broken.png", encoded(scene(48, 48), "PNG")[:200])
    crew = crew_for(Resources(threads=2), "cpu")
    run_batch(archive.order(["broken.png", NAMES[0]], Resources(threads=2)))
    assert crew.budget.free == crew.budget.total
    assert crew.places == crew.threads


def test_photos_leave_memory_without_the_garbage_collector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels: list[weakref.ref[object]] = []
    real = flows.photo._planned

    def planned(item: WorkItem, original: object, photo: Photo, *given: object) -> object:
        pixels.extend(weakref.ref(page.pixels) for page in photo.pages)
        return real(item, original, photo, *given)

    monkeypatch.setattr(flows.photo, "_planned", planned)
    gc.disable()  # it would come by when some hundred megabytes of a scan had long been forgotten
    try:
        _, _, rows = restored_with(tmp_path / "photos", 2)
        assert len(pixels) == sum(row.width is not None for row in rows) > 4
        assert all(each() is None for each in pixels)
    finally:
        gc.enable()
