"""Settings of a process that does nothing but restore photographs."""

from __future__ import annotations

import cv2
import torch
from threadpoolctl import threadpool_limits

from restoration.allocator import keep_freed_memory
from restoration.resources import available_cores


def settle(photos_at_once: int) -> None:
    """Set a process up for its work, once, before the first photo.

    Several photos keep all cores busy by themselves: libraries that use all cores for each would
    only have them wait for one another.

    Args:
        photos_at_once: threads that have a photo in work.
    """
    keep_freed_memory()
    threads = max(1, available_cores() // photos_at_once)
    cv2.setNumThreads(threads)
    threadpool_limits(threads, user_api="blas")
    torch.set_num_threads(threads)  # of all threads that begin after this one
