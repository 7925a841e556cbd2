"""From the networks' output to the photo: depth, channels, grain given back, strength."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from restoration import scratch
from restoration.colour import as_gray, integer_luma, is_neutral
from restoration.samples import Depth, Samples, eight_bits, full_scale, sample_type, strips

Grain = NDArray[np.int16 | np.int32]


def like(
    source: NDArray[Depth], restored: NDArray[Depth], out: NDArray[Depth] | None = None
) -> NDArray[Depth]:
    """Bring restored (H, W, 3) pixels back to the source's channels.

    A gray photo, also one stored as three equal channels, must come back exactly neutral, though
    the network treats its channels as colours.

    Args:
        source: (H, W) or (H, W, 3).
        restored: (H, W, 3).
        out: where a neutral result may be written, such as `restored` itself; None for a new
            array.
    """
    if source.ndim == 2:
        return integer_luma(restored)
    if is_neutral(source):
        return as_gray(restored, out)
    return restored


def grain_of(source: Samples, denoised: Samples) -> Grain:
    """What denoising took from the luma: the grain, and no chroma noise.

    Args:
        source: (H, W) or (H, W, 3), uint8 or uint16.
        denoised: (H, W, 3), uint8 or uint16; not of fewer bits than `source`.

    Returns:
        (H, W): luma of `source` less luma of `denoised` in units of `source`; int16 of 8-bit
        photos, int32 of 16-bit ones.
    """
    is_8_bit = source.dtype == np.uint8
    units: type[np.int16 | np.int32] = np.int16 if is_8_bit else np.int32
    out: Grain = scratch.empty(source.shape[:2], units)
    for rows in strips(source):
        smooth = eight_bits(denoised[rows]) if is_8_bit else denoised[rows]
        out[rows] = integer_luma(source[rows]).astype(units) - integer_luma(smooth).astype(units)
        scratch.release(source, denoised, out)
    return out


def blend(
    source: NDArray[Depth],
    restored: NDArray[Depth],
    *,
    strength: float = 1.0,
    grain: Grain | None = None,
    keep_grain: float = 0.0,
    out: NDArray[Depth] | None = None,
) -> NDArray[Depth]:
    """Give grain back to a restored photo, and apply a share of the whole change.

    source + strength × (restored + keep_grain × grain − source), clipped and rounded. The same
    grain goes to all channels: it moves luma and leaves chroma as restored.

    Args:
        source: (H, W) or (H, W, 3), uint8 or uint16.
        restored: of that shape and type.
        strength: share of the change that is applied, in [0, 1].
        grain: (H, W) from `grain_of`, or None.
        keep_grain: share of the grain that is given back, in [0, 1].
        out: where the result is written, such as `restored` itself; None for a new array.

    Returns:
        An array of that shape and type; `restored` itself where nothing is to be mixed.
    """
    if strength == 1 and (grain is None or keep_grain == 0):
        return restored
    if out is None:
        out = scratch.empty(source.shape, sample_type(source))
    for rows in strips(source):
        before = source[rows].astype(np.float32)
        change = restored[rows] - before
        if grain is not None:
            given_back = np.float32(keep_grain) * grain[rows].astype(np.float32)
            change += given_back if source.ndim == 2 else given_back[..., None]
        change *= np.float32(strength)
        before += change
        np.clip(before, 0, full_scale(source.dtype), out=before)
        out[rows] = np.rint(before, out=before)
        scratch.release(source, restored, out, *(() if grain is None else (grain,)))
    return out
