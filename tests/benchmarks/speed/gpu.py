"""How busy a GPU is while something runs, as NVIDIA's driver counts it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from typing import Self

_EVERY_MS = 100
_QUERY = "--query-gpu=utilization.gpu,memory.used"


class GpuWatch:
    """Asks `nvidia-smi` ten times a second; where there is none, `busy` is None.

    What it calls utilisation is the share of the last period in which a kernel ran on the GPU.
    Of several GPUs the first counts; choose it with CUDA_VISIBLE_DEVICES in nvidia-smi's order.

    Attributes:
        samples: (share of the time that it was busy, memory taken in 10^9 bytes), after the end.
    """

    def __init__(self) -> None:
        self.samples: list[tuple[float, float]] = []
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        program = shutil.which("nvidia-smi")
        if program is not None:
            self._said = tempfile.TemporaryFile()
            self._process = subprocess.Popen(
                [program, _QUERY, "--format=csv,noheader,nounits", f"-lms={_EVERY_MS}", "-i", "0"],
                stdout=self._said,
                stderr=subprocess.DEVNULL,
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return
        self._process.terminate()
        self._process.wait()
        self._said.seek(0)
        self.samples = parse(self._said.read().decode().splitlines())
        self._said.close()

    @property
    def busy(self) -> float | None:
        """Share of the time in [0, 1]; None where nothing was measured."""
        if not self.samples:
            return None
        return sum(busy for busy, _ in self.samples) / len(self.samples)

    @property
    def peak_gb(self) -> float:
        return max((taken for _, taken in self.samples), default=0.0)


def parse(lines: Sequence[str]) -> list[tuple[float, float]]:
    """Read `nvidia-smi`'s lines, "97, 12345": per cent and MiB; others are left out."""
    found = []
    for line in lines:
        words = [word.strip() for word in line.split(",")]
        if len(words) == 2 and all(word.isdigit() for word in words):
            found.append((int(words[0]) / 100, int(words[1]) * 2**20 / 1e9))
    return found
