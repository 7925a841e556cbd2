"""A U-Net that knows what is in the picture: EfficientNet-Lite0 down, residual blocks up.

Encoder-decoder with skips: Ronneberger et al., "U-Net", MICCAI 2015. Features of the whole
picture added at the bottom: Iizuka et al., "Let there be Color!", SIGGRAPH 2016. Chroma is said
at a quarter of the input's resolution; the eye, JPEG and the guided filter after it ask no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Final, cast

from torch import Tensor, nn
from torch.nn import functional

from restoration.networks.base import Network, NetworkConfig, pad_to_multiple
from restoration.networks.chroma_bins import ChromaBins
from restoration.networks.efficientnet import (
    HEAD_WIDTH,
    SKIP_SIZES,
    SKIP_WIDTHS,
    STRIDE,
    EfficientNetLite0,
)
from restoration.networks.unet import ResidualBlock

_MEAN: Final = 127 / 255
_DEVIATION: Final = 128 / 255
"""As EfficientNet-Lite normalises 8-bit channels: (value - 127) / 128."""


@dataclass(frozen=True)
class ColourUNetConfig(NetworkConfig):
    """Shape of a `ColourUNet`.

    Attributes:
        widths: channels of the decoder's levels, finest first; the last is the bottom, at a
            32nd of the input's sides, so that n widths give chroma at 2 ** (6 - n) pixels.
        bin_step: distance of chroma bins in Cb and Cr; 0 for regression without bins.
        temperature: of the annealed mean over bins, see `ChromaBins.decode`.
        gain: factor on the chroma that bins decode to; what an unsure network says is too dull.
    """

    architecture: ClassVar[str] = "colour_unet"

    in_channels: int = 1
    out_channels: int = 2
    widths: tuple[int, ...] = (64, 128, 192, 256)
    bin_step: float = 0.0625
    temperature: float = 1.0
    gain: float = 1.0

    def __post_init__(self) -> None:
        """Refuse shapes that cannot be built.

        Raises:
            ValueError: channels other than luma in and chroma out, too many or too few levels,
                or bins and temperature out of range.
        """
        if (self.in_channels, self.out_channels) != (1, 2):
            raise ValueError("a colour U-Net maps one channel (luma) to two (chroma)")
        if not isinstance(self.widths, tuple) or not 1 <= len(self.widths) <= len(SKIP_WIDTHS):
            raise ValueError(f"a colour U-Net has 1 to {len(SKIP_WIDTHS)} levels")
        if self.bin_step != 0 and not 0.01 <= self.bin_step <= 0.25:
            raise ValueError("chroma bins are 0.01 to 0.25 apart, or 0 for none")
        if not (self.temperature > 0 and self.gain > 0):
            raise ValueError("the temperature and the gain must be positive")

    @property
    def multiple(self) -> int:
        """Height and width of the input are padded to a multiple of this many pixels."""
        return STRIDE

    @property
    def stride(self) -> int:
        """Side of an output pixel in input pixels."""
        return int(STRIDE // 2 ** (len(self.widths) - 1))

    @property
    def scale(self) -> float:
        """Side of the output over side of the input."""
        return 1 / self.stride

    def build(self) -> ColourUNet:
        """A new network with an untrained encoder."""
        return ColourUNet(self)


class ColourUNet(Network):
    """Luma in, chroma at a fraction of its resolution out.

    While training, a network with bins returns their logits (N, Q, h, w), which is what its loss
    is about.
    """

    config: ColourUNetConfig

    def __init__(self, config: ColourUNetConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.bins = ChromaBins(config.bin_step) if config.bin_step else None
        self.encoder = EfficientNetLite0(in_channels=1)
        self.context = nn.Conv2d(HEAD_WIDTH, widths[-1], 1)
        self.skips = nn.ModuleList(
            nn.Conv2d(channels, width, 1)
            for channels, width in zip(reversed(SKIP_WIDTHS), reversed(widths), strict=False)
        )
        self.blocks = nn.ModuleList(ResidualBlock(width, width) for width in reversed(widths))
        self.ups = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in pairwise(reversed(widths)))
        self.tail = nn.Conv2d(widths[0], self.bins.count if self.bins else 2, 1)
        # A new network knows nothing: all bins alike, or gray.
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(cast(Tensor, self.tail.bias))

    def forward(self, image: Tensor) -> Tensor:
        """Colour a batch of gray photographs.

        Args:
            image: (N, 1, H, W), luma in [0, 1]. Sides that are no multiple of
                `config.multiple` are padded by reflection (by the edge where too small).

        Returns:
            (N, 2, ceil(H / config.stride), ...): Cb and Cr, about [-0.5, 0.5] x `config.gain`;
            not clipped.
        """
        height, width = image.shape[-2:]
        padded = pad_to_multiple(image, self.config.multiple)
        seen = self.encoder((padded - _MEAN) / _DEVIATION)
        # Without norms in between, what goes up must be of unit size from the start: else the
        # first steps throw the decoder off.
        maps = [m / size for m, size in zip(seen.maps, SKIP_SIZES, strict=True)][::-1]
        x = self.blocks[0](self.skips[0](maps[0]) + self.context(seen.pooled))
        for level, up in enumerate(self.ups, start=1):
            # 1 x 1 and bilinear: what transposed convolutions leave as a chequerboard in colour
            # is seen from afar.
            x = functional.interpolate(up(x), scale_factor=2.0, mode="bilinear")
            x = self.blocks[level](x + self.skips[level](maps[level]))
        stride = self.config.stride
        out: Tensor = self.tail(functional.relu(x))
        out = out[..., : -(-height // stride), : -(-width // stride)]
        if self.bins is None or self.training:
            return out
        return self.bins.decode(out, self.config.temperature) * self.config.gain

    def pretrained(self) -> tuple[nn.Parameter, ...]:
        """The encoder's parameters."""
        return tuple(self.encoder.parameters())
