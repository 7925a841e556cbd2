"""Decide whether a photograph is monochrome: gray, or toned with a single hue.

A toned print has one degree of freedom: its chroma is a function of its luminance (sepia, paper
yellow in the highlights over neutral shadows, split toning). Colour photographs leave that curve.
So: average the noise away over blocks, fit the chroma as a cubic of the luma, and look at how far
the blocks are from the curve. Distance along the tone's own direction counts half, because
prints fade and stain unevenly, towards more or less of their own tone, while colours turn aside.

Gasparini and Schettini ("Color balancing of digital photos using simple image statistics",
Pattern Recognition 2004) tell a colour cast by the spread of the chroma about its centre; the
curve in place of the centre, and the thresholds, come from measuring prints.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from restoration import scratch
from restoration.assess.quantiles import quantile
from restoration.samples import Samples, eight_bits

Float = NDArray[np.float32]
Double = NDArray[np.float64]

SPREAD_LIMIT = 1.25
"""Largest rms distance (8-bit chroma units) from the tone curve of a monochrome photograph.

Over the 95 % nearest blocks. Albumen, gelatin silver and torn sepia prints measure 0.2-1.1, all
but the plainest colour photographs more than 1.3.
"""

TAIL_LIMIT = 7.0
"""Largest distance (8-bit chroma units) from the tone curve at the 99.5 % quantile of the blocks.

Catches the coloured part of a gray scene; torn and stained prints reach 6.
"""

OUTLIER_LIMIT = 12.0
"""Largest distance (8-bit chroma units) of all but the `OUTLIERS` farthest blocks.

Catches the small coloured thing, however large the photograph; in prints even the farthest
block is no farther than 8.
"""

OUTLIERS = 3

TRIMMED_SHARE = 0.95
TAIL_SHARE = 0.995

BORDER_SHARE = 0.06
"""Share of each side left out: torn edges, mounts and the table under the print."""

BLOCK_SIDE = 8
"""Smallest block in pixels: averages colour noise of sigma 25 down to 2."""

MOST_BLOCKS = 160
"""Blocks along the longer side of a large photograph."""

FEW_BLOCKS = 300
"""Blocks are not merged below this number, and confidence falls."""

NOISY_BLOCKS = 0.8
"""Noise (8-bit chroma units per component) of the block means above which 2x2 are merged."""

NOISE_CORRELATION = 2.0
"""Chroma subsampled 2x2 (JPEG 4:2:0) keeps twice the block noise that its pixels promise."""

CHROMA_NOISE = 0.64
"""Noise of Cb and Cr over that of R', G' and B' where it is independent per channel.

The norm of the rows of BT.601's matrix: 0.62 for Cb, 0.66 for Cr.
"""

CHROMA_SCALE = (0.564, 0.713)
"""Cb = 0.564 (B - Y) and Cr = 0.713 (R - Y) of ITU-R BT.601, without their offset."""

CURVE_DEGREE = 3
"""Cubic: bends twice, as split toning does; more would follow the colours of a landscape."""

TONE_CHROMA = 6.0
"""Chroma (8-bit units) from which a tone has a direction of its own; casts are weaker."""

ALONG_WEIGHT = 0.5
"""Weight of the distance along the tone's own direction, where fading and stains lie."""


_STRIP_PIXELS = 1 << 18
_SINGULAR = 1e-8
"""Ratio of eigenvalues down to which normal equations keep the digits that matter."""


@dataclass(frozen=True)
class MonochromeEstimate:
    """Whether one photograph is monochrome.

    Attributes:
        is_monochrome: gray, or toned with a single hue.
        confidence: in [0, 1], see `estimate_monochrome`.
    """

    is_monochrome: bool
    confidence: float


