"""Run a network over photographs of any size in overlapping, blended tiles.

Tiles start at multiples of the network's stride, see `context` pixels beyond what they
contribute, and fade into each other over `blend` pixels: the result is that of one whole pass
to within rounding. They are as large as their memory allows, in the shape that wastes least: most
photographs are one tile. Finished rows leave the float buffers at once, so memory beyond input and
output is one row of tiles.

With several passes (`restoration.self_ensemble`) each tile is done turned and mirrored as well, as
it lies in the photograph turned as a whole, and the mean is taken before tiles are joined.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import count as count_from
from itertools import pairwise, product, starmap
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from restoration import scratch
from restoration.execution import TILE_PIXELS, Engine, Network, Tile
from restoration.networks import NetworkConfig
from restoration.samples import Samples, SampleType, full_scale
from restoration.self_ensemble import TURNS, Turn

_SMALLEST_TILE: Final = 128
_LARGEST_STRIP_BYTES: Final = 128 << 20
"""Of a row of tiles, across the photo."""


@dataclass(frozen=True)
class Tiling:
    """How photographs are cut.

    Attributes:
        side: tile side in pixels; a multiple of `multiple`.
        context: pixels at a tile's inner borders that are computed and thrown away; see
            `NetworkConfig.context`.
        blend: pixels over which neighbouring tiles fade into each other.
        multiple: tiles start at multiples of this, the network's total stride.
        pixels: the most that a tile may have, whose shape is then each photo's best; None for
            squares of `side`.
    """

    side: int = 512
    context: int = 48
    blend: int = 16
    multiple: int = 8
    pixels: int | None = None

    def __post_init__(self) -> None:
        """Refuse geometry in which tiles would not overlap.

        Raises:
            ValueError: the tile is too small for its context and blend, or not aligned.
        """
        if self.side % self.multiple or self.blend % 2:
            raise ValueError(f"tile side {self.side} or blend {self.blend} is not aligned")
        if self.side < self._least_side:
            raise ValueError(f"tile side {self.side} is too small for context {self.context}")

    @classmethod
    def suited_to(cls, config: NetworkConfig, *, pixels: int = TILE_PIXELS) -> Tiling:
        """The tiling whose tiles start at the network's stride and see all that it sees.

        Args:
            config: of the network.
            pixels: the most that a tile may have; more where its stride or context asks for it.
        """
        least = _least_side(config.context, cls.blend, config.multiple)
        side = -(-max(cls.side, least) // config.multiple) * config.multiple
        return cls(
            side=side,
            context=config.context,
            multiple=config.multiple,
            pixels=max(pixels, (least + config.multiple) ** 2),
        )

    def of_at_most(self, pixels: int) -> Tiling:
        """This tiling, or one whose tiles have no more pixels than this, if they still overlap.

        A network that sees less far than this one's may have come down to smaller tiles.
        """
        if self.pixels is not None:
            least = (self._least_side + self.multiple) ** 2
            return replace(self, pixels=min(self.pixels, max(pixels, least)))
        side = min(self.side, math.isqrt(pixels)) // self.multiple * self.multiple
        return replace(self, side=max(side, self._least_side))

    def smaller(self) -> Tiling | None:
        """Tiles of half the size; None where they would be too small."""
        least = _SMALLEST_TILE + 2 * self.context
        if self.pixels is not None:
            return replace(self, pixels=self.pixels // 2) if self.pixels // 2 >= least**2 else None
        side = self.side // 2 // self.multiple * self.multiple
        return replace(self, side=side) if side >= least else None

    def sides(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of a photograph's tiles.

        Of all tiles that are small enough, those that together have the fewest pixels.
        """
        if self.pixels is None:
            return self.side, self.side
        most = self.pixels
        cuts = [
            (rows * down * columns * across, down, across)
            for rows, down in self._cuts(height)
            for columns, across in self._cuts(width)
            if down * across <= most
        ]
        strips = _LARGEST_STRIP_BYTES / (width * 3 * np.dtype(np.float32).itemsize)
        # A photo of one row of tiles needs no strip: what it has is its tiles.
        _, down, across = min(cuts, key=lambda cut: (max(0.0, cut[1] - strips), cut))
        return down, across

    @property
    def _least_side(self) -> int:
        return _least_side(self.context, self.blend, self.multiple)

    def _cuts(self, length: int) -> Iterator[tuple[int, int]]:
        """Ways to cut one axis, from coarse to fine: how many tiles, and their side."""
        assert self.pixels is not None
        least = max(min(self.side, math.isqrt(self.pixels)), self._least_side)
        least = least // self.multiple * self.multiple
        padded = -(-length // self.multiple) * self.multiple
        yield 1, padded
        # One multiple more than would just do: aligning the starts may widen a gap by that much.
        overlap = 2 * self.context + self.blend + self.multiple
        for count in count_from(2):
            side = -(-(padded + (count - 1) * overlap) // (count * self.multiple)) * self.multiple
            if side <= least:
                break
            yield self.count(padded, side), side
        if least < padded:
            yield self.count(padded, least), least

    def count(self, padded: int, side: int) -> int:
        """Tiles of this side that an axis of `padded` pixels is cut into."""
        room = side - 2 * self.context - self.blend
        # One multiple less than would just do: aligning the starts may widen a gap by that much.
        step = (room // self.multiple - 1) * self.multiple
        return 1 if padded <= side else -(-(padded - side) // step) + 1


def _least_side(context: int, blend: int, multiple: int) -> int:
    """Of tiles that go on by a multiple at least, and in which two fades do not meet.

    One tile more than needed has all of them go on by little more than half of what they could.
    """
    return 2 * context + max(2 * (blend + multiple), 3 * blend)


def run_tiled(
    network: Network,
    images: Sequence[Samples],
    tiling: Tiling,
    engine: Engine,
    *,
    dtype: SampleType | Sequence[SampleType] = np.uint8,
    passes: int = 1,
) -> list[Samples]:
    """Restore several photographs; their tiles share the engine with those of other callers.

    When a single tile does not fit into the device's memory, tiles are halved, from then on, and
    the work is done again from the start: no tile of a failed pass can end up in the result.

    Args:
        network: maps (N, 3, H, W) in [0, 1] to the same shape.
        images: each (H, W, 3), uint8 or uint16.
        tiling: the geometry.
        engine: where the network runs.
        dtype: of the results, or of each; uint16 keeps precision between two networks.
        passes: how often each tile is done, turned and mirrored, for the mean: 1, 2, 4 or 8.

    Returns:
        One array per image, of its shape.

    Raises:
        GuardError: the network returned NaN or infinity.
        torch.OutOfMemoryError: even the smallest tile does not fit.
    """
    dtypes = [dtype] * len(images) if isinstance(dtype, type) else list(dtype)
    while True:
        # Not asked for again below: others whose tiles did not fit either may have halved it.
        tried = tiling.of_at_most(engine.tile_pixels)
        try:
            # Not held here: those of a try that did not fit are gone before the next begins.
            canvases = (
                _Canvas(image, tried, dtype, TURNS[passes])
                for image, dtype in zip(images, dtypes, strict=True)
            )
            return _run(network, canvases, engine)
        except torch.OutOfMemoryError:
            smaller = tried.smaller()
            if smaller is None:
                raise
            engine.tile_pixels = min(engine.tile_pixels, smaller.pixels or smaller.side**2)


@dataclass(frozen=True)
class _Span:
    """One tile along one axis: where it starts, and with which weight it contributes where."""

    start: int
    length: int
    first: int
    weights: NDArray[np.float32]

    def seen(self, frame: int, multiple: int, *, mirrored: bool) -> tuple[int, int]:
        """What a pass sees of the axis: the first pixel, and how many.

        A mirrored pass is that of the mirrored photograph: what the network sees starts at
        multiples of its stride as counted from the other end, which may take up to one multiple
        more, and what is missing is missing at this end.

        Args:
            frame: pixels of the photograph's whole axis.
            multiple: the network's stride.
            mirrored: whether the pass turns the axis round.
        """
        if not mirrored:
            return self.start, self.length
        end = min(self.start + self.length, frame)
        first = (frame - end) // multiple * multiple
        last = -(-(frame - self.start) // multiple) * multiple
        return frame - last, last - first


def spans(length: int, tiling: Tiling, side: int) -> list[_Span]:
    """Cut one axis of `length` pixels; the weights of all spans add up to 1 at every pixel."""
    multiple = tiling.multiple
    padded = -(-length // multiple) * multiple
    side = min(side, padded)
    count = tiling.count(padded, side)
    starts = [
        round(i * (padded - side) / max(count - 1, 1) / multiple) * multiple for i in range(count)
    ]
    # Where neighbours meet: the middle of what both of them see.
    cuts = [(right + left + side) // 2 for left, right in pairwise(starts)]
    half = tiling.blend // 2
    ramp = ((np.arange(tiling.blend) + 0.5) / max(tiling.blend, 1)).astype(np.float32)
    out = []
    for i, start in enumerate(starts):
        first = 0 if i == 0 else cuts[i - 1] - half
        last = length if i == count - 1 else cuts[i] + half
        weights = np.ones(last - first, np.float32)
        if i > 0:
            weights[: tiling.blend] = ramp
        if i < count - 1:
            weights[len(weights) - tiling.blend :] = 1 - ramp
        out.append(_Span(start, side, first, weights))
    return out


@dataclass(frozen=True)
class _Pass:
    """One pass of one tile: its row and column among the tiles, and how it is turned."""

    row: int
    column: int
    turn: Turn


class _Canvas:
    """Collects one photograph's tiles, row of tiles by row of tiles."""

    def __init__(
        self, image: Samples, tiling: Tiling, dtype: SampleType, turns: Sequence[Turn]
    ) -> None:
        down, across = tiling.sides(*image.shape[:2])
        self.image = image
        self.turns = turns
        self.rows = spans(image.shape[0], tiling, down)
        self.columns = spans(image.shape[1], tiling, across)
        self.output: Samples = scratch.empty(image.shape, dtype)
        self._blend = tiling.blend
        self._multiple = tiling.multiple
        self._sum: NDArray[np.float32] | None = None
        self._carry: NDArray[np.float32] | None = None
        self._strip: NDArray[np.float32] | None = None

    def passes(self) -> Iterator[_Pass]:
        """Each tile in reading order, with its passes one after the other."""
        places = product(range(len(self.rows)), range(len(self.columns)), self.turns)
        return starmap(_Pass, places)

    def tile(self, one: _Pass) -> Tile:
        """Cut a tile for a pass, (h, w, 3), and turn it; beyond the frame it is mirrored."""
        (top, height), (left, width) = self._seen(one)
        frame = self.image.shape
        cut = self.image[max(top, 0) : top + height, max(left, 0) : left + width]
        widths = [
            (max(-first, 0), max(first + count - whole, 0))
            for first, count, whole in ((top, height, frame[0]), (left, width, frame[1]))
        ]
        if any(map(any, widths)):
            mirror = max(widths[0]) < cut.shape[0] and max(widths[1]) < cut.shape[1]
            cut = np.pad(cut, (*widths, (0, 0)), mode="reflect" if mirror else "edge")
        turned = one.turn.of(cut)
        if turned.dtype == np.uint8:
            return np.ascontiguousarray(turned, np.uint8)
        values = np.ascontiguousarray(turned, np.float32)
        return values * np.float32(1 / full_scale(turned.dtype))

    def add(self, one: _Pass, result: NDArray[np.float32]) -> None:
        """Take what a pass made of a tile, which may be written to; in the order of `passes`."""
        (top, _), (left, _) = self._seen(one)
        down, across = self.rows[one.row], self.columns[one.column]
        top, left = down.first - top, across.first - left
        upright = one.turn.undone(result)
        used = upright[top : top + len(down.weights), left : left + len(across.weights)]
        if self._sum is None:
            self._sum = used
        else:
            self._sum += used
        if one.turn is self.turns[-1]:
            mean, self._sum = self._sum, None
            if len(self.turns) > 1:
                mean *= np.float32(1 / len(self.turns))
            self._join(one.row, one.column, mean)

    def _seen(self, one: _Pass) -> tuple[tuple[int, int], tuple[int, int]]:
        """The first row and how many, the first column and how many that a pass sees."""
        height, width = self.image.shape[:2]
        return (
            self.rows[one.row].seen(height, self._multiple, mirrored=one.turn.mirrors_rows),
            self.columns[one.column].seen(width, self._multiple, mirrored=one.turn.mirrors_columns),
        )

    def _join(self, row: int, column: int, used: NDArray[np.float32]) -> None:
        """Blend what a tile contributes, (h, w, 3), with its neighbours."""
        down, across = self.rows[row], self.columns[column]
        if len(self.columns) == 1:
            self._finish_row(row, used)
            return
        if self._strip is None:
            shape = (len(down.weights), *self.image.shape[1:])
            self._strip = np.zeros(shape, np.float32)
        used *= across.weights[None, :, None]
        self._strip[:, across.first : across.first + len(across.weights)] += used
        if column == len(self.columns) - 1:
            self._finish_row(row, self._strip)
            self._strip = None

    def _finish_row(self, row: int, strip: NDArray[np.float32]) -> None:
        down, is_last = self.rows[row], row == len(self.rows) - 1
        if len(self.rows) > 1:
            strip *= down.weights[:, None, None]
        if self._carry is not None:
            strip[: self._blend] += self._carry
        done = len(strip) if is_last else len(strip) - self._blend
        self._carry = None if is_last else strip[done:].copy()
        self.output[down.first : down.first + done] = _rounded(strip[:done], self.output.dtype)
        scratch.release(self.image, self.output)


def _rounded(values: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Values in [0, 1] as samples: clipped and rounded."""
    scale = np.full(4, full_scale(dtype), np.float64)  # OpenCV counts four channels in a scalar
    depth = cv2.CV_8U if dtype == np.uint8 else cv2.CV_16U
    return np.asarray(cv2.multiply(values, scale, dtype=depth))


def _run(network: Network, made: Iterable[_Canvas], engine: Engine) -> list[Samples]:
    canvases = list(made)
    in_work: deque[tuple[_Canvas, _Pass, Future[NDArray[np.float32]]]] = deque()

    def take_first() -> None:
        canvas, one, promise = in_work.popleft()
        try:
            canvas.add(one, promise.result())
        finally:
            del promise

    try:
        for canvas in canvases:
            for one in canvas.passes():
                promise = engine.submit(network, canvas.tile(one))
                in_work.append((canvas, one, promise))
                del promise
                if len(in_work) >= engine.ahead:
                    take_first()
        while in_work:
            take_first()
    finally:
        # A broken promise holds its error, which holds this frame: photos would stay in memory.
        in_work.clear()
    return [canvas.output for canvas in canvases]
