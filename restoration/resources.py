"""What a process may use of its machine."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from restoration.errors import UsageError
from restoration.precision import AUTO, check_precision

_CPU_QUOTAS: Final = (
    (Path("/sys/fs/cgroup/cpu.max"), None),
    (Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")),
)
"""Where Linux says how much processor time a container gets: control groups version 2, then 1."""


@dataclass(frozen=True)
class Resources:
    """What a process may use of its machine, and how it calculates.

    Nothing of it changes what is done to a photo, but for rounding (`restoration.precision`), and
    so it has no part in a recipe.

    Attributes:
        memory_gb: for photos in work, 10^9 bytes; None for half of what the machine has to give.
        gpu_memory_gb: of a GPU, 10^9 bytes; None for what is free.
        threads: photos in work at once; None for what suits the machine.
        precision: one of `restoration.precision.PRECISIONS`.
    """

    memory_gb: float | None = None
    gpu_memory_gb: float | None = None
    threads: int | None = None
    precision: str = AUTO

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            UsageError: an amount that is not positive, or an unknown precision.
        """
        for name, amount in (("memory", self.memory_gb), ("gpu-memory", self.gpu_memory_gb)):
            if amount is not None and not (amount > 0 and math.isfinite(amount * 1e9)):
                raise UsageError(f"--{name} must be a positive number of GB, not {amount:g}")
        if self.threads is not None and self.threads < 1:
            raise UsageError(f"--threads must be at least 1, not {self.threads}")
        check_precision(self.precision)


DEFAULT_RESOURCES: Final = Resources()


def available_cores() -> int:
    """Cores that this process may keep busy: by affinity, container and OMP_NUM_THREADS."""
    count = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    limits = [count, *_quota_cores()]
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal():
        limits.append(int(asked))
    return max(1, min(limits))


def _quota_cores() -> list[int]:
    """Cores' worth of processor time that a container gets, rounded up; nothing where all."""
    for quota_file, period_file in _CPU_QUOTAS:
        try:
            words = quota_file.read_text().split()
            period = words[1] if period_file is None else period_file.read_text().strip()
        except (OSError, IndexError):
            continue
        if words[0].isdecimal() and int(period) > 0:
            return [math.ceil(int(words[0]) / int(period))]
    return []
