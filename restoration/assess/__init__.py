"""Blind assessment of a photograph: how noisy, how blurred, and whether it has colour."""

from __future__ import annotations

import numpy as np

from restoration.assess.assessment import Assessment
from restoration.assess.estimator import estimate_noise, estimate_strengths
from restoration.assess.monochrome import estimate_monochrome
from restoration.assess.thresholds import BLURRED_SIGMA, NOISY_SIGMA, SURE_ENOUGH
from restoration.samples import Samples

ASSESSMENT_VERSION = "2-2bf14657"
"""Part of every recipe's hash: changes whenever a result of `assess` may change.

A number, raised with the code, and the first digits of the sha256 of the regressor's weights.
"""

__all__ = [
    "ASSESSMENT_VERSION",
    "BLURRED_SIGMA",
    "NOISY_SIGMA",
    "SURE_ENOUGH",
    "Assessment",
    "assess",
    "estimate_noise",
]


def assess(image: Samples) -> Assessment:
    """Measure the degradations of a photograph from its pixels alone.

    Time and memory are bounded: noise and blur are measured on at most 0.9 megapixels of native
    windows, colour on block means of the whole frame.

    Args:
        image: (H, W) or (H, W, 3) R'G'B', any size from 1x1 up; is not modified. Of uint16 the
            8-bit rounding is measured: no threshold is finer, and the regressor knows no other.

    Returns:
        The assessment; how each confidence is made is said at `restoration.assess.scales` and
        `estimate_monochrome`.

    Raises:
        TypeError: `image` is neither uint8 nor uint16.
        ValueError: `image` is neither (H, W) nor (H, W, 3), or is empty.
        WeightsError: the weights of the regressor are missing or altered.
    """
    if image.dtype not in (np.uint8, np.uint16):
        raise TypeError(f"expected uint8 or uint16 pixels, got {image.dtype}")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3) or image.size == 0:
        raise ValueError(f"expected an (H, W) or (H, W, 3) array, got shape {image.shape}")
    strengths = estimate_strengths(image)
    monochrome = estimate_monochrome(image, strengths.noise.sigma)
    return Assessment(
        noise_sigma=strengths.noise.sigma,
        noise_confidence=strengths.noise.confidence,
        blur_sigma=strengths.blur.sigma,
        blur_confidence=strengths.blur.confidence,
        is_monochrome=monochrome.is_monochrome,
        monochrome_confidence=monochrome.confidence,
    )
