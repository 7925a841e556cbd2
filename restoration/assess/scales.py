"""Scales on which noise and blur are estimated, and how near an estimate must come.

Both scales are inverse hyperbolic sines: linear for weak degradations, logarithmic for strong
ones, with steps of about the tolerance, so that one unit of error means the same everywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Double = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """One measured strength.

    Attributes:
        sigma: of the noise in 8-bit units, of the blur in pixels.
        confidence: in [0, 1]: the probability that `sigma` is within the scale's tolerance of
            the truth.
    """

    sigma: float
    confidence: float


@dataclass(frozen=True)
class Scale:
    """A scale for strengths of one kind.

    Attributes:
        knee: sigma at which the scale turns from linear to logarithmic.
        steps: units per e-fold of a strong degradation.
        absolute_tolerance: how far an estimate may be off where the degradation is weak.
        relative_tolerance: how far, as a share of the true sigma, where it is strong.
    """

    knee: float
    steps: float
    absolute_tolerance: float
    relative_tolerance: float

    def tolerance(self, sigma: float) -> float:
        """How far from the true `sigma` an estimate may be; unit of sigma."""
        return max(self.absolute_tolerance, self.relative_tolerance * sigma)

    def to_scale(self, sigma: Double) -> Double:
        """Values on the scale of strengths; nan stays nan."""
        return self.steps * np.arcsinh(sigma / self.knee)

    def from_scale(self, value: float) -> float:
        """The strength of a value on the scale; 0 for values below it."""
        return max(self.knee * math.sinh(value / self.steps), 0.0)

    def estimate(self, mean: float, variance: float) -> Estimate:
        """The estimate that a normal distribution on the scale gives.

        The strength is its median, the confidence what lies within the tolerance.

        Args:
            mean: of the distribution, scale units.
            variance: of the distribution, above 0.
        """
        sigma = self.from_scale(mean)
        tolerance = self.tolerance(sigma)
        deviation = math.sqrt(2 * variance)

        def below(strength: float) -> float:
            value = self.steps * math.asinh(strength / self.knee)
            return 0.5 * (1 + math.erf((value - mean) / deviation))

        # No truth is below zero: what the distribution has there counts as zero.
        low = below(sigma - tolerance) if sigma > tolerance else 0.0
        return Estimate(sigma, below(sigma + tolerance) - low)


NOISE_SCALE: Final = Scale(10.0, 5.0, absolute_tolerance=2.0, relative_tolerance=0.2)
"""Sigma in 8-bit units; within 2 or 20 %."""

BLUR_SCALE: Final = Scale(0.5, 4.0, absolute_tolerance=0.25, relative_tolerance=0.25)
"""Sigma in pixels; within 0.25 px or 25 %."""
