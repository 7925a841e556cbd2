"""Servers and workers that a test starts, waits for and ends."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

PATIENCE_S = 900
"""Seconds after which a test gives up, however loaded the machine is."""

_LOOK_EVERY_S = 0.2


class Background:
    """Processes that go on until `end`, each with a log.

    Args:
        folder: for the logs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, words: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a process under a name of its own."""
        with self._log_of(name).open("wb") as log:
            self._started[name] = subprocess.Popen(
                words,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that all its children can be ended with it
            )

    def wait_until(self, name: str, ready: Callable[[], bool]) -> None:
        """Wait until a process is ready; it must not end before that."""
        deadline = time.monotonic() + PATIENCE_S
        while not ready():
            with suppress(subprocess.TimeoutExpired):
                code = self._started[name].wait(timeout=_LOOK_EVERY_S)
                raise AssertionError(f"{name} ended with {code}:\n{self.log(name)}")
            assert time.monotonic() < deadline, f"{name} is not ready:\n{self.log(name)}"

    def log(self, name: str) -> str:
        """The last lines that a process wrote."""
        return self._log_of(name).read_text(errors="replace")[-4000:]

    def end(self) -> None:
        """End all processes, the youngest first, with their children."""
        for process in reversed(self._started.values()):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._started.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=30)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _log_of(self, name: str) -> Path:
        return self._folder / f"{name}.log"
