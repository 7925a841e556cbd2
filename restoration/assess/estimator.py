"""Noise and blur of a photograph, from its statistics, by the shipped regressor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from restoration.assess.scales import BLUR_SCALE, NOISE_SCALE, Estimate
from restoration.assess.spectrum import block_statistics
from restoration.assess.statistics import statistics_of_windows
from restoration.assess.windows import Windows, measured_windows
from restoration.samples import Samples

Double = NDArray[np.float64]

UNKNOWN: Final = Estimate(0.0, 0.0)


@dataclass(frozen=True)
class Strengths:
    """How noisy and how blurred one photograph is.

    Attributes:
        noise: sigma in 8-bit units: the root mean square over pixels and channels.
        blur: sigma in pixels of the Gaussian that blurs as much.
    """

    noise: Estimate
    blur: Estimate


def estimate_strengths(image: Samples) -> Strengths:
    """Measure noise and blur.

    Args:
        image: (H, W) or (H, W, 3) R'G'B', uint8 or uint16, any size from 1x1 up; is not modified.

    Returns:
        Both estimates: 0 with confidence 0 where a photograph is too small or blank to measure,
        likewise the blur of one without any edge.

    Raises:
        WeightsError: the regressor's weights are missing or altered.
    """
    return strengths_of_windows(measured_windows(image))


def strengths_of_windows(windows: Windows) -> Strengths:
    """`estimate_strengths` of a photograph whose windows are at hand."""
    found = statistics_of_windows(windows)
    if found is None:
        return Strengths(UNKNOWN, UNKNOWN)
    noise, blur = _predict(found.values)
    return Strengths(
        NOISE_SCALE.estimate(*noise), BLUR_SCALE.estimate(*blur) if found.has_edges else UNKNOWN
    )


def estimate_noise(image: Samples) -> Estimate:
    """Measure noise alone, in half the time; the result is that of `estimate_strengths`.

    Args:
        image: (H, W) or (H, W, 3) R'G'B', uint8 or uint16, any size from 1x1 up; is not modified.

    Raises:
        WeightsError: the regressor's weights are missing or altered.
    """
    return noise_of_windows(measured_windows(image))


def noise_of_windows(windows: Windows) -> Estimate:
    """`estimate_noise` of a photograph whose windows are at hand."""
    blocks = block_statistics(windows)
    return UNKNOWN if blocks is None else NOISE_SCALE.estimate(*_predict(blocks)[0])


def _predict(statistics: Double) -> list[list[float]]:
    """Mean and variance of each quantity that so many statistics suffice for."""
    # PyTorch takes a second to import, and thresholds and plans are asked for without it.
    import torch

    from restoration.models import load_model

    # On the CPU always: a vector of numbers is not worth the way to a GPU.
    model = load_model("assess", torch.device("cpu"))
    with torch.inference_mode():
        predicted: list[list[float]] = model(torch.from_numpy(statistics).float()[None])[0].tolist()
    return predicted
