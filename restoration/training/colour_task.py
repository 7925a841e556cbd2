"""Colorize: chroma from luma, as a choice among bins or by regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import ClassVar, Final, Self

import torch
from torch import Tensor
from torch.nn import functional

from restoration.networks import ChromaBins, ColourUNetConfig, NetworkConfig
from restoration.training.batched import Draws, PhotoBuffer, as_old_prints
from restoration.training.data import Byte
from restoration.training.rebalancing import chroma_of, chroma_prior, rarity_weights
from restoration.training.soft_labels import soft_cross_entropy
from restoration.training.sources import evenly, reduced
from restoration.training.task import TrainingTask

COLORIZE_NETWORK: Final = ColourUNetConfig()
COUNTED_PHOTOS: Final = 2000
"""Photographs, evenly spread, in which the chroma bins are counted."""


@dataclass(frozen=True)
class Colorize(TrainingTask):
    """Chroma from luma, at a fraction of the working resolution.

    For a network with chroma bins the objective is cross-entropy, in which rare colours weigh
    more (Zhang et al., "Colorful Image Colorization", ECCV 2016); for one without, squared error
    weighted by chroma.

    Attributes:
        weights: of the bins, (Q,); None weighs all alike.
    """

    name = "colorize"
    zoom: ClassVar[float] = 1.35
    """The network sees photographs at a working size, so most of the frame is in a sample."""

    config: NetworkConfig = COLORIZE_NETWORK
    patch: int = 160
    learning_rate: float = 1e-3
    weights: Tensor | None = field(default=None, compare=False, repr=False)

    @property
    def largest_short_side(self) -> int:
        """Short side in pixels to which photographs are reduced when they are read."""
        return int(1.75 * self.patch)

    @property
    def bin_step(self) -> float:
        """Distance of the network's chroma bins; 0 where it has none."""
        return self.config.bin_step if isinstance(self.config, ColourUNetConfig) else 0.0

    def informed(self, photos: Sequence[Byte]) -> Self:
        """The task with the weights of the bins, counted in the training photographs."""
        if not self.bin_step:
            return self
        counted = photos[:: max(1, -(-len(photos) // COUNTED_PHOTOS))]
        prior = chroma_prior(counted, bins_on(torch.device("cpu"), self.bin_step))
        return replace(self, weights=rarity_weights(prior))

    def prepared(self, photos: Sequence[Byte]) -> list[Byte]:
        """Photographs at working sizes, short sides from `patch` to `zoom` x `patch` pixels.

        Each has one size for the whole run: resampling every patch anew would take longer than
        everything else.
        """
        sides = (self.patch * (1 + (self.zoom - 1) * share) for share in evenly(len(photos)))
        return [
            reduced(photo, side / min(photo.shape[:2]))
            for photo, side in zip(photos, sides, strict=True)
        ]

    def draw_batch(self, photos: PhotoBuffer, draws: Draws) -> tuple[Tensor, Tensor]:
        """Draw luma as old film sees it, and chroma at the resolution of the network's output."""
        rgb = photos.patches(self.batch, self.patch, draws, upright=True).float() / 255
        chroma = functional.avg_pool2d(chroma_of(rgb), round(1 / self.config.scale))
        return as_old_prints(rgb, draws)[:, None], chroma

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy of logits (N, Q, h, w), or squared error of chroma (N, 2, h, w).

        Plain squared error predicts the mean of all plausible colours, which is gray-brown; so
        it is weighted by 1 + 8 x the target's chroma.
        """
        if self.bin_step:
            return self._cross_entropy(output, target)
        vividness = target.square().sum(1, keepdim=True).sqrt()
        weight = 1 + 8 * vividness
        return (weight * (output - target).square()).sum() / weight.sum() * 100

    def _cross_entropy(self, logits: Tensor, target: Tensor) -> Tensor:
        bins = bins_on(target.device, self.bin_step)
        indices, shares = (part.movedim(1, -1) for part in bins.encode(target))
        weight = torch.ones_like(shares[..., 0])
        if self.weights is not None:
            weight = (shares * self.weights.to(target.device)[indices]).sum(-1)
        # Channels last, as the logits lie in memory: the softmax runs along contiguous numbers.
        scores = logits.movedim(1, -1)
        return soft_cross_entropy(scores, indices, shares * (weight / weight.sum())[..., None])


@cache
def bins_on(device: torch.device, step: float) -> ChromaBins:
    """The chroma bins of networks with this step, on a device."""
    return ChromaBins(step).to(device)
