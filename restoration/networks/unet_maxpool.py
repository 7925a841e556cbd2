"""The plain U-Net of the textbooks: pairs of 3x3 convolutions, max pooling, concatenation.

Ronneberger et al., "U-Net", MICCAI 2015, as it is usually written in Keras: padded convolutions,
dropout between the two of a pair, and a layer that scales the pixels as the first of the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from restoration.networks.base import Network, NetworkConfig, pad_to_multiple


@dataclass(frozen=True)
class MaxPoolUNetConfig(NetworkConfig):
    """Shape of a `MaxPoolUNet`.

    Attributes:
        widths: channels of each level, finest first.
        dropout: share of the values that are dropped between two convolutions in training.
        input_scale: what the scaling layer multiplies the pixels by, and the output is divided
            by: 1/255 for a network that is fed 8-bit values; 1 for [0, 1], as here.
    """

    architecture: ClassVar[str] = "unet_maxpool"

    widths: tuple[int, ...] = (32, 64, 128, 256, 384, 512)
    dropout: float = 0.1
    input_scale: float = 1.0

    def __post_init__(self) -> None:
        """Refuse shapes that cannot be built.

        Raises:
            ValueError: no levels, a share outside [0, 1), or a scale of zero or less.
        """
        if not isinstance(self.widths, tuple) or not self.widths:
            raise ValueError("a U-Net needs at least one level")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be a share in [0, 1), not {self.dropout:g}")
        if not self.input_scale > 0:
            raise ValueError(f"the input scale must be positive, not {self.input_scale:g}")

    @property
    def multiple(self) -> int:
        """Height and width of the input are padded to a multiple of this many pixels."""
        return int(2 ** (len(self.widths) - 1))

    @property
    def context(self) -> int:
        """Pixels around a tile that still matter: five poolings see far."""
        return 128

    def build(self) -> MaxPoolUNet:
        """A new network with random weights."""
        return MaxPoolUNet(self)


class Rescaling(nn.Module):
    """Multiplies by a constant: Keras's layer of this name."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to the same shape."""
        return x * self.scale


class MaxPoolUNet(Network):
    """U-Net with max pooling: any height and width in, the same out."""

    config: MaxPoolUNetConfig

    def __init__(self, config: MaxPoolUNetConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.scaling = Rescaling(config.input_scale)
        self.down_pairs = nn.ModuleList(
            _pair(fine, coarse, config.dropout)
            for fine, coarse in pairwise((config.in_channels, *widths))
        )
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in pairwise(widths)
        )
        self.up_pairs = nn.ModuleList(_pair(2 * fine, fine, config.dropout) for fine in widths[:-1])
        self.tail = nn.Conv2d(widths[0], config.out_channels, 1)
        self.unscaling = Rescaling(1 / config.input_scale)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                # He et al., ICCV 2015: what ReLU networks without normalisation need to learn.
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(cast(Tensor, module.bias))

    def forward(self, image: Tensor) -> Tensor:
        """Restore a batch of images.

        Args:
            image: (N, in_channels, H, W), values in [0, 1 / input_scale]; sides are padded to a
                multiple of `config.multiple`.

        Returns:
            (N, out_channels, H, W), in the input's range; not clipped.
        """
        height, width = image.shape[-2:]
        x = self.scaling(pad_to_multiple(image, self.config.multiple))
        skips: list[Tensor] = []
        for level, pair in enumerate(self.down_pairs):
            x = pair(functional.max_pool2d(x, 2) if level else x)
            skips.append(x)
        skips.pop()
        for level in reversed(range(len(self.ups))):
            x = self.up_pairs[level](torch.cat([self.ups[level](x), skips[level]], 1))
        out: Tensor = self.unscaling(self.tail(x))
        return out[..., :height, :width]


def _pair(before: int, after: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Conv2d(after, after, 3, padding=1),
        nn.ReLU(),
    )
