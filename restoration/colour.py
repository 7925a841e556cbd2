"""Luma and chroma: splitting, joining, and holding the luma exactly.

Luma is ITU-R BT.601's, on gamma-encoded values, because that is what JPEG stores and what
Pillow's `convert("L")` gives: the colorized photo turned gray is the gray photo, value by value.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Byte = NDArray[np.uint8]
Float = NDArray[np.float32]

CB_SCALE: Final = 0.5 / (1 - 0.114)
CR_SCALE: Final = 0.5 / (1 - 0.299)
"""Cb = (B - Y) CB_SCALE and Cr = (R - Y) CR_SCALE, so that both lie in [-0.5, 0.5]."""

BT601: Final = np.array([0.299, 0.587, 0.114], np.float32)
"""Luma weights of ITU-R BT.601 for R'G'B' (JPEG's YCbCr)."""

# Pillow's fixed-point BT.601 weights (sum 65536): luma of 8-bit pixels to the last bit.
_FIXED: Final = (19595, 38470, 7471)


def luma8(pixels: Byte) -> Byte:
    """Luma of 8-bit pixels, as Pillow's `convert("L")` computes it.

    Args:
        pixels: (H, W) or (H, W, 3) uint8; gray comes back as it is.

    Returns:
        (H, W) uint8.
    """
    if pixels.ndim == 2:
        return pixels
    out = np.empty(pixels.shape[:2], np.uint8)
    for top in range(0, pixels.shape[0], 1024):
        strip = pixels[top : top + 1024].astype(np.uint32)
        total = strip[..., 0] * _FIXED[0] + strip[..., 1] * _FIXED[1] + strip[..., 2] * _FIXED[2]
        out[top : top + 1024] = (total + 0x8000) >> 16
    return out


def luma(image: NDArray[np.generic]) -> Float:
    """BT.601 luma of an R'G'B' array of shape (..., 3), in the array's own range, not rounded."""
    weighted: Float = image.astype(np.float32) @ BT601
    return weighted


def as_gray(pixels: Byte) -> Byte:
    """Luma of (H, W) or (H, W, 3) 8-bit pixels, repeated in three channels: (H, W, 3) uint8."""
    return np.repeat(luma8(pixels)[..., None], 3, axis=2)


def is_neutral(pixels: Byte) -> bool:
    """Whether an (H, W, 3) array holds three equal channels everywhere."""
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    return bool(np.array_equal(red, green) and np.array_equal(green, blue))


def join_chroma(luma: Byte, chroma: Float) -> Byte:
    """Join 8-bit luma with chroma so that the luma of the result is the luma given.

    Colours outside the RGB cube are desaturated towards gray instead of clipped, because
    clipping one channel would change the luma.

    Args:
        luma: (H, W) uint8.
        chroma: (H, W, 2) float32, Cb and Cr in [-0.5, 0.5].

    Returns:
        (H, W, 3) uint8.
    """
    y = luma.astype(np.float32)
    difference = np.empty((*luma.shape, 3), np.float32)
    difference[..., 0] = chroma[..., 1] * (255 / CR_SCALE)
    difference[..., 2] = chroma[..., 0] * (255 / CB_SCALE)
    difference[..., 1] = -(0.299 * difference[..., 0] + 0.114 * difference[..., 2]) / 0.587
    highest, lowest = difference.max(-1), difference.min(-1)
    room = np.minimum((255 - y) / np.maximum(highest, 1e-6), y / np.maximum(-lowest, 1e-6))
    difference *= np.minimum(room, 1)[..., None]
    rgb = np.rint(y[..., None] + difference).astype(np.int16)
    return _hold_luma(np.clip(rgb, 0, 255).astype(np.uint8), luma)


def _hold_luma(rgb: Byte, luma: Byte) -> Byte:
    """Undo what rounding three channels did to the luma, by single steps of single channels."""
    # Green moves luma by 0.59 of a step, then red by 0.30 and blue by 0.11: together by one.
    for channel in (1, 0, 2, 1):
        error = luma.astype(np.int16) - luma8(rgb)
        if not error.any():
            break
        moved = rgb[..., channel] + np.sign(error)
        rgb[..., channel] = np.clip(moved, 0, 255).astype(np.uint8)
    return rgb
