"""Validation: named scores on fixed degradations of photographs that are not trained on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from restoration.colour import as_gray, join_chroma, luma8
from restoration.networks import Network
from restoration.quality import colourfulness, psnr_db
from restoration.training.data import PhotoSet, centre_crop
from restoration.training.degradations import (
    blur,
    film_grain,
    gaussian_kernel,
    jpeg_round_trip,
    motion_kernel,
    quantise,
    white_noise,
)
from restoration.training.sources import reduced

Byte = NDArray[np.uint8]
Degrade = Callable[[Byte, np.random.Generator], Byte]
Case = tuple[str, Tensor, Tensor]
"""Name, degraded and clean photographs, each (n, 3, H, W) uint8."""

CROP_SIDE: Final = 192
COLORIZE_SIDE: Final = 160
DEBLUR_NOISE: Final = 2.55
_AT_ONCE: Final = 16
_HIGHEST_PSNR_DB: Final = 50.0
"""Reported where less differs: an untouched sharp photo must not rule the mean of the scores."""


@dataclass(frozen=True)
class Score:
    """One result of a validation.

    Attributes:
        name: of the degradation or measure.
        value: higher is better.
        unit: dB for PSNR; empty for others, which the mean leaves out.
    """

    name: str
    value: float
    unit: str = "dB"


@dataclass(frozen=True)
class Sample:
    """One fixed photograph, to look at: pictures (H, W, 3) uint8 of one size.

    Attributes:
        clean: the photograph; None where only degraded ones are known.
        degraded: what the network sees.
        restored: what it makes of it.
    """

    clean: Byte | None
    degraded: Byte
    restored: Byte


def mean_psnr_db(scores: Sequence[Score]) -> float:
    """Mean of the scores that are in dB."""
    return float(np.mean([score.value for score in scores if score.unit == "dB"]))


class Validator(ABC):
    """Measures a network on photographs that are not trained on."""

    @abstractmethod
    def scores(self, network: Network) -> tuple[Score, ...]:
        """Measure a network (in evaluation mode, on the validator's device)."""

    @abstractmethod
    def sample(self, network: Network) -> Sample:
        """Let a network restore the photograph that is looked at."""


@dataclass(frozen=True)
class Condition:
    """A degradation with a name."""

    name: str
    degrade: Degrade


class RestorationValidator(Validator):
    """PSNR for each of several degradations.

    Args:
        cases: what to measure.
        shown: number of the case of which a photograph is looked at.
        device: where to measure.
    """

    def __init__(self, cases: Sequence[Case], shown: int, device: torch.device) -> None:
        self._cases = [(name, a.to(device), b.to(device)) for name, a, b in cases]
        self._shown = shown

    def scores(self, network: Network) -> tuple[Score, ...]:
        """PSNR in dB, mean over the photographs, of the restored photographs as 8-bit files."""
        means = [_psnr(restore(network, a), b).mean() for _, a, b in self._cases]
        values = torch.stack(means).tolist()
        names = (name for name, _, _ in self._cases)
        return tuple(Score(name, value) for name, value in zip(names, values, strict=True))

    def sample(self, network: Network) -> Sample:
        """The photograph with the strongest contrast of the case that is shown."""
        _, degraded, clean = self._cases[self._shown]
        number = int(clean.float().std((1, 2, 3)).argmax())
        restored = restore(network, degraded[number : number + 1])
        pictures = (clean[number], degraded[number], restored[0])
        return Sample(*map(to_picture, pictures))


class ColorizeValidator(Validator):
    """PSNR of colorized photographs, and their colourfulness beside it.

    PSNR alone rewards dull pictures. Measured at the working size, one prediction a photograph;
    `restore-archive evaluate` measures what the product does.
    """

    def __init__(self, photos: Sequence[Byte], device: torch.device) -> None:
        scales = [COLORIZE_SIDE / min(photo.shape[:2]) for photo in photos]
        smaller = [reduced(photo, scale) for photo, scale in zip(photos, scales, strict=True)]
        self._photos = [centre_crop(photo, COLORIZE_SIDE) for photo in smaller]
        self._device = device

    def scores(self, network: Network) -> tuple[Score, ...]:
        """Mean PSNR in dB and mean colourfulness (Hasler and Suesstrunk 2003)."""
        pairs = [(photo, self._colorized(network, photo)) for photo in self._photos]
        return (
            Score("PSNR", float(np.mean([psnr_db(a, b) for a, b in pairs]))),
            Score("colourfulness", float(np.mean([colourfulness(b) for _, b in pairs])), ""),
        )

    def sample(self, network: Network) -> Sample:
        """The first photograph."""
        photo = self._photos[0]
        return Sample(photo, as_gray(photo), self._colorized(network, photo))

    def _colorized(self, network: Network, photo: Byte) -> Byte:
        y = luma8(photo)
        gray = torch.from_numpy(y).to(self._device)[None, None].float() / 255
        with torch.inference_mode():
            predicted = network(gray).float().cpu()
        chroma = functional.interpolate(predicted, size=y.shape, mode="bilinear")[0]
        return join_chroma(y, chroma.permute(1, 2, 0).numpy())


def denoise_conditions() -> list[Condition]:
    """White noise of three strengths, and film grain after JPEG."""

    def noisy(sigma: float) -> Condition:
        return Condition(f"sigma {sigma:g}", lambda photo, rng: _noisy(photo, sigma, rng))

    def grain(photo: Byte, rng: np.random.Generator) -> Byte:
        return jpeg_round_trip(quantise(film_grain(photo.astype(np.float32), 15, 0.8, rng)), 80)

    return [*map(noisy, (15.0, 25.0, 50.0)), Condition("grain, JPEG", grain)]


def deblur_conditions() -> list[Condition]:
    """A sharp photograph, Gaussian blur of 1.6 and 2.4 px, and a motion path of 15 px."""

    def blurred(name: str, kernel: NDArray[np.float32]) -> Condition:
        def degrade(photo: Byte, rng: np.random.Generator) -> Byte:
            soft = blur(photo.astype(np.float32), kernel)
            return quantise(white_noise(soft, DEBLUR_NOISE, rng))

        return Condition(name, degrade)

    return [
        Condition("sharp", lambda photo, _rng: photo),
        *(blurred(f"Gaussian {sigma:g}", gaussian_kernel(sigma)) for sigma in (1.6, 2.4)),
        blurred("motion", motion_kernel(15, np.random.default_rng(0))),
    ]


CONDITIONS: Final = {"denoise": denoise_conditions, "deblur": deblur_conditions}
_SHOWN: Final = {"denoise": "sigma 25", "deblur": "Gaussian 1.6"}


def validator_for(task: str, photos: PhotoSet, device: torch.device) -> Validator:
    """What measures a task's network.

    Args:
        task: denoise, deblur or colorize.
        photos: the central 192 pixels of those held out are used.
        device: where to measure.
    """
    if task not in CONDITIONS:
        return ColorizeValidator(photos.validation, device)
    cases: list[Case] = []
    if photos.validation:
        cases = [
            (c.name, *degraded_cases(photos.validation, c.degrade)) for c in CONDITIONS[task]()
        ]
    if photos.pairs is not None:
        cases.append(("pairs", *pair_cases(photos.pairs.validation)))
    names = [name for name, _, _ in cases]
    shown = "pairs" if "pairs" in names else _SHOWN[task]
    return RestorationValidator(cases, names.index(shown), device)


def pair_cases(pairs: Sequence[Byte]) -> tuple[Tensor, Tensor]:
    """Degraded and clean central crops of pairs (H, W, 6), each (n, 3, H, W) uint8."""
    both = central_crops(pairs)
    return both[:, 3:], both[:, :3]


def degraded_cases(photos: Sequence[Byte], degrade: Degrade) -> tuple[Tensor, Tensor]:
    """Degraded and clean central crops of one size, each (n, 3, H, W) uint8."""
    clean = central_crops(photos)
    crops = [to_picture(crop) for crop in clean]
    degraded = [degrade(crop, np.random.default_rng(i)) for i, crop in enumerate(crops)]
    return as_batch(degraded), clean


def central_crops(photos: Sequence[Byte]) -> Tensor:
    """The central squares of photographs, as large as the smallest allows, (n, C, side, side)."""
    side = min(CROP_SIDE, *(min(photo.shape[:2]) for photo in photos))
    return as_batch([centre_crop(photo, side) for photo in photos])


def as_batch(photos: Sequence[Byte]) -> Tensor:
    """Photographs (H, W, C) of one size as (n, C, H, W) uint8."""
    return torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2)


def restore(network: Network, degraded: Tensor) -> Tensor:
    """Run a network on (n, 3, H, W) uint8; clipped and rounded, as a file holds it."""
    with torch.inference_mode():
        parts = [network(part.float() / 255).float() for part in torch.split(degraded, _AT_ONCE)]
        return (torch.cat(parts) * 255).round().clamp(0, 255).to(torch.uint8)


def to_picture(image: Tensor) -> Byte:
    """(3, H, W) uint8 to (H, W, 3)."""
    return image.permute(1, 2, 0).contiguous().cpu().numpy()


def _psnr(a: Tensor, b: Tensor) -> Tensor:
    error = (a.float() - b.float()).square().mean((1, 2, 3))
    return (10 * torch.log10(255**2 / error)).clamp(max=_HIGHEST_PSNR_DB)


def _noisy(photo: Byte, sigma: float, rng: np.random.Generator) -> Byte:
    return quantise(white_noise(photo.astype(np.float32), sigma, rng))
