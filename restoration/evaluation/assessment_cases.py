"""Known degradations of clean photographs, for scoring the assessment.

The truth is what was added: noise as the standard deviation over pixels and channels before
clipping, rounding and compression; blur as the sigma of the Gaussian with the kernel's second
moment.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from restoration.colour import as_gray
from restoration.training.degradations import (
    Float,
    blur,
    disk_kernel,
    film_grain,
    gaussian_kernel,
    jpeg_round_trip,
    luma,
    quantise,
    white_noise,
)

Byte = NDArray[np.uint8]
Degrade = Callable[[Byte, np.random.Generator], Byte]

NOISE_SIGMAS = (0.0, 2.0, 5.0, 10.0, 15.0, 25.0, 35.0, 50.0)
NOISE_JPEG_QUALITIES = (90, 80, 70)
GRAIN_RADIUS = 0.8
GRAIN_JPEG_QUALITY = 80
BLUR_SIGMAS = (0.8, 1.0, 1.2, 1.6, 2.0, 2.4, 3.0, 4.0)
BLUR_NOISE_SIGMAS = (0.0, 2.55, 10.0)
BLUR_JPEG_QUALITY = 85

SEPIA_SHADOW = np.array([28.0, 16.0, 8.0], np.float32)
SEPIA_HIGHLIGHT = np.array([250.0, 232.0, 196.0], np.float32)
"""R'G'B' of the ends of the toned scale: a sepia print's dark brown and yellowed paper."""

BOKEH_SIGMAS = (4.0, 8.0)
"""Range of the background's blur (pixels) in a synthetic portrait: far out of focus."""

SUBJECT_AXES = (0.22, 0.3)
"""Half axes of the sharp subject as shares of width and height: a fifth of the frame."""

SKY_SIDE = 192
"""Side in pixels of the evenest crop of a photograph."""


@dataclass(frozen=True)
class Case:
    """One degradation of known strength.

    Attributes:
        name: of the degradation, without its strength.
        level: true sigma: 8-bit units of noise, pixels of blur.
        degrade: applies it to an (H, W, 3) photograph.
    """

    name: str
    level: float
    degrade: Degrade


def sepia(photo: Byte) -> Byte:
    """Tone an (H, W, 3) photograph: its luma between dark brown and yellowed paper."""
    share = luma(photo)[..., None] / np.float32(255)
    return quantise(SEPIA_SHADOW + share * (SEPIA_HIGHLIGHT - SEPIA_SHADOW))


def noisy(photo: Byte, sigma: float, rng: np.random.Generator) -> Byte:
    """Add white noise, independent per channel."""
    return quantise(white_noise(photo.astype(np.float32), sigma, rng))


def blurred(photo: Byte, sigma: float, noise_sigma: float, rng: np.random.Generator) -> Byte:
    """Blur with a Gaussian, then add white noise."""
    return _convolved(photo, gaussian_kernel(sigma), noise_sigma, rng)


def noise_cases() -> Iterator[Case]:
    """White noise on colour and gray photographs, film grain, and both after JPEG."""

    def white(sigma: float) -> Degrade:
        return lambda photo, rng: noisy(photo, sigma, rng)

    def compressed(sigma: float, quality: int) -> Degrade:
        return lambda photo, rng: jpeg_round_trip(noisy(photo, sigma, rng), quality)

    def grained(sigma: float) -> Degrade:
        return lambda photo, rng: quantise(
            film_grain(photo.astype(np.float32), sigma, GRAIN_RADIUS, rng)
        )

    def grained_jpeg(sigma: float) -> Degrade:
        return lambda photo, rng: jpeg_round_trip(grained(sigma)(photo, rng), GRAIN_JPEG_QUALITY)

    def on_gray(sigma: float) -> Degrade:
        return lambda photo, rng: quantise(
            film_grain(as_gray(photo).astype(np.float32), sigma, 0, rng)
        )

    for sigma in NOISE_SIGMAS:
        yield Case("white noise", sigma, white(sigma))
    for quality in NOISE_JPEG_QUALITIES:
        for sigma in NOISE_SIGMAS:
            yield Case(f"white noise, JPEG {quality}", sigma, compressed(sigma, quality))
    for sigma in NOISE_SIGMAS:
        yield Case("gray photo, white noise", sigma, on_gray(sigma))
    for sigma in NOISE_SIGMAS[1:]:
        yield Case(f"film grain {GRAIN_RADIUS:g} px", sigma, grained(sigma))
    for sigma in NOISE_SIGMAS[1:]:
        name = f"film grain {GRAIN_RADIUS:g} px, JPEG {GRAIN_JPEG_QUALITY}"
        yield Case(name, sigma, grained_jpeg(sigma))


