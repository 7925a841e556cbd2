"""A Dask preload: the first workers that take photos in hand wait there, until their run stops.

What a test does meanwhile, it does to workers that are in the middle of a batch for certain.
"""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from pathlib import Path

import flows.photo
import flows.stopping
from flows.rows import Outcome, Prepared, Workshop
from storage.manifest import WorkItem


def dask_setup(worker: object) -> None:
    """Called by Dask in every worker process."""
    fifo = Path(os.environ["HELD_FIFO"])
    places = [fifo.with_suffix(f".{number}") for number in range(int(os.environ["HELD_COUNT"]))]
    stopped = threading.Event()
    real_prepare = flows.photo.prepare
    real_request_stop = flows.stopping.request_stop

    first = threading.Semaphore()  # of each worker one photo is held, whichever thread has it

    def prepare(item: WorkItem, workshop: Workshop, held: ExitStack) -> Prepared | Outcome:
        for place in places if first.acquire(blocking=False) else ():
            try:
                place.touch(exist_ok=False)
            except FileExistsError:
                continue  # taken by another worker, maybe by one that was killed since
            with fifo.open("a") as announcements:
                announcements.write(f"{os.getpid()}\n")
            stopped.wait()
            break
        return real_prepare(item, workshop, held)

    def request_stop(run_id: str = "") -> None:
        real_request_stop(run_id)
        stopped.set()

    flows.photo.prepare = prepare
    flows.stopping.request_stop = request_stop
