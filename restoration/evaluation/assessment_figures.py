"""One evaluation of the assessment, and the figures of it that its model card holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from restoration.catalogue import card_for
from restoration.evaluation.assessment import OURS, evaluate_assessment
from restoration.evaluation.assessment_peers import peer_judges, peer_noise_estimators
from restoration.evaluation.assessment_report import AssessmentReport, FalseAlarms, SigmaError
from restoration.evaluation.export import Tables
from restoration.evaluation.report import Run


@dataclass(frozen=True)
class Figure:
    """One figure of our own assessment.

    Attributes:
        task: assess.
        dataset: name of the folder of photographs.
        photos: number of photographs.
        weights_sha256: of the regressor's weights.
        condition: what was done to the photographs.
        measure: what is given, with its unit.
        value: mean over photographs and levels, unless the measure says otherwise.
        command: the command that printed it.
    """

    task: str
    dataset: str
    photos: int
    weights_sha256: str
    condition: str
    measure: str
    value: float
    command: str


@dataclass(frozen=True)
class MeasuredAssessment:
    """What an evaluation found.

    Attributes:
        report: ours and the peers'.
        summary: our own figures.
    """

    report: AssessmentReport
    summary: tuple[Figure, ...]

    @property
    def tables(self) -> Tables:
        """The rows by kind, as `write_tables` takes them."""
        return {**self.report.tables, "summary": self.summary}


def measured_assessment(
    photos: Sequence[NDArray[np.uint8]], where: Run, *, peers: bool
) -> MeasuredAssessment:
    """Score the shipped assessment, and for comparison the peers that are installed.

    Args:
        photos: clean, (H, W, 3) R'G'B'.
        where: what is run.
        peers: whether to measure them.
    """
    report = evaluate_assessment(
        photos,
        judges=peer_judges() if peers else {},
        noise_estimators=peer_noise_estimators() if peers else {},
    )
    return MeasuredAssessment(report, tuple(figures(where, card_for("assess").sha256, report)))


def figures(where: Run, weights_sha256: str, report: AssessmentReport) -> list[Figure]:
    """Errors over all levels of each degradation, and the share of false alarms."""
    found = []
    for name in dict.fromkeys(error.name for error in report.errors if error.method == OURS):
        own = [e for e in report.errors if (e.name, e.method) == (name, OURS)]
        levels = [error.level for error in own]
        unit = "sigma" if own[0].quantity == "noise" else "px"
        condition = f"{name}, {min(levels):g}-{max(levels):g} {unit}"
        measured = _noise(own) if own[0].quantity == "noise" else _blur(own)
        found += [(condition, *one) for one in measured]
    found += [
        (alarms.name, *one) for alarms in report.alarms if alarms.method == OURS
        for one in _alarms(alarms)
    ]  # fmt: skip
    return [
        Figure(
            where.task, where.dataset, report.photos, weights_sha256, *figure, where.command
        )
        for figure in found
    ]  # fmt: skip


def _noise(errors: Sequence[SigmaError]) -> Iterator[tuple[str, float]]:
    """Absolute errors in 8-bit units."""
    yield "mean error", sum(e.mean_absolute_error for e in errors) / len(errors)
    yield "at the worst level", max(e.mean_absolute_error for e in errors)
    yield "in the most textured third", sum(e.textured_error for e in errors) / len(errors)


def _blur(errors: Sequence[SigmaError]) -> Iterator[tuple[str, float]]:
    """Errors relative to the true sigma."""
    relative = [100 * error.mean_absolute_error / error.level for error in errors]
    yield "mean error %", sum(relative) / len(relative)
    yield "at the worst level %", max(relative)
    yield "within tolerance %", 100 * sum(e.within_tolerance for e in errors) / len(errors)


def _alarms(alarms: FalseAlarms) -> Iterator[tuple[str, float]]:
    for name, count in (("called noisy %", alarms.noisy), ("called blurred %", alarms.blurred)):
        if count is not None:
            yield name, 100 * count / alarms.photos
