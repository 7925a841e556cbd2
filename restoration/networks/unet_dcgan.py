"""A U-Net generator built by DCGAN's rules; its discriminator is `restoration.training.adversary`.

Radford et al., "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks", ICLR 2016: strided convolutions instead of pooling, batch normalisation
everywhere but in the first and the last layer, tanh at the end, weights drawn with a standard
deviation of 0.02. As an image-to-image generator with skips: Isola et al., "Image-to-Image
Translation with Conditional Adversarial Networks" (pix2pix), CVPR 2017; without its dropout,
which stands for noise, where a restoration has one answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from restoration.networks.base import Network, NetworkConfig, pad_to_multiple


@dataclass(frozen=True)
class DCGANUNetConfig(NetworkConfig):
    """Shape of a `DCGANUNet`.

    Attributes:
        widths: channels of each strided convolution, finest first.
    """

    architecture: ClassVar[str] = "unet_dcgan"

    widths: tuple[int, ...] = (64, 128, 256, 512, 512)

    def __post_init__(self) -> None:
        """Refuse shapes that cannot be built.

        Raises:
            ValueError: fewer than two levels.
        """
        if not isinstance(self.widths, tuple) or len(self.widths) < 2:
            raise ValueError("a strided U-Net needs at least two levels")

    @property
    def multiple(self) -> int:
        """Height and width of the input are padded to a multiple of this many pixels."""
        return int(2 ** len(self.widths))

    @property
    def context(self) -> int:
        """Pixels around a tile that still matter: five strided levels see far."""
        return 96

    def build(self) -> DCGANUNet:
        """A new network with random weights."""
        return DCGANUNet(self)


class DCGANUNet(Network):
    """Strided U-Net with batch normalisation: any height and width in, the same out."""

    config: DCGANUNetConfig

    def __init__(self, config: DCGANUNetConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.downs = nn.ModuleList(
            _down(*pair, is_normalised=level > 0)
            for level, pair in enumerate(pairwise((config.in_channels, *widths)))
        )
        # Finest first: level i makes what is concatenated with the encoder's level i - 1.
        inputs = (*(2 * width for width in widths[:-1]), widths[-1])
        self.ups = nn.ModuleList(
            _up(coarse, fine) for coarse, fine in zip(inputs[1:], widths, strict=False)
        )
        self.tail = nn.ConvTranspose2d(inputs[0], config.out_channels, 4, stride=2, padding=1)
        initialise_as_dcgan(self)

    def forward(self, image: Tensor) -> Tensor:
        """Restore a batch of images.

        Args:
            image: (N, in_channels, H, W), values in [0, 1]; sides are padded to a multiple of
                `config.multiple`.

        Returns:
            (N, out_channels, H, W) in (0, 1).
        """
        height, width = image.shape[-2:]
        x = 2 * pad_to_multiple(image, self.config.multiple) - 1
        skips: list[Tensor] = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
        x = skips.pop()
        for level in reversed(range(len(self.ups))):
            x = torch.cat([self.ups[level](x), skips[level]], 1)
        out = (torch.tanh(self.tail(x)) + 1) / 2
        return out[..., :height, :width]


def initialise_as_dcgan(network: nn.Module) -> None:
    """Weights N(0, 0.02), batch normalisation's factors N(1, 0.02), biases zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1, 0.02)
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d) and (
            module.bias is not None
        ):
            nn.init.zeros_(module.bias)


def _down(fine: int, coarse: int, *, is_normalised: bool) -> nn.Sequential:
    convolution = nn.Conv2d(fine, coarse, 4, stride=2, padding=1, bias=not is_normalised)
    normalisation = [nn.BatchNorm2d(coarse)] if is_normalised else []
    return nn.Sequential(convolution, *normalisation, nn.LeakyReLU(0.2))


def _up(coarse: int, fine: int) -> nn.Sequential:
    convolution = nn.ConvTranspose2d(coarse, fine, 4, stride=2, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(fine), nn.ReLU())
