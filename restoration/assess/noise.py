"""Blind estimate of the noise from the evenest patches of a photograph.

Two estimators look at the same 8x8 patches:

* The patch estimator: after a plane is removed from each patch, what is left of the evenest
  patches is noise. Choosing weakly textured patches follows Liu, Tanaka and Okutomi, "Single-
  Image Noise Level Estimation for Blind Denoising", IEEE TIP 2013; a low quantile of the
  patches' standard deviations, corrected for its bias, is the block-based method that Olsen
  compares in "Estimation of Noise in Images: An Evaluation", CVGIP 1993. It also sees correlated
  grain, whose energy the second estimator misses.
* The eigenvalue estimator: photographs leave some direction of patch space empty, so the
  smallest eigenvalue of the patches' covariance is the variance of white noise (Pyatykh,
  Hesser and Zheng, "Image Noise Level Estimation by Principal Component Analysis", IEEE TIP
  2013). It averages over the whole photograph, and takes over where a noiseless part (a
  retouched backdrop, a caption) fools the first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from restoration.assess.windows import native_windows, without_margins

Byte = NDArray[np.uint8]
Float = NDArray[np.float32]

NOISY_SIGMA = 7.0
"""From this noise (8-bit units) on denoising is worthwhile.

Clean photographs (CBSD68) read 1.4 on average and 5.6 at most, of BSDS500's 240 clean ones two
read more than 7 (gravel, long grass); white noise of sigma 10 reads 9 or more.
"""

PATCH_SIDE = 8
PATCH_AREA = PATCH_SIDE * PATCH_SIDE

LOW_QUANTILE = 0.01
"""Share of the patches that may be evener than the one that decides.

Small, because a textured photograph may have few even patches; not the minimum, because that
falls without end as the number of patches grows.
"""

LOW_BIAS = 0.83
"""Standard deviation at `LOW_QUANTILE` divided by the noise's.

