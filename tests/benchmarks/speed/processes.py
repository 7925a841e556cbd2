"""What a process and all its descendants use, sampled while they run (Linux)."""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

_TICKS = os.sysconf("SC_CLK_TCK")
_KINDS = (
    ("restoration.codec.child", "decoder"),
    ("flows.embedded_server", "Prefect's server"),
    ("distributed", "Dask"),
)
"""What a process is, by what is in its command line."""


@dataclass(frozen=True)
class Usage:
    """What one process has used so far.

    Attributes:
        kind: decoder, Prefect's server, Dask, or "run" for any other; "" where it has just ended.
        cpu_s: processor time, user and system.
        anonymous_gb: memory of its own, in files of no name too, 10^9 bytes.
        read_gb: from disks, not from the page cache.
        written_gb: to disks, now or later.
    """

    kind: str
    cpu_s: float
    anonymous_gb: float
    read_gb: float = 0.0
    written_gb: float = 0.0


@dataclass(frozen=True)
class Moment:
    """Memory of all processes together at one moment.

    Attributes:
        at_s: since the watch began.
        anonymous_gb: sum of the processes' own memory, 10^9 bytes.
        proportional_gb: sum of proportional set sizes, with what they map of files; 0 where it is
            not asked for.
    """

    at_s: float
    anonymous_gb: float
    proportional_gb: float


@dataclass
class Watch:
    """Samples a process tree in a thread, from `with` to its end.

    Attributes:
        root: process id.
        every_s: between two samples.
        proportional: whether to measure proportional set sizes, for which the kernel walks all
            pages: milliseconds for a gigabyte, during which the process cannot map memory.
        moments: what was seen.
        usages: the last usage of each process, by its id.
    """

    root: int
    every_s: float = 0.1
    proportional: bool = False
    moments: list[Moment] = field(default_factory=list)
    usages: dict[int, Usage] = field(default_factory=dict)
    _done: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    @property
    def peak_anonymous_gb(self) -> float:
        return max((moment.anonymous_gb for moment in self.moments), default=0.0)

    @property
    def peak_proportional_gb(self) -> float:
        return max((moment.proportional_gb for moment in self.moments), default=0.0)

    def look(self) -> None:
        """Take one sample."""
        anonymous, proportional = 0.0, 0.0
        for pid in family(self.root):
            usage = usage_of(pid)
            if usage is not None:
                # One that has ended and is not waited for yet has its times, but no name any more.
                before = self.usages.get(pid, usage)
                self.usages[pid] = replace(usage, kind=usage.kind or before.kind)
                anonymous += usage.anonymous_gb
            proportional += proportional_gb(pid) if self.proportional else 0.0
        at = time.perf_counter() - self._started
        self.moments.append(Moment(at, anonymous, proportional))

    def cpu_by_kind(self) -> Mapping[str, float]:
        """Processor seconds by kind of process, as last seen."""
        totals: dict[str, float] = defaultdict(float)
        for usage in self.usages.values():
            totals[usage.kind] += usage.cpu_s
        return totals

    def _watch(self) -> None:
        self.look()
        while not self._done.wait(self.every_s):
            self.look()


def family(root: int) -> list[int]:
    """A process and its descendants, the root first."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children[int(fields[1])].append(int(entry.name))
    found = [root]
    for pid in found:  # grows as it goes
        found += children[pid]
    return found


def usage_of(pid: int) -> Usage | None:
    """What a process has used; None where it has ended."""
    fields = _stat(pid)
    try:
        status = _named_numbers(Path(f"/proc/{pid}/status").read_text())
        words = (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    except OSError:
        return None
    if not fields:
        return None
    disk = _disk(pid)
    return Usage(
        kind_of(words),
        (int(fields[11]) + int(fields[12])) / _TICKS,
        # Shared memory is that of decoded pixels, which two processes may both count.
        (status.get("RssAnon", 0) + status.get("RssShmem", 0)) * 1024 / 1e9,
        disk.get("read_bytes", 0) / 1e9,
        disk.get("write_bytes", 0) / 1e9,
    )


def kind_of(words: str) -> str:
    """What a process is, by its command line; "" for one without."""
    if not words:
        return ""
    return next((kind for mark, kind in _KINDS if mark in words), "run")


def proportional_gb(pid: int) -> float:
    """Proportional set size, 10^9 bytes; 0 where the process has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return _named_numbers(text).get("Pss", 0) * 1024 / 1e9


def _disk(pid: int) -> dict[str, int]:
    try:
        return _named_numbers(Path(f"/proc/{pid}/io").read_text())
    except OSError:
        return {}


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on: a program's name may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _named_numbers(text: str) -> dict[str, int]:
    lines = (line.partition(":") for line in text.splitlines())
    found = ((name, rest.split()) for name, _, rest in lines)
    return {name: int(words[0]) for name, words in found if words and words[0].isdigit()}
