"""`restore-archive run --dry-run`: what would be done, as a table; nothing is written."""

from __future__ import annotations

import argparse
from collections import Counter
from itertools import islice

from flows.commands.options import archive_options_from
from flows.console import QuietlyClosedConsole, print_line
from flows.hashing import sha256_of
from flows.photo import planned_pages, status_of_problem
from flows.planning import Request, Survey, pending_items
from flows.reviews import is_rejected, still_about
from flows.rows import main_of, status_of_error, steps_of
from flows.run_summary import NONE_CHOSEN
from restoration.codec import shared_decoder
from restoration.errors import RestorationError
from restoration.recipe import Options
from restoration.settings import options_under
from storage import EndsRun, SourceStore, StorageError, open_destination, open_source
from storage.manifest import Status, WorkItem

_HEADING = f"{'outcome':<14}{'noise':>5}  {'blur':>4}  {'colour':<10}  {'steps':<25}  photo"

_WOULD = {
    Status.RESTORED: "would restore",
    Status.NOTHING_TO_DO: "nothing to do",
    Status.SKIPPED: "would skip",
    Status.FAILED: "would fail",
}


def dry_run(arguments: argparse.Namespace) -> int:
    """Assess every photo that a run would do and print its plan, a line each.

    A table of plain lines: it streams, so that a million photos need no memory, and it can be
    searched and piped.

    Returns:
        0, or 1 where a photo cannot be read.
    """
    console = QuietlyClosedConsole(quiet=arguments.quiet)
    source = open_source(arguments.source)
    destination = open_destination(arguments.destination, source)
    options = archive_options_from(arguments)
    request = Request(
        tuple(arguments.include), tuple(arguments.exclude), arguments.limit, arguments.force
    )
    survey, counts = Survey(), Counter[str]()
    items = pending_items(source, destination, options, request, survey)
    print_line(console, _HEADING)
    for item in islice(items, arguments.limit):
        outcome, text = _look_at(item, source, options)
        counts[outcome] += 1
        print_line(console, f"{outcome:<14}{text}  {item.path}")
    for name in _WOULD.values():
        print_line(console, f"{name}: {counts[name]}")
    print_line(console, f"unchanged since earlier runs: {survey.unchanged}")
    if request.chooses and not survey.photos:
        print_line(console, NONE_CHOSEN)
    return 1 if counts[_WOULD[Status.FAILED]] else 0


def _look_at(item: WorkItem, source: SourceStore, options: Options) -> tuple[str, str]:
    if item.problem:
        return _WOULD[status_of_problem(item)], item.problem
    try:
        with source.open(item.path, etag=item.source_etag) as file:
            item, _ = still_about(item, sha256_of(file) if item.decided_sha256 else "")
            options = options_under(options, item.settings)
            photo = shared_decoder().decode(file, options.limits, salvage=options.salvage)
    except EndsRun:
        raise
    except (RestorationError, StorageError) as error:
        return _WOULD[status_of_error(error)], str(error)
    pages = planned_pages(photo, options, rejected=is_rejected(item))
    planned, assessment = steps_of(pages), pages[main_of(pages)].assessment
    outcome = _WOULD[Status.RESTORED if planned else Status.NOTHING_TO_DO]
    colour = "monochrome" if assessment.is_monochrome else "colour"
    steps = ", ".join(planned) or "-"
    text = (
        f"{assessment.noise_sigma:>5.1f}  {assessment.blur_sigma:>4.1f}  {colour:<10}  {steps:<25}"
    )
    return outcome, text
