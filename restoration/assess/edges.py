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

import cv2
import numpy as np
from numpy.typing import NDArray

from restoration.assess.windows import to_luma

Byte = NDArray[np.uint8]
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

NOISE_QUANTILE = 0.05
NOISE_BIAS = 1.5
"""Mean gradient energy of noise over that of its 5 % evenest 16x16 blocks.

Pure white noise and grain measure 1.25-1.7 for gradients at 0.7-2 px, 2-2.4 for coarser ones,
where noise matters little.
"""

LARGEST_SIGMA = 10.0
"""Readings beyond this (pixels) are no longer resolved by the coarsest scales."""


@dataclass(frozen=True)
class _Ridges:
    """Ridge pixels of the coarse gradient, and the noise of both gradients.

    Attributes:
        cross: (N,) product of fine and coarse gradient.
        coarse: (N,) squared coarse gradient.
        block: (N,) which block each ridge pixel is in.
        even: (M, 3) mean of cross, coarse and squared fine gradient in 16x16 blocks.
    """

    cross: Float
    coarse: Float
    block: NDArray[np.int64]
    even: Float


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


def _gradient(luma: Float, sigma: float) -> tuple[Float, Float]:
    """Horizontal and vertical derivative of Gaussian, 8-bit units per pixel."""
    smooth = cv2.GaussianBlur(luma, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    kernel = np.array([[-0.5, 0.0, 0.5]], np.float32)
    across, down = (cv2.filter2D(smooth, -1, turned) for turned in (kernel, kernel.T))
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def _ridge_mask(x: Float, y: Float, energy: Float, border: int) -> NDArray[np.bool_]:
    """Mask of the pixels whose gradient is the largest along its own direction (Canny's rule)."""
    padded = np.pad(energy, 1)
    height, width = energy.shape

    def beside(down: int, right: int) -> Float:
        return padded[1 + down : 1 + down + height, 1 + right : 1 + right + width]

    size_x, size_y = np.abs(x), np.abs(y)
    steep = 1.0 + math.sqrt(2.0)  # tan 67.5 degrees: the border between axis and diagonal
    along_x, along_y = size_x > steep * size_y, size_y > steep * size_x
    falling = x * y > 0
    mask = along_x & (energy >= beside(0, 1)) & (energy > beside(0, -1))
    mask |= along_y & (energy >= beside(1, 0)) & (energy > beside(-1, 0))
    diagonal = ~(along_x | along_y)
    mask |= diagonal & falling & (energy >= beside(1, 1)) & (energy > beside(-1, -1))
    mask |= diagonal & ~falling & (energy >= beside(1, -1)) & (energy > beside(-1, 1))
    # Mirrored pixels beyond the border are not the photograph.
    mask[:border] = mask[max(0, height - border) :] = False
    mask[:, :border] = mask[:, max(0, width - border) :] = False
    return mask


def _ridges(luma: Float, fine: float, coarse: float) -> _Ridges:
    """Measure both gradients of one window along the ridges of the coarser one."""
    fine_x, fine_y = _gradient(luma, fine)
    coarse_x, coarse_y = _gradient(luma, coarse)
    energy = coarse_x * coarse_x + coarse_y * coarse_y
    cross = fine_x * coarse_x + fine_y * coarse_y
    places = np.flatnonzero(_ridge_mask(coarse_x, coarse_y, energy, int(2 * coarse) + 1))
    y, x = np.divmod(places, luma.shape[1])
    columns = -(-luma.shape[1] // BLOCK_SIDE)
    tiles = []
    side = 16
    size = (luma.shape[1] // side, luma.shape[0] // side)
    for plane in (cross, energy, fine_x * fine_x + fine_y * fine_y):
        area = plane[: size[1] * side, : size[0] * side]
        tiles.append(
            cv2.resize(area, size, interpolation=cv2.INTER_AREA).ravel()
            if area.size
            else np.empty(0, np.float32)
        )
    block = (y // BLOCK_SIDE) * columns + x // BLOCK_SIDE
    return _Ridges(cross.take(places), energy.take(places), block, np.stack(tiles, axis=1))


def _read(lumas: list[Float], fine: float, coarse: float) -> _Reading | None:
    """Read the blur at one pair of scales; None where there are too few edges."""
    parts = [_ridges(luma, fine, coarse) for luma in lumas]
    energy = np.concatenate([part.coarse for part in parts]).astype(np.float64)
    cross = np.concatenate([part.cross for part in parts]).astype(np.float64)
    even = np.concatenate([part.even for part in parts])
    if energy.size == 0 or even.size == 0:
        return None
    floor_cross, floor, floor_fine = NOISE_BIAS * np.quantile(even, NOISE_QUANTILE, axis=0)
    firsts = np.cumsum([0] + [int(p.block.max(initial=-1)) + 1 for p in parts[:-1]])
    block = np.concatenate([p.block + first for p, first in zip(parts, firsts, strict=True)])
    strong = np.quantile(energy, 1 - EDGE_SHARE)
    edge = energy >= max(strong, EDGE_GRADIENT**2, EDGE_SNR**2 * floor / 2)
    cross, energy, block = cross[edge], energy[edge], block[edge]
    weight = np.bincount(block).astype(np.float64)
    counted = weight >= BLOCK_EDGES
    if not counted.any():
        return None
    fine_sum = np.bincount(block, cross - floor_cross)[counted]
    coarse_sum = np.bincount(block, energy - floor)[counted]
    ratio = np.square(np.maximum(fine_sum / coarse_sum, 1.0 + 1e-4))
    a, b = fine**2 + DIFFERENCE_VARIANCE, coarse**2 + DIFFERENCE_VARIANCE
    variance = np.clip((b - a * ratio) / (ratio - 1.0), -1.0, LARGEST_SIGMA**2)
    signal = float(np.mean((cross - floor_cross) ** 2 / energy))
    return _Reading(variance, weight[counted], math.sqrt(signal / max(floor_fine / 2, 1e-6)))


def edge_statistics(windows: list[Byte]) -> Double | None:
    """Measure the edges of a photograph's windows.

    Args:
        windows: (H, W) or (H, W, 3) R'G'B', uint8.

    Returns:
        (`LENGTH`,) float64: for each pair of scales the `BLUR_QUANTILES` in pixels (negative
        where the edges are sharper than a step between two pixels), the logarithm of the edges'
        signal-to-noise ratio and that of the number of edge blocks; zeros at scales without
        edges. None where there are none at any scale.
    """
    lumas = [to_luma(window) for window in windows]
    readings = [_read(lumas, *scales) for scales in SCALES]
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
