"""Gray as old film and old scans see it: the input of colorize while it is trained."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from restoration.training.batched.draws import Draws
from restoration.training.batched.fields import filtered, gaussian_matrix, luma
from restoration.training.batched.recipes import compress, old_photo_noise, quantise

GAMMA: Final = 2.2
"""Film integrates light, photographs hold its 2.2nd root (roughly sRGB's curve)."""
UNTOUCHED: Final = 0.22
"""Share of samples that keep their luma: what a good scan looks like once restored."""
_BLUR_REACH: Final = 5
"""Pixels, four times the largest sigma."""


def as_old_prints(rgb: Tensor, draws: Draws) -> Tensor:
    """Photograph colour pictures on old film, let them age, and scan them.

    22 % keep the luma of the colour picture and nothing else happens to them. 23 % keep it, too;
    the others see it through another emulsion (`emulsions`). Then fading (40 % of these), mild
    blur (20 %), grain (25 %) and JPEG (20 %).

    Args:
        rgb: R'G'B' in [0, 1], (N, 3, H, W) with H = W.
        draws: source of randomness.

    Returns:
        (N, H, W) in [0, 1].
    """
    # Photographs come in random order: a run of samples is as good as a random choice of them.
    sizes = draws.sizes(len(rgb), (UNTOUCHED, 0.23, 0.55))
    plain, kept, filmed = torch.split(rgb, sizes)
    aged = [luma(kept), emulsions(filmed, draws)]
    return torch.cat([luma(plain), scanned(torch.cat(aged), draws)]).clamp(0, 1)


def scanned(gray: Tensor, draws: Draws) -> Tensor:
    """What years and a scanner do to prints (N, H, W) in [0, 1]."""
    count = len(gray)
    fading = draws.subset(count, 0.4)
    if len(fading):
        gray[fading] = faded(gray[fading], draws)
    soft = draws.subset(count, 0.2)
    if len(soft):
        sigma = draws.uniform(len(soft), 0.4, 1.3)
        margins = functional.pad(gray[soft], (_BLUR_REACH,) * 4, mode="reflect")
        gray[soft] = filtered(margins, gaussian_matrix(sigma, gray.shape[-1], _BLUR_REACH))
    grainy = draws.subset(count, 0.25)
    if len(grainy):
        # At half strength: the network sees photographs reduced, and mostly denoised.
        noisy = luma(old_photo_noise(_three(gray[grainy] * 255), draws)) / 255
        gray[grainy] = (gray[grainy] + noisy) / 2
    compressed = draws.subset(count, 0.2)
    if len(compressed):
        pictures = quantise(_three(gray[compressed] * 255))
        compress(pictures, 1.0, (50, 95), draws)
        gray[compressed] = luma(pictures) / 255
    return gray


def emulsions(rgb: Tensor, draws: Draws) -> Tensor:
    """What black-and-white emulsions make of colours.

    Two thirds panchromatic, sensitive to all of the spectrum with weights that vary; one third
    orthochromatic, as most film before the 1930s, which does not see red (lips and brick are
    black, skies white), down to the blue-sensitive plates of the 19th century. The weights act
    on linear light.

    Args:
        rgb: R'G'B' in [0, 1], (N, 3, H, W).
        draws: source of randomness.

    Returns:
        (N, H, W) in [0, 1], gamma-encoded.
    """
    panchromatic, orthochromatic = draws.sizes(len(rgb), (2 / 3, 1 / 3))
    # Gamma variates over their sum are Dirichlet-distributed.
    variates = torch.stack([draws.gamma(panchromatic, shape) for shape in (5.0, 7.0, 3.0)], 1)
    red = draws.uniform(orthochromatic, 0, 0.06)
    blue = draws.uniform(orthochromatic, 0.25, 0.9)
    blind = torch.stack([red, (1 - red) * (1 - blue), (1 - red) * blue], 1)
    weights = torch.cat([variates / variates.sum(1, keepdim=True), blind])
    light = (rgb.clamp(0, 1).pow(GAMMA) * weights[:, :, None, None]).sum(1)
    return light.pow(1 / GAMMA)


def faded(gray: Tensor, draws: Draws) -> Tensor:
    """Another contrast (gamma, log-normal) between a gray black and a gray white, (N, H, W)."""
    count = len(gray)
    exponent = (0.25 * draws.normal(count)).exp()
    low, high = draws.uniform(count, 0, 0.15), draws.uniform(count, 0.8, 1.0)
    exponent, low, high = (values[:, None, None] for values in (exponent, low, high))
    return low + gray.clamp(0, 1).pow(exponent) * (high - low)


def _three(gray: Tensor) -> Tensor:
    return gray[:, None].repeat(1, 3, 1, 1)
