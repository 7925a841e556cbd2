"""The small network that turns a photograph's statistics into its noise and its blur.

For each quantity an ensemble of two-layer perceptrons, each of which predicts mean and variance
(Lakshminarayanan, Pritzel and Blundell, "Simple and Scalable Predictive Uncertainty Estimation
using Deep Ensembles", NeurIPS 2017): where the members disagree, a photograph is unlike those of
training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from restoration.networks.base import Network, NetworkConfig

LARGEST_INPUT = 6.0
"""Standardised statistics are held within this: nothing is known of photographs beyond."""

LOG_VARIANCE_RANGE = (-6.0, 6.0)
"""Bounds of a member's log variance, so that no single photograph dominates."""


@dataclass(frozen=True)
class StatisticsRegressorConfig(NetworkConfig):
    """Shape of a `StatisticsRegressor`.

    Attributes:
        starts: for each quantity the first of the statistics that it depends on.
        stops: for each quantity the first after these.
        hidden: width of both hidden layers.
        members: of each ensemble.
    """

    architecture: ClassVar[str] = "statistics_regressor"

    in_channels: int = 0
    out_channels: int = 0
    starts: tuple[int, ...] = ()
    stops: tuple[int, ...] = ()
    hidden: int = 96
    members: int = 5

    def __post_init__(self) -> None:
        """Refuse shapes that cannot be built.

        Raises:
            ValueError: no quantity, or one that depends on nothing.
        """
        ranges = tuple(zip(self.starts, self.stops, strict=True))
        if not ranges or any(not 0 <= start < stop for start, stop in ranges):
            raise ValueError("a regressor needs a range of statistics for each of its quantities")

    @property
    def sees_pixels(self) -> bool:
        """Statistics only, as many of any photograph."""
        return False

    @property
    def multiple(self) -> int:
        """There is nothing to pad."""
        return 1

    def build(self) -> StatisticsRegressor:
        """A new network with untrained weights."""
        return StatisticsRegressor(self)


class Ensemble(nn.Module):
    """Perceptrons that each predict the mean and the log variance of one quantity."""

    def __init__(self, start: int, stop: int, hidden: int, members: int) -> None:
        super().__init__()
        self.range = slice(start, stop)
        inputs = stop - start
        self.centre = nn.Parameter(torch.zeros(inputs), requires_grad=False)
        self.spread = nn.Parameter(torch.ones(inputs), requires_grad=False)
        self.variance_scale = nn.Parameter(torch.ones(()), requires_grad=False)
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for fan_in, fan_out in pairwise((inputs, hidden, hidden, 2)):
            bound = 1 / math.sqrt(fan_in)
            weight = torch.empty(members, fan_in, fan_out).uniform_(-bound, bound)
            self.weights.append(nn.Parameter(weight))
            self.biases.append(nn.Parameter(torch.zeros(members, 1, fan_out)))

    def members(self, statistics: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log variances of each member, (members, N).

        Args:
            statistics: (N, F) or (members, N, F), of which `range` is used.
        """
        x = (statistics[..., self.range] - self.centre) / self.spread
        x = x.clamp(-LARGEST_INPUT, LARGEST_INPUT)
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = x @ weight + bias
            if index + 1 < len(self.weights):
                x = functional.silu(x)
        return x[..., 0], x[..., 1].clamp(*LOG_VARIANCE_RANGE)

    def forward(self, statistics: Tensor) -> Tensor:
        """Mean and variance of the members' mixture, (N, 2); the variance is calibrated."""
        mean, log_variance = self.members(statistics)
        variance = log_variance.exp().mean(0) + mean.var(0, unbiased=False)
        return torch.stack([mean.mean(0), variance * self.variance_scale], dim=-1)


class StatisticsRegressor(Network):
    """Mean and variance of each of several quantities."""

    config: StatisticsRegressorConfig

    def __init__(self, config: StatisticsRegressorConfig) -> None:
        super().__init__()
        self.config = config
        self.ensembles = nn.ModuleList(
            Ensemble(start, stop, config.hidden, config.members)
            for start, stop in zip(config.starts, config.stops, strict=True)
        )

    def forward(self, image: Tensor) -> Tensor:
        """Predict.

        Args:
            image: statistics (N, F). Quantities that depend on others than these are left out.

        Returns:
            (N, quantities, 2): means and variances.
        """
        seen = [
            ensemble
            for ensemble, stop in zip(self.ensembles, self.config.stops, strict=True)
            if stop <= image.shape[-1]
        ]
        return torch.stack([ensemble(image) for ensemble in seen], dim=1)
