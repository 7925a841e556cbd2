"""`restore-archive models`: what is shipped, from the model cards."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from restoration.models import ModelCard, available_models


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments on `parser`."""
    parser.add_argument("--json", action="store_true", help="print the cards as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print every shipped model's card."""
    cards = available_models()
    if arguments.json:
        print(json.dumps([asdict(card) for card in cards], indent=2))
        return 0
    console = Console()
    for card in cards:
        console.print(_table(card))
    return 0


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
