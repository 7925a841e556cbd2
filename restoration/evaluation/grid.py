"""A picture grid: clean, degraded and restored crops side by side, pixel for pixel.

Figures hide what kind of error a method makes; this is for looking. Crops are never scaled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from restoration.colour import luma8
from restoration.evaluation.measuring import Outcome
from restoration.quality import IDENTICAL_PSNR_DB

Byte = NDArray[np.uint8]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

CROP: Final = 256
"""Side of a crop in pixels; less where the photograph is smaller."""
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
        small, large = _font(FONT_SIZE), _font(FONT_SIZE + 5)
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


def detail_crop(pixels: Byte, side: int = CROP) -> tuple[slice, slice]:
    """Rows and columns of the crop with the most detail (mean gradient of luma).

    Args:
        pixels: (H, W, 3) or (H, W) uint8.
        side: of the crop in pixels; less where the photograph is smaller.
    """
    luma = luma8(pixels).astype(np.float32)
    gradient = cv2.magnitude(cv2.Sobel(luma, cv2.CV_32F, 1, 0), cv2.Sobel(luma, cv2.CV_32F, 0, 1))
    sides = (min(side, luma.shape[0]), min(side, luma.shape[1]))
    total = np.asarray(cv2.integral(gradient), np.float64)
    down = _starts(luma.shape[0], sides[0])
    across = _starts(luma.shape[1], sides[1])
    best = max(
        ((top, left) for top in down for left in across),
        key=lambda corner: _window_sum(total, corner, sides),
    )
    return slice(best[0], best[0] + sides[0]), slice(best[1], best[1] + sides[1])


def psnr_text(psnr_db: float) -> str:
    """A PSNR as it is shown: `identical` where nothing differs."""
    return "identical" if psnr_db >= IDENTICAL_PSNR_DB else f"{psnr_db:.2f} dB"


def wrapped(text: str, font: Font, width: int) -> list[str]:
    """Break text into lines of at most `width` pixels: at spaces, and within longer words."""
    lines: list[str] = []
    words = [part for word in text.split(" ") for part in _cut(word, font, width)]
    for word in words:
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _cut(word: str, font: Font, width: int) -> list[str]:
    """A word in parts of at most `width` pixels (of at least one character)."""
    parts = []
    while len(word) > 1 and font.getlength(word) > width:
        fits = max(1, sum(font.getlength(word[: i + 1]) <= width for i in range(len(word))))
        parts.append(word[:fits])
        word = word[fits:]
    return [*parts, word]


def drawable(text: str, font: Font) -> str:
    """The text with a question mark for each character that the font has no glyph for."""
    missing = bytes(font.getmask("\uffff"))
    return "".join("?" if bytes(font.getmask(c)) == missing else c for c in text)


def _starts(length: int, side: int) -> range:
    """Offsets of windows that overlap by three quarters."""
    return range(0, length - side + 1, max(1, side // 4))


def _window_sum(
    total: NDArray[np.float64], corner: tuple[int, int], sides: tuple[int, int]
) -> float:
    (top, left), (height, width) = corner, sides
    bottom, right = top + height, left + width
    return float(total[bottom, right] - total[top, right] - total[bottom, left] + total[top, left])


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


def _font(size: int) -> Font:
    return ImageFont.load_default(size=size)
