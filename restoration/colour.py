"""Luma and chroma: splitting, joining, and holding the luma exactly.

Luma is ITU-R BT.601's, on gamma-encoded values, because that is what JPEG stores and what
Pillow's `convert("L")` gives: the colorized photo turned gray is the gray photo, value by value.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from restoration import scratch
from restoration.samples import Depth, Samples, eight_bits, full_scale, sample_type, strips

Byte = NDArray[np.uint8]
Float = NDArray[np.float32]

CB_SCALE: Final = 0.5 / (1 - 0.114)
CR_SCALE: Final = 0.5 / (1 - 0.299)
"""Cb = (B - Y) CB_SCALE and Cr = (R - Y) CR_SCALE, so that both lie in [-0.5, 0.5]."""

BT601: Final = np.array([0.299, 0.587, 0.114], np.float32)
"""Luma weights of ITU-R BT.601 for R'G'B' (JPEG's YCbCr)."""

# Pillow's fixed-point BT.601 weights (sum 65536): luma of 8-bit pixels to the last bit. With
# samples of 16 bits the sum just stays below 2^32.
_FIXED: Final = (19595, 38470, 7471)
_FLOATING: Final = np.array([[*_FIXED, 0x8000]], np.float32) / np.float32(1 << 16)
"""The same for `cv2.transform`, with half a level to be added."""
_CACHED_PIXELS: Final = 1 << 17


def integer_luma(pixels: NDArray[Depth]) -> NDArray[Depth]:
    """Luma in the samples' own type; of 8-bit pixels as Pillow's `convert("L")` computes it.

    Args:
        pixels: (H, W) or (H, W, 3), uint8 or uint16; gray comes back as it is.

    Returns:
        (H, W) of that type.
    """
    if pixels.ndim == 2:
        return pixels
    out = scratch.empty(pixels.shape[:2], sample_type(pixels))
    for rows in strips(pixels):
        _write_luma(pixels[rows], out[rows])
        scratch.release(pixels, out)
    return out


def luma8(pixels: Samples) -> Byte:
    """Luma of the 8-bit rounding of (H, W) or (H, W, 3) pixels: (H, W) uint8."""
    if pixels.dtype == np.uint8:
        return eight_bits(integer_luma(pixels))
    out = scratch.empty(pixels.shape[:2], np.uint8)
    for rows in strips(pixels):
        out[rows] = integer_luma(eight_bits(pixels[rows]))
        scratch.release(pixels, out)
    return out


def _write_luma(pixels: NDArray[Depth], out: NDArray[Depth]) -> None:
    """Luma of (H, W, 3) pixels, a few rows at a time: what is between stays in the cache."""
    of_strip = _luma_of_8_bits if pixels.dtype == np.uint8 else _luma_of_16_bits
    step = max(1, _CACHED_PIXELS // max(pixels.shape[1], 1))
    for top in range(0, pixels.shape[0], step):
        out[top : top + step] = of_strip(pixels[top : top + step])


def _luma_of_8_bits(pixels: Samples) -> Float:
    """To be cut off to integers: 24 bits of sums and of float32, so that nothing is rounded."""
    return np.asarray(cv2.transform(pixels.astype(np.float32), _FLOATING), np.float32)


def _luma_of_16_bits(pixels: Samples) -> NDArray[np.uint32]:
    red, green, blue = (pixels[..., i].astype(np.uint32) for i in range(3))
    red *= _FIXED[0]
    red += green * np.uint32(_FIXED[1])
    red += blue * np.uint32(_FIXED[2])
    red += 0x8000
    red >>= 16
    return red


def luma(image: NDArray[np.generic]) -> Float:
    """BT.601 luma of an R'G'B' array of shape (..., 3), in the array's own range, not rounded."""
    values = image.astype(np.float32)
    # Not a matrix product: each processor's BLAS rounds in a way of its own, and without noise the
    # shapes that NIQE finds are those of the rounding.
    weighted: Float = values[..., 0] * BT601[0]
    weighted += values[..., 1] * BT601[1]
    weighted += values[..., 2] * BT601[2]
    return weighted


def as_gray(pixels: NDArray[Depth], out: NDArray[Depth] | None = None) -> NDArray[Depth]:
    """Luma repeated in three channels.

    Args:
        pixels: (H, W) or (H, W, 3), uint8 or uint16.
        out: an array to write to, which may be `pixels` itself; None for a new one.

    Returns:
        (H, W, 3) of that type.
    """
    if out is None:
        out = scratch.empty((*pixels.shape[:2], 3), sample_type(pixels))
    for rows in strips(pixels):
        out[rows] = integer_luma(pixels[rows])[..., None]
        scratch.release(pixels, out)
    return out


def is_neutral(pixels: Samples) -> bool:
    """Whether an (H, W, 3) array holds three equal channels everywhere."""
    for rows in strips(pixels):
        strip = pixels[rows]
        first = strip[..., 0]
        same = np.array_equal(first, strip[..., 1]) and np.array_equal(first, strip[..., 2])
        scratch.release(pixels)
        if not same:
            return False
    return True


def join_chroma(luma: NDArray[Depth], chroma: Float) -> NDArray[Depth]:
    """Join luma with chroma so that the luma of the result is the luma given.

    Colours outside the RGB cube are desaturated towards gray instead of clipped, because
    clipping one channel would change the luma.

    Args:
        luma: (H, W) uint8 or uint16.
        chroma: (H, W, 2) float32, Cb and Cr in [-0.5, 0.5].

    Returns:
        (H, W, 3) of luma's type.
    """
    full = full_scale(luma.dtype)
    y = luma.astype(np.float32)
    difference = np.empty((*luma.shape, 3), np.float32)
    difference[..., 0] = chroma[..., 1] * (full / CR_SCALE)
    difference[..., 2] = chroma[..., 0] * (full / CB_SCALE)
    difference[..., 1] = -(0.299 * difference[..., 0] + 0.114 * difference[..., 2]) / 0.587
    highest, lowest = difference.max(-1), difference.min(-1)
    room = np.minimum((full - y) / np.maximum(highest, 1e-6), y / np.maximum(-lowest, 1e-6))
    difference *= np.minimum(room, 1)[..., None]
    difference += y[..., None]
    np.clip(np.rint(difference, out=difference), 0, full, out=difference)
    return _hold_luma(difference.astype(sample_type(luma)), luma)


def _hold_luma(rgb: NDArray[Depth], luma: NDArray[Depth]) -> NDArray[Depth]:
    """Undo what rounding three channels did to the luma, by single steps of single channels."""
    full = full_scale(luma.dtype)
    # Green moves luma by 0.59 of a step, then red by 0.30 and blue by 0.11: together by one. At
    # 16 bits float32 and the fixed-point weights may be off by one more, hence a second round.
    for channel in (1, 0, 2, 1) * 2:
        error = luma.astype(np.int32) - integer_luma(rgb)
        if not error.any():
            break
        moved = rgb[..., channel] + np.sign(error)
        rgb[..., channel] = np.clip(moved, 0, full)
    return rgb
