"""The strided U-Net that hobby projects of image restoration start from, and a reformed variant.

`unet_256` is the Keras network of many public notebooks (denoising, deblurring, colorizing):
256x256 inputs, strided convolutions instead of pooling, a transposed convolution per level, the
input itself as the last skip. 9,602,766 parameters as Keras counts them, which is with batch
normalisation's 2,560 running statistics. Keras's defaults are kept where PyTorch's differ.

`unet_256_reformed` predicts the correction instead of the picture (Zhang et al., "Beyond a
Gaussian Denoiser", DnCNN, IEEE TIP 2017) and weighs its skips by attention gates (Oktay et al.,
"Attention U-Net", MIDL 2018, arXiv:1804.03999).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from restoration.networks.base import Network, NetworkConfig, pad_to_multiple

_LEAK: Final = 0.3
_EPSILON: Final = 1e-3
_MOMENTUM: Final = 0.01
"""Keras's LeakyReLU slope and batch normalisation (Keras writes this momentum as 0.99)."""


@dataclass(frozen=True)
class UNet256Config(NetworkConfig):
    """Shape of a `UNet256`.

    Attributes:
        encoder: channels of the strided convolutions, finest first.
        decoder: channels of the transposed convolutions but the last, coarsest first; the last
            one has the output's.
        normalised_from: first encoder block (counted from 0) with batch normalisation.
        residual: whether the input is added to the output.
        attention: whether the skips (all but the input itself) go through attention gates.
    """

    architecture: ClassVar[str] = "unet_256"

    encoder: tuple[int, ...] = (128, 128, 256, 512, 512)
    decoder: tuple[int, ...] = (512, 256, 128, 128)
    normalised_from: int = 2
    residual: bool = False
    attention: bool = False

    def __post_init__(self) -> None:
        """Refuse shapes that cannot be built.

        Raises:
            ValueError: encoder and decoder that do not meet, or a residual output of another
                shape than the input.
        """
        if len(self.encoder) < 2 or len(self.decoder) != len(self.encoder) - 1:
            raise ValueError("the decoder must name one width less than the encoder")
        if self.residual and self.in_channels != self.out_channels:
            raise ValueError("a residual U-Net needs output and input of one shape")

    @property
    def multiple(self) -> int:
        """Height and width of the input are padded to a multiple of this many pixels."""
        return int(2 ** len(self.encoder))

    @property
    def context(self) -> int:
        """Pixels around a tile that still matter: five strided levels see far."""
        return 96

    def build(self) -> UNet256:
        """A new network; a residual one starts as the identity."""
        return UNet256(self)


@dataclass(frozen=True)
class ReformedUNet256Config(UNet256Config):
    """`UNet256Config` with a residual output and attention gates."""

    architecture: ClassVar[str] = "unet_256_reformed"

    residual: bool = True
    attention: bool = True


class AttentionGate(nn.Module):
    """Weighs every pixel of a skip by what the coarser level has found (Oktay et al. 2018).

    Additive attention at the coarser level's resolution, equation (1) of the paper; the weights
    are interpolated to the skip's.
    """

    def __init__(self, skip: int, gating: int) -> None:
        super().__init__()
        hidden = max(1, skip // 2)
        self.of_skip = nn.Conv2d(skip, hidden, 2, stride=2, bias=False)
        self.of_gating = nn.Conv2d(gating, hidden, 1)
        self.weight = nn.Conv2d(hidden, 1, 1)

    def forward(self, skip: Tensor, gating: Tensor) -> Tensor:
        """Weigh (N, skip, 2 H, 2 W) by (N, gating, H, W); returns the skip's shape."""
        agreement = functional.relu(self.of_skip(skip) + self.of_gating(gating))
        weights = torch.sigmoid(self.weight(agreement))
        return skip * functional.interpolate(weights, scale_factor=2.0, mode="bilinear")


class UNet256(Network):
    """Strided U-Net: any height and width in, the same out."""

    config: UNet256Config

    def __init__(self, config: UNet256Config) -> None:
        super().__init__()
        self.config = config
        widths = (config.in_channels, *config.encoder)
        self.downs = nn.ModuleList(
            _down(*pair, is_normalised=level >= config.normalised_from)
            for level, pair in enumerate(pairwise(widths))
        )
        skips = widths[-2::-1]  # coarsest first; the input itself is the last
        self.ups, gates = nn.ModuleList(), nn.ModuleList()
        channels = config.encoder[-1]
        for skip, width in zip(skips, (*config.decoder, config.out_channels), strict=True):
            if config.attention and len(self.ups) < len(config.decoder):
                gates.append(AttentionGate(skip, channels))
            self.ups.append(
                nn.ConvTranspose2d(channels, width, 3, stride=2, padding=1, output_padding=1)
            )
            channels = width + skip
        self.gates = gates
        self.tail = nn.Conv2d(channels, config.out_channels, 2)
        _initialise_as_keras(self)
        if config.residual:
            nn.init.zeros_(self.tail.weight)

    def forward(self, image: Tensor) -> Tensor:
        """Restore a batch of images.

        Args:
            image: (N, in_channels, H, W), values in [0, 1]; sides are padded to a multiple of
                `config.multiple`.

        Returns:
            (N, out_channels, H, W); not clipped.
        """
        height, width = image.shape[-2:]
        padded = pad_to_multiple(image, self.config.multiple)
        skips = [padded]
        x = padded
        for down in self.downs:
            x = down(x)
            skips.append(x)
        skips.pop()
        for level, up in enumerate(self.ups):
            skip = skips.pop()
            if level < len(self.gates):
                skip = self.gates[level](skip, x)
            x = torch.cat([functional.leaky_relu(up(x), _LEAK), skip], 1)
        # "Same" padding of an even kernel: the odd pixel goes to the bottom and the right.
        out: Tensor = self.tail(functional.pad(x, (0, 1, 0, 1)))
        if self.config.residual:
            out = out + padded
        return out[..., :height, :width]


def _down(fine: int, coarse: int, *, is_normalised: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(fine, coarse, 3, stride=2, padding=1)]
    if is_normalised:
        layers.append(nn.BatchNorm2d(coarse, eps=_EPSILON, momentum=_MOMENTUM))
    return nn.Sequential(*layers, nn.LeakyReLU(_LEAK))


def _initialise_as_keras(network: nn.Module) -> None:
    """Weights as Keras draws them: Glorot and Bengio, AISTATS 2010, uniform; biases zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
