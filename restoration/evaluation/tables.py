"""Scores as rich tables."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from rich.table import Table

from restoration.evaluation.assessment import AssessmentReport
from restoration.evaluation.protocols import Score


def restoration_table(title: str, scores: Iterable[Score]) -> Table:
    """Methods down, degradations across: PSNR / SSIM, and seconds per megapixel."""
    scores = list(scores)
    conditions = list(dict.fromkeys(score.condition for score in scores))
    table = Table(title=f"{title}: PSNR in dB / SSIM")
    table.add_column("method")
    for condition in conditions:
        table.add_column(condition, justify="right")
    table.add_column("s/MP", justify="right")
    for method in dict.fromkeys(score.method for score in scores):
        own = {score.condition: score for score in scores if score.method == method}
        cells = [f"{own[c].psnr_db:.2f} / {own[c].ssim:.3f}" for c in conditions]
        pace = float(np.median([score.seconds_per_megapixel for score in own.values()]))
        table.add_row(method, *cells, f"{pace:.2f}")
    return table


def colour_table(title: str, scores: Iterable[Score]) -> Table:
    """One row per method: PSNR beside colourfulness, since PSNR alone rewards dull colour."""
    table = Table(title=title)
    for name in ("method", "PSNR dB", "SSIM", "colourfulness", "s/MP"):
        table.add_column(name, justify="left" if name == "method" else "right")
    for score in scores:
        table.add_row(
            score.method,
            f"{score.psnr_db:.2f}",
            f"{score.ssim:.3f}",
            f"{score.colourfulness:.1f}",
            f"{score.seconds_per_megapixel:.2f}",
        )
    return table


def assessment_tables(title: str, report: AssessmentReport) -> tuple[Table, Table]:
    """Recall and precision of the decisions; errors of the measured strengths."""
    decisions = Table(title=f"{title}: decisions")
    for name in ("what is told apart", "positives", "recall", "precision"):
        decisions.add_column(name, justify="left" if name.startswith("what") else "right")
    for score in report.decisions:
        decisions.add_row(
            score.name, str(score.positives), f"{score.recall:.3f}", f"{score.precision:.3f}"
        )
    errors = Table(title=f"{title}: measured strength")
    for name in ("degradation", "true sigma", "noise beside", "mean estimate", "MAE", "rel. error"):
        errors.add_column(name, justify="left" if name == "degradation" else "right")
    for error in report.errors:
        relative = "" if error.level == 0 else f"{error.mean_relative_error:.0%}"
        errors.add_row(
            error.name,
            f"{error.level:g}",
            f"{error.noise_sigma:g}",
            f"{error.mean_estimate:.2f}",
            f"{error.mean_absolute_error:.2f}",
            relative,
        )
    return decisions, errors
