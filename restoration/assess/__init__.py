"""Blind assessment of a photograph: how noisy, how blurred, and whether it has colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from restoration.assess.assessment import Assessment
from restoration.assess.blur import BLURRED_SIGMA, estimate_blur
from restoration.assess.monochrome import estimate_monochrome
from restoration.assess.noise import NOISY_SIGMA, estimate_noise

ASSESSMENT_VERSION = "1"
"""Part of every recipe's hash: changes whenever a result of `assess` may change."""

__all__ = ["ASSESSMENT_VERSION", "BLURRED_SIGMA", "NOISY_SIGMA", "Assessment", "assess"]


def assess(image: NDArray[np.uint8]) -> Assessment:
    """Measure the degradations of a photograph from its pixels alone.

    Time and memory are bounded: noise and blur are measured on at most 1.3 megapixels of native
    windows, colour on block means of the whole frame.

    Args:
        image: (H, W) or (H, W, 3) R'G'B', uint8, any size from 1x1 up; is not modified.

    Returns:
        The assessment; how each confidence is made is said at `estimate_noise`,
        `estimate_blur` and `estimate_monochrome`.

    Raises:
        TypeError: `image` is not uint8.
        ValueError: `image` is neither (H, W) nor (H, W, 3), or is empty.
    """
    if image.dtype != np.uint8:
        raise TypeError(f"expected uint8 pixels, got {image.dtype}")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3) or image.size == 0:
        raise ValueError(f"expected an (H, W) or (H, W, 3) array, got shape {image.shape}")
    noise = estimate_noise(image)
    blur = estimate_blur(image)
    monochrome = estimate_monochrome(image, noise.sigma)
    return Assessment(
        noise_sigma=noise.sigma,
        noise_confidence=noise.confidence,
        blur_sigma=blur.sigma,
        blur_confidence=blur.confidence,
        is_monochrome=monochrome.is_monochrome,
        monochrome_confidence=monochrome.confidence,
    )
