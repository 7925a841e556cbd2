"""Which pixels are measured: native pixels, a bounded number of them, spread over the frame.

Downscaling changes both noise and blur, so a thumbnail says nothing about either. Windows cut
from the frame on a fixed grid keep the pixels as they are, bound time and memory whatever the
size of the scan, and make the result deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from restoration import scratch
from restoration.assess.gradients import Slopes, slopes_of
from restoration.colour import luma, luma8
from restoration.samples import Depth, Samples, eight_bits

Byte = NDArray[np.uint8]
Float = NDArray[np.float32]

WINDOW_SIDE = 160
"""Side of a window in pixels: holds hundreds of 8x8 blocks and dozens of edge blocks."""

GRID_SIDE = 6
"""Windows per axis: 36 windows (0.9 megapixels) take 0.1 s and still meet a small sharp subject."""

WHOLE_AREA = WINDOW_SIDE * WINDOW_SIDE * GRID_SIDE * GRID_SIDE
"""Up to this many pixels a photograph is measured whole, as a single window."""

FIRST_LINES = 16
"""Lines at an edge that are looked at first; only where all are even the others are."""

GRID_STEP = 8
"""Windows and cuts start at multiples of this many pixels: JPEG's own grid stays in place."""

SMOOTHING = 0.7
"""Sigma in pixels before differencing, of the finest gradients."""

MARGIN_STD = 3.0
"""A border row or column with a luma standard deviation below this is scanner margin.

8-bit units. Paper and film rebate scan at 1-2; a row that crosses a picture is well above 10.
"""

MARGIN_SHARE = 0.12
"""At most this share of each side is taken for margin: an even sky is picture, not margin."""


def to_luma(image: Samples) -> Float:
    """BT.601 luma of colour or gray.

    Args:
        image: (H, W) or (H, W, 3) R'G'B', uint8, or uint16, which is rounded to 8 bits.

    Returns:
        (H, W) float32 in [0, 255].
    """
    image = eight_bits(image)
    return image.astype(np.float32) if image.ndim == 2 else luma(image)


def _even_lines(lines: Callable[[int], Samples], limit: int) -> int:
    """Count the even lines at an edge, at most `limit`.

    Args:
        lines: gives so many of them from the edge on, (n, L) or (n, L, 3).
        limit: how many are looked at.
    """
    # Of most photographs the very first line is picture.
    for count in (min(FIRST_LINES, limit), limit):
        is_picture = to_luma(lines(count)).std(axis=1) >= MARGIN_STD if count else np.zeros(0)
        if is_picture.any():
            return int(is_picture.argmax())
    return limit


