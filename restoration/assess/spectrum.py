"""Statistics of the spectra of 8x8 blocks: what noise, grain and JPEG leave in a photograph.

The evenest blocks of a photograph show its noise (the block-based method that Olsen compares in
"Estimation of Noise in Images: An Evaluation", CVGIP 1993). A single number for their deviation
is right for white noise only: grain has its energy in the low frequencies, JPEG at quality 80
takes it out of the high ones. So the cosine transform of each block is cut into rings of equal
frequency, and low quantiles over the blocks are kept ring by ring; how they relate to one
another tells white noise from grain, from texture and from what JPEG has left of either.

Blocks lie on the file's own 8-pixel grid, where JPEG zeroes whole coefficients: the share of
zeros says what to expect of the rings that are empty.
"""

from __future__ import annotations

import math
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from restoration.assess import structure
from restoration.assess.gradients import slopes_of
from restoration.assess.quantiles import quantile, quantiles
from restoration.assess.windows import SMOOTHING, Windows

Byte = NDArray[np.uint8]
Float = NDArray[np.float32]
Double = NDArray[np.float64]

BLOCK_SIDE = 8
BLOCK_AREA = BLOCK_SIDE * BLOCK_SIDE

LUMA_RINGS = (0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 10.0)
"""Borders of the rings in cycles per 16 pixels (the index of an 8-point cosine transform)."""

COARSE_RINGS = (0.5, 2.5, 4.5, 6.5, 10.0)
"""Those of the chroma and of the luma at half resolution."""

QUANTILES = (0.01, 0.05, 0.15, 0.35, 0.65, 0.9)
"""Of the blocks' energies, ring by ring: even blocks show noise, the others what hides it."""

COARSE_QUANTILES = (0.05, 0.35, 0.9)

SPARSITY_RINGS = (1, 4, 7)
"""Rings whose coefficients are tested for being Gaussian."""

CLIPPED_SHARE = 0.05
"""A block with more clipped pixels (0 or 255) than this has lost its noise and is not used."""

TONE_RANGE = (20.0, 243.0)
"""Blocks whose mean luma (8-bit units) is outside are film base, paper white or blown out.

The ends of the tone curve squeeze the noise; what is even there says little of the rest.
"""

FEW_BLOCKS = 0.1
"""Where less than this share of the blocks is unclipped and in `TONE_RANGE`, others are used."""

BLANK_SHARE = 0.95
"""A block with more clipped pixels than this holds nothing at all."""

TONES = (20.0, 95.0, 170.0, 243.0)
"""Borders (8-bit units) of shadows, mid-tones and highlights, whose noise may differ."""

TONE_QUANTILE = 0.15
TONE_RINGS = slice(3, 6)
"""The rings that both grain and texture-free white noise fill."""

FEWEST_BLOCKS = 9
"""With fewer blocks than this there are no statistics."""

ENERGY_FLOOR = 0.01
"""Added to energies (8-bit units squared) before the logarithm; rounding to 8 bits adds 0.083."""

ZERO_COEFFICIENT = 0.6
"""A coefficient (8-bit units) below this is one that JPEG set to zero, give or take rounding."""


def _cosine_matrix() -> Float:
    """Orthonormal 8-point DCT-II: rows are frequencies."""
    k = np.arange(BLOCK_SIDE)
    matrix = np.cos(np.pi * (2 * k[None] + 1) * k[:, None] / (2 * BLOCK_SIDE)) / 2.0
    matrix[0] /= math.sqrt(2.0)
    return matrix.astype(np.float32)


def _ring_masks(borders: tuple[float, ...]) -> Float:
    """Averaging matrix (64, rings) from a block's squared coefficients to its rings' energies."""
    index = np.arange(BLOCK_SIDE)
    radius = np.hypot(index[:, None], index[None]).ravel()
    masks = [(radius >= low) & (radius < high) for low, high in pairwise(borders)]
    return np.stack([mask / mask.sum() for mask in masks], axis=1).astype(np.float32)


