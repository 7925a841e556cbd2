"""Settings of the process with which training is faster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from restoration.allocator import keep_freed_memory


@contextmanager
def set_up_for_training() -> Iterator[None]:
    """Settings of the whole process, put back afterwards where that is possible."""
    # Denormals cost a CPU many times the cycles of ordinary numbers and mean nothing here.
    torch.set_flush_denormal(True)
    # Every batch has the same shapes: cuDNN may try which of its algorithms is fastest.
    torch.backends.cudnn.benchmark = True
    keep_freed_memory()
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.backends.cudnn.benchmark = False