The sample variance of 61 degrees of freedom (64 pixels less a plane) at its 1 % quantile is
0.79 sigma, at its 5 % quantile 0.85 sigma (Wilson-Hilferty). In a photograph the 1 % evenest
patches are the 1-5 % quantile of the patches without texture; 0.83 is between, and is what
photographs (BSDS500's training part) with added noise measure.
"""

CLIPPED_SHARE = 0.05
"""A patch with more clipped pixels (0 or 255) than this has lost its noise and is not used."""

TONE_RANGE = (20.0, 243.0)
"""Patches whose mean (8-bit units) is outside are film base, paper white or blown out.

The ends of the tone curve squeeze the noise; what is even there says little of the rest.
"""

FULL_TONE_RANGE = (4.0, 251.0)
FEW_PATCHES = 0.1
"""Where less than this share of the patches is in `TONE_RANGE`, `FULL_TONE_RANGE` holds."""

EVEN_RATIO = 1.2
"""Largest ratio of the 5 % to the 1 % quantile of the patches' deviations in mere noise.

Theory (Wilson-Hilferty, 61 degrees of freedom) says 1.07 for an even photograph; photographs
with noise of sigma 10 measure 1.08-1.23, with grain 1.13-1.3. A larger ratio means that even the
evenest patches are textured, and the estimate is reduced by its square: clean photographs of
gravel, grass or twigs (1.4-1.7, reading 7-9) fall to 4-5.
"""

EIGEN_MARGIN = 2.0
"""The eigenvalue estimate takes over where it is this many times the patch estimate.

Texture lifts the smallest eigenvalue of clean photographs to 5, of few to 10: hence also
`EIGEN_FLOOR`.
"""

EIGEN_FLOOR = 12.0
"""Eigenvalue estimates (8-bit units) below this may be texture and never take over."""

ENOUGH_PATCHES = 200.0
"""Number of usable patches at which the confidence's first factor reaches one half."""


@dataclass(frozen=True)
class NoiseEstimate:
    """Noise of one photograph.

    Attributes:
        sigma: standard deviation in 8-bit units, mean of the channels.
        confidence: in [0, 1], see `estimate_noise`.
    """

    sigma: float
    confidence: float


def _patches(channel: Byte, stride: int) -> Byte:
    """Cut (N, 64) patches out of an (H, W) channel; N is 0 where it is smaller than a patch."""
    if min(channel.shape) < PATCH_SIDE:
        return np.empty((0, PATCH_AREA), np.uint8)
    view = np.lib.stride_tricks.sliding_window_view(channel, (PATCH_SIDE, PATCH_SIDE))
    return view[::stride, ::stride].reshape(-1, PATCH_AREA)


def _usable(patches: Byte) -> Float:
    """Keep the patches whose noise was not squeezed by the ends of the tone scale; as float32."""
    clipped = ((patches == 0) | (patches == 255)).mean(axis=1)
    kept: Float = patches[clipped <= CLIPPED_SHARE].astype(np.float32)
    mean = kept.mean(axis=1)
    for low, high in (TONE_RANGE, FULL_TONE_RANGE):
        inside = (mean >= low) & (mean <= high)
        if inside.sum() >= FEW_PATCHES * len(patches):
            break
    usable: Float = kept[inside]
    return usable


def _plane_basis() -> Float:
    """Orthonormal basis (64, 3) of constant, horizontal and vertical ramp."""
    ramp = np.arange(PATCH_SIDE, dtype=np.float32) - (PATCH_SIDE - 1) / 2
    columns = [
        np.ones(PATCH_AREA, np.float32),
        np.tile(ramp, PATCH_SIDE),
        np.repeat(ramp, PATCH_SIDE),
    ]
    return np.stack([column / np.linalg.norm(column) for column in columns], axis=1)


def _patch_std(patches: Float) -> Float:
    """Standard deviation (N,) of each patch about its own plane."""
    basis = _plane_basis()
    # The plane is orthogonal to the rest, so energies subtract; centring first keeps float32
    # exact enough on bright patches.
    centred = patches - patches.mean(axis=1, keepdims=True)
    energy = np.einsum("ij,ij->i", centred, centred)
    plane = centred @ basis[:, 1:]
    rest = np.maximum(energy - np.einsum("ij,ij->i", plane, plane), 0.0)
    std: Float = np.sqrt(rest / (PATCH_AREA - basis.shape[1]))
    return std


def _smallest_eigenvalue_std(patches: Float) -> float:
    """Square root of the smallest eigenvalue of the patches' covariance; 0 if undetermined."""
    if len(patches) < 4 * PATCH_AREA:
        return 0.0
    centred = patches - patches.mean(axis=0)
    covariance = (centred.T @ centred).astype(np.float64) / (len(patches) - 1)
    return math.sqrt(max(float(np.linalg.eigvalsh(covariance)[0]), 0.0))


def _channel_estimates(channels: list[Byte], stride: int) -> tuple[float, float, float, int]:
    """Patch estimate, the same at a five times higher quantile, eigenvalue estimate, patches."""
    patches = _usable(np.concatenate([_patches(channel, stride) for channel in channels]))
    if len(patches) == 0:
        return 0.0, 0.0, 0.0, 0
    low, higher = np.quantile(_patch_std(patches), [LOW_QUANTILE, 5 * LOW_QUANTILE])
    white = _smallest_eigenvalue_std(patches)
    return float(low) / LOW_BIAS, float(higher) / LOW_BIAS, white, len(patches)


def estimate_noise(image: Byte) -> NoiseEstimate:
    """Estimate the standard deviation of the noise.

    The confidence is the product of two factors: the number n of usable patches, as
    n / (n + 200); and the agreement of the estimates from the 1 % and the 5 % evenest patches,
    as 1 / (1 + d^2) with d their difference over (3 + estimate). In a noisy photograph both say
    the same; in one full of texture they do not.

    Args:
        image: (H, W) or (H, W, 3) R'G'B', uint8, any size from 1x1 up; is not modified.

    Returns:
        The estimate: 0 with confidence 0 where no patch is usable.
    """
    windows = native_windows(without_margins(image))
    area = sum(window.shape[0] * window.shape[1] for window in windows)
    # Overlapping patches only where there are few: 8-pixel steps suffice for a large photograph.
    stride = PATCH_SIDE // 2 if area < 400_000 else PATCH_SIDE
    planes = 1 if image.ndim == 2 else image.shape[2]
    rows = [
        _channel_estimates([w if w.ndim == 2 else w[..., plane] for w in windows], stride)
        for plane in range(planes)
    ]
    seen = [row for row in rows if row[3] > 0]
    if not seen:
        return NoiseEstimate(0.0, 0.0)
    low, higher, white = (float(np.mean([row[i] for row in seen])) for i in range(3))
    count = sum(row[3] for row in seen) / planes
    texture = max(higher / max(low, 1e-6) / EVEN_RATIO, 1.0)
    sigma = low / texture**2
    if white >= EIGEN_FLOOR and white > EIGEN_MARGIN * low:
        sigma = white
    disagreement = abs(higher - sigma) / (3.0 + sigma)
    confidence = count / (count + ENOUGH_PATCHES) / (1.0 + disagreement**2)
    return NoiseEstimate(sigma, confidence)
