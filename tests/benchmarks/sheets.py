"""Labelled pictures side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Byte = NDArray[np.uint8]
Cell = tuple[str, Byte | None]
"""A label and the picture under it, if there is one."""
GAP = 8
LABEL = 26


def sheet(rows: Sequence[Sequence[Cell]], *, width: int) -> Image.Image:
    """A grid of labelled pictures, each cell `width` pixels wide; white where one is missing."""
    columns = max(len(row) for row in rows)
    strips = [_row(row, width, columns) for row in rows]
    canvas = Image.new("RGB", (strips[0].width, sum(s.height for s in strips)), "white")
    top = 0
    for strip in strips:
        canvas.paste(strip, (0, top))
        top += strip.height
    return canvas


def _row(cells: Sequence[Cell], width: int, columns: int) -> Image.Image:
    pictures = [None if pixels is None else _scaled(pixels, width) for _, pixels in cells]
    height = max(picture.height for picture in pictures if picture) + LABEL + GAP
    strip = Image.new("RGB", (columns * (width + GAP) + GAP, height), "white")
    draw = ImageDraw.Draw(strip)
    font = ImageFont.load_default(size=15)
    for i, ((label, _), picture) in enumerate(zip(cells, pictures, strict=True)):
        left = GAP + i * (width + GAP)
        draw.text((left, 4), shortened(label, font, width), fill="black", font=font)
        if picture:
            strip.paste(picture, (left, LABEL))
    return strip


def shortened(label: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The label, cut where it would run into the next one."""
    while font.getlength(label) > width:
        label = label[:-2].rstrip("…") + "…"
    return label


def _scaled(pixels: Byte, width: int) -> Image.Image:
    picture = Image.fromarray(pixels).convert("RGB")
    height = round(picture.height * width / picture.width)
    return picture.resize((width, height), Image.Resampling.LANCZOS)
