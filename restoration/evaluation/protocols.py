"""Test protocols: how clean photographs are degraded.

Degraded pictures are clipped and rounded to 8 bits, as files are; that makes the figures a
little different from papers that leave the noise unclipped. Seeded by the photo's place in the
set: the same command gives the same table, and every method sees the same pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from restoration.colour import as_gray, luma8
from restoration.errors import UsageError
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
GRAIN_SIGMA = 15.0
GRAIN_RADIUS = 0.8
GRAIN_JPEG_QUALITY = 80
DEBLUR_SIGMAS = (1.6, 2.4)
DEBLUR_NOISE = 2.55
"""Noise of the deblurring protocol: 1 % of the range, as in Levin et al., CVPR 2009."""


@dataclass(frozen=True)
class Condition:
    """A named degradation, and what methods that are not blind are told of it.

    Attributes:
        name: as in tables.
        degrade: maps a clean photograph (H, W, 3) or (H, W) uint8 to its degraded version.
        sigma: standard deviation of the noise, 8-bit units.
        kernel: what the photograph was convolved with; None where it is sharp.
    """

    name: str
    degrade: Callable[[Byte, np.random.Generator], Byte]
    sigma: float = 0.0
    kernel: Float | None = field(default=None, repr=False)


def denoise_conditions() -> list[Condition]:
    """White noise of three strengths, film grain after JPEG, and none at all."""

    def noisy(sigma: float) -> Condition:
        return Condition(f"sigma {sigma:g}", lambda image, rng: _noisy(image, sigma, rng), sigma)

    grain = Condition(f"grain {GRAIN_SIGMA:g}, JPEG {GRAIN_JPEG_QUALITY}", _grained, GRAIN_SIGMA)
    return [*map(noisy, DENOISE_SIGMAS), grain, Condition("clean", lambda image, _rng: image)]


def deblur_conditions(motion_kernels: Sequence[Float] = ()) -> list[Condition]:
    """Sharp and clean; then with noise 2.55: sharp, Gaussian 1.6 and 2.4 px, the kernels given."""

    def blurred(name: str, kernel: Float | None) -> Condition:
        def degrade(image: Byte, rng: np.random.Generator) -> Byte:
            soft = image.astype(np.float32)
            soft = soft if kernel is None else blur(soft, kernel)
            return quantise(white_noise(soft, DEBLUR_NOISE, rng))

        return Condition(name, degrade, DEBLUR_NOISE, kernel)

    conditions = [Condition("sharp, clean", lambda image, _rng: image), blurred("none", None)]
    conditions += [blurred(f"Gaussian {s:g}", gaussian_kernel(s)) for s in DEBLUR_SIGMAS]
    return conditions + [
        blurred(f"motion {i + 1}", kernel) for i, kernel in enumerate(motion_kernels)
    ]


def colorize_conditions() -> list[Condition]:
    """Colour photographs made gray."""
    return [Condition("gray", lambda image, _rng: as_gray(image))]


def read_kernels(path: Path) -> list[Float]:
    """Motion kernels from an .npz file of one array each (such as Levin et al.'s, CVPR 2009).

    Returns:
        Kernels (h, w) float32 that add up to 1, in the order of the file.

    Raises:
        UsageError: no such file, or it does not hold odd-sided two-dimensional arrays of numbers.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = [archive[name] for name in archive.files]
    except (OSError, ValueError, AttributeError, BadZipFile) as error:
        raise UsageError(f"--kernels {path}: no .npz file of kernels") from error
    if not arrays or not all(_is_kernel(array) for array in arrays):
        raise UsageError(f"--kernels {path}: not all of its arrays are kernels with odd sides")
    return [np.asarray(array / array.sum(), np.float32) for array in arrays]


def _is_kernel(array: NDArray[np.generic]) -> bool:
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.number):
        return False
    return all(side % 2 == 1 for side in array.shape) and bool(array.sum() > 0)


def _noisy(image: Byte, sigma: float, rng: np.random.Generator) -> Byte:
    return quantise(white_noise(image.astype(np.float32), sigma, rng))


def _grained(image: Byte, rng: np.random.Generator) -> Byte:
    # JPEG stores a gray photograph as its luma alone: three equal channels give the same.
    colour = as_gray(image) if image.ndim == 2 else image
    grained = film_grain(colour.astype(np.float32), GRAIN_SIGMA, GRAIN_RADIUS, rng)
    compressed = jpeg_round_trip(quantise(grained), GRAIN_JPEG_QUALITY)
    return luma8(compressed) if image.ndim == 2 else compressed
