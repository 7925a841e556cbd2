"""`restore-archive assess`: one line per photo."""

from __future__ import annotations

import argparse
from pathlib import Path

from flows.console import QuietlyClosedConsole, print_line, printable
from restoration.assess import Assessment, assess
from restoration.codec import shared_decoder
from restoration.errors import RestorationError, UsageError
from restoration.plan import Plan, make_plan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments on `parser`."""
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
    parser.add_argument(
        "--reasons", action="store_true", help="also say why each step is planned or not"
    )


def run(arguments: argparse.Namespace) -> int:
    """Assess each photo; returns 1 where one cannot be read."""
    console = QuietlyClosedConsole()
    code = 0
    for path in arguments.photos:
        name = printable(str(path))
        try:
            with path.open("rb") as file:
                photo = shared_decoder().decode(file)
        except IsADirectoryError:
            raise UsageError(
                f"{path} is a folder; `run --dry-run` looks at whole folders"
            ) from None
        except (RestorationError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            print_line(console, f"{name}: {reason}")
            code = 1
            continue
        assessment = assess(photo.pixels)
        plan = make_plan(assessment)
        line = f"{name}: {describe_assessment(assessment, plan)}"
        print_line(console, line)
        for reason in plan.reasons if arguments.reasons else ():
            print_line(console, f"    {reason}")
    return code


def describe_assessment(assessment: Assessment, plan: Plan) -> str:
    """Measurements and plan in one short line; confidences in brackets."""
    colour = "monochrome" if assessment.is_monochrome else "colour"
    return (
        f"noise sigma {assessment.noise_sigma:4.1f} ({assessment.noise_confidence:.2f})  "
        f"blur sigma {assessment.blur_sigma:3.1f} px ({assessment.blur_confidence:.2f})  "
        f"{colour} ({assessment.monochrome_confidence:.2f})  "
        f"plan: {', '.join(plan.steps) or 'nothing to do'}"
    )
