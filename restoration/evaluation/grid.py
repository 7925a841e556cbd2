"""A picture grid: clean, degraded and restored crops side by side, pixel for pixel.

Figures hide what kind of error a method makes; this is for looking. Crops are never scaled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from restoration.detail import detail_crop
from restoration.evaluation.measuring import Outcome
from restoration.lettering import Font, drawable, own_font, wrapped
from restoration.quality import IDENTICAL_PSNR_DB

Byte = NDArray[np.uint8]

GAP: Final = 8
FONT_SIZE: Final = 15
LINE: Final = 19
HEADING: Final = 34
SUFFIXES: Final = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Picture:
    """A captioned crop: (h, w, 3) or (h, w) uint8; the caption's lines are wrapped where long."""

    caption: tuple[str, ...]
    pixels: Byte = field(repr=False)


@dataclass
class Grid:
    """Collects crops while methods are measured.

    Attributes:
        title: what is shown, such as the task and the data set.
        photos: indices of the photographs that are shown.
        conditions: names of the conditions that are shown.
        rows: by condition and photograph, the pictures from left to right.
    """

    title: str
    photos: frozenset[int]
    conditions: frozenset[str]
    rows: dict[tuple[str, int], list[Picture]] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Take the crop of an outcome, if its photograph and condition are shown."""
        measured = outcome.measurement
        if outcome.photo_index not in self.photos or measured.condition not in self.conditions:
            return
        crop = detail_crop(outcome.clean)
        row = self.rows.setdefault((measured.condition, outcome.photo_index), [])
        if not row:
            row.append(Picture(("clean", measured.photo), outcome.clean[crop]))
            row.append(
                Picture(("degraded", psnr_text(measured.input_psnr_db)), outcome.degraded[crop])
            )
        if not outcome.method.is_reference:
            caption = (measured.method, psnr_text(measured.psnr_db))
            row.append(Picture(caption, outcome.restored[crop]))

    def save(self, path: Path) -> None:
        """Draw the grid and write it as PNG or JPEG."""
        temporary = path.with_name(f"{path.stem}.part{path.suffix}")
        self.draw().save(temporary, quality=90)
        temporary.replace(path)

    def draw(self) -> Image.Image:
        """The grid, conditions from top to bottom, each with a row for each photograph."""
        rows = list(self.rows.values())
        small, large = own_font(FONT_SIZE), own_font(FONT_SIZE + 5)
        title = f"{self.title}: crops at 100 %; PSNR of the whole photograph"
        widths = [sum(_width(picture) + GAP for picture in row) for row in rows]
        width = max(*widths, math.ceil(large.getlength(title))) + 2 * GAP
        height = HEADING * (len({condition for condition, _ in self.rows}) + 1)
        height += sum(_row_height(row, small) for row in rows)
        canvas = Image.new("RGB", (width, height), "white")
        draw = ImageDraw.Draw(canvas)
        draw.text((GAP, GAP), drawable(title, large), fill="black", font=large)
        top, headed = HEADING, ""
        for (condition, _), row in self.rows.items():
            if condition != headed:
                draw.text((GAP, top + GAP), condition, fill="black", font=large)
                top, headed = top + HEADING, condition
            _draw_row(canvas, draw, row, top, small)
            top += _row_height(row, small)
        return canvas


def spread(count: int, photos: int) -> frozenset[int]:
    """`count` indices spread evenly over a set of so many photographs; all if there are fewer."""
    count = min(count, photos)
    return frozenset((2 * i + 1) * photos // (2 * count) for i in range(count))


def psnr_text(psnr_db: float) -> str:
    """A PSNR as it is shown: `identical` where nothing differs."""
    return "identical" if psnr_db >= IDENTICAL_PSNR_DB else f"{psnr_db:.2f} dB"


def _draw_row(
    canvas: Image.Image, draw: ImageDraw.ImageDraw, row: Sequence[Picture], top: int, font: Font
) -> None:
    left = GAP
    caption = _caption_height(row, font)
    for picture in row:
        for i, line in enumerate(_lines(picture, font)):
            draw.text((left, top + i * LINE), line, fill="black", font=font)
        canvas.paste(Image.fromarray(picture.pixels), (left, top + caption))
        left += _width(picture) + GAP


def _lines(picture: Picture, font: Font) -> list[str]:
    parts = [drawable(part, font) for part in picture.caption]
    return [line for part in parts for line in wrapped(part, font, _width(picture))]


def _width(picture: Picture) -> int:
    return int(picture.pixels.shape[1])


def _caption_height(row: Sequence[Picture], font: Font) -> int:
    return LINE * max(len(_lines(picture, font)) for picture in row)


def _row_height(row: Sequence[Picture], font: Font) -> int:
    tallest = max(int(picture.pixels.shape[0]) for picture in row)
    return _caption_height(row, font) + tallest + 2 * GAP
