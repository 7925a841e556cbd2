"""Gradients of a photograph's windows, all of them at once, and means over blocks.

Windows are (N, H, W). What is made of them lies side by side, (H, N * W): then OpenCV sees the
border of all windows as one, and mirrors each window at its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True)
class Slopes:
    """Derivative of Gaussian of windows that lie side by side: (H, N * W) each.

    Attributes:
        across: to the right, 8-bit units per pixel.
        down: likewise.
        energy: the sum of their squares.
        width: of a window, in pixels.
    """

    across: Float
    down: Float
    energy: Float
    width: int


def filtered(planes: Float, across: Float, down: Float) -> Float:
    """Separable filter of (N, H, W) windows; beyond its borders each is mirrored (101).

    Rows are filtered with the windows one above the other, columns with the windows side by side:
    all windows take two calls.

    Args:
        planes: of the windows.
        across: (K,) taps along the rows.
        down: (K,) taps along the columns.

    Returns:
        (H, N * W).
    """
    count, height, width = planes.shape
    single, border = np.ones(1, np.float32), cv2.BORDER_REFLECT_101
    stacked = planes.reshape(count * height, width)
    by_row = cv2.sepFilter2D(stacked, -1, across, single, borderType=border)
    rows = np.asarray(by_row, np.float32)
    beside = side_by_side(rows.reshape(planes.shape))
    return np.asarray(cv2.sepFilter2D(beside, -1, single, down, borderType=border), np.float32)


def side_by_side(planes: NDArray[Scalar]) -> NDArray[Scalar]:
    """Windows (N, H, W) as (H, N * W), contiguous."""
    count, height, width = planes.shape
    return np.ascontiguousarray(planes.swapaxes(0, 1)).reshape(height, count * width)


def slopes_of(lumas: Float, sigma: float) -> Slopes:
    """Derivatives of (N, H, W) windows in 8-bit units; mirrored beyond their borders.

    Args:
        lumas: of the windows.
        sigma: of the Gaussian, in pixels.
    """
    count, height, width = lumas.shape
    taps = cv2.getGaussianKernel(round(sigma * 8 + 1) | 1, sigma, cv2.CV_32F)
    gaussian = np.asarray(taps, np.float32)
    # Half of it: the central difference is that of its neighbours.
    half = filtered(lumas, gaussian, gaussian * np.float32(0.5))
    across, down = np.empty_like(half), np.empty_like(half)
    np.subtract(half[:, 2:], half[:, :-2], out=across[:, 1:-1])
    across.reshape(height, count, width)[:, :, [0, -1]] = 0  # what is mirrored is even
    np.subtract(half[2:], half[:-2], out=down[1:-1])
    down[[0, -1]] = 0
    energy = np.multiply(across, across, out=half)
    energy += down * down
    return Slopes(across, down, energy, width)


def block_means(plane: Float, width: int, side: int) -> Float:
    """Means (M,) of square blocks in windows side by side; what is left over is dropped.

    Args:
        plane: (H, N * W).
        width: of a window, in pixels.
        side: of a block, in pixels.
    """
    height, count = plane.shape[0], plane.shape[1] // width
    rows, columns = height // side, width // side
    cut = plane[: rows * side].reshape(rows, side, count, width)
    sums = cut.sum(axis=1)[..., : columns * side]
    blocks = sums.reshape(rows, count, columns, side).sum(axis=-1)
    return np.asarray(blocks.ravel() / np.float32(side**2), np.float32)
