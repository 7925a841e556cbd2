"""Photographs of known noise and blur, for training the estimator of `restoration.assess`.

The truth of the noise is the root mean square of what was added, over pixels and channels, before
clipping, rounding and JPEG. The truth of the blur is the sigma of the Gaussian with the kernel's
second moment per axis: 0 for what the camera left as it is, and for a blurred background.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from restoration.assess.edges import DIFFERENCE_VARIANCE
from restoration.training.degradations import (
    Byte,
    Float,
    blur,
    coloured_noise,
    disk_kernel,
    gaussian_kernel,
    jpeg_round_trip,
    luma,
    motion_kernel,
    old_photo_noise,
    quantise,
    white_noise,
)

LONGEST_SIDE = 400
"""Side in pixels up to which a sample is cut out of a photograph."""

STRONGEST_BLUR = 6.0
"""Largest Gaussian sigma (pixels) of a sample."""

OWN_BLUR = 0.9
"""A detail whose sharpest edges are blurrier than this (pixels) cannot bear witness to blur."""

WHOLE_SHARE = 0.4
"""From this share of its photograph on a part is a photograph itself, soft or not: a cloudy sky
is not blurred, though no edge in it is sharp."""

OWN_EDGE_GRADIENT = 3.0
"""Gradient (8-bit units per pixel) of the strongest 3 % below which a source has no edges."""


@dataclass(frozen=True)
class Sample:
    """A degraded photograph and its truth.

    Attributes:
        image: (H, W, 3) R'G'B', or (H, W).
        noise_sigma: 8-bit units.
        blur_sigma: pixels; nan where the source was not sharp enough to say.
    """

    image: Byte
    noise_sigma: float
    blur_sigma: float


def draw_sample(photo: Byte, rng: np.random.Generator) -> Sample:
    """Degrade a random part of a clean (H, W, 3) photograph."""
    clean, share = _source(photo, rng)
    is_witness = share >= WHOLE_SHARE or is_sharp(clean)
    image = clean.astype(np.float32)
    if rng.random() < 0.12:
        image = _before_a_blurred_background(image, rng)
    image, blur_sigma = _blurred(image, rng)
    image = _toned(image, rng)
    noisy = _noisy(image, rng)
    noise_sigma = math.sqrt(float(np.mean(np.square(noisy - image))))
    if rng.random() < 0.05:
        noisy = _retouched(noisy, rng)
    return Sample(
        _as_file(quantise(noisy), rng), noise_sigma, blur_sigma if is_witness else math.nan
    )


def equivalent_sigma(kernel: Float) -> float:
    """Sigma in pixels of the isotropic Gaussian with the kernel's second moment per axis."""
    weight = kernel.astype(np.float64) / float(kernel.sum())
    y, x = np.mgrid[0 : kernel.shape[0], 0 : kernel.shape[1]].astype(np.float64)
    mean_x, mean_y = float((weight * x).sum()), float((weight * y).sum())
    return math.sqrt(float((weight * ((x - mean_x) ** 2 + (y - mean_y) ** 2)).sum()) / 2)


def is_sharp(image: Byte) -> bool:
    """Whether the sharpest of the strong edges of (H, W, 3) are sharp, or there are none to tell.

    The ratio of gradients at two scales gives an edge's blur whatever its contrast (Zhuo and Sim,
    "Defocus Map Estimation from a Single Image", Pattern Recognition 2011).
    """
    plane = luma(image)
    fine, coarse = 0.7, 1.4
    energies = []
    for sigma in (fine, coarse):
        smooth = cv2.GaussianBlur(plane, (0, 0), sigma)
        across, down = cv2.Sobel(smooth, -1, 1, 0, ksize=1), cv2.Sobel(smooth, -1, 0, 1, ksize=1)
        energies.append((across * across + down * down) / 4)
    strong = float(np.quantile(energies[1], 0.97))
    if strong < OWN_EDGE_GRADIENT**2:
        return True
    edges = energies[1] >= strong
    ratio = max(float(energies[0][edges].sum() / energies[1][edges].sum()), 1.0 + 1e-4)
    a, b = fine**2 + DIFFERENCE_VARIANCE, coarse**2 + DIFFERENCE_VARIANCE
    return (b - a * ratio) / (ratio - 1) < OWN_BLUR**2


