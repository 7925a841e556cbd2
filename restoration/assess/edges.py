"""Blur of the edges, block by block and at four scales, insensitive to noise.

A step edge blurred by a Gaussian of sigma s has, seen through a derivative of Gaussian of
sigma a, the gradient A / sqrt(2 pi (s^2 + a^2)). The ratio R of the gradients at two scales a < b
therefore gives the blur, whatever the contrast A:

    s^2 = (b^2 - R^2 a^2) / (R^2 - 1)

This is the re-blur ratio of Zhuo and Sim, "Defocus Map Estimation from a Single Image", Pattern
Recognition 2011. Two things make it hold with noise: edges are found and oriented at the coarser
scale and the finer gradient is projected on that direction, so its noise averages out over the
edge pixels of a block; and what noise adds to the products is measured in the evenest blocks and
subtracted. Where the finer gradient still drowns in noise, the larger pairs of scales are right
(the minimum reliable scale of Elder and Zucker, "Local Scale Control for Edge Detection and Blur
Estimation", IEEE TPAMI 1998): which to believe is left to the regressor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from restoration.assess.gradients import Slopes, block_means, slopes_of
from restoration.assess.quantiles import quantile, quantiles
from restoration.assess.windows import SMOOTHING, Windows

Float = NDArray[np.float32]
Double = NDArray[np.float64]

SCALES = ((0.7, 1.4), (1.0, 2.0), (1.5, 3.0), (2.0, 4.0))
"""Pairs (a, b) of Gaussian sigmas in pixels, finest first."""

DIFFERENCE_VARIANCE = 1.0 / 3.0
"""Variance in pixels^2 that the central difference adds to a^2 and b^2: a box 2 pixels wide."""

EDGE_SHARE = 0.3
"""Share of the gradient's ridge pixels, strongest first, that count as edges."""

EDGE_SNR = 4.0
"""Edges must exceed the coarse gradient's noise per component by this factor."""

EDGE_GRADIENT = 2.0
"""Edges must exceed this coarse gradient (8-bit units per pixel): less is quantisation."""

BLOCK_SIDE = 24
"""Side in pixels of the blocks over whose edges the gradients are summed."""

BLOCK_EDGES = 4
"""Fewest edge pixels of a block that counts."""

BLUR_QUANTILES = (0.05, 0.15, 0.3, 0.5, 0.7)
"""Of the blocks' blur, weighted by edge pixels.

The sharpest parts show what camera and scan can do, and blurred backgrounds are meant; but the
very sharpest are crossing edges and texture, which read as too sharp.
"""

EVEN_SIDE = 16
"""Side in pixels of the blocks whose evenest show the noise."""

NOISE_QUANTILE = 0.05
NOISE_BIAS = 1.5
"""Mean gradient energy of noise over that of its 5 % evenest 16x16 blocks.

Pure white noise and grain measure 1.25-1.7 for gradients at 0.7-2 px, 2-2.4 for coarser ones,
where noise matters little.
"""

LARGEST_SIGMA = 10.0
"""Readings beyond this (pixels) are no longer resolved by the coarsest scales."""


@dataclass(frozen=True)
class _Edges:
    """Edge pixels.

    Attributes:
        cross: (N,) product of fine and coarse gradient.
        coarse: (N,) squared coarse gradient.
        block: (N,) which block each is in.
    """

    cross: Double
    coarse: Double
    block: NDArray[np.intp]


@dataclass(frozen=True)
class _Reading:
    """Blur as one pair of scales sees it.

    Attributes:
        variance: (B,) squared sigma in pixels^2 of each block, at least -1.
        weight: (B,) number of edge pixels of each block.
        snr: ratio of the edges' fine gradient to its noise.
    """

    variance: Double
    weight: Double
    snr: float


def _ridge_mask(slopes: Slopes) -> NDArray[np.bool_]:
    """Mask of the pixels whose gradient is the largest along its own direction (Canny's rule).

    Returns:
        (H, N * W); the outermost pixels are none.
    """
    inside = (slice(1, -1), slice(1, -1))
    x, y, energy = slopes.across[inside], slopes.down[inside], slopes.energy
    size_x, size_y = np.abs(x), np.abs(y)
    steep = np.float32(1.0 + math.sqrt(2.0))  # tan 67.5 degrees: between axis and diagonal
    product = steep * size_y
    along_x = size_x > product
    along_y = size_y > np.multiply(steep, size_x, out=product)
    falling = np.multiply(x, y, out=product) > 0
    # Where a pixel is no smaller than the next one, the next one is not larger than it: one
    # comparison serves both. Of truth values a > b is a and not b.
    ahead = energy[1:-1, :-1] >= energy[1:-1, 1:]
    ridge = (ahead[:, 1:] > ahead[:, :-1]) & along_x
    ahead = energy[:-1, 1:-1] >= energy[1:, 1:-1]
    ridge |= (ahead[1:] > ahead[:-1]) & along_y
    ahead = energy[:-1, :-1] >= energy[1:, 1:]
    diagonal = (ahead[1:, 1:] > ahead[:-1, :-1]) & falling
    ahead = energy[:-1, 1:] >= energy[1:, :-1]
    diagonal |= (ahead[1:, :-1] > ahead[:-1, 1:]) > falling
    ridge |= diagonal > (along_x | along_y)
    mask = np.zeros(energy.shape, np.bool_)
    mask[inside] = ridge
    return mask


