"""Model cards: what is known of a weights file, as JSON beside it and as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from restoration.errors import WeightsError

DECIMALS: Final = {"PSNR dB": 2, "SSIM": 3, "colourfulness": 1}
"""Decimals that a measure is given with; 2 where none is named."""


@dataclass(frozen=True)
class Metric:
    """One measured figure, and how to measure it again.

    Attributes:
        dataset: name of the folder of photographs.
        photos: how many of them were measured.
        condition: what was done to the photographs, such as "sigma 25".
        measure: what is given, with its unit, such as "PSNR dB".
        value: mean over the photographs.
        input_value: the same of the degraded photographs themselves; None where that says
            nothing.
        command: the command that printed it.
    """

    dataset: str
    photos: int
    condition: str
    measure: str
    value: float
    input_value: float | None
    command: str


@dataclass(frozen=True)
class ModelCard:
    """What is known of one weights file.

    Attributes:
        name: of the model, such as denoise-48.
        task: denoise, deblur or colorize.
        file: name of the weights file in the weights folder.
        sha256: of the weights file.
        parameters: number of trained numbers.
        gmac_per_megapixel: 10^9 multiply-accumulates per 10^6 input pixels.
        licence: of the weights themselves.
        trained_on: data sets with their licences.
        recipe: degradations and schedule of training.
        training_seconds: wall-clock time of training.
        training_device: what it was trained on.
        metrics: measured figures.
        known_failures: what it does badly.
        failures_picture: a picture of that, relative to the weights folder; "" if there is none.
        default_for: kinds of device (cpu, cuda) on which it does the task unless another model
            is chosen.
    """

    name: str
    task: str
    file: str
    sha256: str
    parameters: int
    gmac_per_megapixel: float
    licence: str
    trained_on: tuple[str, ...]
    recipe: str
    training_seconds: float
    training_device: str
    metrics: tuple[Metric, ...]
    known_failures: tuple[str, ...]
    failures_picture: str
    default_for: tuple[str, ...] = ()
    observations: tuple[str, ...] = ()

    @property
    def defaults(self) -> str:
        """`default_for` in words."""
        return ", ".join(self.default_for) or "none"


def read_card(path: Path) -> ModelCard:
    """Read a card.

    Raises:
        WeightsError: missing, no JSON, or other fields than a card's.
    """
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        values["metrics"] = tuple(Metric(**metric) for metric in values["metrics"])
        values.setdefault("observations", ())  # a card from before that field
        for key in ("trained_on", "known_failures", "default_for", "observations"):
            values[key] = tuple(values[key])
        return ModelCard(**values)
    except (OSError, TypeError, KeyError, ValueError) as error:
        raise WeightsError(f"model card {path.name} cannot be read: {error}") from error


def write_card(card: ModelCard, path: Path) -> None:
    """Write what `read_card` reads."""
    text = json.dumps(asdict(card), indent=2, ensure_ascii=False) + "\n"
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def cards_markdown(cards: Iterable[ModelCard]) -> str:
    """The cards as sections of `restoration/weights/README.md`."""
    return "\n\n".join(card_markdown(card) for card in cards)


def card_markdown(card: ModelCard) -> str:
    """One card as a section of Markdown."""
    seen = f"\n\nSeen on old photographs:\n\n{_listed(card.observations)}"
    picture = f"\n\n![what it does badly]({card.failures_picture})" if card.failures_picture else ""
    return (
        f"## {card.name}\n\n"
        f"{card.task}, default for: {card.defaults}; "
        f"{card.parameters:,} parameters, {card.gmac_per_megapixel:.1f} GMAC per megapixel.  \n"
        f"`{card.file}`, sha256 `{card.sha256}`  \nLicence: {card.licence}\n\n"
        f"Trained on:\n\n{_listed(card.trained_on)}\n\n"
        f"Recipe: {card.recipe}\n\n"
        f"Training: {duration(card.training_seconds)} on {card.training_device}\n\n"
        f"{_measured(card.metrics)}\n\n"
        f"Known failures:\n\n{_listed(card.known_failures)}{picture}"
        f"{seen if card.observations else ''}"
    )


def duration(seconds: float) -> str:
    """Seconds as a person says them: minutes, from two hours on hours."""
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def condition_figures(metrics: Iterable[Metric]) -> Mapping[str, Mapping[str, str]]:
    """The figures of one command by condition and measure, with the input's in brackets."""
    figures: dict[str, dict[str, str]] = {}
    for metric in metrics:
        places = DECIMALS.get(metric.measure, 2)
        before = "" if metric.input_value is None else f" ({metric.input_value:.{places}f})"
        shown = f"{metric.value:.{places}f}{before}"
        figures.setdefault(metric.condition, {})[metric.measure] = shown
    return figures


def _measured(metrics: Sequence[Metric]) -> str:
    """One table for each command."""
    blocks = []
    for (dataset, photos, command), group in groupby(
        metrics, key=lambda metric: (metric.dataset, metric.photos, metric.command)
    ):
        figures = condition_figures(group)
        measures = list(dict.fromkeys(name for row in figures.values() for name in row))
        lines = [
            f"Measured on {dataset}, {photos} photographs, the input's figures in brackets:\n"
            f"`{command}`\n",
            f"| condition | {' | '.join(measures)} |",
            "|---" * (1 + len(measures)) + "|",
        ]
        lines += [
            f"| {condition} | {' | '.join(row.get(name, '') for name in measures)} |"
            for condition, row in figures.items()
        ]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) or "Not measured yet."


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
