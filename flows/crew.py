"""The threads that take photos all the way, shared by all batches of this process."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from typing import Final

from flows.budget import MemoryBudget, memory_for
from flows.progress import current_reporter
from flows.rows import Outcome
from restoration.device import resolve_device
from restoration.execution import memory_of_networks_gb
from restoration.resources import Resources, available_cores
from restoration.worker_process import settle
from storage.manifest import WorkItem

MORE_THREADS: Final = {"cpu": 2, "cuda": 4}
"""Threads beside one for each core: while they wait for storage, or for the device, the cores of
the others are not idle. A GPU leaves more of the time to waiting."""


class Crew:
    """Threads, and the memory that their photos share.

    Args:
        threads: photos in work at once.
        budget: of memory.
        resources: that they may use: all amounts are known.
    """

    def __init__(self, threads: int, budget: MemoryBudget, resources: Resources) -> None:
        self.threads: Final = threads
        self.budget: Final = budget
        self.resources: Final = resources
        self.taking: Final = threading.Lock()
        """Held by the batch that takes photos: the next one begins when it has taken its last, and
        keeps the threads busy while those in work come to their end."""
        self.changed: Final = threading.Condition()
        """Notified when a photo ended or a place is free."""
        self.places = threads
        self._pool: Final = ThreadPoolExecutor(threads, thread_name_prefix="photo")

    def start(self, call: Callable[[], object]) -> None:
        """Have a call done by the next free thread, in the context of the caller."""
        self._pool.submit(copy_context().run, call)


@dataclass
class Passage:
    """The photos of one batch on their way.

    The batch's own thread takes photos, a crew's threads do them. Everything is reported, and
    counted, from the batch's thread.

    Attributes:
        crew: whose threads.
        work: takes a photo all the way.
        outcomes: of the photos that came through, by their place in the batch.
    """

    crew: Crew
    work: Callable[[WorkItem], Outcome]
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    _in_work: dict[int, str] = field(default_factory=dict)
    _ended: deque[tuple[int, Outcome | BaseException]] = field(default_factory=deque)

    def take(self, items: Sequence[WorkItem], may_take: Callable[[WorkItem], bool]) -> None:
        """Take photos, as many at once as there are threads, until all came through.

        Args:
            items: the photos.
            may_take: asked before each; where it says no, those in work are the last ones.

        Raises:
            Exception: what ended a photo other than by an outcome, such as `EndsRun`, or what
                `may_take` raised; when those in work have ended, whose outcomes stay.
        """
        try:
            with self.crew.taking:
                for number, item in enumerate(items):
                    self._await_place()
                    if not may_take(item):
                        break
                    self._begin(number, item)
        finally:
            self._finish()

    def in_order(self) -> list[Outcome]:
        """The outcomes in the order of the batch, whichever photo was the first to end."""
        return [self.outcomes[number] for number in sorted(self.outcomes)]

    def _begin(self, number: int, item: WorkItem) -> None:
        current_reporter().started([*self._in_work.values(), item.path])
        self.crew.start(lambda: self._do(number, item))
        self._in_work[number] = item.path
        with self.crew.changed:
            self.crew.places -= 1

    def _do(self, number: int, item: WorkItem) -> None:
        ended: Outcome | BaseException
        try:
            ended = self.work(item)
        except BaseException as error:
            ended = error
        with self.crew.changed:
            self._ended.append((number, ended))
            self.crew.changed.notify_all()

    def _await_place(self) -> None:
        """Wait for a free thread. What ended meanwhile is reported first, and so may say stop."""
        while True:
            with self.crew.changed:
                self.crew.changed.wait_for(lambda: self._ended or self.crew.places > 0)
                if not self._ended:
                    return
            self._collect()

    def _finish(self) -> None:
        """Wait for the photos in work."""
        error: BaseException | None = None
        while self._in_work:
            with self.crew.changed:
                self.crew.changed.wait_for(lambda: self._ended)
            try:
                self._collect()
            except BaseException as another:  # of a photo: some libraries panic with nothing less
                error = error or another
        if error is not None:
            raise error

    def _collect(self) -> None:
        """Report the photos that ended, and free their places."""
        error: BaseException | None = None
        while self._ended:
            number, ended = self._ended.popleft()
            del self._in_work[number]
            try:
                if isinstance(ended, BaseException):
                    error = error or ended
                else:
                    self.outcomes[number] = ended
                    current_reporter().done(ended.row, was_unchanged=ended.was_unchanged)
            finally:
                with self.crew.changed:
                    self.crew.places += 1
                    self.crew.changed.notify_all()
        if error is not None:
            raise error


def threads_for(resources: Resources, device_type: str) -> int:
    """Photos in work at once on a device: cpu or cuda."""
    return resources.threads or available_cores() + MORE_THREADS[device_type]


_choosing = threading.Lock()
_crews: dict[tuple[Resources, str], Crew] = {}
"""The crew of this process; at most one."""


def crew_for(resources: Resources, device: str) -> Crew:
    """The crew of this process, which stays from batch to batch, and from run to run.

    Args:
        resources: that it may use; where they are others than before, it is another crew.
        device: auto, cpu or cuda.
    """
    resolved = resolve_device(device)
    key = resources, resolved.type
    with _choosing:
        if key not in _crews:
            _crews.clear()  # the threads of one that nobody uses any more end by themselves
            threads, memory = threads_for(resources, resolved.type), memory_for(resources)
            known = replace(resources, threads=threads, memory_gb=max(memory, 1) / 1e9)
            # What networks take at most is of the same memory; photos get no less than half.
            networks = int(memory_of_networks_gb(resolved, known) * 1e9)
            budget = MemoryBudget(max(memory // 2, memory - networks))
            settle(threads)
            _crews[key] = Crew(threads, budget, known)
        return _crews[key]
