"""One fixed photograph at each validation: a person watches noise, blur or gray going away."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from restoration.training.curves import put_text, write_png
from restoration.training.sources import FileBytes, decode
from restoration.training.validation import Sample

Byte = NDArray[np.uint8]

SHEET_PICTURES: Final = 24
SHEET_COLUMNS: Final = 6
_CAPTION_HEIGHT: Final = 22
_GAP: Final = 4
_STRIP: Final = re.compile(r"step-(\d+)\.png")
SHEET: Final = "over-time.png"


class SampleFolder:
    """A folder of strips, and a contact sheet of how the photograph came along.

    `step-N.png` shows clean, degraded and restored side by side (without clean where it is not
    known); `over-time.png` the restored ones in order, evenly thinned out to `SHEET_PICTURES`.

    Args:
        folder: created at the first sample.
        resumed_at: steps that the run goes on from; later strips are of a lost future.
    """

    def __init__(self, folder: Path, *, resumed_at: int) -> None:
        self._folder = folder
        for steps, path in self._strips():
            if steps > resumed_at or resumed_at == 0:
                path.unlink()

    def add(self, steps: int, caption: str, sample: Sample) -> None:
        """Write a strip and the sheet.

        Args:
            steps: optimiser steps so far.
            caption: what is known of the restored picture, ASCII.
            sample: the pictures.
        """
        self._folder.mkdir(exist_ok=True)
        panels = [("degraded", sample.degraded), (caption, sample.restored)]
        if sample.clean is not None:
            panels.insert(0, ("clean", sample.clean))
        strip = beside([captioned(picture, text) for text, picture in panels])
        write_png(self._folder / f"step-{steps:07d}.png", strip)
        self._write_sheet(panels[:-1], sample.restored.shape[1])

    def _write_sheet(self, first: list[tuple[str, Byte]], width: int) -> None:
        strips = [path for _, path in self._strips()]
        wanted = SHEET_PICTURES - len(first)
        kept = [strips[round(i)] for i in np.linspace(0, len(strips) - 1, wanted)]
        cells = [captioned(picture, text) for text, picture in first]
        for path in dict.fromkeys(kept):
            strip = decode(FileBytes(path)())
            if strip is not None:  # the restored picture, with its caption, is the last panel
                cells.append(strip[:, -width:])
        write_png(self._folder / SHEET, grid(cells, SHEET_COLUMNS))

    def _strips(self) -> list[tuple[int, Path]]:
        if not self._folder.is_dir():
            return []
        found = [(match, path) for path in self._folder.iterdir()
                 if (match := _STRIP.fullmatch(path.name))]  # fmt: skip
        return sorted((int(match[1]), path) for match, path in found)


def captioned(picture: Byte, text: str) -> Byte:
    """A picture (H, W, 3) with a line of text above it."""
    line = np.full((_CAPTION_HEIGHT, picture.shape[1], 3), 255, np.uint8)
    put_text(line, text, 2, _CAPTION_HEIGHT - 7)
    return np.concatenate([line, picture], 0)


def beside(pictures: list[Byte]) -> Byte:
    """Pictures of one height side by side, with gaps."""
    gap = np.full((pictures[0].shape[0], _GAP, 3), 255, np.uint8)
    parts = [part for picture in pictures for part in (gap, picture)]
    return np.concatenate(parts[1:], 1)


def grid(pictures: list[Byte], columns: int) -> Byte:
    """Pictures of one size in rows of `columns`."""
    blank = np.full_like(pictures[0], 255)
    columns = min(columns, len(pictures))
    padded = pictures + [blank] * (-len(pictures) % columns)
    rows = [beside(padded[i : i + columns]) for i in range(0, len(padded), columns)]
    return np.concatenate(rows, 0)