@dataclass(frozen=True)
class _Distances:
    """Distances of the blocks from the tone curve, 8-bit chroma units.

    Attributes:
        spread: rms of the nearest 95 %.
        tail: quantile 99.5 %.
        outlier: the farthest but three.
        count: number of blocks.
        noise: standard deviation of the block means' noise per component: what neighbouring
            blocks do not share, but no more than the pixels' noise explains, because coloured
            texture differs between neighbours too.
    """

    spread: float
    tail: float
    outlier: float
    count: int
    noise: float


def _block_means(image: Samples, side: int) -> Float:
    """Mean colours (h, w, 3) of square blocks; strip by strip, so that memory stays small."""
    rows, columns = max(1, image.shape[0] // side), max(1, image.shape[1] // side)
    blocks = np.empty((rows, columns, 3), np.float32)
    step = max(1, _STRIP_PIXELS // (side * image.shape[1]))
    for row in range(0, rows, step):
        size = (columns, min(step, rows - row))
        strip = eight_bits(image[row * side : (row + size[1]) * side, : columns * side])
        mean = cv2.resize(strip.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        blocks[row : row + size[1]] = mean
        scratch.release(image)
    return blocks


def _tone_curve(luma: Double, chroma: Double) -> Double:
    """Fit chroma (N, 2) as a cubic of luma (N,), robustly; returns the fitted chroma.

    Iteratively reweighted least squares with Cauchy weights (Holland and Welsch 1977), so that
    a coloured region stands out from the curve instead of bending it.
    """
    tone = (luma - 128.0) / 128.0
    terms = np.stack([tone**power for power in range(CURVE_DEGREE + 1)], axis=1)
    weight = np.ones(len(luma))
    fitted = chroma
    for _ in range(4):
        fitted = terms @ _coefficients(terms, chroma, weight)
        length = np.hypot(*(chroma - fitted).T)
        weight = 1.0 / (1.0 + np.square(length / (1.5 * max(quantile(length, 0.5), 0.5))))
    return np.asarray(fitted)


def _coefficients(terms: Double, chroma: Double, weight: Double) -> Double:
    """Weighted least squares (4, 2) of chroma (N, 2) over terms (N, 4) with weights (N,)."""
    weighted = terms.T * weight
    matrix = weighted @ terms
    eigenvalues = np.linalg.eigvalsh(matrix)
    if eigenvalues[0] > _SINGULAR * eigenvalues[-1]:
        return np.asarray(np.linalg.solve(matrix, weighted @ chroma))
    # Hardly any tones: what the few blocks say of a cubic is not to be squared.
    root = np.sqrt(weight)[:, None]
    return np.asarray(np.linalg.lstsq(terms * root, chroma * root, rcond=None)[0])


def _neighbour_noise(residual: Double, shape: tuple[int, int]) -> float:
    """Noise per component (8-bit units) from the differences of neighbouring blocks."""
    grid = residual.reshape(*shape, 2)
    across, down = np.diff(grid, axis=1), np.diff(grid, axis=0)
    steps = np.concatenate([across.reshape(-1), down.reshape(-1)])
    if steps.size == 0:
        return 0.0
    # 1.4826: from the median absolute deviation to the standard deviation of a Gaussian.
    return 1.4826 * quantile(np.abs(steps), 0.5) / math.sqrt(2.0)


def _distances(blocks: Float, side: int, pixel_noise: float) -> _Distances:
    """Measure how far block means (h, w, 3) are from their tone curve.

    Args:
        blocks: mean colours of blocks of `side` pixels.
        side: in pixels.
        pixel_noise: standard deviation of the chroma's noise per pixel and component.
    """
    flat = blocks.reshape(-1, 3).astype(np.float64)
    luma = flat @ np.array([0.299, 0.587, 0.114])
    chroma = np.stack(
        [(flat[:, 2] - luma) * CHROMA_SCALE[0], (flat[:, 0] - luma) * CHROMA_SCALE[1]], axis=1
    )
    residual = chroma - _tone_curve(luma, chroma)
    tone = np.array([quantile(each, 0.5) for each in chroma.T])
    strength = float(np.hypot(*tone))
    along = np.square(residual @ (tone / max(strength, 1e-6)))
    toned = min(strength / TONE_CHROMA, 1.0)
    squared = np.square(residual).sum(axis=1) - along * (1.0 - ALONG_WEIGHT**2) * toned
    ordered = np.sort(np.maximum(squared, 0.0))
    nearest = ordered[: max(1, math.ceil(len(ordered) * TRIMMED_SHARE))]
    noise = min(
        _neighbour_noise(residual, (blocks.shape[0], blocks.shape[1])),
        NOISE_CORRELATION * pixel_noise / side,
    )
    return _Distances(
        spread=math.sqrt(float(nearest.mean())),
        tail=math.sqrt(quantile(ordered, TAIL_SHARE)),
        outlier=math.sqrt(float(ordered[-1 - min(OUTLIERS, len(ordered) - 1)])),
        count=len(ordered),
        noise=noise,
    )


def _colourfulness(distances: _Distances) -> float:
    """Largest of spread, tail and outlier, less the blocks' noise, over its limit.

    The length of a 2-D Gaussian vector of variance v per component has the mean square 2 v and
    exceeds sqrt(-2 v ln p) with probability p (Rayleigh).
    """
    variance = 2.0 * distances.noise**2
    last = (OUTLIERS + 1) / max(distances.count, OUTLIERS + 1)
    measures = (
        (distances.spread, variance, SPREAD_LIMIT),
        (distances.tail, -variance * math.log(1.0 - TAIL_SHARE), TAIL_LIMIT),
        (distances.outlier, -variance * math.log(last), OUTLIER_LIMIT),
    )
    return max(
        math.sqrt(max(length**2 - of_noise, 0.0)) / limit for length, of_noise, limit in measures
    )


def estimate_monochrome(image: Samples, noise_sigma: float = 0.0) -> MonochromeEstimate:
    """Decide whether a photograph is gray or toned with a single hue.

    The confidence is the product of two factors: the number n of blocks, as n / (n + 100); and
    the distance of the decision from its threshold, as 1 - exp(-3 |ln m|) with m the largest of
    spread, tail and outlier over their limits. An array without colour channels is monochrome
    with confidence 1.

    Args:
        image: (H, W) or (H, W, 3) R'G'B', uint8 or uint16, any size from 1x1 up; is not modified.
        noise_sigma: standard deviation of the noise per channel in 8-bit units, as
            `estimate_noise` gives it: bounds what may be taken for noise.

    Returns:
        The decision; True with confidence 0 for a photograph smaller than one block.
    """
    if image.ndim == 2:
        return MonochromeEstimate(True, 1.0)
    height, width = image.shape[:2]
    if min(height, width) < BLOCK_SIDE:
        return MonochromeEstimate(True, 0.0)
    top, left = int(height * BORDER_SHARE), int(width * BORDER_SHARE)
    inner = image[top : height - top, left : width - left]
    side = max(BLOCK_SIDE, -(-max(inner.shape[:2]) // MOST_BLOCKS))
    blocks = _block_means(inner, side)
    pixel_noise = CHROMA_NOISE * noise_sigma
    distances = _distances(blocks, side, pixel_noise)
    while distances.noise > NOISY_BLOCKS and blocks.shape[0] * blocks.shape[1] >= 4 * FEW_BLOCKS:
        size = (blocks.shape[1] // 2, blocks.shape[0] // 2)
        even = blocks[: size[1] * 2, : size[0] * 2]
        blocks = np.asarray(cv2.resize(even, size, interpolation=cv2.INTER_AREA), np.float32)
        side *= 2
        distances = _distances(blocks, side, pixel_noise)
    measure = _colourfulness(distances)
    sureness = 1.0 - math.exp(-3.0 * abs(math.log(max(measure, 1e-3))))
    enough = distances.count / (distances.count + FEW_BLOCKS / 3)
    return MonochromeEstimate(measure < 1.0, enough * sureness)
