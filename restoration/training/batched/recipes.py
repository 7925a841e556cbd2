"""What training samples suffer: the recipes of denoise and deblur."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

from restoration.training.batched.draws import Draws
from restoration.training.batched.fields import (
    coloured_noise,
    luma,
    paper_texture,
    scanned_noise,
    tone_weight,
)
from restoration.training.batched.jpeg import jpeg_round_trip
from restoration.training.batched.kernels import (
    convolve,
    disk_kernels,
    gaussian_kernels,
    motion_kernels,
)

BLUR_REACH = 15
"""Pixels over which the widest blur kernel spreads a pixel, to each side."""
NOISE_SHARES: Final = (0.05, 0.47, 0.25, 0.23)
"""Of denoise's samples: clean, white noise, old photographs' noise, monochrome white noise."""
GRAY_SHARE: Final = 0.3
"""Of denoise's photographs: those with monochrome noise and some with old photographs' noise."""


def quantise(images: Tensor) -> Tensor:
    """Clip to [0, 255] and round, as writing an 8-bit file does."""
    return images.round().clamp_(0, 255)


def as_gray(images: Tensor) -> Tensor:
    """The photographs' luma, rounded and repeated in three channels."""
    return quantise(luma(images))[:, None].expand(-1, 3, -1, -1)


def white_noise(images: Tensor, sigma: Tensor, draws: Draws) -> Tensor:
    """Add Gaussian noise, independent per pixel and channel; `sigma` (N,) in 8-bit units."""
    count, channels, height, width = images.shape
    # Drawn with the channels last, as the images lie in memory.
    noise = draws.normal(count, height, width, channels).permute(0, 3, 1, 2)
    return noise.mul_(sigma[:, None, None, None]).add_(images)


def random_noise(clean: Tensor, draws: Draws) -> Tensor:
    """Degrade a batch for denoise.

    `NOISE_SHARES` of the batch, in this order: no noise, since what is clean must stay; white
    noise, sigma 0-75 (weak noise a little more often), independent per channel; what scans of old
    photographs hold, see `old_photo_noise`; white noise, sigma 0-75, equal in all channels, as
    monochrome photographs have it. Then quantisation, and JPEG (quality 60-95) for 60 % of old
    photographs' noise and 5 % of the white, coloured or gray.

    Args:
        clean: (N, 3, H, W) with H = W; the last `GRAY_SHARE` of them gray, so that noise which is
            equal in all channels falls on gray photographs (`gray_at_the_end`).
        draws: source of randomness.

    Returns:
        The same shape, whole numbers in [0, 255].
    """
    side = clean.shape[-1]
    # Photographs come in random order: a run of samples is as good as a random choice of them.
    sizes = draws.sizes(len(clean), NOISE_SHARES)
    untouched, white, old, monochrome = torch.split(clean, sizes)
    parts = [untouched]
    if len(white):
        parts.append(white_noise(white, _sigmas(len(white), draws), draws))
    if len(old):
        parts.append(old_photo_noise(old, draws))
    if len(monochrome):
        field = draws.normal(len(monochrome), side, side)
        sigma = _sigmas(len(monochrome), draws)[:, None, None]
        parts.append(monochrome + (sigma * field)[:, None])
    noisy = quantise(torch.cat(parts))
    _, white, old, monochrome = torch.split(noisy, sizes)
    compress(white, 0.05, (60, 95), draws)
    compress(old, 0.6, (60, 95), draws)
    compress(monochrome, 0.05, (60, 95), draws)
    return noisy


def gray_at_the_end(images: Tensor, draws: Draws) -> Tensor:
    """Turn the last `GRAY_SHARE` of the photographs (N, 3, H, W) gray, in place."""
    colour, _ = draws.sizes(len(images), (1 - GRAY_SHARE, GRAY_SHARE))
    if colour < len(images):
        images[colour:] = as_gray(images[colour:])
    return images


def _sigmas(count: int, draws: Draws) -> Tensor:
    """Standard deviations of white noise, 0-75, (count,)."""
    return 75 * draws.uniform(count).pow(1.35)


