"""What a run leaves to look at: a log (CSV), its curves (PNG), and restored pictures (PNG)."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from restoration.training.curves import Curve, draw_curves, write_png
from restoration.training.options import Progress
from restoration.training.samples import SampleFolder
from restoration.training.validation import Sample

COLUMNS: Final = ("steps", "seconds", "loss", "psnr_db", "learning_rate", "images_per_second")
"""Of the log; after them one column per score."""


@dataclass(frozen=True)
class LogLine:
    """A line of the log.

    Attributes:
        steps: optimiser steps so far.
        seconds: of the budget spent so far.
        values: all columns by name, as numbers.
    """

    steps: int
    seconds: float
    values: dict[str, float]


class Journal:
    """Log, curves and pictures of one run, beside its weights file.

    `STEM.csv` holds a line per validation, `STEM.png` the same as curves, `STEM.samples/` the
    strips of `SampleFolder`.

    Args:
        output: the weights file of the run.
        resumed_at: steps of the checkpoint that the run goes on from; what was logged after them
            is dropped. 0 starts a new log.
        report: called with each line.
    """

    def __init__(
        self, output: Path, *, resumed_at: int, report: Callable[[Progress], None]
    ) -> None:
        self._log = output.with_suffix(".csv")
        self._curves = output.with_suffix(".png")
        self._report = report
        self._samples = SampleFolder(output.with_suffix(".samples"), resumed_at=resumed_at)
        self._lines = [line for line in read_log(self._log) if line.steps <= resumed_at]

    def add(self, progress: Progress, sample: Sample) -> None:
        """Log a validation; files appear whole or not at all."""
        self._lines.append(_line(progress))
        write_log(self._log, self._lines)
        write_png(self._curves, draw_curves(curves_of(self._lines), x_label="minutes"))
        caption = f"{progress.seconds / 60:.1f} min  {progress.psnr_db:.2f} dB"
        self._samples.add(progress.steps, caption, sample)
        self._report(progress)


def read_log(path: Path) -> list[LogLine]:
    """The lines of a log; none where there is no log, or one that was not written here."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    try:
        numbers = [{name: float(value or "nan") for name, value in row.items()} for row in rows]
        return [LogLine(int(n["steps"]), n["seconds"], n) for n in numbers]
    except (KeyError, ValueError, TypeError):
        return []


def write_log(path: Path, lines: list[LogLine]) -> None:
    """Write a log as CSV."""
    names = list(dict.fromkeys(name for line in lines for name in line.values))
    temporary = path.with_name(path.name + ".part")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        for line in lines:
            writer.writerow({name: f"{value:.10g}" for name, value in line.values.items()})
    temporary.replace(path)


def curves_of(lines: list[LogLine]) -> list[list[Curve]]:
    """Loss, scores and learning rate over minutes: a list of curves for each of three panels."""
    names = [name for name in lines[-1].values if name not in COLUMNS]
    in_db = [name.removesuffix(" (dB)") for name in names if name.endswith(" (dB)")]
    scores = [_curve(lines, f"{name} (dB)", name) for name in in_db]
    mean = [_curve(lines, "psnr_db", "mean")] if len(scores) > 1 else []
    return [
        [_curve(lines, "loss", "loss")],
        [*mean, *scores],
        [_curve(lines, "learning_rate", "learning rate")],
    ]


def _curve(lines: list[LogLine], column: str, name: str) -> Curve:
    points = [(line.seconds / 60, line.values.get(column, math.nan)) for line in lines]
    return Curve(name, tuple(point for point in points if math.isfinite(point[1])))


def _line(progress: Progress) -> LogLine:
    values = {
        "steps": float(progress.steps),
        "seconds": progress.seconds,
        "loss": progress.loss,
        "psnr_db": progress.psnr_db,
        "learning_rate": progress.learning_rate,
        "images_per_second": progress.images_per_second,
    }
    for score in progress.scores:
        values[f"{score.name} ({score.unit})" if score.unit else score.name] = score.value
    return LogLine(progress.steps, progress.seconds, values)
