"""Where in a photograph there is most to see."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from restoration.colour import luma8

Byte = NDArray[np.uint8]

CROP: Final = 256
"""Side of a crop in pixels; less where the photograph is smaller."""


def detail_crop(pixels: Byte, side: int = CROP) -> tuple[slice, slice]:
    """Rows and columns of the crop with the most detail (mean gradient of luma).

    Args:
        pixels: (H, W, 3) or (H, W) uint8.
        side: of the crop in pixels; less where the photograph is smaller.
    """
    luma = luma8(pixels).astype(np.float32)
    gradient = cv2.magnitude(cv2.Sobel(luma, cv2.CV_32F, 1, 0), cv2.Sobel(luma, cv2.CV_32F, 0, 1))
    sides = (min(side, luma.shape[0]), min(side, luma.shape[1]))
    total = np.asarray(cv2.integral(gradient), np.float64)
    down = _starts(luma.shape[0], sides[0])
    across = _starts(luma.shape[1], sides[1])
    best = max(
        ((top, left) for top in down for left in across),
        key=lambda corner: _window_sum(total, corner, sides),
    )
    return slice(best[0], best[0] + sides[0]), slice(best[1], best[1] + sides[1])


def _starts(length: int, side: int) -> range:
    """Offsets of windows that overlap by three quarters."""
    return range(0, length - side + 1, max(1, side // 4))


def _window_sum(
    total: NDArray[np.float64], corner: tuple[int, int], sides: tuple[int, int]
) -> float:
    (top, left), (height, width) = corner, sides
    bottom, right = top + height, left + width
    return float(total[bottom, right] - total[top, right] - total[bottom, left] + total[top, left])
