"""Whether what is left in even blocks has a direction: twigs, grass and fur do, grain does not.

The coherence of the structure tensor (Bigün and Granlund, "Optimal Orientation Detection of
Linear Symmetry", ICCV 1987): 0 where gradients point everywhere alike, 1 where they share one
axis.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Double = NDArray[np.float64]

BLOCK_SIDE = 16
"""Side in pixels of the blocks over which gradients are averaged: some forty grains of film."""

SMOOTHING = 0.7
"""Sigma in pixels before differencing."""

COHERENCE_QUANTILES = (0.1, 0.3, 0.5, 0.8)
"""Of the coherence over the blocks."""

EVEN_SHARE = 0.2
"""The blocks with the weakest gradients, whose mean coherence is kept too."""

LENGTH = 2 * (len(COHERENCE_QUANTILES) + 1)
"""Number of values: at full and at half resolution."""


def structure_statistics(lumas: list[Float], halves: list[Float]) -> Double:
    """Coherence of a photograph's windows.

    Args:
        lumas: (H, W) each, 8-bit units.
        halves: the same at half resolution.

    Returns:
        (`LENGTH`,) float64: for each resolution the quantiles and the mean of the even blocks;
        zeros at a resolution without a block.
    """
    return np.concatenate([_values(lumas), _values(halves)])


def _values(planes: list[Float]) -> Double:
    tensors = np.concatenate([_tensors(plane) for plane in planes])
    if len(tensors) == 0:
        return np.zeros(len(COHERENCE_QUANTILES) + 1)
    energy = tensors[:, 0] + tensors[:, 1]
    length = np.hypot(tensors[:, 0] - tensors[:, 1], 2 * tensors[:, 2])
    # Rounding to 8 bits is noise of variance 1/12: without it an even block would count.
    coherence = length / (energy + 1 / 12)
    even = coherence[energy <= np.quantile(energy, EVEN_SHARE)]
    return np.append(np.quantile(coherence, COHERENCE_QUANTILES), even.mean())


def _tensors(plane: Float) -> Float:
    """Means of gx^2, gy^2 and gx gy of each block, (N, 3)."""
    rows, columns = plane.shape[0] // BLOCK_SIDE, plane.shape[1] // BLOCK_SIDE
    if rows == 0 or columns == 0:
        return np.empty((0, 3), np.float32)
    smooth = cv2.GaussianBlur(plane, (0, 0), SMOOTHING, borderType=cv2.BORDER_REFLECT_101)
    across = np.asarray(cv2.Sobel(smooth, -1, 1, 0, ksize=1), np.float32) / 2
    down = np.asarray(cv2.Sobel(smooth, -1, 0, 1, ksize=1), np.float32) / 2
    cut = slice(0, rows * BLOCK_SIDE), slice(0, columns * BLOCK_SIDE)
    means = [
        cv2.resize(product[cut], (columns, rows), interpolation=cv2.INTER_AREA).ravel()
        for product in (across * across, down * down, across * down)
    ]
    return np.stack(means, axis=1).astype(np.float32)
