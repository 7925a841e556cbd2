"""`restore-archive models`: what is shipped, from the model cards."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from rich.table import Table

from flows.progress import QuietlyClosedConsole
from restoration.models import ModelCard, available_models


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
        print("\n\n".join(card_markdown(card) for card in cards))
        return 0
    console = QuietlyClosedConsole()
    for card in cards:
        console.print(_table(card))
    return 0


def card_markdown(card: ModelCard) -> str:
    """One card as a section of `restoration/weights/README.md`."""

    def listed(lines: tuple[str, ...]) -> str:
        return "\n".join(f"- {line}" for line in lines)

    return (
        f"## {card.name}\n\n"
        f"{card.task}, {card.parameters:,} parameters, {card.gmac_per_megapixel:.1f} GMAC per "
        f"megapixel.  \n`{card.file}`, sha256 `{card.sha256}`\n\n"
        f"Trained on:\n\n{listed(card.trained_on)}\n\n"
        f"Recipe: {card.recipe}\n\n"
        f"Measured:\n\n{listed(card.metrics)}\n\n"
        f"Known failures:\n\n{listed(card.known_failures)}"
    )


def _table(card: ModelCard) -> Table:
    table = Table(title=card.name, show_header=False, title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("task", card.task)
    table.add_row("parameters", f"{card.parameters:,}")
    table.add_row("cost", f"{card.gmac_per_megapixel:.1f} GMAC per megapixel")
    table.add_row("trained on", "\n".join(card.trained_on))
    table.add_row("recipe", card.recipe)
    table.add_row("measured", "\n".join(card.metrics))
    table.add_row("known failures", "\n".join(card.known_failures))
    table.add_row("file", card.file)
    table.add_row("sha256", card.sha256)
    return table
