"""A Dask preload: photos that are the end of a worker, and of a run.

A worker that takes `poison.png` in hand is killed on the spot; `full disk.png` finds no room.
"""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack

import flows.photo
from flows.rows import Outcome, Prepared, Workshop
from storage import OutOfSpace
from storage.manifest import WorkItem


def dask_setup(worker: object) -> None:
    """Called by Dask in every worker process."""
    real = flows.photo.prepare

    def prepare(item: WorkItem, workshop: Workshop, held: ExitStack) -> Prepared | Outcome:
        if item.path.endswith("poison.png"):
            os.kill(os.getpid(), signal.SIGKILL)
        if item.path.endswith("full disk.png"):
            raise OutOfSpace("the disk is full")
        return real(item, workshop, held)

    flows.photo.prepare = prepare