def without_margins(image: Samples) -> Samples:
    """Cut the scanner's margin off; the result is a view.

    The even white or black border of a scan is neither grainy nor blurred like the photograph
    inside it, and the frame's edge is sharp however blurred the photograph is. The cut at the
    top and left is rounded up to `GRID_STEP`.

    Args:
        image: (H, W) or (H, W, 3), uint8 or uint16.

    Returns:
        The inner part of `image`: at least 76 % of each side less `GRID_STEP` pixels, never
        empty.
    """
    height, width = image.shape[:2]
    # Every k-th pixel along a line is enough for its spread; across lines all are needed.
    along = max(1, width // 1024)
    down = max(1, height // 1024)
    limit_rows, limit_columns = int(height * MARGIN_SHARE), int(width * MARGIN_SHARE)
    top = _even_lines(lambda count: image[:count, ::along], limit_rows)
    bottom = _even_lines(lambda count: image[::-1][:count, ::along], limit_rows)
    scratch.release(image)
    left = _even_lines(lambda count: _columns(image, down, count), limit_columns)
    right = _even_lines(lambda count: _columns(image[:, ::-1], down, count), limit_columns)
    top, left = _on_grid(top, height - bottom), _on_grid(left, width - right)
    return image[top : height - bottom, left : width - right]


def _columns(image: Samples, down: int, count: int) -> Samples:
    """The first `count` columns of every `down`-th row, as rows."""
    step = 32 * down
    parts = []
    for top in range(0, image.shape[0], step):  # together they would touch the whole scan
        parts.append(image[top : top + step : down, :count].swapaxes(0, 1).copy())
        scratch.release(image)
    return np.concatenate(parts, axis=1)


def _on_grid(pixels: int, length: int) -> int:
    """Round a cut up to `GRID_STEP`, but to at most half of the `length` that it is cut from."""
    largest = length // 2 // GRID_STEP * GRID_STEP
    return min(-(-pixels // GRID_STEP) * GRID_STEP, largest)


def _starts(length: int, side: int, count: int) -> list[int]:
    """Offsets of `count` evenly spread windows along one axis, multiples of `GRID_STEP`."""
    free = (length - side) // GRID_STEP
    if count == 1:
        return [free // 2 * GRID_STEP]
    return [round(index * free / (count - 1)) * GRID_STEP for index in range(count)]


def native_windows(image: NDArray[Depth]) -> list[NDArray[Depth]]:
    """Cut windows of native pixels on a fixed grid.

    Args:
        image: (H, W) or (H, W, 3), uint8 or uint16, any size from 1x1 up.

    Returns:
        Views of `image`: the whole of it where it has at most `WHOLE_AREA` pixels, else about
        `GRID_SIDE` squared windows, more along the longer axis, none overlapping another.
    """
    height, width = image.shape[:2]
    if height * width <= WHOLE_AREA:
        return [image]
    side_y, side_x = min(WINDOW_SIDE, height), min(WINDOW_SIDE, width)
    budget = max(1, WHOLE_AREA // (side_y * side_x))
    rows = min(round(math.sqrt(budget * height / width)), height // side_y, budget)
    rows = max(1, rows)
    columns = max(1, min(budget // rows, width // side_x))
    return [
        image[y : y + side_y, x : x + side_x]
        for y in _starts(height, side_y, rows)
        for x in _starts(width, side_x, columns)
    ]


@dataclass(frozen=True)
class Windows:
    """What several measures look at: windows of one photograph, all of one shape.

    Attributes:
        pixels: (N, H, W) or (N, H, W, 3) R'G'B', uint8.
    """

    pixels: Byte

    @cached_property
    def planes(self) -> tuple[Float, ...]:
        """Luma, and Cr and Cb (none of gray windows) of BT.601: (N, H, W) in 8-bit units each."""
        if self.pixels.ndim == 3:
            return (self.pixels.astype(np.float32),)
        stacked = self.pixels.reshape(-1, *self.pixels.shape[2:]).astype(np.float32)
        converted = cv2.cvtColor(stacked, cv2.COLOR_RGB2YCrCb)
        planes = (cv2.extractChannel(converted, channel) for channel in range(3))
        return tuple(
            np.asarray(plane, np.float32).reshape(self.pixels.shape[:3]) for plane in planes
        )

    @property
    def luma(self) -> Float:
        """(N, H, W) float32 in [0, 255], not rounded."""
        return self.planes[0]

    @property
    def rounded(self) -> Windows:
        """Windows of the luma rounded to whole 8-bit units, (N, H, W)."""
        # Gray ones must not keep themselves: they would stay until the garbage collector comes by.
        return self if self.pixels.ndim == 3 else self._rounded

    @cached_property
    def _rounded(self) -> Windows:
        stacked = self.pixels.reshape(-1, *self.pixels.shape[2:])
        return Windows(luma8(stacked).reshape(self.pixels.shape[:3]))

    @cached_property
    def slopes(self) -> Slopes:
        """Gradients of the luma, smoothed by `SMOOTHING`."""
        return slopes_of(self.luma, SMOOTHING)


def measured_windows(image: Samples) -> Windows:
    """What noise and blur are measured on: windows within the margins, 16 bits rounded to 8."""
    windows = native_windows(without_margins(image))
    if len(windows) == 1:
        pixels = eight_bits(windows[0])[None]
    else:
        pixels = np.stack([eight_bits(window) for window in windows])
    scratch.release(image)
    return Windows(pixels)
