"""`restore-archive run`: the flow, called in process, with progress and a summary."""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import signal
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.commands.options import (
    add_extra_arguments,
    add_file_arguments,
    add_resource_arguments,
    add_restoration_arguments,
    archive_options_from,
    limits_from,
    resources_from,
)
from flows.console import QuietlyClosedConsole, is_utf8, print_line, printable
from flows.embedded_server import be_quiet, prefect_server, server_url
from flows.planning import Request
from flows.progress import BarReporter, LineReporter, Reporter, reporting_to
from flows.stopping import StopSignals
from flows.workers import check_server_for, parse_workers
from restoration.codec import AccessCopies
from restoration.errors import UsageError
from storage import BadLocation, OutOfSpace, open_destination, open_source

if TYPE_CHECKING:  # importing the flow imports Prefect, which takes seconds
    from flows.run_summary import RunSummary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments on `parser`."""
    parser.add_argument(
        "source", metavar="PHOTOS", help="folder of originals, or s3://bucket/folder"
    )
    parser.add_argument(
        "destination", metavar="RESTORED", help="folder for the results, or s3://bucket/folder"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="crawl and assess only; write nothing"
    )
    add_restoration_arguments(parser)
    add_file_arguments(parser)
    add_extra_arguments(parser)
    add_resource_arguments(parser)
    parser.add_argument(
        "--include",
        action="append",
        default=[],
        metavar="GLOB",
        help="only photos whose path is like this, such as '1920s/**' or '*.tif'; may be given "
        "several times",
    )
    parser.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="GLOB",
        help="no photos whose path is like this, included or not; may be given several times",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="at most N photos in this run")
    parser.add_argument(
        "--batch-megapixels",
        type=float,
        default=200.0,
        metavar="N",
        help="size of a batch (default: %(default)g)",
    )
    parser.add_argument(
        "--workers",
        metavar="local:N|tcp://HOST:PORT",
        help="restore with N processes, one for each GPU, or on the workers of a Dask scheduler "
        "(default: one device of this process)",
    )
    parser.add_argument("--force", action="store_true", help="redo photos that are unchanged")
    loudness = parser.add_mutually_exclusive_group()
    loudness.add_argument("--quiet", action="store_true", help="no progress and no summary")
    loudness.add_argument("--verbose", action="store_true", help="a line per photo")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Run the flow as the arguments say; returns the exit code.

    Raises:
        UsageError: an option that makes no sense.
        StorageError: a location that cannot be used.
    """
    _check(arguments)
    if arguments.dry_run:
        from flows.commands.dry_run import dry_run

        _check_devices(arguments)
        return dry_run(arguments)
    be_quiet()
    console = QuietlyClosedConsole(stderr=arguments.json)
    summary, exit_if_stopped = _run_flow(arguments, console)
    if arguments.json:
        print(json.dumps({**asdict(summary), "all_well": summary.all_well}, indent=2))
    elif not arguments.quiet:
        _show(summary, console, arguments.destination)
    if summary.stopped:
        return exit_if_stopped
    return 0 if summary.all_well else 1


def _check(arguments: argparse.Namespace) -> None:
    workers = parse_workers(arguments.workers)
    resources_from(arguments)
    if workers.is_remote:  # asking Prefect takes a second
        check_server_for(workers, server_url())
    if arguments.workers and arguments.dry_run:
        raise UsageError("--dry-run only looks, in this process: leave --workers out")
    archive_options_from(arguments)
    Request(
        include=tuple(arguments.include),
        exclude=tuple(arguments.exclude),
        limit=arguments.limit,
        batch_megapixels=arguments.batch_megapixels,
    )
    if arguments.dry_run and arguments.json:
        raise UsageError("--json is the summary of a run; --dry-run has none")
    try:
        source = open_source(arguments.source)
        source.check()
        open_destination(arguments.destination, source)
        _check_globs((*arguments.include, *arguments.exclude), arguments.source, source.url)
    except BadLocation as error:
        raise UsageError(str(error)) from error


def _check_globs(globs: Sequence[str], *source: str) -> None:
    """Refuse globs that begin with where the source is: they are matched against what follows.

    Args:
        globs: as the user wrote them.
        source: ways to write where it is, its address last.
    """
    for glob in globs:
        for place in (*source, unquote(urlsplit(source[-1]).path)):
            start = f"{place.rstrip('/')}/"
            if "/" in start[:-1] and glob.startswith(start):
                raise UsageError(
                    f"--include or --exclude: {glob} begins with the source; write "
                    f"{glob.removeprefix(start) or '**'}"
                )


