"""A Dask preload: workers wait before they are ready, until they are told to go on."""

from __future__ import annotations

import os
from pathlib import Path


def dask_setup(worker: object) -> None:
    """Called by Dask in every worker process."""
    with Path(os.environ["START_FIFO"]).open("a") as announcements:
        announcements.write(f"{os.getpid()}\n")
    with Path(os.environ["READY_FIFO"]).open("rb", buffering=0) as ready:
        ready.read(1)
