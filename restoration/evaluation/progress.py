"""Progress of a long measurement: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from restoration.evaluation.measuring import Outcome

LINE_EVERY_S = 10.0
"""Seconds between lines where there is no terminal."""


def followed(outcomes: Iterable[Outcome], total: int, console: Console) -> Iterator[Outcome]:
    """Hand outcomes on, and show on `console` how many of `total` there were."""
    if console.is_terminal:
        yield from _with_bar(outcomes, total, console)
    else:
        yield from _with_lines(outcomes, total, console)


def _with_bar(outcomes: Iterable[Outcome], total: int, console: Console) -> Iterator[Outcome]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("measuring", total=total)
        for outcome in outcomes:
            progress.update(task, advance=1, description=_described(outcome))
            yield outcome


def _with_lines(outcomes: Iterable[Outcome], total: int, console: Console) -> Iterator[Outcome]:
    said = time.monotonic()
    for done, outcome in enumerate(outcomes, 1):
        if time.monotonic() - said >= LINE_EVERY_S:
            said = time.monotonic()
            console.print(
                f"{done}/{total} measured  {_described(outcome)}", highlight=False, markup=False
            )
        yield outcome


def _described(outcome: Outcome) -> str:
    return f"{outcome.measurement.condition}: {outcome.measurement.method}"
