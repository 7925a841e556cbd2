"""What is trained: for each task the network's shape, its samples and its loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import torch
from torch import Tensor
from torch.nn import functional

from restoration.colour import CB_SCALE, CR_SCALE
from restoration.networks import NetworkConfig, UNetConfig
from restoration.training.adversary import AdversaryConfig
from restoration.training.batched import (
    Draws,
    PhotoBuffer,
    as_gray,
    as_old_film,
    gray_at_the_end,
    random_blur,
    random_noise,
)
from restoration.training.batched.fields import luma
from restoration.training.batched.recipes import BLUR_REACH
from restoration.training.data import Byte, PhotoSet
from restoration.training.sources import evenly, reduced
from restoration.training.validation import Validator, validator_for

# Narrower inside the blocks of the lower levels: 64 GMAC per megapixel instead of 69.
DENOISE_NETWORK: Final = UNetConfig(hidden=(48, 80, 176))
# A fourth level: a shaken camera's path is longer than three levels see.
DEBLUR_NETWORK: Final = UNetConfig(widths=(48, 96, 192, 256), hidden=(48, 80, 160, 192))
COLORIZE_NETWORK: Final = UNetConfig(
    in_channels=1,
    out_channels=2,
    unshuffle=2,
    upshuffle=1,
    widths=(32, 64, 128, 256, 320),
    residual=False,
)

Forward = Callable[[Tensor], Tensor]
"""A network in the precision in which it is trained: (N, C, H, W) in, float32 out."""


@dataclass(frozen=True)
class TrainingTask(ABC):
    """One trainable task.

    Attributes:
        config: shape of the network.
        patch: side of a training patch in pixels.
        batch: patches per step.
        learning_rate: peak rate at which training was found stable.
        loss_kind: mean absolute or mean squared error.
        adversary: a discriminator whose verdict is added to the loss, or None.
    """

    name: ClassVar[str]

    config: NetworkConfig
    patch: int
    batch: int = 16
    learning_rate: float = 1.2e-3
    loss_kind: Literal["l1", "mse"] = "l1"
    adversary: AdversaryConfig | None = None

    @property
    def minimum_side(self) -> int:
        """Short side in pixels that a photograph must have to be of use."""
        return self.patch

    @property
    def largest_short_side(self) -> int | None:
        """Short side in pixels to which photographs are reduced when they are read."""
        return None

    def prepared(self, photos: Sequence[Byte]) -> Sequence[Byte]:
        """The photographs as patches are cut from them."""
        return photos

    @abstractmethod
    def draw_batch(self, photos: PhotoBuffer, draws: Draws) -> tuple[Tensor, Tensor]:
        """Draw (inputs, targets), each (N, C, H, W) in [0, 1] (chroma in [-0.5, 0.5])."""

    def validator(self, photos: PhotoSet, device: torch.device) -> Validator:
        """What measures the network on photographs that are held out."""
        return validator_for(self.name, photos, device)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean absolute error: sharper than squared error at the same PSNR (Zhao et al. 2017).

        Squared error for the baselines that are trained so.
        """
        error = functional.mse_loss if self.loss_kind == "mse" else functional.l1_loss
        return error(output, target)

    def objective(self, forward: Forward, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """What a step minimises.

        Args:
            forward: runs the network.
            inputs: as `draw_batch` draws them.
            targets: likewise.

        Returns:
            The network's output (N, C, H, W), and the loss.
        """
        output = forward(inputs)
        return output, self.loss(output, targets)


@dataclass(frozen=True)
class Denoise(TrainingTask):
    """Blind denoising: noise of unknown strength, white or grain, also after JPEG."""

    name = "denoise"

    config: NetworkConfig = DENOISE_NETWORK
    patch: int = 128
    batch: int = 10

    def draw_batch(self, photos: PhotoBuffer, draws: Draws) -> tuple[Tensor, Tensor]:
        """Draw noisy patches and the clean ones, three in ten of them gray."""
        clean = gray_at_the_end(photos.patches(self.batch, self.patch, draws).float(), draws)
        return random_noise(clean, draws).div_(255), clean.div_(255)


@dataclass(frozen=True)
class Deblur(TrainingTask):
    """Blind deblurring: Gaussian, defocus and motion blur with some noise; sharp stays sharp."""

    name = "deblur"
    margin: ClassVar[int] = BLUR_REACH + 1
    """Pixels drawn around the patch, so that all blur comes from real neighbours."""

    config: NetworkConfig = DEBLUR_NETWORK
    patch: int = 144
    batch: int = 8

    @property
    def minimum_side(self) -> int:
        """Short side in pixels that a photograph must have to be of use."""
        return self.patch + 2 * self.margin

    def draw_batch(self, photos: PhotoBuffer, draws: Draws) -> tuple[Tensor, Tensor]:
        """Draw blurred patches and the sharp ones, one in ten of them gray."""
        cut = photos.patches(self.batch, self.minimum_side, draws).float()
        sharp = some_gray(cut, draws)
        inner = slice(self.margin, -self.margin)
        return random_blur(sharp, self.margin, draws).div_(255), sharp[..., inner, inner] / 255


@dataclass(frozen=True)
class Colorize(TrainingTask):
    """Chroma from luma, at half the working resolution."""

    name = "colorize"
    zoom: ClassVar[float] = 1.35
    """The network sees photographs at a working size, so most of the frame is in a sample."""

    config: NetworkConfig = COLORIZE_NETWORK
    patch: int = 128
    learning_rate: float = 4e-4  # five levels without normalisation diverge at 1.2e-3

    @property
    def largest_short_side(self) -> int:
        """Short side in pixels to which photographs are reduced when they are read."""
        return int(1.75 * self.patch)

    def prepared(self, photos: Sequence[Byte]) -> list[Byte]:
        """Photographs at working sizes, short sides from `patch` to `zoom` x `patch` pixels.

        Each has one size for the whole run: resampling every patch anew would take longer than
        everything else.
        """
        sides = (self.patch * (1 + (self.zoom - 1) * share) for share in evenly(len(photos)))
        return [
            reduced(photo, side / min(photo.shape[:2]))
            for photo, side in zip(photos, sides, strict=True)
        ]

    def draw_batch(self, photos: PhotoBuffer, draws: Draws) -> tuple[Tensor, Tensor]:
        """Draw luma as old film sees it, and chroma at half the resolution."""
        rgb = photos.patches(self.batch, self.patch, draws, upright=True).float() / 255
        y = luma(rgb)
        chroma = torch.stack([(rgb[:, 2] - y) * CB_SCALE, (rgb[:, 0] - y) * CR_SCALE], 1)
        return as_old_film(y, rgb, draws)[:, None], functional.avg_pool2d(chroma, 2)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Squared error, weighted towards vivid pixels.

        Plain squared error predicts the mean of all plausible colours, which is gray-brown;
        rebalancing by colour rarity is the remedy of Zhang et al., "Colorful Image
        Colorization", ECCV 2016. Here the weight grows with the target's chroma.
        """
        vividness = target.square().sum(1, keepdim=True).sqrt()
        weight = 1 + 8 * vividness
        return (weight * (output - target).square()).sum() / weight.sum() * 100


TASKS: dict[str, TrainingTask] = {task.name: task for task in (Denoise(), Deblur(), Colorize())}


def some_gray(images: Tensor, draws: Draws, share: float = 0.1) -> Tensor:
    """Turn a random share of the photographs (N, 3, H, W) gray, in place."""
    chosen = draws.subset(len(images), share)
    if len(chosen):
        images[chosen] = as_gray(images[chosen])
    return images
