"""A polite request to stop: finish the photos in hand, write down what was done, end.

Ctrl-C asks for it, and so does SIGTERM, which systemd, `docker stop` and Kubernetes send.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

EXIT_INTERRUPTED: Final = 130
"""Exit code of a process that Ctrl-C ended: 128 + SIGINT, as shells count."""
EXIT_TERMINATED: Final = 143
"""Likewise of one that SIGTERM ended."""
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
"""What asks this process to stop. Processes that it starts leave both to it: a terminal sends the
one to all of them, and systemd the other."""
SAME_SIGTERM_S: Final = 0.2
"""Seconds within which a second SIGTERM is the first one, sent twice, as `timeout` does."""

_requested = threading.Event()
_stopped_runs: set[str] = set()


class Terminated(KeyboardInterrupt):
    """SIGTERM, where there is nothing in hand that would have to be finished."""


class StoppedIdle(Exception):  # noqa: N818 - not an error
    """A request to stop came inside `nothing_in_hand`."""


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
def sigterm_like_ctrl_c() -> Iterator[None]:
    """Raise `Terminated` where SIGTERM comes, so that what is open is closed on the way out.

    Only in the main thread, where Python hears of signals; elsewhere nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = os.getpid()

    def on_sigterm(number: int, _frame: FrameType | None) -> None:
        if os.getpid() == ours:
            raise Terminated
        signal.signal(number, signal.SIG_DFL)  # a fork of ours: it has nothing to close
        os.kill(os.getpid(), number)

    before = signal.signal(signal.SIGTERM, on_sigterm)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class StopSignals:
    """The first Ctrl-C or SIGTERM is a request to stop, the second ends the process at once.

    A context manager, for the main thread. Ending at once is as safe as being killed, which a run
    survives by design: outputs are published whole, and the next run does again what has no
    manifest row.

    Args:
        notify: called with the signal when the request arrives.
    """

    def __init__(self, notify: Callable[[signal.Signals], None]) -> None:
        self._notify = notify
        self._first: signal.Signals | None = None
        self._first_s = 0.0
        self._before: dict[signal.Signals, Any] = {}

    @property
    def exit_code(self) -> int:
        """Of a process that was asked to stop, and did."""
        return EXIT_TERMINATED if self._first is signal.SIGTERM else EXIT_INTERRUPTED

    def __enter__(self) -> StopSignals:
        global _current
        _requested.clear()
        self._before = {number: signal.getsignal(number) for number in SIGNALS}
        _current = self
        self.install()
        return self

    def __exit__(self, *_: object) -> None:
        global _current
        _current = None
        for number, handler in self._before.items():
            signal.signal(number, handler)
        _requested.clear()

    def install(self) -> None:
        """Take the signals over, also from who took them from us."""
        for number in SIGNALS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        came = signal.Signals(number)
        if self._first is not None:
            is_same = came is self._first is signal.SIGTERM
            if is_same and time.monotonic() - self._first_s < SAME_SIGTERM_S:
                return
            os.write(2, b"restore-archive: stopped at once; the same command goes on from here\n")
            os._exit(128 + came)
        self._first, self._first_s = came, time.monotonic()
        request_stop()
        self._notify(came)
        if _idle:
            raise StoppedIdle


_current: StopSignals | None = None
_idle = False


@contextmanager
def stop_signals_in_force() -> Iterator[None]:
    """Have the signals mean again what `StopSignals` says, if one is around: Prefect takes SIGTERM.

    For the body of a flow; what Prefect took, it gives back after it.
    """
    if _current is not None and threading.current_thread() is threading.main_thread():
        _current.install()
    yield


@contextmanager
def nothing_in_hand() -> Iterator[None]:
    """Have a request to stop end the block at once: what it waits for is not worth the waiting.

    Raises:
        StoppedIdle: this process was asked to stop, before or meanwhile (by a signal, and if this
            is the main thread, where signals arrive).
    """
    global _idle
    if _requested.is_set():
        raise StoppedIdle
    _idle = threading.current_thread() is threading.main_thread()
    try:
        yield
    finally:
        _idle = False


@contextmanager
def signals_left_to_us() -> Iterator[None]:
    """Have processes and threads that start inside never see Ctrl-C or SIGTERM.

    Those in this thread arrive when the block is over: it should be short.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
