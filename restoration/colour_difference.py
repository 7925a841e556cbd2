"""How different two photographs look in colour: CIEDE2000.

Sharma, Wu and Dalal, "The CIEDE2000 Color-Difference Formula: Implementation Notes, Supplementary
Test Data, and Mathematical Observations", Color Research and Application 30 (2005); parametric
factors 1. About 1 is the smallest difference that is seen side by side.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from restoration import scratch
from restoration.samples import Samples, full_scale

Double = NDArray[np.float64]

MOST_SAMPLES: Final = 20_000
"""Pixels that are compared: with so many the mean has an error of about a hundredth."""

_XYZ: Final = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)
"""From linear sRGB to CIE XYZ (IEC 61966-2-1)."""
_WHITE: Final = _XYZ.sum(axis=1)
"""D65 as sRGB has it: gray has no chroma."""
_POWER_7: Final = 25.0**7


def mean_difference(a: Samples, b: Samples) -> float:
    """Mean CIEDE2000 of two photographs, over a regular grid of at most 20,000 of their pixels.

    Args:
        a: (H, W) or (H, W, 3) sRGB, uint8 or uint16.
        b: of that shape and type.
    """
    height, width = a.shape[:2]
    step = math.ceil(math.sqrt(height * width / MOST_SAMPLES))
    step |= 1  # odd: an even one would meet the same place of every JPEG block
    first, second = a[step // 2 :: step, step // 2 :: step], b[step // 2 :: step, step // 2 :: step]
    difference = ciede2000(_lab(first), _lab(second))
    scratch.release(a, b)
    return float(difference.mean())


def ciede2000(a: Double, b: Double) -> Double:
    """CIEDE2000 of colours in CIE L*a*b*.

    Args:
        a: (..., 3).
        b: (..., 3).

    Returns:
        (...) differences.
    """
    chroma = (np.hypot(a[..., 1], a[..., 2]) + np.hypot(b[..., 1], b[..., 2])) / 2
    stretch = 1 + 0.5 * (1 - np.sqrt(chroma**7 / (chroma**7 + _POWER_7)))
    (chroma_a, hue_a), (chroma_b, hue_b) = (
        (np.hypot(stretch * lab[..., 1], lab[..., 2]),
         np.degrees(np.arctan2(lab[..., 2], stretch * lab[..., 1])) % 360)
        for lab in (a, b)
    )  # fmt: skip
    is_gray = chroma_a * chroma_b == 0
    turn = hue_b - hue_a
    turn = np.where(is_gray, 0, turn - 360 * np.sign(turn) * (np.abs(turn) > 180))
    # The mean of two hues lies between them, on the shorter way around.
    hue = (hue_a + hue_b) / np.where(is_gray, 1, 2)
    beyond = ~is_gray & (np.abs(hue_a - hue_b) > 180)
    hue = np.where(beyond, hue + np.where(hue_a + hue_b < 360, 180, -180), hue)

    lightness, chroma = (a[..., 0] + b[..., 0]) / 2, (chroma_a + chroma_b) / 2
    squared = (lightness - 50) ** 2
    by_lightness = (b[..., 0] - a[..., 0]) / (1 + 0.015 * squared / np.sqrt(20 + squared))
    by_chroma = (chroma_b - chroma_a) / (1 + 0.045 * chroma)
    length = 2 * np.sqrt(chroma_a * chroma_b) * np.sin(np.radians(turn / 2))
    by_hue = length / (1 + 0.015 * chroma * _hue_weight(hue))
    rotation = (
        -np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2))))
        * 2
        * np.sqrt(chroma**7 / (chroma**7 + _POWER_7))
    )
    squares = by_lightness**2 + by_chroma**2 + by_hue**2 + rotation * by_chroma * by_hue
    return np.asarray(np.sqrt(np.maximum(squares, 0)))


def _hue_weight(hue: Double) -> Double:
    """T of the formula; `hue` in degrees."""
    weight = (
        1
        - 0.17 * np.cos(np.radians(hue - 30))
        + 0.24 * np.cos(np.radians(2 * hue))
        + 0.32 * np.cos(np.radians(3 * hue + 6))
        - 0.20 * np.cos(np.radians(4 * hue - 63))
    )
    return np.asarray(weight)


def _lab(pixels: Samples) -> Double:
    """CIE L*a*b* (D65) of (H, W) or (H, W, 3) sRGB samples: (H, W, 3)."""
    linear = _linear_light(full_scale(pixels.dtype))[pixels]
    if linear.ndim == 2:
        linear = np.repeat(linear[..., None], 3, axis=-1)
    relative = linear @ _XYZ.T / _WHITE
    cubic = np.where(
        relative > (6 / 29) ** 3, np.cbrt(relative), relative / (3 * (6 / 29) ** 2) + 4 / 29
    )
    x, y, z = np.moveaxis(cubic, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


@lru_cache(maxsize=2)
def _linear_light(full: int) -> Double:
    """Linear light in [0, 1] of each sample from 0 to `full` (IEC 61966-2-1)."""
    encoded = np.arange(full + 1) / full
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
