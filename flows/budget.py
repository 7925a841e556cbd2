"""Memory that photos in work share: each reserves what it is going to need, and waits for it."""

from __future__ import annotations

import sys
import threading
from collections import deque
from typing import Final

from flows.available_memory import available_memory
from restoration.resources import Resources

SHARE_OF_MEMORY: Final = 0.5
"""Of what is available. The other half is for the networks, the decoders and the page cache."""


class MemoryBudget:
    """Bytes that photos reserve, in the order in which they ask.

    Whoever asks waits behind all who asked before, also behind one that waits for much: a large
    photo gets its turn, however many small ones come after it. One that needs more than there is
    gets all of it, and so is alone.

    Nobody waits while holding a reservation, so that nobody can wait for ever.

    Args:
        total: bytes.
    """

    def __init__(self, total: int) -> None:
        self.total = max(1, total)
        self._free = self.total
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    def reserve(self, size: int) -> Reservation:
        """Wait for so many bytes, or for all that there are."""
        wanted = min(size, self.total)
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                self._changed.wait_for(lambda: self._waiting[0] is ticket and wanted <= self._free)
                self._free -= wanted
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        return Reservation(self, wanted)

    @property
    def free(self) -> int:
        """Bytes that nobody has reserved."""
        with self._changed:
            return self._free

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        with self._changed:
            return len(self._waiting)

    def exchange(self, held: int, wanted: int) -> int:
        """Take bytes back and give out others, at once or not at all.

        Args:
            held: bytes of a reservation.
            wanted: that it is to have.

        Returns:
            What it has now: `wanted`, or all that there are, or `held` where there is no room.
        """
        wanted = min(wanted, self.total)
        with self._changed:
            if wanted - held > self._free:
                return held
            self._free += held - wanted
            self._changed.notify_all()
            return wanted


class Reservation:
    """Bytes of a budget, until they are given back. Made by `MemoryBudget.reserve`."""

    def __init__(self, budget: MemoryBudget, size: int) -> None:
        self._budget = budget
        self.size = size

    def resize(self, size: int) -> bool:
        """Have another size from now on, if there is room; returns whether there was."""
        self.size = self._budget.exchange(self.size, size)
        return self.size >= min(size, self._budget.total)

    def release(self) -> None:
        """Give everything back."""
        self.size = self._budget.exchange(self.size, 0)


UNLIMITED: Final = MemoryBudget(sys.maxsize)
"""For who does one photo at a time."""


def memory_for(resources: Resources) -> int:
    """Bytes that the photos in work may take together: what was asked for, or what suits."""
    if resources.memory_gb is not None:
        return int(resources.memory_gb * 1e9)
    return int(SHARE_OF_MEMORY * available_memory())