def _source(photo: Byte, rng: np.random.Generator) -> tuple[Byte, float]:
    """What is degraded, and its share of a whole picture: seldom no photograph at all."""
    kind = rng.random()
    if kind < 0.04:
        return _gradient(rng), 1.0
    if kind < 0.1:
        return _drawing(rng), 1.0
    return _part(photo, rng)


def _part(photo: Byte, rng: np.random.Generator) -> tuple[Byte, float]:
    """A random rectangle and its share of the photograph; mirrored and turned.

    Native pixels, or reduced up to twofold. For a third the most textured of three.
    """
    drawn = [_rectangle(photo, rng) for _ in range(3 if rng.random() < 0.35 else 1)]
    part, share = max(drawn, key=lambda one: _texture(one[0])) if len(drawn) > 1 else drawn[0]
    part = np.rot90(part, int(rng.integers(4)))
    return np.ascontiguousarray(part[:, ::-1] if rng.random() < 0.5 else part), share


def _rectangle(photo: Byte, rng: np.random.Generator) -> tuple[Byte, float]:
    factor = rng.uniform(1, 2) if rng.random() < 0.5 else 1.0
    shortest = 56 if rng.random() < 0.15 else 160
    sides = []
    for limit in photo.shape[:2]:
        longest = max(min(LONGEST_SIDE, int(limit / factor)), 1)
        sides.append(min(round(rng.uniform(min(shortest, longest), longest)), longest))
    height, width = (
        min(round(side * factor), limit) for side, limit in zip(sides, photo.shape, strict=False)
    )
    top = int(rng.integers(photo.shape[0] - height + 1))
    left = int(rng.integers(photo.shape[1] - width + 1))
    part: Byte = photo[top : top + height, left : left + width]
    if factor > 1:
        size = (sides[1], sides[0])
        part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    return part, height * width / (photo.shape[0] * photo.shape[1])


def _texture(image: Byte) -> float:
    """Mean difference from the neighbourhood, 8-bit units."""
    plane = luma(image)
    return float(np.abs(plane - cv2.GaussianBlur(plane, (0, 0), 1.5)).mean())


def _gradient(rng: np.random.Generator) -> Byte:
    """A clean sky: a gradient between two colours, banded or dithered."""
    height, width = (int(side) for side in rng.integers(160, 400, 2))
    ends = rng.uniform(10, 245, (2, 1, 1, 3))
    angle, steepness = rng.uniform(0, 2 * math.pi), rng.uniform(0, 1)
    y, x = np.mgrid[0:height, 0:width] / max(height, width) - 0.5
    share = np.clip(0.5 + steepness * (x * math.cos(angle) + y * math.sin(angle)), 0, 1)[..., None]
    field = ends[0] * (1 - share) + ends[1] * share
    if rng.random() < 0.5:
        field = field + rng.uniform(-0.5, 0.5, field.shape)
    return quantise(np.asarray(field, np.float32))


