"""How well the measure of naturalness tells sound photographs from degraded ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from restoration.catalogue import card_for
from restoration.evaluation.assessment_cases import blurred, noisy
from restoration.evaluation.assessment_figures import Figure
from restoration.evaluation.report import Run
from restoration.naturalness import naturalness
from restoration.training.degradations import jpeg_round_trip

Byte = NDArray[np.uint8]
Degrade = Callable[[Byte, np.random.Generator], Byte]

CLEAN: Final = "clean"


@dataclass(frozen=True)
class NaturalnessRow:
    """Measures of one photograph.

    Attributes:
        condition: what was done to it.
        photo: its number in the folder.
        niqe: of the degraded photograph; None where it is too small or even.
        clean_niqe: of the photograph itself.
    """

    condition: str
    photo: int
    niqe: float | None
    clean_niqe: float | None


def conditions() -> Iterator[tuple[str, Degrade]]:
    """Names and degradations; the first is none."""
    yield CLEAN, lambda photo, rng: photo
    for sigma in (5.0, 10.0, 25.0):
        yield f"white noise sigma {sigma:g}", partial(_with_noise, sigma=sigma)
    for sigma in (1.0, 1.6, 2.4):
        yield f"Gaussian {sigma:g} px", partial(_with_blur, sigma=sigma)
    for quality in (80, 50, 20):
        yield f"JPEG {quality}", partial(_compressed, quality=quality)


def _with_noise(photo: Byte, rng: np.random.Generator, *, sigma: float) -> Byte:
    return noisy(photo, sigma, rng)


def _with_blur(photo: Byte, rng: np.random.Generator, *, sigma: float) -> Byte:
    return blurred(photo, sigma, 0, rng)


def _compressed(photo: Byte, rng: np.random.Generator, *, quality: int) -> Byte:
    return jpeg_round_trip(photo, quality)


def measured_naturalness(photos: Sequence[Byte], seed: int = 0) -> list[NaturalnessRow]:
    """Measure photographs as they are and degraded.

    Args:
        photos: clean, (H, W, 3) R'G'B'.
        seed: of the noise.
    """
    clean = [naturalness(photo) for photo in photos]
    return [
        NaturalnessRow(
            name,
            index,
            clean[index]
            if name == CLEAN
            else naturalness(degrade(photo, np.random.default_rng([seed, index]))),
            clean[index],
        )
        for name, degrade in conditions()
        for index, photo in enumerate(photos)
    ]


def naturalness_figures(where: Run, rows: Sequence[NaturalnessRow]) -> list[Figure]:
    """Mean of each condition, and the share of photographs that read worse than when clean."""
    sha256 = card_for("naturalness").sha256
    found = []
    for name in dict.fromkeys(row.condition for row in rows):
        pairs = [
            (row.niqe, row.clean_niqe)
            for row in rows
            if row.condition == name and row.niqe is not None and row.clean_niqe is not None
        ]
        if not pairs:
            continue
        measures = [("NIQE", float(np.mean([niqe for niqe, _ in pairs])))]
        if name != CLEAN:
            worse = 100 * float(np.mean([niqe > clean for niqe, clean in pairs]))
            measures.append(("worse than clean %", worse))
        found += [
            Figure(where.task, where.dataset, len(pairs), sha256, name, *one, where.command)
            for one in measures
        ]
    return found


def naturalness_table(title: str, figures: Sequence[Figure]) -> Table:
    """The figures, a row for each condition."""
    table = Table("condition", title=f"{title}: naturalness (NIQE)", title_justify="left")
    measures = list(dict.fromkeys(figure.measure for figure in figures))
    for measure in measures:
        table.add_column(measure, justify="right")
    for name in dict.fromkeys(figure.condition for figure in figures):
        own = {f.measure: f"{f.value:.2f}" for f in figures if f.condition == name}
        table.add_row(name, *(own.get(measure, "") for measure in measures))
    return table