def _check_devices(arguments: argparse.Namespace) -> None:
    from flows.worker_devices import check_device, environments

    workers = parse_workers(arguments.workers)
    check_device(workers, arguments.device, resources_from(arguments))
    if workers.kind == "local":
        environments(workers.count, arguments.device)


def _run_flow(arguments: argparse.Namespace, console: Console) -> tuple[RunSummary, int]:
    """Run the flow; returns its summary, and the exit code where it was stopped."""
    with ExitStack() as stack:
        if not arguments.quiet:
            reporter: Reporter
            if console.is_terminal and not arguments.verbose:
                reporter = stack.enter_context(BarReporter(console))
            else:
                reporter = stack.enter_context(LineReporter(console, verbose=arguments.verbose))
            stack.enter_context(reporting_to(reporter))
        # Until there is something in hand, a request to stop ends the command at once.
        stack.enter_context(prefect_server(meanwhile=lambda: _prepare(arguments)))
        from flows.restore_archive import restore_here  # see top

        _silence_prefect()
        signals = stack.enter_context(StopSignals(_say_that_it_stops))
        try:
            return restore_here(**_parameters(arguments)), signals.exit_code
        except OutOfSpace as error:
            raise OutOfSpace(f"{error}; make room, and the same command goes on") from error


def _say_that_it_stops(came: signal.Signals) -> None:
    again = "Ctrl-C again" if came is signal.SIGINT else "a second signal"
    # Not `print`: the signal may have come in the middle of one, which would not be entered again.
    os.write(2, f"\nstopping after the photos in hand; {again} stops at once\n".encode())


def _sendable(location: str) -> str:
    """A location that can be told to Prefect: an address, where the folder's name is not UTF-8."""
    return location if is_utf8(location) else Path(location).expanduser().absolute().as_uri()


def _parameters(arguments: argparse.Namespace) -> dict[str, Any]:
    """The flow's."""
    return {
        "source": _sendable(arguments.source),
        "destination": _sendable(arguments.destination),
        "steps": arguments.steps,
        "strength": arguments.strength,
        "keep_grain": arguments.keep_grain,
        "passes": arguments.passes,
        "models": arguments.model,
        "even_if_worse": arguments.even_if_worse,
        "device": arguments.device,
        "include": arguments.include,
        "exclude": arguments.exclude,
        "limit": arguments.limit,
        "batch_megapixels": arguments.batch_megapixels,
        **asdict(limits_from(arguments)),
        "salvage": arguments.salvage,
        "output_format": arguments.output_format,
        "quality": arguments.quality,
        "label": not arguments.no_label,
        "access": arguments.access,
        "access_quality": arguments.access_quality or AccessCopies.quality,
        "sidecar": arguments.sidecar,
        "c2pa_certificates": arguments.c2pa_certificates,
        "c2pa_key": arguments.c2pa_key,
        "force": arguments.force,
        "workers": arguments.workers,
        **asdict(resources_from(arguments)),
    }


def _prepare(arguments: argparse.Namespace) -> None:
    """What takes seconds of importing PyTorch and Prefect."""
    _check_devices(arguments)
    importlib.import_module("flows.restore_archive")


def _silence_prefect() -> None:
    # A failed flow is reported once, in our one line, not as Prefect's log with its traceback.
    for name in (
        "prefect",
        "prefect.flow_runs",
        "prefect.task_runs",
        "prefect.engine",
        "httpx",
    ):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _show(summary: RunSummary, console: Console, destination: str) -> None:
    rate = summary.megapixels / max(summary.seconds, 1e-9)
    counts = summary.counts()
    if console.is_terminal:
        table = Table(title=f"run {summary.run_id}", show_header=False)
        for name, count in counts:
            table.add_row(name, str(count), style="red" if name == "failed" and count else None)
        table.add_row("time", f"{summary.seconds:.0f} s, {rate:.2f} megapixels/s")
        console.print(table)
    else:
        text = ", ".join(f"{name} {count}" for name, count in counts)
        console.print(f"{text}; {summary.seconds:.0f} s", soft_wrap=True, highlight=False)
    for line in summary.failures:
        console.print(escape(printable(line)), style="red", soft_wrap=True, highlight=False)
    for line in summary.remarks():
        print_line(console, line)
    if summary.photos:
        print_line(console, f"manifest: {destination}/manifest")
