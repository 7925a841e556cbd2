"""NIQE: how far a photograph's statistics are from those of sound photographs.

Mittal, Soundararajan and Bovik, "Making a Completely Blind Image Quality Analyzer", IEEE Signal
Processing Letters 2013. Locally normalised luma of a sound photograph is distributed alike
everywhere: 18 parameters of such distributions at two scales, patch by patch, are summed up as one
multivariate Gaussian, and its distance from the Gaussian of sound photographs is the measure. No
person's opinion and no example of a degradation is in it.

The Gaussian of sound photographs is our own (`restoration/weights/niqe.json` says from which
photographs); figures are therefore not to be compared with those of other implementations.
"""

from __future__ import annotations

from functools import lru_cache
from math import lgamma
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from restoration.assess.gradients import filtered, side_by_side
from restoration.assess.windows import Windows, measured_windows
from restoration.colour import luma
from restoration.models import load_model
from restoration.samples import Samples

Byte = NDArray[np.uint8]
Float = NDArray[np.float32]
Double = NDArray[np.float64]

PATCH_SIDE: Final = 80
"""Side in pixels of a patch: two fit into a measured window. The paper's is 96."""

SCALES: Final = 2
"""Full and half resolution, as in the paper."""

FEWEST_PATCHES: Final = 4
"""Fewer patches say too little of a photograph to be compared with others."""

MOST_WINDOWS: Final = 18
"""Windows that are looked at: every other one of those that noise and blur are measured on."""

_WINDOW: Final = 7
_WINDOW_SIGMA: Final = 7 / 6
"""Gaussian window over which luma is normalised, as in the paper."""
_SATURATION: Final = 1.0
"""Added to the local deviation (8-bit units), as in the paper: even areas are not blown up."""

_NEIGHBOURS: Final = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Rows and columns to the neighbours whose products are looked at."""

FEATURES: Final = SCALES * (2 + 4 * len(_NEIGHBOURS))
"""Number of features of a patch: 36."""

_SHAPES: Final = np.arange(0.2, 10.0005, 0.001)
"""Shapes of generalised Gaussians among which is chosen, as in the paper's code."""


def naturalness(image: Samples) -> float | None:
    """Distance from sound photographs: about 3 for these, the more the worse; no unit.

    Time and memory are bounded: it is measured on at most 0.46 megapixels of native windows.

    Args:
        image: (H, W) or (H, W, 3) R'G'B', uint8 or uint16, any size; is not modified.

    Returns:
        The measure; None where a photograph is too small, or all of one tone.

    Raises:
        WeightsError: the weights are missing or altered.
    """
    return naturalness_of_windows(measured_windows(image))


def naturalness_of_windows(windows: Windows) -> float | None:
    """`naturalness` of a photograph whose windows are at hand."""
    features = features_of_windows(windows)
    if features is None or len(features) < FEWEST_PATCHES:
        return None
    model = load_model("naturalness", torch.device("cpu"))
    with torch.inference_mode():
        return float(model(torch.from_numpy(features)[None])[0])


def patch_features(image: Samples) -> Double | None:
    """Features (N, 36) of a photograph's patches, even ones left out; None where there are none.

    Args:
        image: (H, W) or (H, W, 3) R'G'B', uint8 or uint16.
    """
    return features_of_windows(measured_windows(image))


