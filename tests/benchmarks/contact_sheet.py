"""Original | restored | colorized, as a contact sheet.

python -m tests.benchmarks.contact_sheet OUT.png PHOTO... [--width 420]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from restoration.assess import assess
from restoration.codec import decode
from restoration.models import resolve_device
from restoration.plan import make_plan
from restoration.restore import Job, Restorer
from tests.benchmarks.sheets import Byte, sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--width", type=int, default=420)
    arguments = parser.parse_args()
    restorer = Restorer(resolve_device("auto"))
    rows = [restored_row(path, restorer) for path in arguments.photos]
    sheet(rows, width=arguments.width).save(arguments.output)


def restored_row(path: Path, restorer: Restorer) -> list[tuple[str, Byte]]:
    with path.open("rb") as file:
        photo = decode(file)
    assessment = assess(photo.pixels)
    plan = make_plan(assessment)
    (result,) = restorer.restore([Job(photo.pixels, plan, assessment.noise_sigma)])
    if isinstance(result, Exception):
        raise result
    label = f"noise {assessment.noise_sigma:.1f}, blur {assessment.blur_sigma:.1f} px"
    row = [(label, photo.pixels)]
    if result.pixels is not None:
        steps = [step for step in plan.steps if step != "colorize"]
        row.append((", ".join(steps), result.pixels))
    if result.colorized is not None:
        row.append(("colorized", result.colorized))
    return row


if __name__ == "__main__":
    main()
