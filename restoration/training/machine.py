"""Settings of the process with which training is faster."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_MIB: Final = 2**20


@contextmanager
def set_up_for_training() -> Iterator[None]:
    """Settings of the whole process, put back afterwards where that is possible."""
    # Denormals cost a CPU many times the cycles of ordinary numbers and mean nothing here.
    torch.set_flush_denormal(True)
    # Every batch has the same shapes: cuDNN may try which of its algorithms is fastest.
    torch.backends.cudnn.benchmark = True
    _keep_memory()
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.backends.cudnn.benchmark = False


def _keep_memory() -> None:
    """Let glibc keep freed memory for the next step instead of giving it back.

    Each step needs the same memory again, and the kernel's zeroing of 6,000 pages a step takes
    4 % of a CPU's time. Other C libraries have no mallopt, or one that ignores this.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_M_TRIM_THRESHOLD, ctypes.c_int(2**31 - 1))
    mallopt(_M_MMAP_THRESHOLD, ctypes.c_int(32 * _MIB))  # the largest that glibc takes
