"""Fill a model card's figures from evaluation files, so that none is typed by hand.

    restore-archive evaluate denoise --data cbsd68 --csv scores.csv
    python -m restoration.evaluation.card restoration/weights/denoise-48.json scores-summary.csv

Hash, size and cost come from the weights file beside the card; figures from the rows of the
summaries that measured exactly that file, with the command that made them. Without a summary the
card keeps its figures. `README.md` beside it is written anew from the first card's heading on.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from restoration.cards import Metric, ModelCard, cards_markdown, read_card, write_card
from restoration.catalogue import available_models, file_sha256
from restoration.errors import UsageError, WeightsError
from restoration.evaluation.features import NAME as FEATURE_DISTANCE
from restoration.evaluation.methods import INPUT, TRUE_PHOTOS
from restoration.models import read_network
from restoration.networks import gmac_per_megapixel, parameter_count
from restoration.quality import IDENTICAL_PSNR_DB
from restoration.training.journal import read_log

PSNR: Final = "PSNR dB"
SSIM: Final = "SSIM"
COLOURFULNESS: Final = "colourfulness"
Row = dict[str, str]


def metrics_from(summary: Path, sha256: str) -> tuple[Metric, ...]:
    """The figures of one weights file in a summary (CSV).

    Raises:
        UsageError: not a summary, or none of its rows measured that file.
    """
    try:
        with summary.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        own = [row for row in rows if row["weights_sha256"] == sha256]
        metrics = tuple(
            metric
            for row in own
            for metric in ([_figure(row)] if "measure" in row else _metrics(row, rows))
        )
    except (OSError, KeyError, ValueError) as error:
        raise UsageError(f"{summary} is no summary of an evaluation ({error})") from error
    if not metrics:
        raise UsageError(f"{summary}: no row measured the weights with sha256 {sha256[:12]}…")
    return metrics


def filled(
    card: ModelCard,
    folder: Path,
    summaries: Sequence[Path],
    *,
    log: Path | None = None,
    device: str | None = None,
) -> ModelCard:
    """The card with what files say of its model.

    Args:
        card: to start from.
        folder: holds the weights file.
        summaries: CSV files of `restore-archive evaluate --csv`.
        log: a training's .csv; its last line says how long it took.
        device: what it was trained on.

    Raises:
        UsageError: figures of other weights, or a file that is no log or summary.
        WeightsError: the weights file cannot be read.
    """
    path = folder / card.file
    network = read_network(path)
    sha256 = file_sha256(path)
    if not summaries and sha256 != card.sha256:
        raise UsageError(f"{card.file} has changed: its figures must be measured anew")
    metrics = tuple(metric for summary in summaries for metric in metrics_from(summary, sha256))
    return replace(
        card,
        sha256=sha256,
        parameters=parameter_count(network),
        gmac_per_megapixel=round(gmac_per_megapixel(network.config), 1),
        training_seconds=card.training_seconds if log is None else training_seconds(log),
        training_device=device or card.training_device,
        metrics=metrics or card.metrics,
    )


def training_seconds(log: Path) -> float:
    """Wall-clock seconds of a training, from the last line of its log.

    Raises:
        UsageError: not such a log.
    """
    lines = read_log(log)
    if not lines:
        raise UsageError(f"{log} is no training log, or there is no line in it")
    return round(lines[-1].seconds, 1)


def write_readme(folder: Path) -> None:
    """Write the cards of a folder into its README, from the first card's heading on.

    Raises:
        UsageError: there is no README.
    """
    path = folder / "README.md"
    if not path.is_file():
        raise UsageError(f"{path} does not exist")
    introduction, _, _ = path.read_text(encoding="utf-8").partition("\n## ")
    text = f"{introduction.rstrip()}\n\n{cards_markdown(available_models(folder))}\n"
    path.write_text(text, encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m restoration.evaluation.card", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("card", type=Path, help="the card's JSON file, beside its weights")
    parser.add_argument("summaries", type=Path, nargs="*", metavar="SUMMARY.csv")
    parser.add_argument("--log", type=Path, metavar="CSV", help="the training's log")
    parser.add_argument("--device", help="what it was trained on")
    arguments = parser.parse_args(argv)
    folder = arguments.card.parent
    try:
        card = filled(
            read_card(arguments.card),
            folder,
            arguments.summaries,
            log=arguments.log,
            device=arguments.device,
        )
        write_card(card, arguments.card)
        write_readme(folder)
    except (UsageError, WeightsError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    return 0


def _metrics(row: Row, rows: Sequence[Row]) -> list[Metric]:
    """The measures of a summary's row that mean something for its task."""
    is_untouched = float(row["input_psnr_db"]) >= IDENTICAL_PSNR_DB
    metrics = [_metric(row, PSNR, row["psnr_db"], "" if is_untouched else row["input_psnr_db"])]
    if row["task"] != "colorize":
        metrics.append(_metric(row, SSIM, row["ssim"], "" if is_untouched else row["input_ssim"]))
        return metrics
    # No SSIM: it is one of luma, which colorizing does not touch.
    beside = {other["method"]: other for other in rows if other["condition"] == row["condition"]}
    gray, true = beside[INPUT], beside[TRUE_PHOTOS]
    metrics.append(_metric(row, COLOURFULNESS, row["colourfulness"], gray["colourfulness"]))
    if row["frechet_distance"]:
        metrics.append(
            _metric(row, FEATURE_DISTANCE, row["frechet_distance"], gray["frechet_distance"])
        )
    shown = replace(_metric(true, COLOURFULNESS, true["colourfulness"]), condition=TRUE_PHOTOS)
    return [*metrics, shown]


def _figure(row: Row) -> Metric:
    """A row that holds one figure, as the assessment's do."""
    return _metric(row, row["measure"], row["value"])


def _metric(row: Row, measure: str, value: str, input_value: str = "") -> Metric:
    return Metric(
        dataset=row["dataset"],
        photos=int(row["photos"]),
        condition=row["condition"],
        measure=measure,
        value=round(float(value), 6),
        input_value=round(float(input_value), 6) if input_value else None,
        command=row["command"],
    )


if __name__ == "__main__":
    sys.exit(main())
