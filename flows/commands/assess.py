"""`restore-archive assess`: one line per photo, for people or as JSON."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from flows.commands.as_json import jsonable
from flows.console import QuietlyClosedConsole, print_line, printable
from flows.photo import planned_pages
from flows.photo_files import told_apart
from restoration.assess import Assessment
from restoration.codec import shared_decoder
from restoration.errors import RestorationError
from restoration.plan import Plan
from restoration.recipe import Options
from storage import EntryKind, LocalSource, StorageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments on `parser`."""
    parser.add_argument(
        "photos",
        nargs="+",
        type=Path,
        metavar="PHOTO",
        help="a file, or a folder with all photos below it; they are only read",
    )
    parser.add_argument(
        "--reasons", action="store_true", help="also say why each step is planned or not"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="a JSON object on each line: size, measures with units and confidences, plan, "
        "reasons; or the error",
    )


@dataclass(frozen=True)
class Assessed:
    """A photo that was looked at.

    Attributes:
        path: where it is.
        width: pixels, upright.
        height: pixels, upright.
        assessment: what was measured.
        plan: what a run would do.
        error: why nothing of this is known; empty where it is.
        page: from 1, of a photo of several; 0 of any other.
    """

    path: Path
    width: int = 0
    height: int = 0
    assessment: Assessment | None = field(default=None, repr=False)
    plan: Plan | None = field(default=None, repr=False)
    error: str = ""
    page: int = 0


def run(arguments: argparse.Namespace) -> int:
    """Assess each photo; returns 1 where one cannot be read."""
    console = QuietlyClosedConsole()
    code = 0
    for path, problem in _photos(arguments.photos):
        pages = [Assessed(path, error=problem)] if problem else _assessed(path)
        for found in pages:
            code = 1 if found.error else code
            if arguments.json:
                print(_json_line(found), flush=True)
            else:
                _print_lines(console, found, reasons=arguments.reasons)
    return code


def _photos(paths: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Files as they are given and the photos in folders; with why one cannot be looked at."""
    for path in paths:
        if not os.path.isdir(path):  # noqa: PTH112 - one out of reach must not end the others
            yield path, ""
            continue
        source = LocalSource(path)
        for entry, is_photo in told_apart(source, source.crawl()):
            if is_photo or entry.kind is not EntryKind.FILE:
                yield path / entry.path, entry.problem


def _assessed(path: Path) -> list[Assessed]:
    """What a run would find and do, page by page."""
    try:
        with path.open("rb") as file:
            photo = shared_decoder().decode(file)
    except OSError as error:
        return [Assessed(path, error=error.strerror or str(error))]
    except (RestorationError, StorageError) as error:
        return [Assessed(path, error=str(error))]
    found = []
    for number, each in enumerate(planned_pages(photo, Options()), 1):
        height, width = each.page.pixels.shape[:2]
        page = number if len(photo.pages) > 1 else 0
        found.append(Assessed(path, width, height, each.assessment, each.plan, page=page))
    return found


def _print_lines(console: Console, found: Assessed, *, reasons: bool) -> None:
    name = printable(str(found.path)) + (f", page {found.page}" if found.page else "")
    if found.assessment is None or found.plan is None:
        print_line(console, f"{name}: {found.error}")
        return
    print_line(console, f"{name}: {describe_assessment(found.assessment, found.plan)}")
    for reason in found.plan.reasons if reasons else ():
        print_line(console, f"    {reason}")


def _json_line(found: Assessed) -> str:
    """A photo as one line of JSON, ASCII; flows/README.md describes the fields."""
    content: dict[str, object] = {"path": str(found.path)}
    if found.page:
        content["page"] = found.page
    measured, plan = found.assessment, found.plan
    if measured is None or plan is None:
        content["error"] = found.error
    else:
        content |= {
            "width": found.width,
            "height": found.height,
            "noise": {
                "sigma": measured.noise_sigma,
                "unit": "8-bit levels",
                "confidence": measured.noise_confidence,
            },
            "blur": {
                "sigma": measured.blur_sigma,
                "unit": "pixels",
                "confidence": measured.blur_confidence,
            },
            "monochrome": {
                "is_monochrome": measured.is_monochrome,
                "confidence": measured.monochrome_confidence,
            },
            "plan": plan.steps,
            "reasons": plan.reasons,
        }
    return json.dumps(jsonable(content), allow_nan=False)


def describe_assessment(assessment: Assessment, plan: Plan) -> str:
    """Measurements and plan in one short line; confidences in brackets."""
    colour = "monochrome" if assessment.is_monochrome else "colour"
    return (
        f"noise sigma {assessment.noise_sigma:4.1f} ({assessment.noise_confidence:.2f})  "
        f"blur sigma {assessment.blur_sigma:3.1f} px ({assessment.blur_confidence:.2f})  "
        f"{colour} ({assessment.monochrome_confidence:.2f})  "
        f"plan: {', '.join(plan.steps) or 'nothing to do'}"
    )
