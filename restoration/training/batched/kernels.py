"""Blur kernels of whole batches, and convolution with a kernel per sample."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from restoration.training.batched.draws import Draws

MOTION_STEPS = 600
HARMONICS = 8
_SUPERSAMPLING = 8


def gaussian_kernels(sigma_x: Tensor, sigma_y: Tensor, angle: Tensor, half: int) -> Tensor:
    """Anisotropic Gaussian kernels.

    Args:
        sigma_x: standard deviation in pixels along the first axis, (N,).
        sigma_y: along the second axis, (N,).
        angle: of the first axis in radians, (N,).
        half: pixels from the centre of a kernel to its edge.

    Returns:
        (N, 2 half + 1, 2 half + 1), each summing to 1.
    """
    axis = torch.arange(-half, half + 1, device=sigma_x.device)
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    u = axis * cosine + axis[:, None] * sine
    v = axis[:, None] * cosine - axis * sine
    squares = (u / sigma_x[:, None, None]).square() + (v / sigma_y[:, None, None]).square()
    return _normalised(torch.exp(-0.5 * squares))


def disk_kernels(radius: Tensor, half: int) -> Tensor:
    """Defocus disks of `radius` pixels (N,), their edge antialiased by 8-fold supersampling."""
    side = 2 * half + 1
    axis = torch.arange(side * _SUPERSAMPLING, device=radius.device)
    axis = (axis + 0.5) / _SUPERSAMPLING - half - 0.5
    distance = axis.square() + axis[:, None].square()
    inside = (distance <= radius.square()[:, None, None]).float()
    blocks = inside.view(len(radius), side, _SUPERSAMPLING, side, _SUPERSAMPLING)
    return _normalised(blocks.mean((2, 4)))


def motion_kernels(length: Tensor, draws: Draws, half: int) -> Tensor:
    """Paths of a shaken camera, `length` pixels across their longer sides.

    As `restoration.training.degradations.motion_kernel`: hand tremor as a smooth random process,
    eight harmonics over the exposure whose amplitudes fall with a power of their order, more
    along one axis than across. The centre of mass is the kernel's centre; a path that would leave
    the kernel is made shorter.

    Args:
        length: of each path in pixels, (N,).
        draws: source of randomness.
        half: pixels from the centre of a kernel to its edge.
    """
    count, side, device = len(length), 2 * half + 1, draws.device
    orders = torch.arange(1, HARMONICS + 1, device=device)
    phase = math.pi * torch.linspace(0, 1, MOTION_STEPS, device=device)[:, None] * orders
    waves = torch.cat([phase.cos(), phase.sin()], 1)
    amplitude = orders.pow(-draws.uniform(count, 1.2, 2.4)[:, None]).repeat(1, 2)
    path = waves @ (amplitude[:, :, None] * draws.normal(count, 2 * HARMONICS, 2))
    along, across = path[..., 0], path[..., 1] * draws.uniform(count, 0.25, 1)[:, None]
    angle = draws.uniform(count, 0, math.pi)[:, None]
    path = torch.stack(
        [along * angle.cos() + across * angle.sin(), across * angle.cos() - along * angle.sin()], 2
    )
    lowest, highest = path.aminmax(dim=1, keepdim=True)
    extent = (highest - lowest).amax(2, keepdim=True).clamp(min=1e-6)
    path = (path - path.mean(1, keepdim=True)) * (length[:, None, None] / extent)
    reach = path.abs().amax((1, 2), keepdim=True).clamp(min=1e-6)
    path = path * ((half - 1) / reach).clamp(max=1) + half
    kernels = torch.zeros(count, side * side, device=device)
    corner = path.floor()
    after = path - corner
    for dy, row_weight in ((0, 1 - after[..., 1]), (1, after[..., 1])):
        for dx, column_weight in ((0, 1 - after[..., 0]), (1, after[..., 0])):
            index = (corner[..., 1] + dy) * side + corner[..., 0] + dx
            kernels.scatter_add_(1, index.long(), row_weight * column_weight)
    return _normalised(kernels.view(count, side, side))


def convolve(images: Tensor, kernels: Tensor) -> Tensor:
    """Convolve images (N, C, H, W) with a kernel each (N, K, K), all channels alike.

    Through the Fourier transform, so periodically: the outer K // 2 pixels see the other side of
    the image and are to be cut off.
    """
    shape = images.shape[-2:]
    half = kernels.shape[-1] // 2
    spectrum = torch.fft.rfft2(kernels, s=shape)[:, None]
    # The kernel's centre belongs at the origin.
    blurred: Tensor = torch.fft.irfft2(torch.fft.rfft2(images) * spectrum, s=shape)
    return blurred.roll((-half, -half), (2, 3))


def _normalised(kernels: Tensor) -> Tensor:
    return kernels / kernels.sum((1, 2), keepdim=True)
