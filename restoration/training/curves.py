"""Curves drawn with OpenCV, because a machine that trains may have no plotting library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Byte = NDArray[np.uint8]

WIDTH: Final = 1000
PANEL_HEIGHT: Final = 340
LEFT, RIGHT, TOP, BOTTOM = 90, 210, 30, 50
"""Pixels around a panel's axes; the right side holds the legend."""
INK: Final = (60, 60, 60)
GRID: Final = (225, 225, 225)
# Okabe and Ito's palette, which colour-blind people can tell apart; R'G'B'.
COLOURS: Final = (
    (0, 0, 0), (0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233),
    (230, 159, 0),
)  # fmt: skip
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_TEXT_SCALE: Final = 0.45


@dataclass(frozen=True)
class Curve:
    """A named curve.

    Attributes:
        name: shown in the legend.
        points: (x, y), x ascending.
    """

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class _Axis:
    """Maps [low, high] to pixels [start, end]."""

    low: float
    high: float
    start: int
    end: int

    def pixel(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def draw_curves(panels: Sequence[Sequence[Curve]], *, x_label: str) -> Byte:
    """Draw panels of curves below each other, with one common horizontal axis.

    Args:
        panels: curves of each; the first curve's name, or "PSNR, dB" for several, is the title.
        x_label: what the horizontal axis shows.

    Returns:
        (H, W, 3) uint8, R'G'B'.
    """
    times = [x for curves in panels for curve in curves for x, _ in curve.points]
    longest = max(times, default=1.0) or 1.0
    drawn = [_panel(curves, longest, x_label) for curves in panels]
    return np.concatenate(drawn, 0)


def write_png(path: Path, picture: Byte) -> None:
    """Write a picture (H, W, 3) uint8; the file appears whole or not at all."""
    temporary = path.with_name(path.name + ".part")
    encoded = cv2.imencode(".png", picture[..., ::-1])[1]
    temporary.write_bytes(encoded.tobytes())
    temporary.replace(path)


def put_text(
    canvas: Byte, text: str, x: float, y: float, colour: tuple[int, int, int] = INK,
    *, align: float = 0.0,
) -> None:  # fmt: skip
    """Write one line of text in place.

    Args:
        canvas: (H, W, 3) uint8.
        text: ASCII.
        x: of the place that `align` says, in pixels.
        y: of the baseline, in pixels.
        colour: R'G'B'.
        align: 0 for text that begins at `x`, 0.5 for centred, 1 for text that ends there.
    """
    width = cv2.getTextSize(text, _FONT, _TEXT_SCALE, 1)[0][0]
    place = (round(x - align * width), round(y))
    cv2.putText(canvas, text, place, _FONT, _TEXT_SCALE, colour, 1, cv2.LINE_AA)


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers in [low, high], about `wanted` of them: multiples of 1, 2 or 5 x 10^n."""
    rough = (high - low) / max(wanted, 1)
    magnitude = 10 ** math.floor(math.log10(rough))
    step = next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def _panel(curves: Sequence[Curve], longest: float, x_label: str) -> Byte:
    canvas = np.full((PANEL_HEIGHT, WIDTH, 3), 255, np.uint8)
    x = _Axis(0.0, longest, LEFT, WIDTH - RIGHT)
    y = _vertical(curves)
    for value in ticks(x.low, x.high, 8):
        _line(canvas, (x.pixel(value), y.end), (x.pixel(value), y.start), GRID)
        put_text(canvas, f"{value:g}", x.pixel(value), y.start + 18, align=0.5)
    for value in ticks(y.low, y.high):
        _line(canvas, (x.start, y.pixel(value)), (x.end, y.pixel(value)), GRID)
        put_text(canvas, f"{value:.4g}", x.start - 8, y.pixel(value) + 4, align=1.0)
    _line(canvas, (x.start, y.start), (x.end, y.start), INK)
    _line(canvas, (x.start, y.start), (x.start, y.end), INK)
    title = curves[0].name if len(curves) == 1 else "PSNR, dB"
    put_text(canvas, title, x.start, TOP - 10)
    put_text(canvas, x_label, x.end, y.start + 36, align=1.0)
    for number, curve in enumerate(curves):
        colour = COLOURS[number % len(COLOURS)]
        _draw_curve(canvas, curve, x, y, colour)
        if len(curves) > 1:
            level = TOP + 10 + 20 * number
            _line(canvas, (x.end + 15, level - 4), (x.end + 40, level - 4), colour, 2)
            last = f" {curve.points[-1][1]:.2f}" if curve.points else ""
            put_text(canvas, curve.name + last, x.end + 48, level)
    return canvas


def _vertical(curves: Sequence[Curve]) -> _Axis:
    values = sorted(y for curve in curves for _, y in curve.points) or [0.0, 1.0]
    # The first moments of a run are far off; they would press the rest into one line.
    low = values[int(0.02 * (len(values) - 1))]
    high = values[math.ceil(0.98 * (len(values) - 1))]
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return _Axis(low - margin, high + margin, PANEL_HEIGHT - BOTTOM, TOP)


def _draw_curve(
    canvas: Byte, curve: Curve, x: _Axis, y: _Axis, colour: tuple[int, int, int]
) -> None:
    places = [
        (x.pixel(time), min(max(y.pixel(value), y.end), y.start)) for time, value in curve.points
    ]
    for start, end in pairwise(places):
        _line(canvas, start, end, colour, 2)
    if len(places) == 1:
        centre = (round(places[0][0]), round(places[0][1]))
        cv2.circle(canvas, centre, 3, colour, -1, cv2.LINE_AA)


def _line(
    canvas: Byte,
    start: tuple[float, float],
    end: tuple[float, float],
    colour: tuple[int, int, int],
    thickness: int = 1,
) -> None:
    first, second = ((round(point[0]), round(point[1])) for point in (start, end))
    cv2.line(canvas, first, second, colour, thickness, cv2.LINE_AA)
