"""`restore-archive diff`: what changed between two runs or two models, photo by photo."""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.commands.archive import open_archive
from flows.comparing import Change, Compared, Comparison, compare
from flows.comparison_page import check_page, differences, write_page
from flows.console import QuietlyClosedConsole, print_line, printable
from restoration.errors import UsageError
from storage.manifest.database import ManifestDatabase

_SHOWN: Final = 20
"""Photos that a terminal shows unless told otherwise."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments on `parser`."""
    parser.add_argument("destination", metavar="RESTORED", help="what runs wrote; it is only read")
    for name, which in (("first", "RUN_A"), ("second", "RUN_B")):
        parser.add_argument(
            name,
            metavar=which,
            help="a run's id or its beginning, `first`, `previous`, `latest`, or model:NAME or "
            "model:SHA256 for the latest rows that a model made",
        )
    parser.add_argument("--page", type=Path, metavar="FILE", help="write an HTML page, too")
    parser.add_argument("--csv", action="store_true", help="print all changed photos as CSV")
    parser.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help=f"at most N photos ({_SHOWN} in a terminal, 1,000 on a page by default)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what changed; returns 0.

    Raises:
        UsageError: no such run, or a limit that makes no sense.
        StorageError: the manifest cannot be read.
    """
    if arguments.limit is not None and arguments.limit < 1:
        raise UsageError(f"--limit must be at least 1, not {arguments.limit}")
    if arguments.page is not None:
        check_page(arguments.page)  # before the work, which may take minutes
    destination = open_archive(arguments.destination)
    at_most = arguments.limit or (sys.maxsize if arguments.csv else 1_000)
    with ManifestDatabase.open(destination) as database:
        comparison = compare(database, arguments.first, arguments.second, at_most=at_most)
    if arguments.page is not None:
        write_page(comparison, arguments.destination, arguments.page)
    if arguments.csv:
        _print_csv(comparison)
    else:
        _show(comparison, QuietlyClosedConsole(), arguments.limit or _SHOWN)
    if arguments.page is not None:
        print(f"page: {printable(str(arguments.page))}", file=sys.stderr)
    return 0


def _print_csv(comparison: Comparison) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("source", "change", "what", "before", "after"))
    for photo in comparison.photos:
        for each in differences(photo):
            cells = (photo.source, photo.change.value, each.what, each.before, each.after)
            writer.writerow([printable(cell) for cell in cells])


def _show(comparison: Comparison, console: Console, shown: int) -> None:
    first, second = comparison.names
    counts = ", ".join(
        f"{change.value} {comparison.counts[change]:,}"
        for change in Change
        if comparison.counts[change]
    )
    lines = [f"{first} → {second}: {counts or 'no photos'}"]
    if comparison.flagged or comparison.unflagged:
        lines.append(
            f"review: {comparison.flagged:,} photos need it that did not, "
            f"{comparison.unflagged:,} no longer do"
        )
    for line in lines:
        print_line(console, line)
    photos = comparison.photos[:shown]
    if photos and console.is_terminal:
        console.print(_table(photos))
    else:
        for photo in photos:
            line = f"{photo.change.value}: {photo.source}: {_in_words(photo)}"
            print_line(console, line)
    if comparison.in_all > len(photos):
        console.print(f"{comparison.in_all - len(photos):,} more; --csv has all", highlight=False)


def _table(photos: tuple[Compared, ...]) -> Table:
    table = Table("photo", "change", "before → after")
    for photo in photos:
        cells = (photo.source, photo.change.value, _in_words(photo))
        style = "red" if photo.change.is_loss else None
        table.add_row(*(escape(printable(cell)) for cell in cells), style=style)
    return table


def _in_words(photo: Compared) -> str:
    told = (
        f"{each.what} {each.before or '–'} → {each.after or '–'}" for each in differences(photo)
    )
    return ", ".join(told)
