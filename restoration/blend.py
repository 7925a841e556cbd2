"""From the networks' output to the photo: depth, channels, grain given back, strength."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from restoration.colour import as_gray, is_neutral, luma8
from restoration.tiling import Pixels

Byte = NDArray[np.uint8]
Grain = NDArray[np.int16]

_STRIP: Final = 1024


def eight_bits(pixels: Pixels) -> Byte:
    """Round uint16 pixels to uint8, 65535 becoming 255; uint8 comes back as it is."""
    if pixels.dtype == np.uint8:
        return pixels
    out = np.empty(pixels.shape, np.uint8)
    for rows in _strips(pixels.shape[0]):
        out[rows] = (pixels[rows].astype(np.uint32) * 255 + 32767) // 65535
    return out


def like(source: Byte, restored: Byte) -> Byte:
    """Bring restored (H, W, 3) pixels back to the source's channels.

    A gray photo, also one stored as three equal channels, must come back exactly neutral, though
    the network treats its channels as colours.
    """
    if source.ndim == 2:
        return luma8(restored)
    if is_neutral(source):
        return as_gray(restored)
    return restored


def grain_of(source: Byte, denoised: Pixels) -> Grain:
    """What denoising took from the luma: the grain, and no chroma noise.

    Args:
        source: (H, W) or (H, W, 3) uint8.
        denoised: (H, W, 3), uint8 or uint16.

    Returns:
        (H, W) int16: luma of `source` less luma of `denoised`, 8-bit units.
    """
    out = np.empty(source.shape[:2], np.int16)
    for rows in _strips(source.shape[0]):
        out[rows] = luma8(source[rows]).astype(np.int16) - luma8(eight_bits(denoised[rows]))
    return out


def blend(
    source: Byte,
    restored: Byte,
    *,
    strength: float = 1.0,
    grain: Grain | None = None,
    keep_grain: float = 0.0,
) -> Byte:
    """Give grain back to a restored photo, and apply a share of the whole change.

    source + strength × (restored + keep_grain × grain − source), clipped and rounded. The same
    grain goes to all channels: it moves luma and leaves chroma as restored.

    Args:
        source: (H, W) or (H, W, 3) uint8.
        restored: of that shape.
        strength: share of the change that is applied, in [0, 1].
        grain: (H, W) int16 from `grain_of`, or None.
        keep_grain: share of the grain that is given back, in [0, 1].

    Returns:
        An array of that shape; `restored` itself where nothing is to be mixed.
    """
    if strength == 1 and (grain is None or keep_grain == 0):
        return restored
    out = np.empty_like(source)
    for rows in _strips(source.shape[0]):
        before = source[rows].astype(np.float32)
        change = restored[rows] - before
        if grain is not None:
            given_back = np.float32(keep_grain) * grain[rows]
            change += given_back if source.ndim == 2 else given_back[..., None]
        mixed = before + np.float32(strength) * change
        out[rows] = np.rint(np.clip(mixed, 0, 255, out=mixed), out=mixed)
    return out


def _strips(height: int) -> Iterator[slice]:
    """Rows in strips: temporaries of a large scan would else take gigabytes."""
    return (slice(top, top + _STRIP) for top in range(0, height, _STRIP))
