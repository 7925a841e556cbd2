"""A polite request to stop: finish the photos in hand, write down what was done, end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_requested = threading.Event()


def stop_requested() -> bool:
    """Whether this process was asked to stop."""
    return _requested.is_set()


@contextmanager
def stopping_on_interrupt(notify: Callable[[], None]) -> Iterator[None]:
    """Turn the first Ctrl-C into a request to stop, the second into KeyboardInterrupt.

    Args:
        notify: called when the request arrives.
    """
    _requested.clear()

    def on_interrupt(_signal: int, _frame: FrameType | None) -> None:
        if _requested.is_set():
            raise KeyboardInterrupt
        _requested.set()
        notify()

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
