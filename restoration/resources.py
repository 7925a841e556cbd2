"""What a process may use of its machine."""

from __future__ import annotations

import math
from dataclasses import dataclass

from restoration.errors import UsageError
from restoration.precision import AUTO, check_precision


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
            if amount is not None and not (amount > 0 and math.isfinite(amount)):
                raise UsageError(f"--{name} must be a positive number of GB, not {amount:g}")
        if self.threads is not None and self.threads < 1:
            raise UsageError(f"--threads must be at least 1, not {self.threads}")
        check_precision(self.precision)
