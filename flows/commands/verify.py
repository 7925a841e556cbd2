"""`restore-archive verify`: read every output back against the manifest."""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from flows.audit import Finding
from flows.collector import program_set_aside
from flows.progress import LINE_EVERY_S, QuietlyClosedConsole, printable
from flows.verification import Verified, verify
from restoration.errors import UsageError
from storage import open_results, open_source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments on `parser`."""
    parser.add_argument(
        "destination", metavar="DEST", help="what runs wrote; it is only read (while none writes)"
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
        UsageError: the destination holds no manifest.
    """
    console = QuietlyClosedConsole()

    def tell(finding: Finding) -> None:
        line = f"{printable(finding.path)}: {printable(finding.problem)}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    destination = open_results(arguments.destination)
    source = open_source(arguments.source) if arguments.source else None
    with ExitStack() as stack, program_set_aside():
        progress = stack.enter_context(_Progress(quiet=arguments.quiet))
        result = verify(destination, source, tell=tell, progress=progress.update)
    if not result.photos:
        raise UsageError(
            f"{arguments.destination} holds no manifest; give the destination of a run"
        )
    if not arguments.quiet:
        console.print(_summary(result), highlight=False, markup=False, soft_wrap=True)
    return 1 if result.findings else 0


def _summary(result: Verified) -> str:
    read = f"{result.files:,} files of {result.photos:,} photos read back"
    if result.originals:
        read += f", {result.originals:,} originals"
    if not result.findings:
        return f"{read}: all as recorded"
    return f"{read}: {result.findings:,} finding{'s' if result.findings > 1 else ''}"


class _Progress:
    """A bar on a terminal, a line now and then elsewhere; on standard error, beside the findings.

    Args:
        quiet: neither.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._console = QuietlyClosedConsole(stderr=True, quiet=quiet)
        self._bar = Progress(
            TextColumn("reading back"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=self._console,
            transient=True,
            disable=quiet or not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None)
        self._said = time.monotonic()

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def update(self, done: int, of: int) -> None:
        """So many files of so many were read."""
        if self._console.is_terminal:
            self._bar.update(self._task, completed=done, total=of)
        elif time.monotonic() - self._said >= LINE_EVERY_S:
            self._said = time.monotonic()
            self._console.print(f"{done:,}/{of:,} files read back", highlight=False)
