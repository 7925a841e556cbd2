"""Denoising without a single clean photograph: Neighbor2Neighbor.

Huang, Li, Jia, Lu, Liu, "Neighbor2Neighbor: Self-Supervised Denoising from Single Noisy Images",
CVPR 2021. Two pictures of half the size are made of one noisy photograph, from pixels that are
neighbours: nearly the same scene, and noise that is another if the noise of neighbours is
independent. A network that learns to turn one into the other can only learn the scene. Grain that
is correlated between neighbours breaks that assumption: it is kept as if it were scene.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from restoration.networks import Network
from restoration.training.batched import Draws, PhotoBuffer
from restoration.training.batched.draws import constants
from restoration.training.data import PhotoSet
from restoration.training.task import Forward
from restoration.training.tasks import Denoise
from restoration.training.validation import (
    Sample,
    Score,
    Validator,
    central_crops,
    restore,
    to_picture,
)

Byte = NDArray[np.uint8]

_FIRST: Final = (0, 0, 1, 1, 2, 2, 3, 3)
_SECOND: Final = (1, 2, 0, 3, 0, 3, 1, 2)
"""The eight ordered pairs of neighbours in a cell of 2 x 2 pixels, numbered row by row."""


@dataclass(frozen=True)
class SelfSupervisedDenoise(Denoise):
    """Denoise learnt from noisy photographs alone.

    Attributes:
        regularisation: weight of the term that accounts for neighbours showing slightly
            different parts of the scene (gamma in the paper, there 0 rising to 2).
        stride: pixels between neighbours. 2 leaves out every other pixel, for grain that is
            correlated over a pixel.
    """

    regularisation: float = 1.0
    stride: int = 1

    def draw_batch(self, photos: PhotoBuffer, draws: Draws) -> tuple[Tensor, Tensor]:
        """Draw noisy patches, and for each cell the pair of neighbours to compare.

        The second tensor is (N, 1, patch / 2 stride, patch / 2 stride) int64 in [0, 8).
        """
        noisy = photos.patches(self.batch, self.patch, draws).float() / 255
        cells = self.patch // (2 * self.stride)
        choice = draws.integers(self.batch * cells * cells, len(_FIRST))
        return noisy, choice.view(self.batch, 1, cells, cells)

    def objective(self, forward: Forward, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The paper's equation 7: neighbours from each other, regularised."""
        with torch.no_grad():
            whole = decimated(forward(inputs), self.stride)
        first, second = neighbours(decimated(inputs, self.stride), targets)
        whole_first, whole_second = neighbours(whole, targets)
        output = forward(first)
        error = output - second
        between = error - (whole_first - whole_second)
        loss = error.square().mean() + self.regularisation * between.square().mean()
        return output, loss

    def validator(self, photos: PhotoSet, device: torch.device) -> Validator:
        """How well one of two neighbours is told from the other, on photographs held out."""
        return NeighbourValidator(photos.validation, device)


class NeighbourValidator(Validator):
    """PSNR of a restored sub-image against its noisy neighbour.

    The truth is not known, so the noise of the neighbour bounds the figure; more is better still,
    as long as the noise of neighbours is independent.
    """

    def __init__(self, photos: Sequence[Byte], device: torch.device) -> None:
        crops = central_crops(photos)
        side = crops.shape[-1] // 2 * 2
        self._noisy = crops[..., :side, :side].to(device)
        choice = Draws(0, torch.device("cpu")).integers(len(crops) * (side // 2) ** 2, len(_FIRST))
        self._choice = choice.view(len(crops), 1, side // 2, side // 2).to(device)

    def scores(self, network: Network) -> tuple[Score, ...]:
        """PSNR in dB, mean over the photographs."""
        first, second = neighbours(self._noisy.float(), self._choice)
        error = restore(network, first).float() - second
        psnr = 10 * torch.log10(255**2 / error.square().mean((1, 2, 3)).clamp(min=1e-6))
        return (Score("neighbours", float(psnr.mean())),)

    def sample(self, network: Network) -> Sample:
        """The first photograph."""
        degraded = self._noisy[:1]
        return Sample(None, to_picture(degraded[0]), to_picture(restore(network, degraded)[0]))


def decimated(images: Tensor, stride: int) -> Tensor:
    """Every `stride`-th pixel of (N, C, H, W)."""
    return images[..., ::stride, ::stride]


def neighbours(images: Tensor, choice: Tensor) -> tuple[Tensor, Tensor]:
    """Two sub-images of neighbouring pixels.

    Args:
        images: (N, C, H, W), even height and width.
        choice: number of the ordered pair taken from each 2 x 2 cell, (N, 1, H / 2, W / 2).

    Returns:
        Two images (N, C, H / 2, W / 2).
    """
    count, channels, height, width = images.shape
    cells = functional.pixel_unshuffle(images, 2).view(count, channels, 4, height // 2, width // 2)

    def pick(table: tuple[int, ...]) -> Tensor:
        places = constants(table, images.device).long()[choice][:, :, None]
        return cells.gather(2, places.expand(-1, channels, -1, -1, -1))[:, :, 0]

    return pick(_FIRST), pick(_SECOND)
