"""Architectures that a user would take in place of ours, from torch's layers, as published.

Only their shape is theirs: weights are random, so that they can be timed, and what they make of a
photo means nothing. Each takes photographs (N, 3, H, W) in [0, 1] and returns the same shape; the
map of the noise level, where they want one, is added inside, as their authors' programs do before
each call.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

SIGMA = 25 / 255
"""The noise level in the maps; it has no part in the time."""


def ffdnet() -> nn.Module:
    """FFDNet for colour: Zhang, Zuo and Zhang, "FFDNet", IEEE TIP 2018. 213 GMAC per megapixel.

    On 2x2 unshuffled pixels, 12 convolutions of 96 channels; no normalisation when it is at work.
    """
    return FFDNet(depth=12, width=96)


def drunet() -> nn.Module:
    """DRUNet for colour: Zhang et al., "Plug-and-Play Image Restoration with Deep Denoiser Prior",
    IEEE TPAMI 2021. 2,118 GMAC per megapixel.
    """
    return DRUNet(widths=(64, 128, 256, 512), blocks=4)


def dncnn() -> nn.Module:
    """DnCNN for colour, blind: Zhang et al., "Beyond a Gaussian Denoiser", IEEE TIP 2017.

    20 convolutions of 64 channels at full resolution, 667 GMAC per megapixel. Its normalisation is
    folded into them, as its authors' later models have it.
    """
    return DnCNN(depth=20, width=64)


def gmac_per_megapixel(network: nn.Module, *, channels: int = 3, side: int = 256) -> float:
    """Multiply-accumulates of the convolutions, in 10^9 per 10^6 pixels, as torch counts them."""
    network = network.to("meta")
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, channels, side, side, device="meta"))
    return counter.get_total_flops() / 2 / side**2 / 1e3


def with_noise_map(pixels: Tensor) -> Tensor:
    """(N, C, H, W) with one more channel that holds the noise level everywhere."""
    return functional.pad(pixels, (0, 0, 0, 0, 0, 1), value=SIGMA)


class FFDNet(nn.Module):
    def __init__(self, *, depth: int, width: int) -> None:
        super().__init__()
        self.layers = plain_layers(3 * 4 + 1, width, 3 * 4, depth)

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        even = functional.pad(image, (0, width % 2, 0, height % 2), mode="replicate")
        pixels = with_noise_map(functional.pixel_unshuffle(even, 2))
        return functional.pixel_shuffle(self.layers(pixels), 2)[..., :height, :width]


class DnCNN(nn.Module):
    def __init__(self, *, depth: int, width: int) -> None:
        super().__init__()
        self.layers = plain_layers(3, width, 3, depth)

    def forward(self, image: Tensor) -> Tensor:
        return image - self.layers(image)


def plain_layers(before: int, width: int, after: int, depth: int) -> nn.Sequential:
    """`depth` 3x3 convolutions with ReLUs between them."""
    layers: list[nn.Module] = [nn.Conv2d(before, width, 3, padding=1)]
    for _ in range(depth - 2):
        layers += [nn.ReLU(inplace=True), nn.Conv2d(width, width, 3, padding=1)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True), nn.Conv2d(width, after, 3, padding=1))


class DRUNet(nn.Module):
    """No biases; 2x2 strided convolutions down, 2x2 transposed ones up, skips added."""

    def __init__(self, *, widths: tuple[int, ...], blocks: int) -> None:
        super().__init__()
        self.multiple = 2 ** (len(widths) - 1)
        self.head = nn.Conv2d(4, widths[0], 3, padding=1, bias=False)
        self.downs = nn.ModuleList(
            nn.Sequential(*residual_blocks(fine, blocks), nn.Conv2d(fine, coarse, 2, 2, bias=False))
            for fine, coarse in pairwise(widths)
        )
        self.bottom = nn.Sequential(*residual_blocks(widths[-1], blocks))
        self.ups = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose2d(coarse, fine, 2, 2, bias=False), *residual_blocks(fine, blocks)
            )
            for fine, coarse in reversed(list(pairwise(widths)))
        )
        self.tail = nn.Conv2d(widths[0], 3, 3, padding=1, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        bottom, right = -height % self.multiple, -width % self.multiple
        padded = functional.pad(image, (0, right, 0, bottom), mode="replicate")
        skips = [self.head(with_noise_map(padded))]
        for down in self.downs:
            skips.append(down(skips[-1]))
        x = self.bottom(skips[-1])
        for up in self.ups:
            x = up(x + skips.pop())
        return self.tail(x + skips.pop())[..., :height, :width]


class ResidualBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def residual_blocks(width: int, count: int) -> list[nn.Module]:
    return [ResidualBlock(width) for _ in range(count)]
