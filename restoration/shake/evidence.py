"""Is it shake? What a photograph says for and against an estimated kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restoration.shake.deconvolution import Deconvolver
from restoration.shake.fourier import gradients
from restoration.shake.kernel import Kernel, cleaned, fitting_kernel

Float = NDArray[np.float32]

EXPLAINED: Final = 0.7
"""Shake leaves at most this much of what no blur of the network's picture explains."""

SHARPER: Final = 1.1
"""Gradients after deconvolution are at least this many times the network's."""

LEAST_SPREAD: Final = 1.75
"""Pixels of standard deviation: less is a blur like any other, which the network knows.

All three thresholds were chosen on photographs of the training set, blurred in many ways (see
restoration/training/README.md), not on those that figures are reported for."""

_FITTED_SIDE: Final = 15
_FITTED_RIDGE: Final = 1e-3
_FITTED_FAINTEST: Final = 0.02
_LOCAL_SIGMA: Final = 3.0
_GRADIENT_SIGMA: Final = 0.7
_BORDER: Final = 20


@dataclass(frozen=True)
class Evidence:
    """Measured in one window; variances in units of [0, 1] squared.

    Attributes:
        unexplained: variance that the deconvolved picture, blurred again, leaves of the photo's
            detail.
        unexplained_by_network: what the network's picture leaves, blurred with the kernel that
            suits it best. Where the network found the sharp picture, or there is nothing to find,
            this is noise alone.
        gradients: mean squared gradient of the deconvolved picture.
        network_gradients: of the network's.
    """

    unexplained: float
    unexplained_by_network: float
    gradients: float
    network_gradients: float


def gather(observed: Tensor, by_network: Tensor, deconvolver: Deconvolver) -> Evidence:
    """Compare deconvolution with the network in a window.

    Args:
        observed: (3, H, W) in [0, 1], each side more than twice the border that is left out.
        by_network: the network's output, of that shape.
        deconvolver: for the estimated kernel.
    """
    restored, blurred = (part[0].mean(0) for part in deconvolver.restore(observed[None]))
    photo, network = observed.mean(0), by_network.mean(0)
    return Evidence(
        unexplained=_detail(photo - blurred),
        unexplained_by_network=_detail(photo - _blurred_to_match(network, photo)),
        gradients=_mean_squared_gradient(restored),
        network_gradients=_mean_squared_gradient(network),
    )


def is_shaken(kernel: Kernel, found: list[Evidence]) -> bool:
    """Whether deconvolution explains the photo better than the network, and is sharper.

    In all windows together; and in none of them may it explain less.
    """
    left = sum(own.unexplained for own in found)
    left_by_network = sum(own.unexplained_by_network for own in found)
    sharpness = sum(own.gradients for own in found)
    sharpness_of_network = sum(own.network_gradients for own in found)
    return (
        kernel.spread > LEAST_SPREAD
        and left < EXPLAINED**2 * left_by_network
        and sharpness > SHARPER**2 * sharpness_of_network
        and all(own.unexplained < own.unexplained_by_network for own in found)
    )


def _blurred_to_match(sharp: Tensor, photo: Tensor) -> Tensor:
    """`sharp` convolved with the small kernel that brings it closest to the photo."""
    fitted = fitting_kernel(gradients(sharp), gradients(photo), _FITTED_SIDE, ridge=_FITTED_RIDGE)
    kernel = cleaned(fitted, faintest=_FITTED_FAINTEST)
    flipped = kernel[::-1, ::-1].copy()  # filter2D correlates
    same = cv2.filter2D(sharp.cpu().numpy(), -1, flipped, borderType=cv2.BORDER_REFLECT_101)
    return torch.from_numpy(same).to(sharp.device)


def _detail(residual: Tensor) -> float:
    """Variance of what differs from its surroundings, away from the borders."""
    values = residual.cpu().numpy()
    fine = values - cv2.GaussianBlur(values, (0, 0), _LOCAL_SIGMA)
    return float(fine[_BORDER:-_BORDER, _BORDER:-_BORDER].var())


def _mean_squared_gradient(picture: Tensor) -> float:
    smooth = cv2.GaussianBlur(picture.cpu().numpy(), (0, 0), _GRADIENT_SIGMA)
    inner = torch.from_numpy(smooth[_BORDER:-_BORDER, _BORDER:-_BORDER])
    return float(gradients(inner).square().sum(0).mean())
