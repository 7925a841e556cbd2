"""Contact sheets: photographs in rows, original | restored | colorized, with what was done."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from restoration.detail import detail_crop
from restoration.errors import UsageError
from restoration.lettering import drawable, font_for, own_font, shortened, wrapped
from restoration.samples import Samples, eight_bits

Byte = NDArray[np.uint8]

_FORMATS: Final = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}
SUFFIXES: Final = tuple(_FORMATS)
JPEG_QUALITY: Final = 92

_GAP: Final = 12
_PAPER: Final = "white"
_INK: Final = "#1a1a1a"
_FAINT: Final = "#5c5c5c"
_FLAG: Final = "#9c1c1c"
_EMPTY: Final = "#f0f0f0"
_HEADING_SIZE: Final = 17
_TEXT_SIZE: Final = 14
_TITLE_SIZE: Final = 22
_LINE: Final = 1.35
"""Height of a line of text, in its font's size."""
_LARGEST_ASPECT: Final = 1.25
"""Height of a picture in its cell's width, at most: upright photos are not twice as large."""


@dataclass(frozen=True)
class Cell:
    """One picture of a row.

    Attributes:
        label: what it is, such as "restored".
        pixels: (h, w) or (h, w, 3) uint8, as `fitted` gives them; None where there is no picture.
        absence: why there is none.
    """

    label: str
    pixels: Byte | None = field(default=None, repr=False)
    absence: str = ""


@dataclass(frozen=True)
class Entry:
    """One photograph: a row of the sheet.

    Attributes:
        heading: its name.
        lines: what is said of it.
        flags: why a person should look at it.
        cells: its pictures, as many as in every other row.
    """

    heading: str
    lines: tuple[str, ...]
    flags: tuple[str, ...]
    cells: tuple[Cell, ...]


def fitted(pixels: Samples, width: int) -> Byte:
    """A photograph reduced to a cell; never enlarged.

    Args:
        pixels: (H, W) or (H, W, 3), uint8 or uint16.
        width: of the cell, pixels.

    Returns:
        At most `width` wide and 1.25 times as high; means over areas.
    """
    height, own_width = pixels.shape[:2]
    scale = min(1.0, width / own_width, _LARGEST_ASPECT * width / height)
    if scale == 1.0:
        return np.ascontiguousarray(eight_bits(pixels))
    size = (max(1, round(own_width * scale)), max(1, round(height * scale)))
    return eight_bits(np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)))


def cropped(pixels: Samples, like: Byte, side: int) -> Byte:
    """The part of a photograph in which another, of the same size, has the most detail.

    Args:
        pixels: (H, W) or (H, W, 3), uint8 or uint16.
        like: the other one, (H, W) or (H, W, 3) uint8.
        side: pixels of the part; less where the photograph is smaller.
    """
    rows, columns = detail_crop(like, side)
    return np.ascontiguousarray(eight_bits(pixels[rows, columns]))


def draw(entries: Sequence[Entry], title: str, *, width: int) -> Image.Image:
    """A page of a contact sheet.

    Args:
        entries: its photographs, from top to bottom; at least one.
        title: of the page.
        width: of a cell, pixels.
    """
    columns = max(len(entry.cells) for entry in entries)
    page_width = columns * (width + _GAP) + _GAP
    rows = [_row(entry, width, page_width) for entry in entries]
    head = _text_block([(title, _TITLE_SIZE, _INK)], page_width - 2 * _GAP)
    height = head.height + 2 * _GAP + sum(row.height for row in rows)
    page = Image.new("RGB", (page_width, height), _PAPER)
    page.paste(head, (_GAP, _GAP))
    top = head.height + 2 * _GAP
    for row in rows:
        page.paste(row, (0, top))
        top += row.height
    return page


def save(page: Image.Image, file: BinaryIO, suffix: str) -> None:
    """Write a page as PNG or JPEG.

    Args:
        page: as `draw` made it.
        file: where to.
        suffix: that `check_suffix` accepts in a name.

    Raises:
        OSError: it cannot be written.
    """
    data = io.BytesIO()  # Pillow's own writing to a file forgets why the system refused it
    page.save(data, _FORMATS[suffix.lower()], quality=JPEG_QUALITY)
    file.write(data.getbuffer())


def check_suffix(path: Path) -> None:
    """Refuse a file that would be neither PNG nor JPEG.

    Raises:
        UsageError: it would be.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"a contact sheet is a .jpg or .png file, not {path.name}")


def _row(entry: Entry, width: int, page_width: int) -> Image.Image:
    said = [(entry.heading, _HEADING_SIZE, _INK)]
    said += [(line, _TEXT_SIZE, _FAINT) for line in entry.lines]
    said += [(f"needs review: {flag}", _TEXT_SIZE, _FLAG) for flag in entry.flags]
    text = _text_block(said, page_width - 2 * _GAP)
    pictures = [_cell(cell, width) for cell in _of_one_height(entry.cells, width)]
    height = max(picture.height for picture in pictures)
    row = Image.new("RGB", (page_width, text.height + height + 2 * _GAP), _PAPER)
    row.paste(text, (_GAP, 0))
    for at, picture in enumerate(pictures):
        row.paste(picture, (_GAP + at * (width + _GAP), text.height + _GAP // 2))
    return row


def _of_one_height(cells: Sequence[Cell], width: int) -> list[Cell]:
    """The cells, with empty pictures where there are none: as large as the first one."""
    shapes = [cell.pixels.shape[:2] for cell in cells if cell.pixels is not None]
    height, own_width = shapes[0] if shapes else (width // 3, width)
    blank = np.full((height, own_width), int(_EMPTY[1:3], 16), np.uint8)
    return [
        replace(cell, pixels=blank) if cell.pixels is None else replace(cell, absence="")
        for cell in cells
    ]


def _cell(cell: Cell, width: int) -> Image.Image:
    assert cell.pixels is not None
    label = _text_block([(cell.label, _TEXT_SIZE, _FAINT)], width)
    picture = Image.fromarray(cell.pixels).convert("RGB")
    canvas = Image.new("RGB", (width, label.height + picture.height), _PAPER)
    canvas.paste(label, (0, 0))
    canvas.paste(picture, (0, label.height))
    if cell.absence:
        space = max(picture.width - 2 * _GAP, 1)
        text = _text_block([(cell.absence, _TEXT_SIZE, _FAINT)], space, paper=_EMPTY)
        shown = min(text.height, max(picture.height - _GAP, 0))
        canvas.paste(text.crop((0, 0, space, shown)), (_GAP, label.height + _GAP))
    return canvas


def _text_block(
    said: Sequence[tuple[str, int, str]], width: int, *, paper: str = _PAPER
) -> Image.Image:
    """Lines of text with their sizes in pixels and colours, broken to `width` pixels."""
    placed: list[tuple[str, int, str]] = []
    for text, size, ink in said:
        font = font_for(text, size)
        shown = drawable(" ".join(text.split()), font)
        if size == _TEXT_SIZE:
            placed += [(line, size, ink) for line in wrapped(shown, font, width)]
        else:  # a name or a title is one line
            placed.append((shortened(shown, font, width), size, ink))
    height = sum(round(size * _LINE) for _, size, _ in placed)
    block = Image.new("RGB", (width, max(height, 1)), paper)
    pen, top = ImageDraw.Draw(block), 0
    for line, size, ink in placed:
        font = font_for(line, size) if line else own_font(size)
        pen.text((0, top), line, fill=ink, font=font)
        top += round(size * _LINE)
    return block
