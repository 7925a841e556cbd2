"""What this machine's disk and its GPU's bus can do, for the roofline."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import torch

_BYTES = 1 << 28


def disk_gigabytes_per_s(folder: Path) -> float:
    """Writes a quarter of a gigabyte of noise, which no disk compresses, and waits for the disk."""
    data = np.random.default_rng(0).bytes(_BYTES)
    path = folder / "probe"
    started = time.perf_counter()
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    seconds = time.perf_counter() - started
    path.unlink()
    return _BYTES / 1e9 / seconds


def copy_gigabytes_per_s(repeats: int = 10) -> float:
    """Copies pinned memory to the GPU, one way; needs a GPU."""
    here = torch.empty(_BYTES, dtype=torch.uint8, pin_memory=True)
    there = torch.empty(_BYTES, dtype=torch.uint8, device="cuda")
    there.copy_(here)
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(repeats):
        there.copy_(here, non_blocking=True)
    torch.cuda.synchronize()
    return repeats * _BYTES / 1e9 / (time.perf_counter() - started)
