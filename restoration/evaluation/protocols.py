"""Test protocols: how clean photographs are degraded and what is measured.

Degraded pictures are clipped and rounded to 8 bits, as files are; that makes the figures a
little different from papers that leave the noise unclipped. Seeded: the same command gives the
same table.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from restoration.colorize import colorize
from restoration.colour import luma8
from restoration.errors import UsageError
from restoration.evaluation.methods import Method
from restoration.models import Model
from restoration.quality import colourfulness, psnr_db, ssim
from restoration.training.degradations import (
    Float,
    blur,
    film_grain,
    gaussian_kernel,
    jpeg_round_trip,
    quantise,
    white_noise,
)

Byte = NDArray[np.uint8]
DENOISE_SIGMAS = (15.0, 25.0, 50.0)
DEBLUR_NOISE = 2.55
"""Noise of the deblurring protocol: 1 % of the range, as in Levin et al., CVPR 2009."""


@dataclass(frozen=True)
class Score:
    """One cell of a table: a method on one kind of degradation.

    Attributes:
        method: its name.
        condition: the degradation.
        psnr_db: mean over the photographs.
        ssim: mean over the photographs, on luma.
        seconds_per_megapixel: of the method, wall-clock.
        colourfulness: mean of the results (colorize only, else 0).
    """

    method: str
    condition: str
    psnr_db: float
    ssim: float
    seconds_per_megapixel: float
    colourfulness: float = 0.0


@dataclass(frozen=True)
class Condition:
    """A named degradation with the noise sigma that non-blind methods are told."""

    name: str
    sigma: float
    degrade: Callable[[Byte, np.random.Generator], Byte]


def denoise_conditions() -> list[Condition]:
    """White noise of three strengths, film grain after JPEG, and none."""

    def noisy(sigma: float) -> Condition:
        return Condition(
            f"sigma {sigma:g}",
            sigma,
            lambda image, rng: quantise(white_noise(image.astype(np.float32), sigma, rng)),
        )

    grain = Condition(
        "grain 15, JPEG 80",
        15.0,
        lambda image, rng: jpeg_round_trip(
            quantise(film_grain(image.astype(np.float32), 15, 0.8, rng)), 80
        ),
    )
    return [*map(noisy, DENOISE_SIGMAS), grain]


def deblur_conditions(motion_kernels: Sequence[Float] = ()) -> list[Condition]:
    """No blur, Gaussian 1.6 and 2.4 px, and the motion kernels given, each with noise 2.55."""

    def blurred(name: str, kernel: Float | None) -> Condition:
        def degrade(image: Byte, rng: np.random.Generator) -> Byte:
            soft = image.astype(np.float32)
            soft = soft if kernel is None else blur(soft, kernel)
            return quantise(white_noise(soft, DEBLUR_NOISE, rng))

        return Condition(name, DEBLUR_NOISE, degrade)

    conditions = [Condition("sharp, clean", 0.0, lambda image, _rng: image), blurred("none", None)]
    conditions += [blurred(f"Gaussian {s:g}", gaussian_kernel(s)) for s in (1.6, 2.4)]
    return conditions + [
        blurred(f"motion {i + 1}", kernel) for i, kernel in enumerate(motion_kernels)
    ]


def read_kernels(path: Path) -> list[Float]:
    """Motion kernels from an .npz file (such as Levin et al.'s eight, CVPR 2009).

    Raises:
        UsageError: the file holds no two-dimensional arrays.
    """
    # Kernel sets are published as object arrays of differently sized kernels.
    with np.load(path, allow_pickle=False) as archive:
        arrays = [archive[name] for name in archive.files]
    kernels = [array for array in arrays if array.ndim == 2]
    if not kernels:
        raise UsageError(f"{path} holds no kernels")
    return [np.asarray(kernel / kernel.sum(), np.float32) for kernel in kernels]


def evaluate_restoration(
    photos: Sequence[Byte], conditions: Sequence[Condition], methods: Sequence[Method]
) -> Iterator[Score]:
    """Degrade every photograph in every way and let every method restore it.

    Args:
        photos: clean, each (H, W, 3) uint8.
        conditions: degradations.
        methods: all see the same degraded pixels.

    Yields:
        One score per method and condition.
    """
    for condition in conditions:
        degraded = [
            condition.degrade(photo, np.random.default_rng(index))
            for index, photo in enumerate(photos)
        ]
        for method in methods:
            psnrs, ssims, seconds, megapixels = [], [], 0.0, 0.0
            for clean, image in zip(photos, degraded, strict=True):
                started = time.perf_counter()
                restored = method.restore(image, condition.sigma)
                seconds += time.perf_counter() - started
                megapixels += clean.shape[0] * clean.shape[1] / 1e6
                psnrs.append(psnr_db(clean, restored))
                ssims.append(ssim(clean, restored))
            yield Score(
                method.name,
                condition.name,
                float(np.mean(psnrs)),
                float(np.mean(ssims)),
                seconds / megapixels,
            )


def evaluate_colorize(photos: Sequence[Byte], model: Model) -> Iterator[Score]:
    """Turn colour photographs gray and give them colour again."""

    def gray(image: Byte) -> Byte:
        return np.repeat(luma8(image)[..., None], 3, axis=2)

    methods = [
        Method("gray input", lambda image, _: gray(image)),
        Method("ours", lambda image, _: colorize(luma8(image), model)),
        Method("true photos", lambda image, _: image),
    ]
    for method in methods:
        psnrs, ssims, colours, seconds, megapixels = [], [], [], 0.0, 0.0
        for photo in photos:
            started = time.perf_counter()
            result = method.restore(photo, 0.0)
            seconds += time.perf_counter() - started
            megapixels += photo.shape[0] * photo.shape[1] / 1e6
            psnrs.append(psnr_db(photo, result))
            ssims.append(ssim(photo, result))
            colours.append(colourfulness(result))
        yield Score(
            method.name,
            "gray",
            float(np.mean(psnrs)),
            float(np.mean(ssims)),
            seconds / megapixels,
            float(np.mean(colours)),
        )