def old_photo_noise(images: Tensor, draws: Draws) -> Tensor:
    """Add the noise of scanned prints and negatives.

    Luminance grain (standard deviation 1-29 before weighting, mostly weak), correlated over
    0.3-1.4 px, resampled and sharpened as scanners do, weighted by tone; for some, weaker and
    coarser chroma noise (40 %), a scanner's white noise (30 %), and a faint texture of the paper
    (10 %). Stronger or coarser grain, or texture that is not faint, would teach the network to
    take cloth, bark and foliage for it.

    Args:
        images: (N, 3, H, W) with H = W.
        draws: source of randomness.
    """
    count, side = len(images), images.shape[-1]
    sigma = 1 + 28 * draws.uniform(count).pow(1.5)
    radius = draws.uniform(count, 0.3, 1.4)
    grain = scanned_noise(side, sigma, radius, draws, largest_radius=1.4)
    noisy = images + (grain * tone_weight(luma(images), draws))[:, None]
    coloured = draws.subset(count, 0.4)
    if len(coloured):
        strength = sigma[coloured] * draws.uniform(len(coloured), 0.1, 0.7)
        radius = draws.uniform(len(coloured), 0.4, 2.5)
        strength, radius = strength.repeat_interleave(3), radius.repeat_interleave(3)
        fields = coloured_noise(side, strength, radius, draws, largest_radius=2.5)
        chroma = fields.view(len(coloured), 3, side, side)
        noisy[coloured] = noisy[coloured] + chroma - luma(chroma)[:, None]
    sensor = draws.subset(count, 0.3)
    if len(sensor):
        noisy[sensor] = white_noise(noisy[sensor], draws.uniform(len(sensor), 0, 10), draws)
    textured = draws.subset(count, 0.1)
    if len(textured):
        strength = draws.uniform(len(textured), 0.003, 0.015)
        relief = paper_texture(side, strength, draws)
        noisy[textured] = noisy[textured] * (1 + relief)[:, None]
    return noisy


def random_blur(clean: Tensor, margin: int, draws: Draws) -> Tensor:
    """Degrade a batch for deblur: blur, then noise (sigma 0-10), and JPEG (75-96) for 12 %.

    8 % sharp, 22 % Gaussian (isotropic, sigma 0.5-3.6 px), 7 % anisotropic Gaussian, 6 %
    defocus disk (radius 0.8-5 px), 57 % motion path (4-28 px, half of them below 12: longer ones
    teach little, since hardly anything of the detail along them is left): paths are what takes
    longest to learn. Weak noise is drawn more often (half below 2.5): photographs come to this
    step denoised.

    Args:
        clean: (N, 3, H, W).
        margin: pixels cut off on each side, at least `BLUR_REACH`: the blur there is wrong.
        draws: source of randomness.

    Returns:
        (N, 3, H - 2 margin, W - 2 margin), whole numbers in [0, 255].
    """
    count = len(clean)
    inner = (..., slice(margin, -margin), slice(margin, -margin))
    sizes = draws.sizes(count, (0.08, 0.22, 0.07, 0.06, 0.57))
    sharp, to_blur = clean[: sizes[0]], clean[sizes[0] :]
    kernels = torch.cat(_random_kernels(*sizes[1:], draws=draws))
    soft = torch.cat([sharp[inner], convolve(to_blur, kernels)[inner]])
    sigma = 10 * draws.uniform(count).square()
    degraded = quantise(white_noise(soft, sigma, draws))
    compress(degraded, 0.12, (75, 96), draws)
    return degraded


def compress(images: Tensor, share: float, quality: tuple[int, int], draws: Draws) -> None:
    """Send a random share of a batch through JPEG in place, each with a quality from a range.

    Seven batches in ten with halved chroma (4:2:0), the others with full (4:4:4).
    """
    chosen = draws.subset(len(images), share)
    if len(chosen):
        lowest, highest = quality
        drawn = lowest + draws.integers(len(chosen), highest - lowest + 1)
        images[chosen] = jpeg_round_trip(images[chosen], drawn, subsampled=draws.happens(0.7))


def _random_kernels(
    gaussian: int, anisotropic: int, disks: int, motions: int, *, draws: Draws
) -> list[Tensor]:
    """So many kernels of each kind, each kind (n, 2 BLUR_REACH + 1, 2 BLUR_REACH + 1)."""
    sigma = draws.uniform(gaussian, 0.5, 3.6)
    isotropic = gaussian_kernels(sigma, sigma, torch.zeros_like(sigma), BLUR_REACH)
    oblique = gaussian_kernels(
        draws.uniform(anisotropic, 0.5, 3.6),
        draws.uniform(anisotropic, 0.5, 3.6),
        draws.uniform(anisotropic, 0, math.pi),
        BLUR_REACH,
    )
    return [
        isotropic,
        oblique,
        disk_kernels(draws.uniform(disks, 0.8, 5.0), BLUR_REACH),
        motion_kernels(4 + 24 * draws.uniform(motions).pow(1.6), draws, BLUR_REACH),
    ]
