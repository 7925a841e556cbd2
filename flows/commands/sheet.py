"""`restore-archive sheet`: original, restored and colorized side by side, on paper or a screen."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from rich.progress import track

from flows.commands.archive import open_archive
from flows.console import QuietlyClosedConsole, print_line
from flows.new_files import new_file
from flows.places import FOLDERS
from flows.report.originals import find_originals, known_originals
from flows.sheets import Pictures, SheetRow, sheet_rows
from restoration.contact_sheet import check_suffix, draw, save
from restoration.errors import UsageError
from storage import DestinationStore, LocalDestination, is_within
from storage.manifest.database import ManifestDatabase


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments on `parser`."""
    parser.add_argument("destination", metavar="RESTORED", help="what runs wrote; it is only read")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="a .jpg or .png file"
    )
    parser.add_argument("--folder", default="", metavar="FOLDER", help="only photos below it")
    parser.add_argument(
        "--query",
        default="",
        metavar="NAME|SQL",
        help="photos of a query with a column `source`, such as needs-review (see `query`)",
    )
    parser.add_argument(
        "--source",
        metavar="PHOTOS",
        help="where the originals are (default: where the latest run read them)",
    )
    parser.add_argument("--crop", action="store_true", help="show the most detailed part at 100 %%")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace sheets that are there already"
    )
    for name, default, what in (
        ("limit", 24, "photos in all"),
        ("per-page", 6, "photos on a page"),
        ("width", 480, "pixels of a picture"),
    ):
        parser.add_argument(
            f"--{name}", type=int, default=default, metavar="N", help=f"{what} ({default})"
        )


def run(arguments: argparse.Namespace) -> int:
    """Draw the sheets; returns 0.

    Raises:
        UsageError: no such photos, or an option that makes no sense.
        StorageError: the manifest cannot be read.
    """
    _check(arguments)
    destination = open_archive(arguments.destination)
    _check_place(arguments, destination)
    with ManifestDatabase.open(destination) as database:
        rows = sheet_rows(
            database, folder=arguments.folder, query=arguments.query, at_most=arguments.limit
        )
    if not rows:
        raise UsageError("no photo of the manifest is meant; see --folder and --query")
    paths = _paths(arguments, len(rows))
    originals = find_originals(destination, arguments.source)
    if originals.problem:
        print_line(QuietlyClosedConsole(stderr=True), f"without the originals: {originals.problem}")
    pictures = Pictures(originals.store, destination, arguments.width, crop=arguments.crop)
    console = QuietlyClosedConsole()
    for path in _pages(rows, paths, pictures, arguments):
        print_line(console, str(path))
    return 0


def _pages(
    rows: Sequence[SheetRow],
    paths: Sequence[Path],
    pictures: Pictures,
    arguments: argparse.Namespace,
) -> list[Path]:
    per_page = arguments.per_page
    pages = [rows[at : at + per_page] for at in range(0, len(rows), per_page)]
    errors = QuietlyClosedConsole(stderr=True)
    written = []
    bar = track(
        pages,
        "drawing",
        console=errors,
        disable=not errors.is_terminal,
        transient=True,
    )
    for number, (page, path) in enumerate(zip(bar, paths, strict=True), 1):
        title = f"{arguments.destination}, page {number} of {len(pages)}"
        drawn = draw([pictures.entry(row) for row in page], title, width=arguments.width)
        with new_file(path) as file:
            save(drawn, file, path.suffix)
        written.append(path)
    return written


def _paths(arguments: argparse.Namespace, photos: int) -> list[Path]:
    """Of the pages, none of which may replace anything unasked."""
    output, pages = arguments.output, -(-photos // arguments.per_page)
    paths = [output]
    if pages > 1:
        paths = [
            output.with_name(f"{output.stem}-{number:03d}{output.suffix}")
            for number in range(1, pages + 1)
        ]
    there = next((path for path in paths if os.path.lexists(path)), None)
    if there is not None and not arguments.overwrite:
        raise UsageError(f"{there} exists already; --overwrite replaces it")
    return paths


def _check_place(arguments: argparse.Namespace, destination: DestinationStore) -> None:
    """A sheet among photographs would be taken for one, or be in the place of one."""
    folder = arguments.output.absolute().parent.resolve()
    kept = list(known_originals(destination, arguments.source))
    if isinstance(destination, LocalDestination):
        kept += [str(destination.root / name) for name in FOLDERS]
    for place in kept:
        # Above them is no harm: only the sheets themselves are written there.
        if is_within(folder, place):
            raise UsageError(f"-o {arguments.output} would be among the photographs in {place}")


def _check(arguments: argparse.Namespace) -> None:
    check_suffix(arguments.output)
    parent = arguments.output.absolute().parent
    if not parent.is_dir():
        raise UsageError(f"folder {parent} does not exist")
    for name, least, most in (("limit", 1, 10_000), ("per_page", 1, 50), ("width", 64, 4_096)):
        value = getattr(arguments, name)
        if not least <= value <= most:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} must be between {least} and {most:,}, not {value}")
