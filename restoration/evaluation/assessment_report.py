"""What the evaluation of the assessment finds, as rows."""

from __future__ import annotations

from dataclasses import dataclass

from restoration.evaluation.export import Tables


@dataclass(frozen=True)
class Verdict:
    """What one method says of one photograph; None where it has no opinion."""

    is_noisy: bool | None = None
    is_blurred: bool | None = None
    is_monochrome: bool | None = None


@dataclass(frozen=True)
class DecisionScore:
    """Score of one yes-or-no decision.

    Attributes:
        method: who decides.
        name: what is decided, and from what it is told.
        positives: number of degraded photographs; there is one untouched one for each.
        recall: share of the degraded photographs that were recognised.
        precision: share of the recognised ones that were degraded; nan if none was recognised.
    """

    method: str
    name: str
    positives: int
    recall: float
    precision: float


@dataclass(frozen=True)
class FalseAlarms:
    """Photographs that need nothing, and how many were found wanting.

    Attributes:
        method: who decides.
        name: of the kind of photograph.
        photos: number of photographs.
        noisy: how many were called noisy; None where the method has no opinion.
        blurred: how many were called blurred.
    """

    method: str
    name: str
    photos: int
    noisy: int | None
    blurred: int | None


@dataclass(frozen=True)
class SigmaError:
    """Error of one estimate at one level of degradation.

    Attributes:
        method: who estimates.
        quantity: noise (sigma in 8-bit units) or blur (sigma in pixels).
        name: of the degradation.
        level: true sigma.
        mean_estimate: mean of the estimates.
        mean_absolute_error: mean of |estimate - level|.
        textured_error: the same over the most textured third of the photographs.
        within_tolerance: share of the estimates within 2 or 20 % (noise), 0.25 px or 25 % (blur).
    """

    method: str
    quantity: str
    name: str
    level: float
    mean_estimate: float
    mean_absolute_error: float
    textured_error: float
    within_tolerance: float


@dataclass(frozen=True)
class ReliabilityBin:
    """Estimates of about one confidence, and how many of them were near enough.

    Attributes:
        quantity: noise or blur.
        low: lowest confidence of the bin.
        high: highest.
        count: number of estimates.
        confidence: their mean confidence.
        within_tolerance: share that was within the tolerance that the confidence speaks of.
    """

    quantity: str
    low: float
    high: float
    count: int
    confidence: float
    within_tolerance: float


@dataclass(frozen=True)
class AssessmentReport:
    """All that `evaluate_assessment` measures.

    Attributes:
        photos: number of photographs.
        decisions: one row per decision and method.
        alarms: one row per kind of sound photograph and method.
        errors: one row per method, degradation and level.
        reliability: of our own confidences.
    """

    photos: int
    decisions: tuple[DecisionScore, ...]
    alarms: tuple[FalseAlarms, ...]
    errors: tuple[SigmaError, ...]
    reliability: tuple[ReliabilityBin, ...]

    @property
    def tables(self) -> Tables:
        """The rows by kind, as `write_tables` takes them."""
        return {
            "": self.errors,
            "decisions": self.decisions,
            "alarms": self.alarms,
            "reliability": self.reliability,
        }
