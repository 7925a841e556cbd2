"""Seeded synthetic photographs: gradients, edges, texture and coloured shapes."""

from __future__ import annotations

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Byte = NDArray[np.uint8]


def scene(height: int = 240, width: int = 320, *, seed: int = 0) -> Byte:
    """A colour picture (H, W, 3) with sky, ground, sharp shapes and fine texture."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    canvas = np.stack([90 + 90 * y / height, 120 + 50 * x / width, 170 - 80 * y / height], -1)
    for _ in range(24):
        colour = tuple(float(v) for v in rng.uniform(20, 235, 3))
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        size = int(rng.integers(6, max(8, min(height, width) // 5)))
        if rng.random() < 0.5:
            cv2.circle(canvas, centre, size, colour, -1, cv2.LINE_AA)
        else:
            corner = (centre[0] + size, centre[1] + size // 2)
            cv2.rectangle(canvas, centre, corner, colour, -1)
    texture = cv2.GaussianBlur(rng.standard_normal((height, width), dtype=np.float32), (0, 0), 1.0)
    canvas[height // 2 :] += 18 * texture[height // 2 :, :, None]
    return np.clip(np.rint(canvas), 0, 255).astype(np.uint8)


def gray_scene(height: int = 240, width: int = 320, *, seed: int = 0) -> Byte:
    """The luma of `scene`: (H, W)."""
    return np.asarray(Image.fromarray(scene(height, width, seed=seed)).convert("L"))


def noisy(image: Byte, sigma: float, *, seed: int = 0) -> Byte:
    """With white noise, clipped and rounded."""
    rng = np.random.default_rng(seed)
    return np.clip(np.rint(image + sigma * rng.standard_normal(image.shape)), 0, 255).astype(
        np.uint8
    )


def encoded(image: Byte, file_format: str, **options: object) -> bytes:
    """An image file's bytes."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format=file_format, **options)
    return buffer.getvalue()
