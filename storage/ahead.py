"""Calls that mostly wait for a disk or a server, several at a time, answered in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

THREADS: Final = 16
"""In a bucket each call is a request of some 20 to 50 ms."""

T = TypeVar("T")


def ahead(calls: Iterable[Callable[[], T]], threads: int = THREADS) -> Generator[T, None, None]:
    """Yield what the calls return, in their order; up to `threads` run ahead of their turn.

    Args:
        calls: taken as they are needed, so that there may be millions.
        threads: at once.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="ahead")
    waiting: deque[Future[T]] = deque()
    try:
        for call in calls:
            waiting.append(pool.submit(call))
            if len(waiting) >= threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
