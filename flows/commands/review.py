"""`restore-archive review`: record what people decided on photos, and list what waits for them."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from flows.collector import program_set_aside
from flows.commands.archive import open_archive
from flows.console import QuietlyClosedConsole, print_line
from flows.decisions import read_decisions, reviewer_name
from flows.parser import sentence
from flows.reviewing import Applied, apply_decisions
from flows.reviews import settings_in_words
from restoration.errors import UsageError
from storage import open_results
from storage.manifest import Decision, Reviewed, Status, reviewed

_NEEDS_REVIEW: Final = "needs review"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments on `parser`."""
    actions = parser.add_subparsers(dest="action", metavar="apply|list", required=True)
    text = "record the decisions of a file; outputs of rejected photos are deleted"
    apply = actions.add_parser("apply", help=text, description=sentence(text))
    apply.add_argument(
        "file", type=Path, metavar="FILE", help="decisions, as the report saves them"
    )
    apply.add_argument(
        "destination",
        metavar="RESTORED",
        nargs="?",
        help="the restored archive (default: the one that FILE names)",
    )
    apply.add_argument(
        "--reviewer", metavar="NAME", help="who decided (default: as in FILE, then $USER)"
    )
    apply.add_argument(
        "--dry-run", action="store_true", help="say what would become of them; write nothing"
    )
    text = "list what needs review, with the reasons, and what was decided"
    listing = actions.add_parser("list", help=text, description=sentence(text))
    listing.add_argument("destination", metavar="RESTORED", help="the restored archive")


def run(arguments: argparse.Namespace) -> int:
    """Do it; returns 1 where a decision was refused.

    Raises:
        UsageError: no decision file, no archive, or nobody who decided.
        StorageError: the archive cannot be read or written.
    """
    console = QuietlyClosedConsole()
    is_apply = arguments.action == "apply"
    code, lines = _apply(arguments) if is_apply else _list(arguments.destination)
    for line in lines:
        print_line(console, line)
    return code


def _apply(arguments: argparse.Namespace) -> tuple[int, list[str]]:
    file = read_decisions(arguments.file)
    reviewer = reviewer_name(arguments.reviewer or file.reviewer or os.environ.get("USER", ""))
    if not reviewer:
        raise UsageError("nobody is named who decided; say --reviewer NAME")
    location = arguments.destination or file.archive
    with program_set_aside():
        try:
            applied = apply_decisions(
                open_results(location), file.decisions, reviewer, dry_run=arguments.dry_run
            )
        except UsageError as error:
            raise UsageError(f"{location}: {error}") from error
    lines = [f"refused: {each.source}: {each.reason}" for each in applied.refused]
    lines += [f"note: {problem}" for problem in applied.problems]
    summary = _summary(applied)
    lines.append(f"would be: {summary}; nothing was written" if arguments.dry_run else summary)
    return 1 if applied.refused else 0, lines


def _summary(applied: Applied) -> str:
    words = [f"{kind} {applied.decisions[kind]}" for kind in Decision]
    words += [f"applied before {applied.already}", f"refused {len(applied.refused)}"]
    if applied.outputs_deleted:
        words.append(f"files deleted {applied.outputs_deleted}")
    text = ", ".join(words)
    return f"{text}; run {applied.run_id}" if applied.run_id else text


def _list(location: str) -> tuple[int, list[str]]:
    destination = open_archive(location)
    with program_set_aside():
        found = list(reviewed(destination))
    return 0, [*(line for row in found for line in _lines(row)), _counts(found)]


def _lines(row: Reviewed) -> list[str]:
    lines = []
    if row.needs_review:
        reasons = "; ".join(row.review_reasons) or "no reason is given"
        lines.append(f"{_NEEDS_REVIEW}: {row.source}: {reasons}")
    if row.review_decision is not None:
        words = [f"by {row.reviewer or 'somebody'}"]
        if row.review_time is not None:
            words.append(f"{row.review_time:%Y-%m-%d %H:%M} UTC")
        if row.review_decision is Decision.REDO:
            words.append(f"with {settings_in_words(row.settings)}")
        if row.status is Status.WITHDRAWN:
            words.append("the next run gives it its original")
        if row.review_note:
            words.append(f'"{row.review_note}"')
        lines.append(f"{row.review_decision}: {row.source}: {', '.join(words)}")
    elif row.settings is not None:
        lines.append(f"own settings: {row.source}: {settings_in_words(row.settings)}")
    return lines


def _counts(found: Sequence[Reviewed]) -> str:
    decided = Counter(row.review_decision for row in found)
    waiting = sum(row.needs_review for row in found)
    return ", ".join(
        [f"{_NEEDS_REVIEW} {waiting}", *(f"{kind} {decided[kind]}" for kind in Decision)]
    )
