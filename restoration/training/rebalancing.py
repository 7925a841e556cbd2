"""Weights for rare colours: without them, the gray majority of all pixels decides what is learned.

Zhang, Isola and Efros, "Colorful Image Colorization", ECCV 2016, section 2.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import torch
from torch import Tensor

from restoration.colour import CB_SCALE, CR_SCALE
from restoration.networks import ChromaBins
from restoration.training.batched.fields import luma
from restoration.training.data import Byte
from restoration.training.sources import reduced

UNIFORM_SHARE: Final = 0.5
"""Of the uniform distribution in the mixture whose inverse is the weight (lambda in the paper)."""
SMOOTHING: Final = 0.025
"""Standard deviation in Cb and Cr of the Gaussian that smooths the prior: 5 of 200 in the paper."""
COUNTED_SIDE: Final = 40
"""Short side in pixels at which photographs are counted: the resolution of chroma in training."""


def chroma_prior(photos: Iterable[Byte], bins: ChromaBins) -> Tensor:
    """How often each chroma bin occurs in photographs.

    Args:
        photos: each (H, W, 3) uint8, all counted alike whatever their size.
        bins: Q of them.

    Returns:
        (Q,) float32, smoothed, sums to 1.
    """
    total = torch.zeros(bins.count)
    for photo in photos:
        small = reduced(photo, COUNTED_SIDE / min(photo.shape[:2]))
        indices, shares = bins.encode(chroma_of(torch.from_numpy(small)[None].movedim(3, 1) / 255))
        counts = torch.bincount(indices.flatten(), shares.flatten(), minlength=bins.count)
        total += counts / counts.sum()
    return smoothed(total, bins)


def smoothed(prior: Tensor, bins: ChromaBins) -> Tensor:
    """Spread each bin's share over its neighbours (Gaussian of `SMOOTHING`); (Q,), sums to 1."""
    centres = bins.centres.to(prior.device)
    distance = torch.cdist(centres, centres)
    kernel = torch.exp(-0.5 * (distance / SMOOTHING).square())
    spread = (kernel / kernel.sum(0)) @ prior
    return spread / spread.sum()


def rarity_weights(prior: Tensor, uniform_share: float = UNIFORM_SHARE) -> Tensor:
    """The weight of each bin: inverse to a mixture of its prior and a uniform distribution.

    Args:
        prior: (Q,), sums to 1.
        uniform_share: 1 weighs all bins alike, 0 makes all of them equally important.

    Returns:
        (Q,), their mean under the prior is 1.
    """
    weights = 1 / ((1 - uniform_share) * prior + uniform_share / len(prior))
    return weights / (prior * weights).sum()


def chroma_of(rgb: Tensor) -> Tensor:
    """Cb and Cr in [-0.5, 0.5], (N, 2, H, W), of R'G'B' in [0, 1], (N, 3, H, W)."""
    y = luma(rgb)
    return torch.stack([(rgb[:, 2] - y) * CB_SCALE, (rgb[:, 0] - y) * CR_SCALE], 1)
