"""One batch, done by somebody who may not be the only one, or not the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import flows.batch
from flows.batch import BatchOrder, PartialBatch, publish_part, run_batch
from flows.progress import SilentReporter, reporting_to
from flows.rows import lost_row
from restoration.recipe import Options
from restoration.resources import Resources
from storage import DestinationStore, NotFound, open_destination, open_source
from storage.manifest import (
    ManifestIndex,
    ManifestRow,
    WorkItem,
    part_path,
    read_manifest,
    read_worklist,
    rows_of,
    write_worklist,
)
from tests.scenes import encoded, scene

NAMES = [f"{number}.png" for number in range(4)]


@pytest.fixture
def store(tmp_path: Path) -> DestinationStore:
    (tmp_path / "photos").mkdir()
    return open_destination(str(tmp_path / "restored"), open_source(str(tmp_path / "photos")))


@pytest.fixture
def order(tmp_path: Path, store: DestinationStore) -> BatchOrder:
    """Four small photos that need nothing, one at a time."""
    items = []
    for name in NAMES:
        data = encoded(scene(24, 24), "PNG")
        (tmp_path / "photos" / name).write_bytes(data)
        items.append(WorkItem(name, len(data), 0, "file", "", 100.0, ""))
    worklist = write_worklist(store, "run-1", 0, items)
    source, target = str(tmp_path / "photos"), str(tmp_path / "restored")
    one = Resources(threads=1)
    return BatchOrder(source, target, worklist, "run-1", 0, Options(), "cpu", resources=one)


@pytest.fixture(autouse=True)
def _licence_before_each_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows.batch, "LICENCE_EVERY_S", 0.0)


class AfterPhotos(SilentReporter):
    """Sees to it that something happens once so many photos are done."""

    def __init__(self, photos: int, action: object) -> None:
        self.left, self.action = photos, action

    def done(self, row: ManifestRow, *, was_unchanged: bool = False) -> None:
        self.left -= 1
        if self.left == 0:
            self.action()


def sources(store: DestinationStore) -> list[str]:
    return read_manifest(store, ["source"])["source"].to_pylist()


def publish(store: DestinationStore, order: BatchOrder, names: Sequence[str]) -> None:
    """As somebody else who has the same batch does."""
    rows = [
        lost_row(item, run_id=order.run_id, options=order.options, device="cpu")
        for item in read_worklist(store, order.worklist)
        if item.path in names
    ]
    assert publish_part(store, order, rows)


def test_a_batch_that_was_done_is_not_done_again(
    store: DestinationStore, order: BatchOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_batch(order)
    assert first.nothing_to_do == len(NAMES)
    monkeypatch.delattr(flows.batch, "process")
    assert run_batch(order) == first
    assert sources(store) == NAMES


def test_without_work_list_and_part_there_is_nothing_to_go_by(
    store: DestinationStore, order: BatchOrder
) -> None:
    store.delete(order.worklist)
    with pytest.raises(NotFound):
        run_batch(order)


@pytest.mark.parametrize("photos", [1, len(NAMES)])
def test_who_lost_the_licence_stops_and_publishes_nothing(
    store: DestinationStore, order: BatchOrder, photos: int
) -> None:
    left = AfterPhotos(photos, lambda: store.delete(order.worklist))
    with reporting_to(left), pytest.raises(NotFound):
        run_batch(order)
    assert left.left == 0
    assert sources(store) == []
    assert store.size(part_path(order.run_id, order.number)) is None


def test_who_was_overtaken_tells_what_the_faster_one_did(
    store: DestinationStore, order: BatchOrder
) -> None:
    def overtake() -> None:
        publish(store, order, NAMES)
        store.delete(order.worklist)

    left = AfterPhotos(2, overtake)
    with reporting_to(left):
        summary = run_batch(order)
    assert (summary.failed, summary.nothing_to_do, left.left) == (4, 0, 0)
    assert not isinstance(summary, PartialBatch)


def test_a_part_that_lacks_photos_is_no_whole_batch(
    store: DestinationStore, order: BatchOrder
) -> None:
    with reporting_to(AfterPhotos(2, lambda: publish(store, order, NAMES[:1]))):
        summary = run_batch(order)
    assert isinstance(summary, PartialBatch)
    assert [item.path for item in summary.missing] == NAMES[1:]
    assert (summary.failed, summary.nothing_to_do) == (1, 0), "as the part says"
    assert store.size(summary.worklist) is not None, "they have no batch yet"
    # What the run does then:
    worklist = write_worklist(store, "run-1", 1, summary.missing)
    assert run_batch(replace(order, number=1, worklist=worklist)).nothing_to_do == 3
    assert sources(store) == NAMES


def test_the_index_is_read_once_for_all_batches_of_a_run(
    store: DestinationStore, order: BatchOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_batch(order)
    known = {row.source: row for row in rows_of(read_manifest(store))}
    loaded: list[ManifestIndex] = []
    real = ManifestIndex.load

    def spy(destination: DestinationStore) -> ManifestIndex:
        loaded.append(real(destination))
        return loaded[-1]

    monkeypatch.setattr(ManifestIndex, "load", spy)
    for run_id, number in (("run-2", 0), ("run-2", 1), ("run-3", 0)):
        touched = [
            WorkItem(name, row.source_size, 1, "file", "", 0.1, row.source_sha256)
            for name, row in known.items()
        ]
        worklist = write_worklist(store, run_id, number, touched)
        summary = run_batch(replace(order, run_id=run_id, number=number, worklist=worklist))
        assert summary.unchanged == len(NAMES)
    assert len(loaded) == 2
