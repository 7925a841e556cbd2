"""`restore-archive report`: an archive's audit report, written or served."""

from __future__ import annotations

import argparse
import ipaddress
import socket
from pathlib import Path

from flows.collector import program_set_aside
from flows.commands.archive import open_archive
from flows.console import Bars, QuietlyClosedConsole, print_line
from flows.report.folder import location_of, report_folder
from flows.report.originals import find_originals, known_originals
from flows.report.pictures import PHOTOS, PictureOptions
from flows.report.view import VIEW_MEGAPIXELS
from flows.report.writing import Written, write_report
from restoration.errors import UsageError
from storage import DestinationStore

LOOPBACK = "127.0.0.1"
PORT = 8765
"""Always the same, since browsers keep what they remember of a page by its port."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments on `parser`."""
    parser.add_argument("destination", metavar="RESTORED", help="what runs wrote")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FOLDER",
        help="write the report there (default: RESTORED/report)",
    )
    parser.add_argument(
        "--source",
        metavar="SOURCE",
        help="the originals, for pictures of them (default: where the last run had them)",
    )
    pictures = parser.add_argument_group("pictures")
    pictures.add_argument(
        "--pictures",
        type=int,
        default=PHOTOS,
        metavar="N",
        help="photos that are shown in full, those first that need review (default: %(default)d)",
    )
    pictures.add_argument(
        "--view-megapixels",
        type=float,
        default=VIEW_MEGAPIXELS,
        metavar="N",
        help="larger photos are reduced to so many (default: %(default)g)",
    )
    pictures.add_argument(
        "--no-pictures", action="store_true", help="make none; those that are there stay"
    )
    serving = parser.add_argument_group("serving")
    serving.add_argument(
        "--serve",
        action="store_true",
        help="then show it in a browser of this computer, and save decisions, until Ctrl-C",
    )
    serving.add_argument(
        "--port", type=int, default=PORT, metavar="N", help="0 is any (default: %(default)d)"
    )
    serving.add_argument(
        "--host",
        default=LOOPBACK,
        metavar="ADDRESS",
        help="listen there, for other computers, too (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the report and say where it is; serve it if that is asked for.

    Raises:
        UsageError: there is no manifest, or an argument makes no sense.
        StorageError: the destination cannot be read, or the report not be written.
    """
    options = PictureOptions(
        photos=arguments.pictures,
        view_megapixels=arguments.view_megapixels,
        make=not arguments.no_pictures,
    )
    if not 0 <= arguments.port <= 65535:
        raise UsageError(f"--port must be between 0 and 65535, not {arguments.port}")
    results = open_archive(arguments.destination)
    archives = known_originals(results, arguments.source)
    folder = report_folder(results, arguments.output, archives)
    originals = find_originals(results, arguments.source)
    console, errors = QuietlyClosedConsole(), QuietlyClosedConsole(stderr=True)

    def write() -> Written:
        with program_set_aside(), Bars() as bars:
            return write_report(
                results, folder, originals.store, arguments.destination, options, bars.show
            )

    if originals.problem and options.make:
        print_line(errors, f"no pictures of the originals: {originals.problem}")
    if not arguments.serve:
        print_line(console, _line(folder, write()))
        return 0
    from flows.report.serving import listening, serve  # uvicorn takes its time

    # Before the report is made, which may take minutes: the port may be taken.
    with listening(arguments.host, arguments.port) as listener:
        written = write()
        print_line(console, _line(folder, written))
        if not _is_loopback(listener):
            print_line(errors, f"{arguments.host} is not this computer alone: {_OPEN}")
        serve(
            listener,
            arguments.host,
            results,
            folder,
            renew=write,
            tell=lambda address: print_line(console, f"{address} (Ctrl-C ends it)"),
        )
    return 0


_OPEN = (
    "whoever reaches the port and knows the address sees the photos and decides, and what is sent "
    "is not encrypted"
)


def _is_loopback(listener: socket.socket) -> bool:
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def _line(folder: DestinationStore, written: Written) -> str:
    totals = written.summary.figures.totals
    return (
        f"{location_of(folder)}: {totals.photos:,} photos, {totals.needs_review:,} to review, "
        f"{totals.failed:,} failed; {written.shown:,} shown in {written.pictures:,} pictures"
    )
