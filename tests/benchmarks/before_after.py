"""The README's picture: crops of the sample archive before and after, by the shipped models.

python -m tests.benchmarks.before_after OUT.jpg
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from restoration.models import resolve_device
from restoration.restore import Restorer
from tests.benchmarks.contact_sheet import NOTHING, restored_row
from tests.benchmarks.sheets import Byte, Cell, sheet

ARCHIVE = Path(__file__).parent.parent / "sample_archive"
# Photo, then the crop that is shown, as shares of height and width: details must be visible.
SHOWN = (
    ("farms/dust-bowl-home (noisy scan).jpg", (0.25, 0.80, 0.30, 1.0)),
    ("alps/french-alpine-landscape (out of focus).png", (0.12, 0.92, 0.30, 0.86)),
    ("expeditions/長崎/和船 – boats.jpg", (0.30, 1.0, 0.10, 1.0)),
)
NAMES = ("as scanned", "restored", "colorized interpretation")


def main() -> None:
    restorer = Restorer(resolve_device("auto"))
    rows = []
    for name, share in SHOWN:
        original, restored, colorized = restored_row(ARCHIVE / name, restorer)
        if restored == (NOTHING, None):  # a sound print: the original itself
            restored = ("nothing to restore: passed through byte for byte", original[1])
        else:
            restored = (NAMES[1], restored[1])
        cells: list[Cell] = [(NAMES[0], original[1]), restored, (NAMES[2], colorized[1])]
        rows.append([(label, None if p is None else crop(p, share)) for label, p in cells])
    sheet(rows, width=460).save(sys.argv[1], quality=88)


def crop(pixels: Byte, share: tuple[float, float, float, float]) -> Byte:
    height, width = pixels.shape[:2]
    top, bottom = round(share[0] * height), round(share[1] * height)
    left, right = round(share[2] * width), round(share[3] * width)
    return np.ascontiguousarray(pixels[top:bottom, left:right])


if __name__ == "__main__":
    main()
