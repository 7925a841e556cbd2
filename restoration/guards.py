"""Last look at a network's output before it may become a file."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from restoration import scratch
from restoration.errors import GuardError
from restoration.samples import Samples, full_scale, strips

MEAN_SHIFT: Final = 6.0
"""Restoring moves no channel's mean by more than this (8-bit units) on a noise-free photo."""

CLIPPING_SHIFT: Final = 0.4
"""Additional allowance per unit of noise sigma: noise of sigma s, clipped at black or white,
shifts the mean by up to s / sqrt(2 pi) = 0.4 s, which denoising rightly takes back."""

COLLAPSE: Final = 0.25
"""A restored photo keeps at least this share of the contrast that is not noise."""


def check_restored(before: Samples, after: Samples, *, noise_sigma: float) -> None:
    """Compare a restored photograph with what went in.

    Args:
        before: (H, W) or (H, W, 3), uint8 or uint16.
        after: what the networks made of it.
        noise_sigma: of `before`, in 8-bit units.

    Raises:
        GuardError: other shape or type, black, blown out or flat, or another brightness.
    """
    if after.shape != before.shape or after.dtype != before.dtype:
        raise GuardError(
            f"the output is {after.shape} {after.dtype}, the photo {before.shape} {before.dtype}"
        )
    means, deviations = _moments(before)
    new_means, new_deviations = _moments(after)
    bound = MEAN_SHIFT + CLIPPING_SHIFT * noise_sigma
    shift = float(np.abs(new_means - means).max())
    if shift > bound:
        raise GuardError(
            f"brightness moved by {shift:.1f} of 255, more than the {bound:.1f} allowed"
        )
    signal = np.sqrt(np.maximum(deviations**2 - noise_sigma**2, 0))
    if (new_deviations < COLLAPSE * signal - 1).any():
        raise GuardError("the output lost most of its contrast (black, blown out or flat)")


def check_colorized(luma: Samples, colorized: Samples) -> None:
    """Refuse a colorized photo of the wrong shape, or one that is a single flat colour.

    Raises:
        GuardError: other shape or type, or implausibly uniform saturated colour.
    """
    if colorized.shape != (*luma.shape, 3) or colorized.dtype != luma.dtype:
        raise GuardError(
            f"the colorized output is {colorized.shape} {colorized.dtype}, "
            f"the photo {luma.shape} {luma.dtype}"
        )
    means, _ = _moments(colorized)
    if float(means.max() - means.min()) > 100:
        raise GuardError("the colorized output has an implausible cast")


def _moments(pixels: Samples) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each channel in 8-bit units; in strips to bound memory."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    total, squares = np.zeros(channels), np.zeros(channels)
    for rows in strips(pixels):
        strip = pixels[rows]
        weight = strip.shape[0] * strip.shape[1]
        means, spreads = (each.ravel() for each in cv2.meanStdDev(strip))
        total += weight * means
        squares += weight * (spreads**2 + means**2)
        scratch.release(pixels)
    count = pixels.shape[0] * pixels.shape[1]
    means = total / count
    deviations = np.sqrt(np.maximum(squares / count - means**2, 0))
    scale = 255 / full_scale(pixels.dtype)
    return means * scale, deviations * scale
