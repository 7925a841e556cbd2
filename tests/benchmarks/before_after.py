"""The README's picture: crops of the sample archive before and after, by the shipped models.

python -m tests.benchmarks.before_after OUT.jpg
"""

from __future__ import annotations

import sys
from pathlib import Path

from restoration.assess import assess
from restoration.codec import decode
from restoration.contact_sheet import Cell, Entry, draw, fitted, save
from restoration.device import resolve_device
from restoration.plan import make_plan
from restoration.restore import Job, Restorer
from restoration.samples import Samples

ARCHIVE = Path(__file__).parent.parent / "sample_archive"
# Heading, photo, and the crop that is shown, as shares of its sides: details must be visible.
SHOWN = (
    ("A noisy scan", "farms/dust-bowl-home (noisy scan).jpg", (0.25, 0.80, 0.30, 1.0)),
    ("Out of focus", "alps/french-alpine-landscape (out of focus).png", (0.12, 0.92, 0.30, 0.86)),
    ("A sound print", "expeditions/長崎/和船 – boats.jpg", (0.30, 1.0, 0.10, 1.0)),
)
WIDTH = 460
"""Of a picture, pixels."""


def main() -> None:
    restorer = Restorer(resolve_device("auto"))
    entries = [entry(heading, ARCHIVE / name, share, restorer) for heading, name, share in SHOWN]
    path = Path(sys.argv[1])
    with path.open("wb") as file:
        save(draw(entries, "Photographs of the sample archive", width=WIDTH), file, path.suffix)


def entry(
    heading: str, path: Path, share: tuple[float, float, float, float], restorer: Restorer
) -> Entry:
    """A photograph as it was scanned, restored, and with colours."""
    with path.open("rb") as file:
        photo = decode(file)
    assessment = assess(photo.pixels)
    plan = make_plan(assessment)
    (result,) = restorer.restore([Job(photo.pixels, plan, assessment.noise_sigma)])
    if isinstance(result, Exception):
        raise result
    if result.pixels is None:  # a sound print: the original itself
        label, restored = "nothing to restore: passed through byte for byte", photo.pixels
    else:
        label, restored = "restored", result.pixels
    found = f"noise {assessment.noise_sigma:.1f}, blur {assessment.blur_sigma:.1f} px"
    cells = (
        shown("as scanned", photo.pixels, share),
        shown(label, restored, share),
        shown("colorized interpretation", result.colorized, share),
    )
    return Entry(heading, (f"{found}: {', '.join(plan.steps)}",), (), cells)


def shown(label: str, pixels: Samples | None, share: tuple[float, float, float, float]) -> Cell:
    """The part of a picture from the top to the bottom and from the left to the right share."""
    if pixels is None:
        return Cell(label, absence="in colour already")
    height, width = pixels.shape[:2]
    rows = slice(round(share[0] * height), round(share[1] * height))
    columns = slice(round(share[2] * width), round(share[3] * width))
    return Cell(label, fitted(pixels[rows, columns], WIDTH))


if __name__ == "__main__":
    main()
