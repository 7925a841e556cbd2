"""A polite request to stop: finish the photos in hand, write down what was done, end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_INTERRUPTED = 130
"""Exit code of a process that Ctrl-C ended: 128 + SIGINT, as shells count."""

_requested = threading.Event()
_stopped_runs: set[str] = set()


def stop_requested(run_id: str = "") -> bool:
    """Whether this process was asked to stop: altogether, or its work for a run.

    A worker of a cluster serves several runs, and one that is stopped must not stop the others.
    """
    return _requested.is_set() or run_id in _stopped_runs


def request_stop(run_id: str = "") -> None:
    """Ask this process to stop after the photos in hand, or only its work for a run."""
    if run_id:
        _stopped_runs.add(run_id)
    else:
        _requested.set()


@contextmanager
def stopping() -> Iterator[None]:
    """Ask to stop for as long as the block lasts, unless somebody asked already."""
    was_requested = _requested.is_set()
    _requested.set()
    try:
        yield
    finally:
        if not was_requested:
            _requested.clear()


@contextmanager
def stopping_on_interrupt(notify: Callable[[], None]) -> Iterator[None]:
    """Turn the first Ctrl-C into a request to stop, and let the second end the process at once.

    Ending at once is as safe as being killed, which a run survives by design: outputs are
    published whole, and the next run does again what has no manifest row.

    Args:
        notify: called when the request arrives.
    """
    _requested.clear()

    def on_interrupt(_signal: int, _frame: FrameType | None) -> None:
        if _requested.is_set():
            os._exit(EXIT_INTERRUPTED)
        request_stop()
        notify()

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        _requested.clear()
