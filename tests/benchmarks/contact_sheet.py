"""Original | restored | colorized, as a contact sheet.

python -m tests.benchmarks.contact_sheet OUT.jpg PHOTO... [--width 420] [--crop 260] [--columns 2]

Whole photographs are reduced to the cells' width; with `--crop` the most detailed part of each
is shown pixel for pixel, since noise and blur are not seen in reduced pictures.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.progress import track

from restoration.assess import assess
from restoration.codec import decode
from restoration.detail import detail_crop
from restoration.models import resolve_device
from restoration.plan import make_plan
from restoration.quality import psnr_db
from restoration.restore import Job, Restorer
from tests.benchmarks.sheets import Byte, Cell, sheet

NOTHING = "nothing to restore"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--width", type=int, default=420, help="of a cell in pixels")
    parser.add_argument("--crop", type=int, metavar="PIXELS",
                        help="show the most detailed part, of this side, instead")  # fmt: skip
    parser.add_argument("--columns", type=int, default=1, help="photographs beside each other")
    arguments = parser.parse_args()
    restorer = Restorer(resolve_device("auto"))
    console = Console(stderr=True)
    rows = []
    for path in track(arguments.photos, description="restoring", console=console):
        cells = restored_row(path, restorer)
        if arguments.crop:
            cells = cropped(cells, arguments.crop)
        rows.append(cells)
    side = arguments.columns
    joined = [list(chain(*rows[i : i + side])) for i in range(0, len(rows), side)]
    sheet(joined, width=arguments.crop or arguments.width).save(arguments.output, quality=85)


def restored_row(path: Path, restorer: Restorer) -> list[Cell]:
    """Original, restored and colorized with what is known of them; None where there is none."""
    with path.open("rb") as file:
        photo = decode(file)
    assessment = assess(photo.pixels)
    plan = make_plan(assessment)
    (result,) = restorer.restore([Job(photo.pixels, plan, assessment.noise_sigma)])
    if isinstance(result, Exception):
        raise result
    found = f"noise {assessment.noise_sigma:.1f}, blur {assessment.blur_sigma:.1f} px"
    row: list[Cell] = [(f"{path.stem[:34]}: {found}", photo.pixels), (NOTHING, None), ("", None)]
    if result.pixels is not None:
        steps = ", ".join(step for step in plan.steps if step != "colorize")
        change = psnr_db(photo.pixels, result.pixels)
        row[1] = (f"{steps} ({change:.1f} dB from the original)", result.pixels)
    if result.colorized is not None:
        row[2] = ("colorized", result.colorized)
    return row


def cropped(cells: Sequence[Cell], side: int) -> list[Cell]:
    """The same most detailed part of all pictures of one photograph."""
    original = cells[0][1]
    assert original is not None
    rows, columns = detail_crop(original, side)
    return [(text, None if p is None else _part(p, rows, columns)) for text, p in cells]


def _part(pixels: Byte, rows: slice, columns: slice) -> Byte:
    return pixels[rows, columns]


if __name__ == "__main__":
    main()
