"""Restoration methods to compare: ours, and peers from OpenCV and scikit-image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from restoration.tiling import Tiling, run_tiled

if TYPE_CHECKING:
    import torch

    from restoration.networks import Network

Byte = NDArray[np.uint8]


@dataclass(frozen=True)
class Method:
    """A named way to restore a photograph.

    Attributes:
        name: shown in tables; says so where the method is told the noise level.
        restore: maps (H, W, 3) uint8 and the true noise sigma (8-bit units) to (H, W, 3) uint8.
            Blind methods ignore sigma.
    """

    name: str
    restore: Callable[[Byte, float], Byte]


def ours(network: Network, device: torch.device, name: str = "ours, blind") -> Method:
    """Our U-Net, tiled as in production."""
    tiling = Tiling.suited_to(network.config)

    def restore(image: Byte, _sigma: float) -> Byte:
        restored = run_tiled(network, [image], tiling, device)[0]
        return restored.astype(np.uint8, copy=False)

    return Method(name, restore)


def untouched() -> Method:
    """The degraded photograph itself."""
    return Method("input", lambda image, _sigma: image)


def denoising_peers() -> list[Method]:
    """Peers for denoising; those of scikit-image only where it is installed."""

    def opencv_nlm(image: Byte, sigma: float) -> Byte:
        # h = 0.6 sigma is scikit-image's advice for its fast mode, and the best found here.
        strength = 0.6 * sigma
        return np.asarray(
            cv2.fastNlMeansDenoisingColored(image, None, strength, strength, 7, 21), np.uint8
        )

    peers = [Method("OpenCV NLM, told sigma", opencv_nlm)]
    try:
        from skimage.restoration import denoise_nl_means
    except ImportError:
        return peers

    def skimage_nlm(image: Byte, sigma: float) -> Byte:
        scaled = sigma / 255
        result = denoise_nl_means(
            image / 255.0, patch_size=5, patch_distance=6, h=0.6 * scaled, sigma=scaled,
            fast_mode=True, channel_axis=-1,
        )  # fmt: skip
        return np.asarray(np.clip(np.rint(result * 255), 0, 255), np.uint8)

    return [*peers, Method("scikit-image NLM, told sigma", skimage_nlm)]


def deblurring_peers() -> list[Method]:
    """Peers for blind deblurring: unsharp masking, the one thing that every editor has."""

    def unsharp(image: Byte, _sigma: float) -> Byte:
        soft = cv2.GaussianBlur(image, (0, 0), 2.0)
        return np.asarray(cv2.addWeighted(image, 1.6, soft, -0.6, 0), np.uint8)

    return [Method("unsharp mask 0.6", unsharp)]