def _drawing(rng: np.random.Generator) -> Byte:
    """Flat shapes, lines and lettering: a map, a caption, a title card. Nothing in it is textured.

    Drawn at three times the size and averaged, so that edges are those of a sharp scan.
    """
    height, width = (3 * int(side) for side in rng.integers(120, LONGEST_SIDE, 2))
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[:] = rng.integers(30, 250, 3)
    for _ in range(int(rng.integers(10, 80))):
        colour = [float(value) for value in rng.uniform(5, 250, 3)]
        centre = rng.integers(0, [width, height])
        reach = rng.uniform(10, 150, 2)
        kind = rng.random()
        if kind < 0.3:
            axes = (int(reach[0]), int(reach[1]))
            cv2.ellipse(canvas, centre.tolist(), axes, rng.uniform(0, 180), 0, 360, colour, -1)
        elif kind < 0.6:
            corners = (centre + rng.uniform(-1, 1, (5, 2)) * reach).astype(np.int32)
            cv2.fillConvexPoly(canvas, cv2.convexHull(corners), colour)
        elif kind < 0.8:
            end = (centre + rng.normal(0, 200, 2)).astype(np.int32)
            cv2.line(canvas, centre.tolist(), end.tolist(), colour, int(rng.integers(2, 15)))
        else:
            letters = "".join(chr(code) for code in rng.integers(65, 123, 8))
            size, thickness = rng.uniform(1, 4), int(rng.integers(2, 8))
            cv2.putText(canvas, letters, centre.tolist(), 0, size, colour, thickness)
    reduced = cv2.resize(canvas, (width // 3, height // 3), interpolation=cv2.INTER_AREA)
    return np.asarray(reduced, np.uint8)


def _before_a_blurred_background(image: Float, rng: np.random.Generator) -> Float:
    """Keep an ellipse of 6-50 % of the frame sharp and defocus what is around it."""
    height, width = image.shape[:2]
    background = blur(image, disk_kernel(rng.uniform(3, 16)))
    axes = np.sqrt(rng.uniform(0.06, 0.5) / math.pi) * np.exp([v := rng.normal(0, 0.25), -v])
    centre = rng.uniform(0.3, 0.7, 2)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    distance = np.hypot((x / width - centre[0]) / axes[0], (y / height - centre[1]) / axes[1])
    share = np.clip((1.05 - distance) / rng.uniform(0.02, 0.3), 0, 1)[..., None]
    return np.asarray(image * share + background * (1 - share), np.float32)


def _blurred(image: Float, rng: np.random.Generator) -> tuple[Float, float]:
    """Sharpen (for some), then blur (for most); the blurred image and its sigma in pixels."""
    if rng.random() < 0.2:
        soft = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 1.5))
        image = np.clip(image + np.float32(rng.uniform(0.2, 1.2)) * (image - soft), 0, 255)
    kind = rng.random()
    if kind < 0.3:
        return image, 0.0
    if kind < 0.75:
        sigma = float(STRONGEST_BLUR ** rng.uniform(-0.5, 1))
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32), sigma
    if kind < 0.83:
        sigmas = STRONGEST_BLUR ** rng.uniform(-0.5, 0.9, 2)
        kernel = gaussian_kernel(float(sigmas[0]), float(sigmas[1]), rng.uniform(0, math.pi))
    elif kind < 0.93:
        kernel = disk_kernel(9.0 ** rng.uniform(0, 1))
    else:
        kernel = motion_kernel(rng.uniform(3, 20), rng)
    return blur(image, kernel), equivalent_sigma(kernel)


def _toned(image: Float, rng: np.random.Generator) -> Float:
    """Gray or a single hue for some; faded, or of another contrast, for others."""
    kind = rng.random()
    if kind < 0.3:
        image = np.repeat(luma(image)[..., None], 3, axis=2)
    if kind < 0.12:
        shadow = rng.uniform(0, 40) * np.array([1.0, 0.7, 0.5])
        light = np.array([250.0, 235.0, 205.0]) + rng.uniform(-25, 5, 3)
        image = np.asarray(shadow + image / 255 * (light - shadow), np.float32)
    if rng.random() < 0.4:
        low, high = rng.uniform(0, 60), rng.uniform(150, 255)
        share = np.clip(image / 255, 0, 1) ** rng.uniform(0.7, 1.4)
        image = np.asarray(low + share * (high - low), np.float32)
    return image


def _noisy(image: Float, rng: np.random.Generator) -> Float:
    """Add nothing, white noise (per channel or the same in all), or what scanned prints hold."""
    kind = rng.random()
    # Weak noise is where decisions fall: half of the draws.
    sigma = rng.uniform(0, 60) if rng.random() < 0.5 else 15 * rng.random() ** 1.5
    if kind < 0.22:
        return image
    if kind < 0.52:
        return white_noise(image, sigma, rng)
    if kind < 0.7:
        radius = 0.0 if rng.random() < 0.5 else rng.uniform(0.3, 1.3)
        field = coloured_noise((image.shape[0], image.shape[1]), sigma, radius, rng)
        return image + field[..., None]
    return old_photo_noise(image, rng)


def _retouched(image: Float, rng: np.random.Generator) -> Float:
    """Paint a rectangle of up to a third of the frame evenly: a caption, a retouched backdrop."""
    height, width = image.shape[:2]
    rows, columns = (int(n * rng.uniform(0.1, 0.55)) for n in (height, width))
    top, left = int(rng.integers(height - rows)), int(rng.integers(width - columns))
    retouched = image.copy()
    retouched[top : top + rows, left : left + columns] = rng.uniform(0, 255)
    return retouched


def _as_file(image: Byte, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Compress some as JPEG, and cut a few of these off the 8-pixel grid."""
    if rng.random() < 0.45:
        image = jpeg_round_trip(image, int(rng.integers(60, 96)))
        if rng.random() < 0.25:
            top, left = (int(offset) for offset in rng.integers(0, 8, 2))
            image = np.ascontiguousarray(image[top:, left:])
    return image
