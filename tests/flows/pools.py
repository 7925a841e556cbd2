"""What stands for an engine where only the dispatch of batches is of interest."""

from __future__ import annotations

from flows.batch import BatchOrder
from storage import LocalDestination


class QueuedPool:
    """Holds the orders; a subclass says how each ends."""

    capacity = 3

    def __init__(self, store: LocalDestination) -> None:
        self.store = store
        self.orders: list[BatchOrder] = []

    def __len__(self) -> int:
        return len(self.orders)

    def submit(self, order: BatchOrder) -> None:
        self.orders.append(order)

    def stop(self) -> None:
        raise AssertionError("nothing ends this run early")

    drain = stop
