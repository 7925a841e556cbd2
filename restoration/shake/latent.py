"""A cartoon of the sharp photograph: the few strong edges that a kernel can be read from."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from restoration.shake.fourier import (
    differences,
    gathered,
    gradient_functions,
    gradients,
    periodic,
    transfer_function,
)

_STRICTEST: Final = 1e5
_DIRECTIONS: Final = 4
_FAINTEST_EDGE: Final = 1e-3


def cartoon(blurred: Tensor, kernel: Tensor, sparsity: float) -> Tensor:
    """The picture with few edges that explains a blurred one.

    Minimises |k * x - y|^2 + sparsity |grad x|_0 by half-quadratic splitting: Xu, Zheng and Jia,
    "Unnatural L0 sparse representation for natural image deblurring", CVPR 2013; schedule as in
    Pan, Hu, Su and Yang, "Deblurring text images via L0-regularized intensity and gradient prior",
    CVPR 2014.

    Args:
        blurred: (H, W) in [0, 1].
        kernel: (h, w), odd sides, adds up to 1.
        sparsity: weight of an edge pixel.

    Returns:
        (H, W).
    """
    height, width = blurred.shape
    observed = periodic(blurred, kernel.shape[0] + 7)
    shape = (observed.shape[0], observed.shape[1])
    blur = transfer_function(kernel, shape)
    gradient = gradient_functions(shape, blurred.device)
    blur_power, gradient_power = blur.abs() ** 2, (gradient.abs() ** 2).sum(0)
    data = blur.conj() * torch.fft.rfft2(observed)
    picture, strictness = observed, 2 * sparsity
    while strictness < _STRICTEST:
        slopes = differences(picture)
        slopes *= (slopes.square().sum(0) >= sparsity / strictness).to(slopes.dtype)
        spectrum = torch.fft.rfft2(gathered(slopes).mul_(strictness)).add_(data)
        spectrum /= blur_power + strictness * gradient_power
        picture = torch.fft.irfft2(spectrum, shape)
        strictness *= 2
    return picture[:height, :width]


def edge_threshold(slopes: Tensor, kernel_side: int) -> float:
    """The gradient above which every direction has edges enough for a kernel of that side.

    Cho and Lee, "Fast motion deblurring", ACM TOG 2009: as many pixels in each of four directions
    as the geometric mean of the numbers of pixels of picture and kernel.

    Args:
        slopes: (2, H, W) gradients.
        kernel_side: in pixels.
    """
    magnitude = slopes.square().sum(0).sqrt().flatten()
    angle = torch.atan2(slopes[1], slopes[0]).flatten() % torch.pi
    direction = (angle * (_DIRECTIONS / torch.pi)).long() % _DIRECTIONS
    wanted = int((magnitude.numel() ** 0.5) * kernel_side)
    thresholds = []
    for own in range(_DIRECTIONS):
        found = magnitude[direction == own]
        kept = min(wanted + 1, found.numel())
        thresholds.append(float(found.topk(kept).values[-1]) if kept else 0.0)
    return min(thresholds)


def strong_edges(picture: Tensor, threshold: float) -> Tensor:
    """Gradients (2, H, W) of `picture` (H, W), zero where they are weaker than the threshold."""
    slopes = gradients(picture)
    magnitude = slopes.square().sum(0).sqrt()
    return slopes * (magnitude >= max(threshold, _FAINTEST_EDGE)).to(slopes.dtype)
