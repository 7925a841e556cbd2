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

from restoration.assess.windows import Windows, measured_windows, to_luma
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

_WINDOW: Final = (7, 7)
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
    found = [_window_features(to_luma(window)) for window in windows.pixels[::step]]
    features = np.concatenate(found) if found else np.empty((0, FEATURES))
    return features if len(features) else None


def _window_features(luma: Float) -> Double:
    """Features (N, 36) of the patches of a window that are not even."""
    rows, columns = luma.shape[0] // PATCH_SIDE, luma.shape[1] // PATCH_SIDE
    if rows == 0 or columns == 0:
        return np.empty((0, FEATURES))
    parts = []
    for scale in range(SCALES):
        side = PATCH_SIDE >> scale
        normalised = _normalised(luma)
        parts.append(_patch_statistics(_patches(normalised, side, rows, columns)))
        luma = np.asarray(cv2.resize(luma, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    features = np.concatenate(parts, axis=1)
    return features[np.isfinite(features).all(axis=1)]


def _normalised(luma: Float) -> Float:
    """Luma less its local mean, over its local deviation (MSCN coefficients)."""

    def mean(plane: Float) -> Float:
        blurred = cv2.GaussianBlur(plane, _WINDOW, _WINDOW_SIGMA, borderType=cv2.BORDER_REFLECT_101)
        return np.asarray(blurred, np.float32)

    local = mean(luma)
    deviation = np.sqrt(np.maximum(mean(luma * luma) - local * local, 0))
    return np.asarray((luma - local) / (deviation + np.float32(_SATURATION)))


def _patches(plane: Float, side: int, rows: int, columns: int) -> Float:
    """(rows * columns, side, side) patches of a plane."""
    cut = plane[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return np.ascontiguousarray(cut.transpose(0, 2, 1, 3)).reshape(-1, side, side)


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
    square = np.einsum("ij,ij->i", values, values, dtype=np.float64) / values.shape[1]
    absolute = np.abs(values).mean(axis=1, dtype=np.float64)
    shapes, ratios, _ = _tables()
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.interp(absolute**2 / square, ratios, shapes), square


def _asymmetric(values: Float) -> list[Double]:
    """Shape, mean, left and right variance of an asymmetric generalised Gaussian, by moments.

    Lasmar, Stitou and Berthoumieu, "Multiscale Skewed Heavy Tailed Model for Texture Analysis",
    ICIP 2009.
    """
    left, right = np.minimum(values, 0), np.maximum(values, 0)
    counts = np.count_nonzero(values < 0, axis=1), np.count_nonzero(values > 0, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        low, high = (
            np.einsum("ij,ij->i", side, side, dtype=np.float64) / count
            for side, count in zip((left, right), counts, strict=True)
        )
        balance = np.sqrt(low / high)
        absolute = (right.sum(1, dtype=np.float64) - left.sum(1, dtype=np.float64)) / values.shape[
            1
        ]
        square = (low * counts[0] + high * counts[1]) / values.shape[1]
        ratio = absolute**2 / square * (balance**3 + 1) * (balance + 1) / (balance**2 + 1) ** 2
        shapes, ratios, means = _tables()
        shape = np.interp(ratio, ratios, shapes)
        mean = (np.sqrt(high) - np.sqrt(low)) * np.interp(shape, shapes, means)
    return [shape, mean, low, high]


@lru_cache(maxsize=1)
def _tables() -> tuple[Double, Double, Double]:
    """Shapes a, Γ(2/a)² / (Γ(1/a) Γ(3/a)), which rises with a, and Γ(2/a) / sqrt(Γ(1/a) Γ(3/a))."""
    logs = np.array([[lgamma(k / shape) for k in (1, 2, 3)] for shape in _SHAPES])
    ratios = np.exp(2 * logs[:, 1] - logs[:, 0] - logs[:, 2])
    return _SHAPES, ratios, np.sqrt(ratios)
