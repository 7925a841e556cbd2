"""The multivariate Gaussian of sound photographs' features, and a photograph's distance from it.

Mittal, Soundararajan and Bovik, "Making a Completely Blind Image Quality Analyzer", IEEE Signal
Processing Letters 2013, equation 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from restoration.networks.base import Network, NetworkConfig


@dataclass(frozen=True)
class NaturalStatisticsConfig(NetworkConfig):
    """Shape of a `NaturalStatistics`.

    Attributes:
        features: of a patch.
    """

    architecture: ClassVar[str] = "natural_statistics"

    in_channels: int = 0
    out_channels: int = 0
    features: int = 36

    @property
    def sees_pixels(self) -> bool:
        """Statistics only, of a bounded number of patches."""
        return False

    @property
    def multiple(self) -> int:
        """There is nothing to pad."""
        return 1

    def build(self) -> NaturalStatistics:
        """Statistics of nothing yet."""
        return NaturalStatistics(self)


class NaturalStatistics(Network):
    """Mean, spread and correlation of the features of sound photographs' patches."""

    config: NaturalStatisticsConfig

    def __init__(self, config: NaturalStatisticsConfig) -> None:
        super().__init__()
        self.config = config
        self.centre = nn.Parameter(torch.zeros(config.features), requires_grad=False)
        self.spread = nn.Parameter(torch.ones(config.features), requires_grad=False)
        # Apart from the spread: features differ by orders of magnitude, and weights are fp16.
        correlation = torch.zeros(config.features, config.features)
        # Not torch.eye: on the meta device that imports torch._dynamo, a second and more.
        correlation.diagonal().fill_(1)
        self.correlation = nn.Parameter(correlation, requires_grad=False)

    def forward(self, image: Tensor) -> Tensor:
        """Distances.

        Args:
            image: features (N, P, F) of the patches of N photographs.

        Returns:
            (N,): sqrt(d' ((A + B) / 2)^-1 d) with d the difference of the means of the patches
            and of sound photographs, and A and B their covariances.
        """
        own = (image.double() - self.centre.double()) / self.spread.double()
        mean = own.mean(1)
        apart = own - mean[:, None]
        covariance = apart.transpose(1, 2) @ apart / max(image.shape[1] - 1, 1)
        both = torch.linalg.pinv((covariance + self.correlation.double()) / 2, hermitian=True)
        squared = torch.einsum("ni,nij,nj->n", mean, both, mean)
        return squared.clamp(min=0).sqrt()
