"""Degradations of clean photographs, for training and for the measuring protocols.

Every function takes and returns float32 arrays of shape (H, W, 3) in [0, 255] (8-bit units)
unless it says otherwise; `quantise` ends each chain, because files hold clipped whole numbers
and a network trained on unclipped noise loses up to 1.7 dB on them.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Byte = NDArray[np.uint8]

BT601 = np.array([0.299, 0.587, 0.114], np.float32)
"""Luma weights of ITU-R BT.601 for R'G'B' (JPEG's YCbCr)."""


def quantise(image: Float) -> Byte:
    """Clip to [0, 255] and round, as writing an 8-bit file does."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def white_noise(image: Float, sigma: float, rng: np.random.Generator) -> Float:
    """Add Gaussian noise, independent per pixel and channel; `sigma` in 8-bit units."""
    return image + np.float32(sigma) * rng.standard_normal(image.shape, dtype=np.float32)


def film_grain(image: Float, sigma: float, radius: float, rng: np.random.Generator) -> Float:
    """Add spatially correlated luminance noise, the same in every channel.

    Args:
        image: (H, W, 3), 8-bit units.
        sigma: standard deviation of the grain after filtering, 8-bit units.
        radius: standard deviation in pixels of the Gaussian that correlates neighbours.
        rng: source of randomness.
    """
    grain = rng.standard_normal(image.shape[:2], dtype=np.float32)
    blurred = cv2.GaussianBlur(grain, (0, 0), radius, borderType=cv2.BORDER_REFLECT_101)
    grain = np.asarray(blurred, np.float32)
    # White noise filtered with a Gaussian of s pixels keeps 1 / (2 s sqrt(pi)) of its standard
    # deviation in the continuous limit; measuring is exact at every radius.
    grain *= np.float32(sigma / max(float(grain.std()), 1e-6))
    return image + grain[..., None]


def jpeg_round_trip(image: Byte, quality: int) -> Byte:
    """Compress and decompress as JPEG (4:2:0), quality 1-100."""
    ok, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise ValueError("OpenCV could not encode the patch as JPEG")
    decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(decoded[..., ::-1])


def blur(image: Float, kernel: Float) -> Float:
    """Convolve every channel with `kernel` (odd sides, sums to 1); borders are mirrored."""
    # filter2D correlates; convolution (what optics do) flips the kernel.
    flipped = kernel[::-1, ::-1]
    return np.asarray(
        cv2.filter2D(image, -1, flipped, borderType=cv2.BORDER_REFLECT_101), np.float32
    )


def gaussian_kernel(sigma_x: float, sigma_y: float | None = None, angle: float = 0.0) -> Float:
    """Anisotropic Gaussian kernel; sigmas in pixels, angle in radians."""
    sigma_y = sigma_x if sigma_y is None else sigma_y
    radius = max(1, math.ceil(3.5 * max(sigma_x, sigma_y)))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(np.float64)
    u = x * math.cos(angle) + y * math.sin(angle)
    v = -x * math.sin(angle) + y * math.cos(angle)
    kernel = np.exp(-0.5 * ((u / sigma_x) ** 2 + (v / sigma_y) ** 2))
    return _normalised(kernel)


def disk_kernel(radius: float) -> Float:
    """Defocus disk of `radius` pixels, its edge antialiased by 8-fold supersampling."""
    half = max(1, math.ceil(radius))
    steps = 8
    axis = (np.arange((2 * half + 1) * steps) + 0.5) / steps - half - 0.5
    inside = (axis[:, None] ** 2 + axis[None, :] ** 2 <= radius**2).astype(np.float64)
    side = 2 * half + 1
    kernel = inside.reshape(side, steps, side, steps).mean((1, 3))
    return _normalised(kernel)


