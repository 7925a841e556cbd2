"""Memory that networks ask for again and again is kept, not given back to the system in between."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

_TRIM_THRESHOLD: Final = -1
_TOP_PAD: Final = -2
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8
"""Parameters of glibc's mallopt(3)."""

_MOST: Final = 2**31 - 1
_STEP_BYTES: Final = 64 << 20


def keep_freed_memory() -> bool:
    """Have this process's allocator keep what is freed for the next who asks.

    Between the layers of a network, buffers of some hundred megabytes come and go. glibc fetches
    each from the system and gives it back, and the system fills it with zeros page by page: two
    fifths of a layer's time. One arena for all threads, since only the first can hold large
    buffers. The price is that memory once used stays with the process until `give_back`.

    Returns:
        Whether there is such an allocator (Linux with glibc); elsewhere nothing happens.
    """
    library = _glibc()
    if library is None:
        return False
    settings = (
        (_MMAP_THRESHOLD, _MOST),
        (_TRIM_THRESHOLD, _MOST),
        (_TOP_PAD, _STEP_BYTES),
        (_ARENA_MAX, 1),
    )
    done = [library.mallopt(name, value) == 1 for name, value in settings]
    return all(done)


def give_back() -> None:
    """Give memory that is free back to the system: after a photo that needed much."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
