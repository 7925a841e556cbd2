"""The residual U-Net behind denoise, deblur and colorize.

One architecture, configured per task. Plain 3x3 convolutions on a pixel-unshuffled input are
what both CPUs and GPUs run closest to their peak; depthwise and 1x1 layers cost more seconds
per operation. Encoder-decoder with skips: Ronneberger et al., "U-Net", MICCAI 2015. Residual
blocks without normalisation and with additive skips: Lim et al., "EDSR", CVPRW 2017, and
Zhang et al., "Plug-and-Play Image Restoration with Deep Denoiser Prior" (DRUNet), TPAMI 2021.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class UNetConfig:
    """Shape of a `UNet`.

    Attributes:
        in_channels: channels of the input image.
        out_channels: channels of the output image.
        unshuffle: pixels of a square of this side become channels before the first convolution.
        upshuffle: the output is pixel-shuffled by this factor; output side = input side x
            upshuffle / unshuffle. Smaller than `unshuffle` where low resolution is enough.
        widths: channels of each level, finest first.
        blocks: residual blocks per level and side.
        bottom_blocks: residual blocks at the coarsest level.
        residual: whether the input is added to the output (restoration) or not (colour).
    """

    in_channels: int = 3
    out_channels: int = 3
    unshuffle: int = 2
    upshuffle: int = 2
    widths: tuple[int, ...] = (48, 96, 192)
    blocks: int = 1
    bottom_blocks: int = 2
    residual: bool = True

    def __post_init__(self) -> None:
        """Refuse shapes that cannot be built.

        Raises:
            ValueError: no levels, or a residual output of another shape than the input.
        """
        if not self.widths:
            raise ValueError("a U-Net needs at least one level")
        same_shape = self.in_channels == self.out_channels and self.unshuffle == self.upshuffle
        if self.residual and not same_shape:
            raise ValueError("a residual U-Net needs output and input of one shape")

    @property
    def multiple(self) -> int:
        """Height and width of the input are padded to a multiple of this many pixels."""
        return int(self.unshuffle * 2 ** (len(self.widths) - 1))

    def to_json(self) -> str:
        """This configuration as the JSON text kept in a weights file's header."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> UNetConfig:
        """Read what `to_json` wrote.

        Raises:
            ValueError: the text is not such a configuration.
        """
        try:
            values = json.loads(text)
            values["widths"] = tuple(int(width) for width in values["widths"])
            return cls(**values)
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"not a U-Net configuration: {text[:80]!r}") from error


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a ReLU between, added to the input.

    The second convolution starts at zero, so that a new network is the identity and training
    starts from the degraded image itself instead of from noise.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(cast(Tensor, self.second.bias))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, width, H, W) to the same shape."""
        out: Tensor = x + self.second(functional.relu(self.first(x)))
        return out


class UNet(nn.Module):
    """Residual U-Net: any height and width in, the same (or a fixed fraction) out."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.head = nn.Conv2d(config.in_channels * config.unshuffle**2, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList(_blocks(width, config.blocks) for width in widths[:-1])
        self.downs = nn.ModuleList(
            nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in pairwise(widths)
        )
        self.bottom = _blocks(widths[-1], config.bottom_blocks)
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in pairwise(widths)
        )
        self.up_blocks = nn.ModuleList(_blocks(width, config.blocks) for width in widths[:-1])
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
        padded = pad_to_multiple(image, config.multiple)
        x = self.head(functional.pixel_unshuffle(padded, config.unshuffle))
        skips: list[Tensor] = []
        for blocks, down in zip(self.down_blocks, self.downs, strict=True):
            x = blocks(x)
            skips.append(x)
            x = down(x)
        x = self.bottom(x)
        for level in reversed(range(len(self.ups))):
            x = self.ups[level](x) + skips[level]
            x = self.up_blocks[level](x)
        out = functional.pixel_shuffle(self.tail(x), config.upshuffle)
        if config.residual:
            out = out + padded
        rows = -(-height * config.upshuffle // config.unshuffle)
        columns = -(-width * config.upshuffle // config.unshuffle)
        return out[..., :rows, :columns]


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Pad (N, C, H, W) at the bottom and right so that both sides divide by `multiple`."""
    height, width = image.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    if not bottom and not right:
        return image
    # Reflection needs more pixels than it pads; tiny images repeat their edge instead.
    mode = "reflect" if bottom < height and right < width else "replicate"
    return functional.pad(image, (0, right, 0, bottom), mode=mode)


def parameter_count(network: nn.Module) -> int:
    """Number of trained numbers."""
    return sum(parameter.numel() for parameter in network.parameters())


def gmac_per_megapixel(network: UNet, side: int = 512) -> float:
    """Multiply-accumulates of the convolutions, in 10^9 per 10^6 input pixels.

    Counted by running the network on zeros of side x side pixels on the meta device's shapes:
    every convolution's output size times its kernel's weights per output element.
    """
    macs = 0.0

    def count(module: nn.Module, _inputs: object, output: Tensor) -> None:
        nonlocal macs
        if isinstance(module, nn.ConvTranspose2d):
            # Kernel equals stride: each input element meets each weight once.
            macs += (
                output[0, 0].numel()
                / (module.stride[0] * module.stride[1])
                * (module.weight.numel())
            )
        elif isinstance(module, nn.Conv2d):
            macs += output[0, 0].numel() * module.weight.numel()

    meta = UNet(network.config).to("meta")
    for module in meta.modules():
        module.register_forward_hook(count)
    with torch.inference_mode():
        meta(torch.zeros(1, network.config.in_channels, side, side, device="meta"))
    return macs / side**2 / 1e3


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(count)))
