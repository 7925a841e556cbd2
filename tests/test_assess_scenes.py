"""Synthetic photographs for the tests of the assessment, and tests that they are what they say."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

Byte = NDArray[np.uint8]
SUPERSAMPLING = 4


def scene(seed: int, height: int = 256, width: int = 352) -> Byte:
    """Colour scene of shaded, partly textured shapes with one-pixel edges, (H, W, 3) uint8."""
    return _painted(seed, height, width).copy()


@cache
def _painted(seed: int, height: int, width: int) -> Byte:
    rng = np.random.default_rng(seed)
    big_height, big_width = height * SUPERSAMPLING, width * SUPERSAMPLING
    canvas = np.empty((big_height, big_width, 3), np.float32)
    canvas[:] = rng.uniform(60, 200, 3)
    canvas += np.linspace(-30, 30, big_height, dtype=np.float32)[:, None, None]
    for _ in range(70):
        mask = np.zeros((big_height, big_width), np.uint8)
        centre = rng.integers(0, [big_width, big_height])
        size = rng.integers(big_height // 16, big_height // 5, 2)
        if rng.random() < 0.5:
            axes = (int(size[0]), int(size[1]))
            cv2.ellipse(mask, centre.tolist(), axes, rng.uniform(0, 180), 0, 360, 1, -1)
        else:
            corners = centre + rng.uniform(-1, 1, (4, 2)) * size
            cv2.fillConvexPoly(mask, cv2.convexHull(corners.astype(np.int32)), 1)
        inside = mask.astype(bool)
        colour = rng.uniform(30, 225, 3)
        if rng.random() < 0.3:
            stripes = 25 * np.sign(np.sin(np.arange(big_width) * rng.uniform(0.1, 0.3)))
            canvas[inside] = colour + np.broadcast_to(stripes[:, None], canvas.shape)[inside]
        else:
            canvas[inside] = colour
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return np.clip(np.rint(small), 0, 255).astype(np.uint8)


def gray_scene(seed: int) -> Byte:
    """Luma of `scene` in three equal channels."""
    gray = cv2.cvtColor(scene(seed), cv2.COLOR_RGB2GRAY)
    return np.repeat(gray[..., None], 3, axis=2)


def toned(gray: Byte, shadow: tuple[int, int, int], highlight: tuple[int, int, int]) -> Byte:
    """Map (H, W, 3) gray linearly to the R'G'B' tones between `shadow` and `highlight`."""
    ends = np.array([shadow, highlight], np.float32)
    share = gray[..., :1].astype(np.float32) / 255
    return np.rint(ends[0] + share * (ends[1] - ends[0])).astype(np.uint8)


def with_noise(image: Byte, sigma: float, seed: int = 1) -> Byte:
    """Add clipped white Gaussian noise, independent per channel."""
    noise = np.random.default_rng(seed).standard_normal(image.shape) * sigma
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def with_blur(image: Byte, sigma: float) -> Byte:
    """Blur with an isotropic Gaussian of `sigma` pixels."""
    return cv2.GaussianBlur(image, (0, 0), sigma) if sigma else image


def as_jpeg(image: Byte, quality: int) -> Byte:
    """Compress and decompress."""
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def test_a_scene_is_reproducible_and_its_seed_matters() -> None:
    assert np.array_equal(_painted.__wrapped__(3, 256, 352), scene(3))
    assert not np.array_equal(scene(3), scene(4))
