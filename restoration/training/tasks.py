"""What is trained: denoise, deblur and, from a file of its own, colorize."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from torch import Tensor

from restoration.networks import NetworkConfig, UNetConfig
from restoration.training.batched import (
    Draws,
    PhotoBuffer,
    as_gray,
    gray_at_the_end,
    random_blur,
    random_noise,
)
from restoration.training.batched.recipes import BLUR_REACH
from restoration.training.colour_task import Colorize
from restoration.training.task import TrainingTask

# Narrower inside the blocks of the lower levels: 64 GMAC per megapixel instead of 69.
DENOISE_NETWORK: Final = UNetConfig(hidden=(48, 80, 176))
# A fourth level: a shaken camera's path is longer than three levels see.
DEBLUR_NETWORK: Final = UNetConfig(widths=(48, 96, 192, 256), hidden=(48, 80, 160, 192))


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


TASKS: dict[str, TrainingTask] = {task.name: task for task in (Denoise(), Deblur(), Colorize())}


def some_gray(images: Tensor, draws: Draws, share: float = 0.1) -> Tensor:
    """Turn a random share of the photographs (N, 3, H, W) gray, in place."""
    chosen = draws.subset(len(images), share)
    if len(chosen):
        images[chosen] = as_gray(images[chosen])
    return images