def blur_cases() -> Iterator[Case]:
    """Gaussian blur with noise beside it or JPEG after it, and defocus disks."""

    def gaussian(sigma: float, noise_sigma: float) -> Degrade:
        return lambda photo, rng: blurred(photo, sigma, noise_sigma, rng)

    def compressed(sigma: float) -> Degrade:
        return lambda photo, rng: jpeg_round_trip(blurred(photo, sigma, 0, rng), BLUR_JPEG_QUALITY)

    def disk(sigma: float) -> Degrade:
        # A disk of radius r has the variance r^2 / 4 along each axis, its antialiased edge 1 / 12.
        radius = 2 * math.sqrt(sigma**2 - 1 / 12)
        return lambda photo, rng: _convolved(photo, disk_kernel(radius), 2.55, rng)

    for noise_sigma in BLUR_NOISE_SIGMAS:
        for sigma in BLUR_SIGMAS:
            yield Case(f"Gaussian blur, noise {noise_sigma:g}", sigma, gaussian(sigma, noise_sigma))
    for sigma in BLUR_SIGMAS:
        yield Case(f"Gaussian blur, JPEG {BLUR_JPEG_QUALITY}", sigma, compressed(sigma))
    for sigma in BLUR_SIGMAS:
        yield Case("defocus disk, noise 2.55", sigma, disk(sigma))


def bokeh(photo: Byte, rng: np.random.Generator) -> Byte:
    """A portrait with a shallow depth of field: a sharp ellipse before a defocused background."""
    height, width = photo.shape[:2]
    sigma = rng.uniform(*BOKEH_SIGMAS)
    background = blur(photo.astype(np.float32), disk_kernel(2 * sigma))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    centre_x, centre_y = rng.uniform(0.35, 0.65, 2)
    across = (x / width - centre_x) / SUBJECT_AXES[0]
    down = (y / height - centre_y) / SUBJECT_AXES[1]
    # The subject's outline fades over a tenth of its radius, as hair and shoulders do.
    share = np.clip((1.05 - np.hypot(across, down)) / 0.1, 0, 1)[..., None]
    return quantise(np.asarray(photo * share + background * (1 - share), np.float32))


def sky(height: int, width: int, *, dithered: bool, rng: np.random.Generator) -> Byte:
    """A clean gradient between two blues: banded as quantised, or dithered by half a level."""
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    x = np.linspace(0, rng.uniform(-0.2, 0.2), width, dtype=np.float32)[None, :, None]
    top = np.array([70.0, 120.0, 190.0], np.float32) + np.float32(rng.uniform(-40, 20))
    bottom = np.array([190.0, 210.0, 230.0], np.float32) - np.float32(rng.uniform(0, 40))
    field = top + (y + x) * (bottom - top)
    if dithered:
        field = field + rng.uniform(-0.5, 0.5, field.shape)
    return quantise(np.asarray(field, np.float32))


def evenest_crop(photo: Byte, side: int = SKY_SIDE) -> Byte:
    """The square of `side` pixels with the least detail: the sky of a photograph that has one."""
    height, width = photo.shape[:2]
    side = min(side, height, width)
    plane = luma(photo)
    detail = np.abs(plane - cv2.GaussianBlur(plane, (0, 0), 2.0))
    mean = cv2.boxFilter(detail, -1, (side, side), anchor=(0, 0))
    valid = mean[: height - side + 1, : width - side + 1]
    top, left = np.unravel_index(int(valid.argmin()), valid.shape)
    return photo[top : top + side, left : left + side]


def texture_strength(photo: Byte) -> float:
    """How textured a photograph is: mean over its 8x8 blocks of the deviation from their mean.

    The logarithm is averaged, so that a few strong edges do not make an even photograph textured.
    """
    plane = luma(photo)
    height, width = (side - side % 8 for side in plane.shape)
    blocks = plane[:height, :width].reshape(height // 8, 8, width // 8, 8)
    return float(np.mean(np.log(blocks.std(axis=(1, 3)) + 0.5)))


def _convolved(photo: Byte, kernel: Float, noise_sigma: float, rng: np.random.Generator) -> Byte:
    soft = blur(photo.astype(np.float32), kernel)
    return quantise(white_noise(soft, noise_sigma, rng))
