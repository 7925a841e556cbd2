"""`restore-archive verify`: read every output back against the manifest."""

from __future__ import annotations

import argparse
from functools import partial

from flows.audit import Finding
from flows.collector import program_set_aside
from flows.commands.archive import open_archive
from flows.console import Bars, QuietlyClosedConsole, print_line
from flows.verification import Verified, verify
from storage import open_source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments on `parser`."""
    parser.add_argument(
        "destination",
        metavar="RESTORED",
        help="what runs wrote; it is only read (while none writes)",
    )
    parser.add_argument(
        "--source",
        metavar="SOURCE",
        help="also read the originals there, and say which are gone or not those restored",
    )
    parser.add_argument("--quiet", action="store_true", help="print findings only")


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each finding; returns 1 where there is one.

    Raises:
        BadLocation: there is no such place.
        UsageError: the destination holds no manifest.
    """
    console = QuietlyClosedConsole()

    def tell(finding: Finding) -> None:
        print_line(console, f"{finding.path}: {finding.problem}")

    destination = open_archive(arguments.destination)
    source = open_source(arguments.source) if arguments.source else None
    with Bars(quiet=arguments.quiet) as bars, program_set_aside():
        progress = partial(bars.show, "files read back")
        result = verify(destination, source, tell=tell, progress=progress)
    if not arguments.quiet:
        print_line(console, _summary(result))
    return 1 if result.findings else 0


def _summary(result: Verified) -> str:
    read = f"{result.files:,} files of {result.photos:,} photos read back"
    if result.originals:
        read += f", {result.originals:,} originals"
    if not result.findings:
        return f"{read}: all as recorded"
    return f"{read}: {result.findings:,} finding{'s' if result.findings > 1 else ''}"
