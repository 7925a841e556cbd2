"""`restore-archive models`: what is shipped, from the model cards."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.table import Table

from flows.console import QuietlyClosedConsole
from restoration.cards import ModelCard, cards_markdown, condition_figures, duration
from restoration.catalogue import available_models


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments on `parser`."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the cards as JSON")
    form.add_argument("--markdown", action="store_true", help="print the cards as Markdown")


def run(arguments: argparse.Namespace) -> int:
    """Print every shipped model's card."""
    cards = available_models()
    if arguments.json:
        print(json.dumps([asdict(card) for card in cards], indent=2))
        return 0
    if arguments.markdown:
        print(cards_markdown(cards))
        return 0
    console = QuietlyClosedConsole()
    console.print(_overview(cards))
    for card in cards:
        console.print(_table(card))
    return 0


def _overview(cards: Sequence[ModelCard]) -> Table:
    table = Table()
    for name in ("model", "task", "default for"):
        table.add_column(name, no_wrap=True)
    for name in ("parameters", "GMAC/MP"):
        table.add_column(name, justify="right", no_wrap=True)
    for card in cards:
        cost = f"{card.gmac_per_megapixel:.1f}"
        table.add_row(card.name, card.task, card.defaults, f"{card.parameters:,}", cost)
    return table


def _table(card: ModelCard) -> Table:
    table = Table(title=card.name, show_header=False, title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("task", card.task)
    table.add_row("default for", card.defaults)
    table.add_row("parameters", f"{card.parameters:,}")
    table.add_row("cost", f"{card.gmac_per_megapixel:.1f} GMAC per megapixel")
    table.add_row("licence", card.licence)
    table.add_row("trained on", "\n".join(card.trained_on))
    table.add_row("recipe", card.recipe)
    table.add_row("training", f"{duration(card.training_seconds)} on {card.training_device}")
    table.add_row("measured", _measured(card))
    table.add_row("known failures", "\n".join(card.known_failures))
    table.add_row("file", card.file)
    table.add_row("sha256", card.sha256)
    return table


def _measured(card: ModelCard) -> str:
    """A line per condition; the degraded photographs' own figures in brackets."""
    lines = []
    for command in dict.fromkeys(metric.command for metric in card.metrics):
        lines.append(command)
        figures = condition_figures(m for m in card.metrics if m.command == command)
        lines += [
            f"  {condition}: " + ", ".join(f"{measure} {value}" for measure, value in row.items())
            for condition, row in figures.items()
        ]
    return "\n".join(lines)
