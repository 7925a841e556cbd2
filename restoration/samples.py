"""Integer samples of 8 or 16 bits: their type, their range, and their way to 8 bits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from restoration import scratch

Sample = np.uint8 | np.uint16
Samples = NDArray[Sample]
"""Integer samples over the type's whole range: 255 or 65535 is full."""

SampleType = type[np.uint8] | type[np.uint16]
Depth = TypeVar("Depth", bound=Sample)
"""Of functions whose result has the type of what they are given."""

_STRIP_ROWS: Final = 1024
_STRIP_PIXELS: Final = 1 << 22
"""48 MiB for three channels of float32: a handful of temporaries fits anywhere."""


def full_scale(dtype: DTypeLike) -> int:
    """The largest sample: 255 of uint8, 65535 of uint16."""
    return int(np.iinfo(np.dtype(dtype)).max)


def sample_type(pixels: NDArray[Depth]) -> type[Depth]:
    """np.uint8 or np.uint16."""
    return pixels.dtype.type


def strips(pixels: NDArray[Any]) -> Iterator[slice]:
    """Rows of (H, W, ...) in strips: temporaries of a large scan would else take gigabytes."""
    height, width = pixels.shape[:2]
    rows = max(1, min(_STRIP_ROWS, _STRIP_PIXELS // max(width, 1)))
    return (slice(top, min(top + rows, height)) for top in range(0, height, rows))


def eight_bits(pixels: Samples) -> NDArray[np.uint8]:
    """Round uint16 samples to uint8, 65535 becoming 255; uint8 comes back as it is."""
    if pixels.dtype == np.uint8:
        return pixels.view(np.uint8)
    out = scratch.empty(pixels.shape, np.uint8)
    for rows in strips(pixels):
        out[rows] = (pixels[rows].astype(np.uint32) * 255 + 32767) // 65535
        scratch.release(pixels, out)
    return out


def are_equal(a: Samples, b: Samples) -> bool:
    """Whether two arrays of one shape hold the same samples, without an array of the answers."""
    for rows in strips(a):
        same = np.array_equal(a[rows], b[rows])
        scratch.release(a, b)
        if not same:
            return False
    return True