def features_of_windows(windows: Windows) -> Double | None:
    """`patch_features` of a photograph whose windows are at hand."""
    step = -(-len(windows.pixels) // MOST_WINDOWS)
    # Not `windows.luma`, which rounds otherwise: without noise, shapes are those of the rounding.
    pixels = windows.pixels[::step]
    features = _features(pixels.astype(np.float32) if pixels.ndim == 3 else luma(pixels))
    return features if len(features) else None


def _features(lumas: Float) -> Double:
    """Features (M, 36) of the patches of (N, H, W) windows that are not even."""
    rows, columns = lumas.shape[1] // PATCH_SIDE, lumas.shape[2] // PATCH_SIDE
    if rows == 0 or columns == 0:
        return np.empty((0, FEATURES))
    parts = []
    for scale in range(SCALES):
        side, width = PATCH_SIDE >> scale, lumas.shape[2]
        patches = _patches(_normalised(lumas), width, side, rows, columns)
        parts.append(_patch_statistics(patches))
        lumas = _halved(lumas)
    features = np.concatenate(parts, axis=1)
    return features[np.isfinite(features).all(axis=1)]


def _halved(lumas: Float) -> Float:
    count, height, width = lumas.shape
    # One above the other, unless the last row of one would be averaged with the next one's.
    stacked = [lumas.reshape(-1, width)] if height % 2 == 0 else list(lumas)
    area = cv2.INTER_AREA
    halves = [cv2.resize(each, None, fx=0.5, fy=0.5, interpolation=area) for each in stacked]
    return np.stack(halves).astype(np.float32).reshape(count, -1, halves[0].shape[1])


def _normalised(lumas: Float) -> Float:
    """Luma less its local mean, over its local deviation (MSCN coefficients): (H, N * W)."""
    taps = np.asarray(cv2.getGaussianKernel(_WINDOW, _WINDOW_SIGMA, cv2.CV_32F), np.float32)
    local, square = filtered(lumas, taps, taps), filtered(lumas * lumas, taps, taps)
    square -= local * local
    deviation = np.sqrt(np.maximum(square, 0, out=square), out=square)
    deviation += np.float32(_SATURATION)
    apart = np.subtract(side_by_side(lumas), local, out=local)
    apart /= deviation
    return apart


def _patches(plane: Float, width: int, side: int, rows: int, columns: int) -> Float:
    """(M, side, side) patches of windows that lie side by side."""
    windows = plane[: rows * side].reshape(rows, side, -1, width)[..., : columns * side]
    cut = windows.reshape(rows, side, -1, columns, side)
    return np.ascontiguousarray(cut.transpose(2, 0, 3, 1, 4)).reshape(-1, side, side)


def _patch_statistics(patches: Float) -> Double:
    """The 18 features (N, 18) of (N, side, side) normalised patches; nan of even ones."""
    shape, spread = _symmetric(patches.reshape(len(patches), -1))
    columns = [shape, spread]
    for down, right in _NEIGHBOURS:
        stop = patches.shape[1] - down
        if right >= 0:
            product = patches[:, :stop, : patches.shape[2] - right] * patches[:, down:, right:]
        else:
            product = patches[:, :stop, -right:] * patches[:, down:, :right]
        columns += _asymmetric(product.reshape(len(patches), -1))
    return np.stack(columns, axis=1)


def _symmetric(values: Float) -> tuple[Double, Double]:
    """Shape and variance of a generalised Gaussian, by moments (Sharifi and Leon-Garcia 1995)."""
    square = _sum(values * values) / values.shape[1]
    absolute = _sum(np.abs(values)) / values.shape[1]
    shapes, ratios, _ = _tables()
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.interp(absolute**2 / square, ratios, shapes), square


def _asymmetric(values: Float) -> list[Double]:
    """Shape, mean, left and right variance of an asymmetric generalised Gaussian, by moments.

    Lasmar, Stitou and Berthoumieu, "Multiscale Skewed Heavy Tailed Model for Texture Analysis",
    ICIP 2009.
    """
    count = values.shape[1]
    below, above = _count(values < 0), _count(values > 0)
    right = np.maximum(values, 0)
    total, of_right = _sum(values), _sum(right)
    squares, squares_of_right = _sum(values * values), _sum(np.multiply(right, right, out=right))
    with np.errstate(invalid="ignore", divide="ignore"):
        low, high = (squares - squares_of_right) / below, squares_of_right / above
        balance = np.sqrt(low / high)
        absolute = (2 * of_right - total) / count
        square = squares / count
        ratio = absolute**2 / square * (balance**3 + 1) * (balance + 1) / (balance**2 + 1) ** 2
        shapes, ratios, means = _tables()
        shape = np.interp(ratio, ratios, shapes)
        mean = (np.sqrt(high) - np.sqrt(low)) * np.interp(shape, shapes, means)
    return [shape, mean, low, high]


def _sum(values: Float) -> Double:
    """Sums of rows; NumPy adds in pairs, which keeps seven digits."""
    return np.asarray(values.sum(axis=1), np.float64)


def _count(mask: NDArray[np.bool_]) -> Double:
    """How many of each row are true; several times as fast as counting bytes."""
    bits = np.bitwise_count(np.packbits(mask, axis=1))
    return np.asarray(bits.sum(axis=1), np.float64)


@lru_cache(maxsize=1)
def _tables() -> tuple[Double, Double, Double]:
    """Shapes a, Γ(2/a)² / (Γ(1/a) Γ(3/a)), which rises with a, and Γ(2/a) / sqrt(Γ(1/a) Γ(3/a))."""
    logs = np.array([[lgamma(k / shape) for k in (1, 2, 3)] for shape in _SHAPES])
    ratios = np.exp(2 * logs[:, 1] - logs[:, 0] - logs[:, 2])
    return _SHAPES, ratios, np.sqrt(ratios)
