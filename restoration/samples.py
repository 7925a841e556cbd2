"""Integer samples of 8 or 16 bits: their type, their range, and their way to 8 bits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeVar

import cv2
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
    if pixels.dtype == np.uint8 or pixels.size == 0:
        return pixels.astype(np.uint8, copy=False)
    out = scratch.empty(pixels.shape, np.uint8)
    for rows in strips(pixels):
        strip = pixels[rows]
        # 65535 is 257 times 255, an odd number: there is nothing halfway that could be rounded
        # either way, and float32 is exact enough. OpenCV takes one pass, NumPy's integers six.
        flat = cv2.convertScaleAbs(strip.reshape(len(strip), -1), alpha=1 / 257)
        out[rows] = np.asarray(flat, np.uint8).reshape(strip.shape)
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
