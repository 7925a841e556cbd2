"""Python's collector of cyclic garbage, kept off what never becomes garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

NEW_OBJECTS: Final = 50_000
"""Made and not freed since the last pass: some pages of a listing. Python's own 700 make a pass
for every page, a fifth of the time of planning a million photos."""


@contextmanager
def program_set_aside() -> Iterator[None]:
    """Leave what is loaded now out of the collector's passes, until the block is left.

    The libraries of a run are 300,000 objects. A page of a listing makes thousands of new ones,
    after which the collector looks through all: three quarters of the time of reading a page.
    None of them are garbage that needs a collector, so it also looks more seldom.
    """
    thresholds = gc.get_threshold()
    # Without a pass before it: that takes 0.2 s, and a thousandth of the objects are garbage.
    gc.freeze()
    gc.set_threshold(max(NEW_OBJECTS, thresholds[0]), *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
