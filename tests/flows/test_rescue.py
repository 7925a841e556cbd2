"""Parts that lack photos of their batch, whose author was stopped or ran out of something."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.batch import BatchOrder, BatchSummary, publish_part, recorded
from flows.dispatch import dispatched
from flows.pool import LostBatch
from flows.rows import lost_row
from restoration.recipe import Options
from storage import LocalDestination
from storage.manifest import WorkItem, read_manifest, read_worklist
from tests.flows.pools import QueuedPool

OPTIONS = Options()


class HalfPool(QueuedPool):
    """Stands for workers of which the first does half of its batch, and is then not heard of."""

    def __init__(self, store: LocalDestination, *, gives_up: bool) -> None:
        super().__init__(store)
        self.gives_up = gives_up

    def next_ended(self) -> BatchSummary | LostBatch:
        order = self.orders.pop(0)
        items = read_worklist(self.store, order.worklist)
        done = items[: len(items) // 2] if order.number == 0 else items
        rows = [lost_row(i, run_id=order.run_id, options=OPTIONS, device="cpu") for i in done]
        assert publish_part(self.store, order, rows)
        if order.number == 0 and self.gives_up:
            return LostBatch(order)
        return recorded(self.store, order, items)  # the second one's part was refused


@pytest.mark.parametrize("gives_up", [True, False])
def test_what_a_part_lacks_gets_a_batch_of_its_own(tmp_path: Path, gives_up: bool) -> None:
    store = LocalDestination(tmp_path)
    names = [f"{number}.png" for number in range(7)]
    photos = [WorkItem(name, 10, 0, "file", "", 0.1, "") for name in names]
    template = BatchOrder("photos", str(tmp_path), "", "run-1", 0, OPTIONS, "cpu")
    pool = HalfPool(store, gives_up=gives_up)
    done = list(dispatched(iter([photos]), store, template, pool))
    assert [summary.failed for summary in done] == [3, 4]
    assert read_manifest(store, ["source"])["source"].to_pylist() == names
    assert list(store.list(".restore-archive")) == []
