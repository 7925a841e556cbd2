"""`restore-archive` with a thread that looks where processor time goes.

A thread wakes up fifty times a second, reads how much processor time each thread of the process
has used since (/proc/self/task), and books it on the stage whose call the thread is in. Threads
without Python calls, such as those of a matrix product, and threads that have ended meanwhile are
booked as the others: in proportion to what these used in the same moment.

python -m tests.benchmarks.speed.sampled_run FIGURES.json run PHOTOS RESTORED …
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType

from tests.benchmarks.speed.stages import REST, stage_of

EVERY_S = 0.02
_TASKS = Path("/proc/self/task")


class StageSampler:
    """Books processor time on stages, from `start` to `stop`.

    Attributes:
        seconds: processor seconds by stage.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._seen: dict[int, float] = {}
        self._total = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> Mapping[str, float]:
        """End the thread; returns what was booked."""
        self._done.set()
        self._thread.join()
        return self.seconds

    def _watch(self) -> None:
        while not self._done.wait(EVERY_S):
            self.look()
        self.look()

    def look(self) -> None:
        """Book what was used since the last look."""
        stages = self._stages_now()
        used = self._used_since()
        named = dict.fromkeys(stages.values(), 0.0)
        total = time.process_time()
        # Threads that have ended since are in the process's time and nowhere else.
        unnamed = max(0.0, total - self._total - sum(used.values()))
        self._total = total
        for task, seconds in used.items():
            if task in stages:
                named[stages[task]] += seconds
            else:
                unnamed += seconds
        book(self.seconds, named, unnamed)

    def _stages_now(self) -> dict[int, str]:
        frames = sys._current_frames()
        own = threading.get_ident()
        del frames[own]  # which holds `frames`: a ring, and in it the arrays of all other threads
        threads = {thread.ident: thread.native_id for thread in threading.enumerate()}
        stages = {
            task: stage_of(list(calls_of(frame)))
            for ident, frame in frames.items()
            if (task := threads.get(ident)) is not None
        }
        return {**stages, threading.get_native_id(): REST}

    def _used_since(self) -> dict[int, float]:
        now = {int(entry.name): cpu_seconds(entry) for entry in _TASKS.iterdir()}
        used = {task: max(0.0, cpu - self._seen.get(task, 0.0)) for task, cpu in now.items()}
        self._seen = now
        return used


def book(seconds: dict[str, float], named: Mapping[str, float], unnamed: float) -> None:
    """Add what threads used whose stage is known, and share out what helpers used meanwhile.

    Args:
        seconds: by stage; added to.
        named: processor seconds of threads in a stage.
        unnamed: those of threads that are in no Python call.
    """
    total = sum(named.values())
    if total == 0:
        seconds[REST] += unnamed
        return
    for stage, own in named.items():
        seconds[stage] += own + unnamed * own / total


def calls_of(frame: FrameType | None) -> Iterator[str]:
    """The calls that a frame is in, the outermost first."""
    calls: list[str] = []
    while frame is not None:
        calls.append(f"{frame.f_globals.get('__name__', '')}.{frame.f_code.co_name}")
        frame = frame.f_back
    return reversed(calls)


def cpu_seconds(task: Path) -> float:
    """Processor time of a thread; 0 where it has ended."""
    try:
        return int((task / "schedstat").read_text().split()[0]) / 1e9
    except (OSError, IndexError):
        return 0.0


def main() -> None:
    sampler = StageSampler()
    sampler.start()
    code = 1
    try:
        from flows.cli import main as restore_archive

        code = restore_archive(sys.argv[2:])
    finally:
        Path(sys.argv[1]).write_text(json.dumps(sampler.stop()))
    sys.exit(code)


if __name__ == "__main__":
    main()
