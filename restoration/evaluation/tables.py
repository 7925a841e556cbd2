"""Scores as rich tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from rich.table import Table

from restoration.evaluation.features import NAME as FEATURE_DISTANCE
from restoration.evaluation.report import Summary
from restoration.quality import IDENTICAL_PSNR_DB


def restoration_tables(title: str, summaries: Sequence[Summary], width: int) -> Iterator[Table]:
    """Methods down, degradations across: PSNR / SSIM; then what each method costs.

    Args:
        title: of the tables.
        summaries: one per method and condition.
        width: columns of the terminal; conditions that do not fit go into another table.
    """
    conditions = list(dict.fromkeys(summary.condition for summary in summaries))
    cells = {(s.method, s.condition): _scores(s) for s in summaries}
    methods = list(dict.fromkeys(summary.method for summary in summaries))
    # Long names wrap, so that several conditions stand beside each other on a narrow terminal.
    name_width = min(max(map(len, ["method", *methods])), max(20, width // 3))
    cell_width = max(map(len, [*conditions, *cells.values()])) + 3
    per_table = max(1, (width - name_width - 4) // cell_width)
    for first in range(0, len(conditions), per_table):
        shown = conditions[first : first + per_table]
        heading = "" if first else f"{title}: PSNR in dB / SSIM"
        table = _table(heading, "method", *shown, name_width=name_width)
        for method in methods:
            table.add_row(method, *(cells[method, condition] for condition in shown))
        yield table
    yield cost_table(summaries)


def colour_table(title: str, summaries: Sequence[Summary]) -> Table:
    """One row per method: PSNR beside colourfulness, since PSNR alone rewards dull colour."""
    table = _table(title, "method", "PSNR dB", "SSIM", "colourfulness", "Frechet distance")
    for s in summaries:
        distance = "–" if s.frechet_distance is None else f"{s.frechet_distance:.2f}"
        psnr, ssim = _scores(s).split(" / ")
        table.add_row(s.method, psnr, ssim, f"{s.colourfulness:.1f}", distance)
    table.caption = f"{FEATURE_DISTANCE}: to the true photos; not the published FID"
    return table


def cost_table(summaries: Sequence[Summary]) -> Table:
    """Parameters, multiply-accumulates and seconds per megapixel of each method."""
    title = f"cost (networks on {summaries[0].device})"
    table = _table(title, "method", "parameters", "GMAC/MP", "s/MP", "CPU s/MP")
    for method in dict.fromkeys(summary.method for summary in summaries):
        own = [summary for summary in summaries if summary.method == method]
        count, gmac = own[0].parameters, own[0].gmac_per_megapixel
        table.add_row(
            method,
            "–" if count is None else f"{count:,}",
            "–" if gmac is None else f"{gmac:.1f}",
            f"{np.median([s.seconds_per_megapixel for s in own]):.2f}",
            f"{np.median([s.cpu_seconds_per_megapixel for s in own]):.2f}",
        )
    return table


def _table(title: str, *columns: str, name_width: int | None = None) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(columns[0], width=name_width)
    for name in columns[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _scores(summary: Summary) -> str:
    if summary.psnr_db >= IDENTICAL_PSNR_DB:
        return "identical / 1"
    return f"{summary.psnr_db:.2f} / {summary.ssim:.3f}"
