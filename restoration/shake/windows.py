"""The parts of a photograph, bounded in size, in which a blur is looked for."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from restoration.samples import Samples

WINDOW_SIDE: Final = 512
"""Samples: enough edges for a kernel, and a second or two of one core's time."""

MOST_WINDOWS: Final = 3
"""One that the kernel is estimated in, and others in which it has to hold."""

_REDUCTION: Final = 4
_STRIP: Final = 1024


def windows(photo: Samples) -> list[tuple[slice, slice]]:
    """Where a photograph has most contours; no two windows overlap.

    Args:
        photo: (H, W, 3) uint8 or uint16.

    Returns:
        At most MOST_WINDOWS, the richest first; the whole frame where it is not larger than one.
    """
    height, width = photo.shape[:2]
    tops, lefts = _starts(height), _starts(width)
    if len(tops) == len(lefts) == 1:
        return [(slice(0, min(height, WINDOW_SIDE)), slice(0, min(width, WINDOW_SIDE)))]
    contours = _contours(photo)
    side = WINDOW_SIDE // _REDUCTION
    places = []
    for top in tops:
        for left in lefts:
            row, column = top // _REDUCTION, left // _REDUCTION
            own = contours[row : row + side, column : column + side]
            places.append((float(own.mean()), top, left))
    chosen = sorted(places, key=lambda place: (-place[0], place[1], place[2]))[:MOST_WINDOWS]
    return [
        (slice(top, top + WINDOW_SIDE), slice(left, left + WINDOW_SIDE))
        for _strength, top, left in chosen
    ]


def _starts(length: int) -> list[int]:
    """Where windows begin along an axis: as many as fit, spread over it."""
    count = max(length // WINDOW_SIDE, 1)
    room = max(length - WINDOW_SIDE, 0)
    return [room * i // max(count - 1, 1) for i in range(count)]


def _contours(photo: Samples) -> NDArray[np.float32]:
    """Strength of contours on a quarter of the resolution, in [0, 1] per pixel of it."""
    strips = []
    for top in range(0, photo.shape[0], _STRIP):
        strip = np.ascontiguousarray(photo[top : top + _STRIP])
        size = (max(strip.shape[1] // _REDUCTION, 1), max(strip.shape[0] // _REDUCTION, 1))
        small = cv2.resize(strip, size, interpolation=cv2.INTER_AREA)
        strips.append(small.astype(np.float32).mean(2) / np.iinfo(photo.dtype).max)
    luma = cv2.GaussianBlur(np.vstack(strips), (0, 0), 1)
    across, down = cv2.Sobel(luma, cv2.CV_32F, 1, 0), cv2.Sobel(luma, cv2.CV_32F, 0, 1)
    return np.asarray(cv2.magnitude(across, down), np.float32)
