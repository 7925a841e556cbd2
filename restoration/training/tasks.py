"""What is trained: for each task the network's shape, a batch, a loss and a validation score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from restoration.colour import CB_SCALE, CR_SCALE, as_gray, join_chroma, luma, luma8
from restoration.networks import Network, NetworkConfig, UNetConfig
from restoration.quality import psnr_db
from restoration.training.adversary import AdversaryConfig
from restoration.training.data import PhotoSet, centre_crop, random_patch
from restoration.training.degradations import (
    Byte,
    Float,
    blur,
    gaussian_kernel,
    quantise,
    random_blur,
    random_noise,
    white_noise,
)


class TrainingTask(ABC):
    """One trainable task; subclasses are stateless and draw from the generator they are given."""

    name: ClassVar[str]
    config: NetworkConfig
    patch: int
    """Side of a training patch in pixels."""
    batch: int = 16
    learning_rate: float = 1.2e-3
    """Peak rate at which training was found stable."""
    loss_kind: Literal["l1", "mse"] = "l1"
    adversary: AdversaryConfig | None = None
    """A discriminator whose verdict is added to the loss."""

    @abstractmethod
    def sample(self, photo: Byte, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Draw (input, target), each (C, H, W) float32 in [0, 1] (chroma in [-0.5, 0.5])."""

    def draw_batch(self, photos: PhotoSet, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Draw (inputs, targets) of `batch` random photographs, each (N, C, H, W)."""
        chosen = rng.integers(len(photos.train), size=self.batch)
        pairs = [self.sample(photos.train[int(i)], rng) for i in chosen]
        return torch.stack([pair[0] for pair in pairs]), torch.stack([pair[1] for pair in pairs])

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean absolute error: sharper than squared error at the same PSNR (Zhao et al. 2017).

        Squared error for the baselines that are trained so.
        """
        error = functional.mse_loss if self.loss_kind == "mse" else functional.l1_loss
        return error(output, target)

    @abstractmethod
    def validate(self, network: Network, photos: PhotoSet, device: torch.device) -> float:
        """PSNR in dB on fixed degradations of the validation photographs."""


class Denoise(TrainingTask):
    """Blind denoising: noise of unknown strength, white or grain, also after JPEG."""

    name = "denoise"
    # Narrower inside the blocks of the lower levels: 64 GMAC per megapixel instead of 69.
    config = UNetConfig(hidden=(48, 80, 176))
    patch = 96

    def sample(self, photo: Byte, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        clean = random_patch(photo, self.patch, rng)
        if rng.random() < 0.1:
            clean = as_gray(clean)
        return to_tensor(random_noise(clean, rng)), to_tensor(clean)

    def validate(self, network: Network, photos: PhotoSet, device: torch.device) -> float:
        rng = np.random.default_rng(0)
        crops = [centre_crop(photo, 256) for photo in photos.validation]
        noisy = [quantise(white_noise(crop.astype(np.float32), 25, rng)) for crop in crops]
        return _mean_psnr(network, noisy, crops, device)


class Deblur(TrainingTask):
    """Blind deblurring: Gaussian, defocus and motion blur with some noise; sharp stays sharp."""

    name = "deblur"
    # A fourth level: a shaken camera's path is longer than three levels see.
    config = UNetConfig(widths=(48, 96, 192, 256), hidden=(48, 80, 160, 192))
    patch = 128
    batch = 10
    margin: ClassVar[int] = 16
    """Pixels drawn around the patch, so that most blur comes from real neighbours."""

    def sample(self, photo: Byte, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        clean = random_patch(photo, self.patch + 2 * self.margin, rng)
        if rng.random() < 0.1:
            clean = as_gray(clean)
        degraded = random_blur(clean, rng)
        inner = slice(self.margin, -self.margin)
        return to_tensor(degraded[inner, inner]), to_tensor(clean[inner, inner])

    def validate(self, network: Network, photos: PhotoSet, device: torch.device) -> float:
        rng = np.random.default_rng(0)
        crops = [centre_crop(photo, 256) for photo in photos.validation]
        kernel = gaussian_kernel(1.6)
        blurred = [
            quantise(white_noise(blur(crop.astype(np.float32), kernel), 2.55, rng))
            for crop in crops
        ]
        return _mean_psnr(network, blurred, crops, device)


class Colorize(TrainingTask):
    """Chroma from luma, at half the working resolution."""

    name = "colorize"
    config = UNetConfig(
        in_channels=1,
        out_channels=2,
        unshuffle=2,
        upshuffle=1,
        widths=(32, 64, 128, 256, 320),
        residual=False,
    )
    patch = 128
    learning_rate = 4e-4  # five levels without normalisation diverge at 1.2e-3

    def sample(self, photo: Byte, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        short = min(photo.shape[:2])
        # The network sees photographs at a working size, so most of the frame is in a sample.
        side = int(min(short, rng.uniform(self.patch, 1.35 * self.patch)))
        photo = _resize_short_side(photo, max(side, self.patch))
        top = int(rng.integers(photo.shape[0] - self.patch + 1))
        left = int(rng.integers(photo.shape[1] - self.patch + 1))
        patch = photo[top : top + self.patch, left : left + self.patch]
        if rng.random() < 0.5:
            patch = patch[:, ::-1]
        gray, chroma = split_luma_chroma(np.ascontiguousarray(patch))
        return torch.from_numpy(_as_old_film(gray, patch, rng))[None], _half(chroma)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Squared error, weighted towards vivid pixels.

        Plain squared error predicts the mean of all plausible colours, which is gray-brown;
        rebalancing by colour rarity is the remedy of Zhang et al., "Colorful Image
        Colorization", ECCV 2016. Here the weight grows with the target's chroma.
        """
        vividness = target.square().sum(1, keepdim=True).sqrt()
        weight = 1 + 8 * vividness
        return (weight * (output - target).square()).sum() / weight.sum() * 100

    def validate(self, network: Network, photos: PhotoSet, device: torch.device) -> float:
        errors = []
        with torch.inference_mode():
            for photo in photos.validation:
                crop = centre_crop(_resize_short_side(photo, 160), 160)
                gray, _ = split_luma_chroma(crop)
                predicted = network(torch.from_numpy(gray)[None, None].to(device)).float().cpu()
                chroma = functional.interpolate(predicted, size=gray.shape, mode="bilinear")[0]
                colorized = join_chroma(luma8(crop), chroma.permute(1, 2, 0).numpy())
                errors.append(psnr_db(colorized, crop))
        return float(np.mean(errors))


TASKS: dict[str, TrainingTask] = {task.name: task for task in (Denoise(), Deblur(), Colorize())}


def to_tensor(image: Byte) -> Tensor:
    """(H, W, C) uint8 to (C, H, W) float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255


def split_luma_chroma(image: Byte) -> tuple[Float, Tensor]:
    """Split R'G'B' (H, W, 3) into luma (H, W) in [0, 1] and chroma (2, H, W) in [-0.5, 0.5]."""
    rgb = image.astype(np.float32) / 255
    y = luma(rgb)
    chroma = np.stack([(rgb[..., 2] - y) * CB_SCALE, (rgb[..., 0] - y) * CR_SCALE])
    return y, torch.from_numpy(chroma.astype(np.float32))


def _as_old_film(y: Float, rgb: Byte, rng: np.random.Generator) -> Float:
    """Luma as other emulsions and years record it: spectral weights, contrast, fading, grain."""
    if rng.random() < 0.4:
        weights = rng.dirichlet((3.0, 5.0, 2.5)).astype(np.float32)
        y = np.asarray((rgb.astype(np.float32) / 255) @ weights, np.float32)
    if rng.random() < 0.5:
        y = np.asarray(np.clip(y, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.25))), np.float32)
        low, high = rng.uniform(0, 0.12), rng.uniform(0.85, 1.0)
        y = np.float32(low) + y * np.float32(high - low)
    if rng.random() < 0.3:
        y = y + np.float32(rng.uniform(0, 0.03)) * rng.standard_normal(y.shape, dtype=np.float32)
    return np.clip(y, 0, 1).astype(np.float32)


def _half(chroma: Tensor) -> Tensor:
    return functional.avg_pool2d(chroma[None], 2)[0]


def _resize_short_side(photo: Byte, side: int) -> Byte:
    height, width = int(photo.shape[0]), int(photo.shape[1])
    scale = side / min(height, width)
    if scale == 1:
        return photo
    size = (max(side, round(width * scale)), max(side, round(height * scale)))
    resized = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    return np.asarray(resized, np.uint8)


def _mean_psnr(
    network: Network, inputs: list[Byte], targets: list[Byte], device: torch.device
) -> float:
    scores = []
    with torch.inference_mode():
        for degraded, clean in zip(inputs, targets, strict=True):
            output = network(to_tensor(degraded)[None].to(device)).float().cpu()[0]
            restored = quantise(output.numpy().transpose(1, 2, 0) * 255)
            scores.append(psnr_db(restored, clean))
    return float(np.mean(scores))