def motion_kernel(length: float, rng: np.random.Generator) -> Float:
    """Path of a shaken camera: a random walk with inertia, about `length` pixels long.

    After Boracchi and Foi, "Modeling the Performance of Image Restoration from Motion Blur",
    IEEE TIP 2012 (the trajectory model that DeblurGAN made popular), simplified: no impulses.
    """
    steps = 96
    inertia = rng.uniform(0.7, 0.98)
    angles = np.cumsum(rng.normal(0, (1 - inertia) * 2.0, steps)) + rng.uniform(0, 2 * math.pi)
    speed = np.abs(rng.normal(1, 0.3, steps))
    path = np.cumsum(np.stack([np.cos(angles) * speed, np.sin(angles) * speed], 1), 0)
    extent = max(float(np.ptp(path, axis=0).max()), 1e-6)
    path *= length / extent
    path -= (path.max(0) + path.min(0)) / 2
    half = math.ceil(length / 2) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float64)
    corner = np.floor(path).astype(int)
    fraction = path - corner
    for dx in (0, 1):
        for dy in (0, 1):
            weight = np.abs(1 - dx - fraction[:, 0]) * np.abs(1 - dy - fraction[:, 1])
            np.add.at(kernel, (corner[:, 1] + dy + half, corner[:, 0] + dx + half), weight)
    return _normalised(np.asarray(cv2.GaussianBlur(kernel, (0, 0), rng.uniform(0.3, 0.7))))


def random_blur_kernel(rng: np.random.Generator) -> Float | None:
    """Draw the blur of a training sample; None stands for a sharp photograph.

    12 % sharp, 40 % Gaussian (isotropic, sigma 0.5-3.2 px), 14 % anisotropic Gaussian, 10 %
    defocus disk (radius 0.8-5 px), 24 % motion path (5-27 px).
    """
    kind = rng.random()
    if kind < 0.12:
        return None
    if kind < 0.52:
        return gaussian_kernel(rng.uniform(0.5, 3.2))
    if kind < 0.66:
        return gaussian_kernel(
            rng.uniform(0.5, 3.2), rng.uniform(0.5, 3.2), rng.uniform(0, math.pi)
        )
    if kind < 0.76:
        return disk_kernel(rng.uniform(0.8, 5.0))
    return motion_kernel(rng.uniform(5, 27), rng)


def random_noise(clean: Byte, rng: np.random.Generator) -> Byte:
    """Draw the noise of a denoise training sample.

    80 % white (sigma 0-55), 20 % film grain (sigma 2-30, radius 0.5-1.3 px); half of the
    grained ones and a few of the white ones are JPEG-compressed afterwards.
    """
    image = clean.astype(np.float32)
    grained = rng.random() < 0.2
    if grained:
        image = film_grain(image, rng.uniform(2, 30), rng.uniform(0.5, 1.3), rng)
        if rng.random() < 0.3:
            image = white_noise(image, rng.uniform(0, 8), rng)
    else:
        image = white_noise(image, rng.uniform(0, 55), rng)
    noisy = quantise(image)
    if rng.random() < (0.5 if grained else 0.04):
        noisy = jpeg_round_trip(noisy, int(rng.integers(60, 96)))
    return noisy


def random_blur(clean: Byte, rng: np.random.Generator) -> Byte:
    """Draw the degradation of a deblur training sample: blur, then noise (sigma 0-8), JPEG."""
    image = clean.astype(np.float32)
    kernel = random_blur_kernel(rng)
    if kernel is not None:
        image = blur(image, kernel)
    degraded = quantise(white_noise(image, rng.uniform(0, 8), rng))
    if rng.random() < 0.1:
        degraded = jpeg_round_trip(degraded, int(rng.integers(80, 97)))
    return degraded


def luma(image: NDArray[np.generic]) -> Float:
    """BT.601 luma of an R'G'B' array of shape (..., 3), in the array's own range."""
    weighted: Float = image.astype(np.float32) @ BT601
    return weighted


def _normalised(kernel: NDArray[Any]) -> Float:
    return np.asarray(kernel / kernel.sum(), np.float32)