_COSINE_2D = np.ascontiguousarray(np.kron(_cosine_matrix(), _cosine_matrix()).T)
_LUMA_MASKS = _ring_masks(LUMA_RINGS)
_COARSE_MASKS = _ring_masks(COARSE_RINGS)
_NO_ENERGIES = np.empty((0, _COARSE_MASKS.shape[1]), np.float32)

LENGTH = (
    _LUMA_MASKS.shape[1] * (len(QUANTILES) + 1)
    + 2 * _COARSE_MASKS.shape[1] * len(COARSE_QUANTILES)
    + len(SPARSITY_RINGS)
    + structure.LENGTH
    + 2 * (len(TONES) - 1)
    + 7
)
"""Number of values of a photograph's block statistics."""


def block_statistics(windows: Windows) -> Double | None:
    """Measure the blocks of a photograph's windows.

    Args:
        windows: of the photograph, each starting on the file's 8-pixel grid.

    Returns:
        (`LENGTH`,) float64: logarithms of energies, shares, the logarithm of the count; None
        where there are too few blocks.
    """
    mean = _block_means(windows.luma)
    if len(mean) < FEWEST_BLOCKS:
        return None
    clipped = _clipped_share(windows.pixels)
    usable = _usable(mean, clipped)
    count = int(usable.sum())
    if count < FEWEST_BLOCKS:
        return None
    luma, *chroma = (_spectra(_blocks(plane)[usable]) for plane in windows.planes)
    halved = _halved(windows.luma)
    half = np.square(_spectra(_blocks(halved)))
    energies = np.square(luma)
    of_chroma = [np.square(spectra) @ _COARSE_MASKS for spectra in chroma]
    is_zero = (np.abs(luma) < ZERO_COEFFICIENT).astype(np.float32)
    # As products: a mean over the first axis takes NumPy several times as long.
    average = np.full(count, 1 / count, np.float32)
    coefficients = np.sort((average @ energies)[1:])
    rings: Float = energies @ _LUMA_MASKS
    values = (
        _log_quantiles(rings, QUANTILES),
        (average @ is_zero) @ _LUMA_MASKS,
        _log_quantiles(np.concatenate(of_chroma or [_NO_ENERGIES]), COARSE_QUANTILES),
        _log_quantiles(half @ _COARSE_MASKS, COARSE_QUANTILES),
        _gaussianity(luma, rings),
        structure.structure_statistics(
            windows.slopes, slopes_of(halved, SMOOTHING) if halved.size else None
        ),
        _by_tone(rings[:, TONE_RINGS].mean(axis=1), mean[usable]),
        np.log(coefficients[[0, 6, 31]] + ENERGY_FLOOR),
        [mean.mean() / 255, mean.std() / 255, clipped.mean(), math.log(len(mean))],
    )
    return np.concatenate(values).astype(np.float64)


def _blocks(planes: Float) -> Float:
    """Cut (N, H, W) into (M, 64); what is left over at the right and bottom is dropped."""
    count, height, width = planes.shape
    rows, columns = height // BLOCK_SIDE, width // BLOCK_SIDE
    cut = planes[:, : rows * BLOCK_SIDE, : columns * BLOCK_SIDE]
    tiles = cut.reshape(count * rows, BLOCK_SIDE, columns, BLOCK_SIDE).swapaxes(1, 2)
    return tiles.reshape(-1, BLOCK_AREA)


def _reduced(planes: Float, side: int) -> Float:
    """Means (N, H // side, W // side) of square blocks of (N, H, W)."""
    count, height, width = planes.shape
    rows, columns = height // side, width // side
    if rows == 0 or columns == 0:
        return np.empty((count, 0, 0), np.float32)
    cut = np.ascontiguousarray(planes[:, : rows * side, : columns * side])
    stacked = cut.reshape(count * rows * side, columns * side)
    # OpenCV's area interpolation by a whole factor is the mean, ten times faster than NumPy's.
    size = (columns, count * rows)
    means = np.asarray(cv2.resize(stacked, size, interpolation=cv2.INTER_AREA), np.float32)
    return means.reshape(count, rows, columns)