def _read(fine: Slopes, coarse: Slopes, scales: tuple[float, float]) -> _Reading | None:
    """Read the blur at one pair of scales; None where there are too few edges."""
    energy, cross = coarse.energy, fine.across * coarse.across
    cross += fine.down * coarse.down
    even = np.stack(
        [block_means(plane, coarse.width, EVEN_SIDE) for plane in (cross, energy, fine.energy)]
    )
    mask = _ridge_mask(coarse)
    # Mirrored pixels beyond the border are not the photograph.
    border, height = int(2 * scales[1]) + 1, mask.shape[0]
    mask[:border] = mask[max(0, height - border) :] = False
    windows = mask.reshape(height, -1, coarse.width)
    windows[..., :border] = windows[..., max(0, coarse.width - border) :] = False
    places = np.flatnonzero(mask)
    if places.size == 0 or even.size == 0:
        return None
    floors = NOISE_BIAS * quantiles(even, [NOISE_QUANTILE])[0]
    ridges = energy.take(places)
    strong = quantile(ridges, 1 - EDGE_SHARE)
    edge = ridges >= max(strong, EDGE_GRADIENT**2, EDGE_SNR**2 * floors[1] / 2)
    places = places[edge]
    found = _Edges(
        cross.take(places).astype(np.float64),
        ridges[edge].astype(np.float64),
        _block_of(places, height, mask.shape[1], coarse.width),
    )
    return _reading(found, floors, scales)


def _block_of(places: NDArray[np.intp], height: int, across: int, width: int) -> NDArray[np.intp]:
    """Which block of which window places are in, in windows side by side."""
    y, x = np.divmod(places, across)
    window, x = np.divmod(x, width)
    rows, columns = -(-height // BLOCK_SIDE), -(-width // BLOCK_SIDE)
    return np.asarray((window * rows + y // BLOCK_SIDE) * columns + x // BLOCK_SIDE)


def _reading(found: _Edges, floors: Double, scales: tuple[float, float]) -> _Reading | None:
    """Blur of the blocks with edges enough; `floors` is the noise of cross, coarse and fine."""
    floor_cross, floor, floor_fine = floors
    cross, energy, block = found.cross, found.coarse, found.block
    weight = np.bincount(block).astype(np.float64)
    counted = weight >= BLOCK_EDGES
    if not counted.any():
        return None
    fine_sum = np.bincount(block, cross - floor_cross)[counted]
    coarse_sum = np.bincount(block, energy - floor)[counted]
    ratio = np.square(np.maximum(fine_sum / coarse_sum, 1.0 + 1e-4))
    a, b = (scale**2 + DIFFERENCE_VARIANCE for scale in scales)
    variance = np.clip((b - a * ratio) / (ratio - 1.0), -1.0, LARGEST_SIGMA**2)
    signal = float(np.mean((cross - floor_cross) ** 2 / energy))
    return _Reading(variance, weight[counted], math.sqrt(signal / max(floor_fine / 2, 1e-6)))


def edge_statistics(windows: Windows) -> Double | None:
    """Measure the edges of a photograph's windows.

    Args:
        windows: of the photograph.

    Returns:
        (`LENGTH`,) float64: for each pair of scales the `BLUR_QUANTILES` in pixels (negative
        where the edges are sharper than a step between two pixels), the logarithm of the edges'
        signal-to-noise ratio and that of the number of edge blocks; zeros at scales without
        edges. None where there are none at any scale.
    """
    slopes: dict[float, Slopes] = {SMOOTHING: windows.slopes}
    readings = []
    for index, (fine, coarse) in enumerate(SCALES):
        for sigma in {fine, coarse} - slopes.keys():
            slopes[sigma] = slopes_of(windows.luma, sigma)
        readings.append(_read(slopes[fine], slopes[coarse], (fine, coarse)))
        later = {sigma for pair in SCALES[index + 1 :] for sigma in pair}
        slopes = {sigma: own for sigma, own in slopes.items() if sigma in later}
    if all(reading is None for reading in readings):
        return None
    return np.concatenate([_values(reading) for reading in readings])


LENGTH = len(SCALES) * (len(BLUR_QUANTILES) + 2)
"""Number of values of a photograph's edge statistics."""


def _values(reading: _Reading | None) -> Double:
    if reading is None:
        return np.zeros(len(BLUR_QUANTILES) + 2)
    order = np.argsort(reading.variance, kind="stable")
    total = np.cumsum(reading.weight[order])
    places = np.searchsorted(total, np.array(BLUR_QUANTILES) * total[-1])
    quantiles = reading.variance[order][places]
    signed = np.copysign(np.sqrt(np.abs(quantiles)), quantiles)
    sizes = [math.log(max(reading.snr, 1e-2)), math.log(1 + len(order))]
    return np.concatenate([signed, sizes])
