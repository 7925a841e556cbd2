"""Adversarial training: a discriminator that learns beside the network.

The discriminator is DCGAN's (Radford et al., ICLR 2016); adding an L1 loss of 100 times the
weight is pix2pix (Isola et al., CVPR 2017, section 3.1). It sees pictures alone, as DCGAN's does,
not pairs with the degraded picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from restoration.networks.unet_dcgan import initialise_as_dcgan
from restoration.training.checkpoint import load_tensors, tensors_of


@dataclass(frozen=True)
class AdversaryConfig:
    """A discriminator and how it learns.

    Attributes:
        widths: channels of its strided convolutions.
        learning_rate: peak of the schedule (that of the network), for Adam.
        betas: Adam's; a first one of 0.5 is what DCGAN found stable.
        weight: of the adversarial term beside the task's own loss: 1 to pix2pix's 100 for L1.
    """

    widths: tuple[int, ...] = (64, 128, 256, 512)
    learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    weight: float = 0.01


class Discriminator(nn.Module):
    """DCGAN's discriminator, run convolutionally: for every 16th pixel a verdict on 94 x 94.

    On its own 64 x 64 pixels that is one verdict; larger patches get a map of them, as in
    pix2pix.
    """

    def __init__(self, config: AdversaryConfig, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for level, (before, after) in enumerate(pairwise((channels, *config.widths))):
            layers.append(nn.Conv2d(before, after, 4, stride=2, padding=1, bias=level == 0))
            if level > 0:
                # It is only ever run on batches, whose own statistics it uses.
                layers.append(nn.BatchNorm2d(after, track_running_stats=False))
            layers.append(nn.LeakyReLU(0.2))
        self.layers = nn.Sequential(*layers, nn.Conv2d(config.widths[-1], 1, 4))
        initialise_as_dcgan(self)

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, C, H, W) in [0, 1] to logits (N, 1, H / 16 - 3, W / 16 - 3): is it a photo?"""
        verdicts: Tensor = self.layers(2 * image - 1)
        return verdicts


class Adversary:
    """A discriminator with its optimiser."""

    def __init__(
        self, config: AdversaryConfig, channels: int, device: torch.device, *, bf16: bool = False
    ) -> None:
        self.config = config
        self.discriminator = Discriminator(config, channels).to(device)
        self._optimizer = torch.optim.Adam(
            self.discriminator.parameters(), lr=config.learning_rate, betas=config.betas
        )
        self._bf16 = bf16

    def learn(
        self,
        restored: Tensor,
        clean: Tensor,
        schedule: float,
        *,
        average: Callable[[list[Tensor]], None] = lambda _: None,
    ) -> Tensor:
        """Learn to tell `restored` from `clean`; changes the discriminator and nothing else.

        Args:
            restored: (N, C, H, W) in [0, 1], from the network.
            clean: likewise, photographs.
            schedule: share of the peak learning rate.
            average: replaces gradients by their mean over all processes that train.

        Returns:
            The discriminator's loss, on its device; 2 ln 2 = 1.39 where it cannot tell.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = self.config.learning_rate * schedule
        # In two batches: their statistics differ, and mixed ones would give the game away.
        loss = self._cross_entropy(clean, is_photo=True)
        loss = loss + self._cross_entropy(restored.detach(), is_photo=False)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        average([p.grad for p in self.discriminator.parameters() if p.grad is not None])
        self._optimizer.step()
        return loss.detach()

    def loss(self, restored: Tensor) -> Tensor:
        """What the network loses where `restored` is found out (non-saturating), weighted.

        Its gradient reaches the network, not the discriminator.
        """
        self.discriminator.requires_grad_(False)
        try:
            return self.config.weight * self._cross_entropy(restored, is_photo=True)
        finally:
            self.discriminator.requires_grad_(True)

    def tensors(self) -> dict[str, Tensor]:
        """The discriminator and its moments, for a checkpoint."""
        return tensors_of(self.discriminator, [self._optimizer])

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `tensors` gave."""
        load_tensors(self.discriminator, [self._optimizer], tensors)

    def _cross_entropy(self, image: Tensor, *, is_photo: bool) -> Tensor:
        with torch.autocast(image.device.type, torch.bfloat16, enabled=self._bf16):
            logits = self.discriminator(image)
        truth = torch.full_like(logits, float(is_photo), dtype=torch.float32)
        return functional.binary_cross_entropy_with_logits(logits.float(), truth)
