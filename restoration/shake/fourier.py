"""Convolution as multiplication: transfer functions of kernels and gradients on a torch device.

Pictures are (..., H, W) float32 tensors in [0, 1]; spectra are those of `torch.fft.rfft2`.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

_ROW_DIFFERENCE: Final = ((0.0, 0.0, 0.0), (0.0, -1.0, 1.0), (0.0, 0.0, 0.0))


def fast_length(least: int) -> int:
    """The smallest length of at least `least` whose only prime factors are 2, 3 and 5."""
    length = max(least, 1)
    while True:
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return length
        length += 1


def transfer_function(
    kernel: Tensor, shape: tuple[int, int], *, shift: tuple[float, float] = (0.0, 0.0)
) -> Tensor:
    """Spectrum of a kernel whose centre lies at the origin.

    Args:
        kernel: (h, w), odd sides.
        shape: of the pictures that it will be applied to.
        shift: pixels down and to the right that the kernel is moved by; may be fractions.

    Returns:
        (H, W // 2 + 1) complex64.
    """
    height, width = kernel.shape
    canvas = kernel.new_zeros(shape)
    canvas[:height, :width] = kernel
    spectrum: Tensor = torch.fft.rfft2(canvas.roll((-(height // 2), -(width // 2)), (0, 1)))
    if shift == (0.0, 0.0):
        return spectrum
    down = torch.fft.fftfreq(shape[0], device=kernel.device)[:, None] * shift[0]
    right = torch.fft.rfftfreq(shape[1], device=kernel.device)[None] * shift[1]
    spectrum *= torch.exp(-2j * math.pi * (down + right))
    return spectrum


def gradient_functions(shape: tuple[int, int], device: torch.device) -> Tensor:
    """Spectra of the differences to the right and downwards, (2, H, W // 2 + 1) complex64."""
    across = torch.tensor(_ROW_DIFFERENCE, device=device).flip(1)
    return torch.stack([transfer_function(across, shape), transfer_function(across.T, shape)])


def differences(picture: Tensor) -> Tensor:
    """What `gradient_functions` stand for: (2, ..., H, W) of (..., H, W), around the borders.

    Taken on the pixels they are one transform instead of two.
    """
    return torch.stack([picture.roll(-1, -1), picture.roll(-1, -2)]).sub_(picture)


def gathered(slopes: Tensor) -> Tensor:
    """The adjoint of `differences`: (..., H, W) of (2, ..., H, W)."""
    across, down = slopes
    total: Tensor = across.roll(1, -1).sub_(across).add_(down.roll(1, -2)).sub_(down)
    return total


def gradients(picture: Tensor) -> Tensor:
    """Differences to the next pixel across and down, (2, H, W); 0 at the far borders."""
    across = functional.pad(picture[:, 1:] - picture[:, :-1], (0, 1))
    down = functional.pad(picture[1:] - picture[:-1], (0, 0, 0, 1))
    return torch.stack([across, down])


def periodic(picture: Tensor, margin: int) -> Tensor:
    """Extend a picture so that it goes on where it begins, as Fourier transforms take it to.

    Beyond each far border its mirror image fades into the mirror image at the opposite border.

    Args:
        picture: (H, W), each side longer than the margin plus what makes the length a fast one.
        margin: pixels that are added at least.

    Returns:
        (H + m, W + n) with fast lengths; the picture is its upper left corner.
    """
    for _axis in range(2):
        picture = _extended(picture, margin).T
    return picture.contiguous()


def _extended(picture: Tensor, margin: int) -> Tensor:
    length = picture.shape[0]
    added = fast_length(length + margin) - length
    position = (torch.arange(added, device=picture.device) + 0.5) / added
    fade = (0.5 - 0.5 * torch.cos(math.pi * position))[:, None]
    after = picture[length - 1 - added : length - 1].flip(0)
    before = picture[1 : added + 1].flip(0)
    return torch.cat([picture, (1 - fade) * after + fade * before])
