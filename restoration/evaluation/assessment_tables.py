"""Scores of the assessment as rich tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.table import Table

from restoration.evaluation.assessment_report import AssessmentReport, SigmaError

NAMES_WIDTH = 44
CELL_WIDTH = 15
"""Columns of a terminal that the names and each cell of a table take, borders included."""


def assessment_tables(title: str, report: AssessmentReport, width: int) -> Iterator[Table]:
    """Errors of noise and blur, decisions, false alarms, and what confidences are worth.

    Args:
        title: of the tables.
        report: what was measured.
        width: columns of the terminal; levels that do not fit go into another table.
    """
    yield from _errors(
        f"{title}: noise sigma, mean absolute error / in the most textured third",
        [error for error in report.errors if error.quantity == "noise"],
        lambda e: f"{e.mean_absolute_error:.1f} / {e.textured_error:.1f}",
        width,
    )
    yield from _errors(
        f"{title}: blur sigma in pixels, mean relative error / share within 25 % or 0.25 px",
        [error for error in report.errors if error.quantity == "blur"],
        lambda e: f"{e.mean_absolute_error / e.level:.0%} / {e.within_tolerance:.0%}",
        width,
    )
    decisions = _table(f"{title}: decisions", "what is told apart", "method", "recall", "precision")
    for score in sorted(report.decisions, key=lambda one: one.name):
        decisions.add_row(score.name, score.method, f"{score.recall:.3f}", f"{score.precision:.3f}")
    yield decisions
    alarms = _table(f"{title}: false alarms", "sound photographs", "method", "noisy", "blurred")
    for row in report.alarms:
        counts = ["–" if n is None else f"{n} of {row.photos}" for n in (row.noisy, row.blurred)]
        alarms.add_row(row.name, row.method, *counts)
    yield alarms
    reliability = _table(
        f"{title}: confidence and how often it came true",
        "estimate", "confidence", "estimates", "mean confidence", "within tolerance",
    )  # fmt: skip
    for one in report.reliability:
        reliability.add_row(
            one.quantity,
            f"{one.low:.1f}–{one.high:.1f}",
            str(one.count),
            f"{one.confidence:.2f}",
            f"{one.within_tolerance:.2f}",
        )
    yield reliability


def _errors(
    title: str, errors: Sequence[SigmaError], cell: Callable[[SigmaError], str], width: int
) -> Iterator[Table]:
    """Degradations and methods down, true sigmas across."""
    levels = sorted({error.level for error in errors})
    names = [
        (name, method)
        for name in dict.fromkeys(error.name for error in errors)
        for method in dict.fromkeys(error.method for error in errors if error.name == name)
    ]
    per_table = max(1, (width - NAMES_WIDTH) // CELL_WIDTH)
    for first in range(0, len(levels), per_table):
        shown = levels[first : first + per_table]
        heading = "" if first else title
        table = _table(heading, "degradation", "method", *(f"{level:g}" for level in shown))
        for name, method in names:
            own = {e.level: cell(e) for e in errors if (e.name, e.method) == (name, method)}
            table.add_row(name, method, *(own.get(level, "") for level in shown))
        yield table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for index, name in enumerate(columns):
        is_text = index == 0 or name == "method"
        table.add_column(name, justify="left" if is_text else "right", no_wrap=not is_text)
    return table
