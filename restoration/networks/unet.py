"""The residual U-Net behind denoise, deblur and colorize.

One architecture, configured per task. Plain 3x3 convolutions on a pixel-unshuffled input are
what both CPUs and GPUs run closest to their peak; depthwise and 1x1 layers cost more seconds
per operation. Encoder-decoder with skips: Ronneberger et al., "U-Net", MICCAI 2015. Residual
blocks without normalisation and with additive skips: Lim et al., "EDSR", CVPRW 2017, and
Zhang et al., "Plug-and-Play Image Restoration with Deep Denoiser Prior" (DRUNet), TPAMI 2021.
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
class UNetConfig(NetworkConfig):
    """Shape of a `UNet`.

    Attributes:
        unshuffle: pixels of a square of this side become channels before the first convolution.
        upshuffle: the output is pixel-shuffled by this factor; output side = input side x
            upshuffle / unshuffle. Smaller than `unshuffle` where low resolution is enough.
        widths: channels of each level, finest first.
        hidden: channels between the two convolutions of a level's residual blocks; empty means
            `widths`.
        blocks: residual blocks per side of each level but the coarsest; empty means one.
        bottom_blocks: residual blocks at the coarsest level.
        residual: whether the input is added to the output (restoration) or not (colour).
    """

    architecture: ClassVar[str] = "unet"

    unshuffle: int = 2
    upshuffle: int = 2
    widths: tuple[int, ...] = (48, 96, 192)
    hidden: tuple[int, ...] = ()
    blocks: tuple[int, ...] = ()
    bottom_blocks: int = 2
    residual: bool = True

    def __post_init__(self) -> None:
        """Refuse shapes that cannot be built.

        Raises:
            ValueError: no levels, counts that do not fit the levels, or a residual output of
                another shape than the input.
        """
        if not isinstance(self.widths, tuple) or not self.widths:
            raise ValueError("a U-Net needs at least one level")
        if self.hidden and len(self.hidden) != len(self.widths):
            raise ValueError("hidden must name one width per level")
        if self.blocks and len(self.blocks) != len(self.widths) - 1:
            raise ValueError("blocks must name one count per level but the coarsest")
        same_shape = self.in_channels == self.out_channels and self.unshuffle == self.upshuffle
        if self.residual and not same_shape:
            raise ValueError("a residual U-Net needs output and input of one shape")

    @property
    def multiple(self) -> int:
        """Height and width of the input are padded to a multiple of this many pixels."""
        return int(self.unshuffle * 2 ** (len(self.widths) - 1))

    @property
    def context(self) -> int:
        """Pixels around a tile that still matter; a fourth level sees farther than three."""
        return max(48, 4 * self.multiple)

    @property
    def scale(self) -> float:
        """Side of the output over side of the input."""
        return self.upshuffle / self.unshuffle

    def build(self) -> UNet:
        """A new network; a residual one starts as the identity."""
        return UNet(self)

    def level(self, index: int) -> nn.Sequential:
        """Residual blocks of one side of a level (of the whole of the coarsest)."""
        is_bottom = index == len(self.widths) - 1
        count = self.bottom_blocks if is_bottom else (self.blocks[index] if self.blocks else 1)
        hidden = self.hidden[index] if self.hidden else self.widths[index]
        return nn.Sequential(*(ResidualBlock(self.widths[index], hidden) for _ in range(count)))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a ReLU between, added to the input.

    The second convolution starts at zero, so that a new network is the identity and training
    starts from the degraded image itself instead of from noise.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, hidden, 3, padding=1)
        self.second = nn.Conv2d(hidden, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(cast(Tensor, self.second.bias))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, width, H, W) to the same shape."""
        inner = functional.relu(self.first(x), inplace=not torch.is_grad_enabled())
        return _added(self.second(inner), x)


class UNet(Network):
    """Residual U-Net: any height and width in, the same (or a fixed fraction) out."""

    config: UNetConfig

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.head = nn.Conv2d(config.in_channels * config.unshuffle**2, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList(map(config.level, range(len(widths) - 1)))
        self.downs = nn.ModuleList(
            nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in pairwise(widths)
        )
        self.bottom = config.level(len(widths) - 1)
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in pairwise(widths)
        )
        self.up_blocks = nn.ModuleList(map(config.level, range(len(widths) - 1)))
        self.tail = nn.Conv2d(widths[0], config.out_channels * config.upshuffle**2, 3, padding=1)
        if config.residual:
            nn.init.zeros_(self.tail.weight)
            nn.init.zeros_(cast(Tensor, self.tail.bias))

    def forward(self, image: Tensor) -> Tensor:
        """Restore a batch of images.

        Args:
            image: (N, in_channels, H, W), values in [0, 1]. Sides that are no multiple of
                `config.multiple` are padded by reflection (by the edge where too small).

        Returns:
            (N, out_channels, ceil(H * upshuffle / unshuffle), ...); not clipped.
        """
        config = self.config
        height, width = image.shape[-2:]
        out = self.of_aligned(pad_to_multiple(image, config.multiple))
        rows = -(-height * config.upshuffle // config.unshuffle)
        columns = -(-width * config.upshuffle // config.unshuffle)
        return out[..., :rows, :columns]

    def of_aligned(self, image: Tensor) -> Tensor:
        """Restore a batch of images that need no padding: a graph without sizes, for exporters.

        Args:
            image: (N, in_channels, H, W), values in [0, 1]; H and W multiples of
                `config.multiple`.

        Returns:
            (N, out_channels, H * upshuffle / unshuffle, ...); not clipped.
        """
        config = self.config
        x = self._features(functional.pixel_unshuffle(image, config.unshuffle))
        skips: list[Tensor] = []
        for blocks, down in zip(self.down_blocks, self.downs, strict=True):
            x = blocks(x)
            skips.append(x)
            x = down(x)
        x = self.bottom(x)
        for level in reversed(range(len(self.ups))):
            x = _added(self.ups[level](x), skips[level])
            x = self.up_blocks[level](x)
        out = functional.pixel_shuffle(self.tail(x), config.upshuffle)
        return out + image if config.residual else out

    def _features(self, pixels: Tensor) -> Tensor:
        """What the head makes of pixels, in the precision of the layers that follow.

        Training with 16 bits learns to live with it; a network at work sees its pixels in full: in
        bfloat16, those between 0.5 and 1 are a multiple of 1/256, and so differ from 8-bit samples
        by up to half a level.
        """
        kind = pixels.device.type
        is_casting = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
        if torch.is_grad_enabled() or not is_casting:
            return cast(Tensor, self.head(pixels))
        with torch.autocast(kind, enabled=False):
            features: Tensor = self.head(pixels)
        return features.to(torch.get_autocast_dtype(kind))


def _added(fresh: Tensor, other: Tensor) -> Tensor:
    """The sum of two tensors; into the first, which nobody else holds, where nothing is trained.

    Large networks on a processor wait for memory as much as they calculate between convolutions.
    """
    return fresh + other if torch.is_grad_enabled() else fresh.add_(other)