def _halved(planes: Float) -> Float:
    """Means of 2x2 pixels."""
    return _reduced(planes, 2)


def _block_means(planes: Float) -> Float:
    """Mean of each of the blocks that `_blocks` cuts, (M,)."""
    return _reduced(planes, BLOCK_SIDE).ravel()


def _clipped_share(windows: Byte) -> Float:
    """Share of clipped values of each block, (M,); of (N, H, W) or (N, H, W, 3) windows."""
    count, height, width = windows.shape[:3]
    rows, columns = height // BLOCK_SIDE, width // BLOCK_SIDE
    cut = windows[:, : rows * BLOCK_SIDE, : columns * BLOCK_SIDE]
    # 255 becomes 0 and 0 becomes 1: all others are larger.
    is_clipped = (cut + np.uint8(1) <= 1).view(np.uint8)
    by_column = is_clipped.reshape(count * rows, BLOCK_SIDE, -1).sum(axis=1, dtype=np.uint8)
    clipped = by_column.reshape(count * rows * columns, -1)
    of_each = clipped.shape[1] * BLOCK_SIDE
    return np.asarray(clipped.sum(axis=1, dtype=np.uint16) / np.float32(of_each), np.float32)


def _usable(mean: Float, clipped: Float) -> NDArray[np.bool_]:
    """Which blocks kept their noise; all that are not blank where hardly any did."""
    low, high = TONE_RANGE
    usable = (clipped <= CLIPPED_SHARE) & (mean >= low) & (mean <= high)
    if usable.sum() < max(FEW_BLOCKS * len(mean), FEWEST_BLOCKS):
        usable = clipped <= BLANK_SHARE
    return np.asarray(usable)


def _gaussianity(luma: Float, rings: Float) -> Double:
    """Squared mean magnitude over mean square of a ring's coefficients, median of the blocks.

    About 2 / pi = 0.64 for noise; less for texture, which fills few of a block's coefficients.
    """
    own = list(SPARSITY_RINGS)
    magnitudes = np.square(np.abs(luma) @ _LUMA_MASKS[:, own]) / (rings[:, own] + ENERGY_FLOOR)
    median: Double = quantiles(np.ascontiguousarray(magnitudes.T), [0.5])[0]
    return median


def _by_tone(energy: Float, mean: Float) -> Double:
    """For shadows, mid-tones and highlights: how even the even blocks are, and how many there are.

    The former as the logarithm of the ratio to the even blocks of all tones; 0 where there are
    too few blocks of that tone.
    """
    overall = quantile(energy, TONE_QUANTILE) + ENERGY_FLOOR
    ratios, shares = [], []
    for low, high in pairwise(TONES):
        own = energy[(mean >= low) & (mean < high)]
        shares.append(len(own) / len(mean))
        ratios.append(
            math.log((quantile(own, TONE_QUANTILE) + ENERGY_FLOOR) / overall)
            if len(own) >= FEWEST_BLOCKS
            else 0.0
        )
    return np.array(ratios + shares)


def _spectra(blocks: Float) -> Float:
    """Cosine transforms (M, 64) of (M, 64) blocks."""
    # Both one-dimensional transforms at once: one large product instead of many small ones.
    transformed: Float = blocks @ _COSINE_2D
    return transformed


def _log_quantiles(energies: Float, shares: tuple[float, ...]) -> Double:
    """Logarithms of the quantiles (shares * rings,) of (N, rings) energies over the blocks.

    Without blocks (the chroma of a gray photograph) the energies are zero.
    """
    if len(energies) == 0:
        energies = np.zeros((1, energies.shape[1]), np.float32)
    # Ring by ring, each contiguous: twice as fast as over the columns.
    return np.log(quantiles(np.ascontiguousarray(energies.T), shares) + ENERGY_FLOOR).ravel()
