"""Look for camera shake in a photograph, and undo it where it is certain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor

from restoration.execution import Engine, engine_for
from restoration.samples import Samples
from restoration.shake.deconvolution import DECONVOLUTION_TILING, Deconvolver
from restoration.shake.evidence import gather, is_shaken
from restoration.shake.kernel import Kernel, estimate_kernel
from restoration.shake.windows import windows
from restoration.tiling import run_tiled

LEAST_SIDE: Final = 128
"""Samples: smaller photographs hold too few edges for a kernel, and are left to the network."""

LEAST_NOISE: Final = 1.8 / 255
"""Noise that deconvolution always allows for: the kernel has errors too."""

MOST_NOISE: Final = 8.0 / 255
"""Stronger noise drowns the edges that a kernel is read from."""

_LAPLACIAN: Final = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_NORMAL_QUARTILE: Final = 0.6745


@dataclass(frozen=True)
class Unshaken:
    """What became of a photograph.

    Attributes:
        pixels: (H, W, 3); the network's own where no shake was found.
        kernel: what was undone; None where nothing was.
    """

    pixels: Samples = field(repr=False)
    kernel: Kernel | None = None

    @property
    def note(self) -> str:
        """What was done, in plain words; "" where nothing was."""
        if self.kernel is None:
            return ""
        height, width = self.kernel.extent
        return f"deblur: camera shake over {width} x {height} px was measured and undone"


def remove_shake(
    photo: Samples, deblurred: Samples, device: torch.device, engine: Engine | None = None
) -> Unshaken:
    """Undo camera shake that the deblur network could not.

    The kernel is estimated where the photo has most contours and has to hold in other places
    too. Time and memory of the search do not grow with the photo; the deconvolution goes tile by
    tile.

    Args:
        photo: what the network was given, (H, W, 3) uint8 or uint16.
        deblurred: what it made of it, likewise.
        device: where to compute.
        engine: of that device, which deconvolves; None for the one of whoever has no other.

    Returns:
        Samples of the type of `deblurred`: `deblurred` itself unless shake is certain.
    """
    if min(photo.shape[:2]) < LEAST_SIDE:
        return Unshaken(deblurred)
    places = windows(photo)
    first = _tensor(photo[places[0]], device)
    noise_sigma = _noise_sigma(first)
    if noise_sigma > MOST_NOISE:
        return Unshaken(deblurred)
    with torch.inference_mode():
        kernel = estimate_kernel(first.mean(0))
        deconvolver = Deconvolver(kernel, max(noise_sigma, LEAST_NOISE))
        found = [
            gather(_tensor(photo[place], device), _tensor(deblurred[place], device), deconvolver)
            for place in places
        ]
    if not is_shaken(kernel, found):
        return Unshaken(deblurred)
    dtype = np.uint16 if deblurred.dtype == np.uint16 else np.uint8
    engine = engine or engine_for(device)
    [pixels] = run_tiled(deconvolver, [photo], DECONVOLUTION_TILING, engine, dtype=dtype)
    return Unshaken(pixels, kernel)


def _tensor(pixels: Samples, device: torch.device) -> Tensor:
    """(3, H, W) float32 in [0, 1]."""
    scale = np.float32(1 / np.iinfo(pixels.dtype).max)
    values = np.ascontiguousarray(pixels.transpose(2, 0, 1)).astype(np.float32) * scale
    return torch.from_numpy(values).to(device)


def _noise_sigma(window: Tensor) -> float:
    """Standard deviation of white noise: the median channel's, in units of [0, 1].

    Immerkaer's Laplacian ("Fast noise variance estimation", CVIU 1996), of whose magnitude the
    median is taken, so that edges do not count.
    """
    sigmas = []
    for channel in window.cpu().numpy():
        response = cv2.filter2D(channel, -1, _LAPLACIAN)
        sigmas.append(float(np.median(np.abs(response))) / _NORMAL_QUARTILE / 6)
    return float(np.median(sigmas))
