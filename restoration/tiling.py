"""Run a network over photographs of any size in overlapping, blended tiles.

Tiles start at multiples of the network's stride, see `context` pixels beyond what they
contribute, and fade into each other over `blend` pixels: the result is that of one whole pass
to within rounding. Finished rows leave the float buffers at once, so memory beyond input and
output is one row of tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restoration import scratch
from restoration.errors import GuardError
from restoration.networks import NetworkConfig
from restoration.samples import Samples, SampleType, full_scale

Network = Callable[[Tensor], Tensor]

_SMALLEST_TILE: Final = 128


@dataclass(frozen=True)
class Tiling:
    """How photographs are cut.

    Attributes:
        side: tile side in pixels; a multiple of `multiple`.
        context: pixels at a tile's inner borders that are computed and thrown away; see
            `NetworkConfig.context`.
        blend: pixels over which neighbouring tiles fade into each other.
        multiple: tiles start at multiples of this, the network's total stride.
        batch: tiles of equal shape that go through the network together.
    """

    side: int = 512
    context: int = 48
    blend: int = 16
    multiple: int = 8
    batch: int = 4

    def __post_init__(self) -> None:
        """Refuse geometry in which tiles would not overlap.

        Raises:
            ValueError: the tile is too small for its context and blend, or not aligned.
        """
        if self.side % self.multiple or self.blend % 2:
            raise ValueError(f"tile side {self.side} or blend {self.blend} is not aligned")
        if self.side < 2 * (self.context + self.blend + self.multiple):
            raise ValueError(f"tile side {self.side} is too small for context {self.context}")

    @classmethod
    def suited_to(cls, config: NetworkConfig, *, batch: int = 4) -> Tiling:
        """The tiling whose tiles start at the network's stride and see all that it sees.

        Tiles are larger than usual where the network's stride or context leaves no room in them.
        """
        least = 2 * (config.context + cls.blend + config.multiple)
        side = -(-max(cls.side, least) // config.multiple) * config.multiple
        return cls(side=side, context=config.context, multiple=config.multiple, batch=batch)

    def halved(self) -> Tiling | None:
        """Half as many tiles at once, else tiles of half the side, else None."""
        if self.batch > 1:
            return replace(self, batch=self.batch // 2)
        side = self.side // 2 // self.multiple * self.multiple
        return replace(self, side=side) if side >= _SMALLEST_TILE + 2 * self.context else None


def run_tiled(
    network: Network,
    images: Sequence[Samples],
    tiling: Tiling,
    device: torch.device,
    *,
    dtype: SampleType | Sequence[SampleType] = np.uint8,
) -> list[Samples]:
    """Restore several photographs, batching tiles of equal shape across them.

    When the device runs out of memory, the batch and then the tile are halved and the work is
    done again from the start, so that no tile of a failed pass can end up in the result.

    Args:
        network: maps (N, 3, H, W) in [0, 1] to the same shape.
        images: each (H, W, 3), uint8 or uint16.
        tiling: the geometry.
        device: where the network is.
        dtype: of the results, or of each; uint16 keeps precision between two networks.

    Returns:
        One array per image, of its shape.

    Raises:
        GuardError: the network returned NaN or infinity.
        torch.OutOfMemoryError: even the smallest tile does not fit.
    """
    dtypes = [dtype] * len(images) if isinstance(dtype, type) else list(dtype)
    while True:
        try:
            return _run(network, images, tiling, device, dtypes)
        except torch.OutOfMemoryError:
            smaller = tiling.halved()
            if smaller is None:
                raise
            tiling = smaller
            if device.type == "cuda":
                torch.cuda.empty_cache()


@dataclass(frozen=True)
class _Span:
    """One tile along one axis: where it starts, and with which weight it contributes where."""

    start: int
    length: int
    first: int
    """First pixel (of the image) that the tile contributes to."""
    weights: NDArray[np.float32]
    """Weights of the pixels from `first` on."""


def spans(length: int, tiling: Tiling) -> list[_Span]:
    """Cut one axis of `length` pixels; the weights of all spans add up to 1 at every pixel."""
    multiple = tiling.multiple
    padded = -(-length // multiple) * multiple
    side = min(tiling.side, padded)
    # One multiple less than would just do: aligning the starts may widen a gap by that much.
    room = tiling.side - 2 * tiling.context - tiling.blend
    step = (room // multiple - 1) * multiple
    count = 1 if padded <= side else -(-(padded - side) // step) + 1
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


class _Canvas:
    """Collects one photograph's tiles, row of tiles by row of tiles."""

    def __init__(self, image: Samples, tiling: Tiling, dtype: SampleType) -> None:
        self.image = image
        self.rows = spans(image.shape[0], tiling)
        self.columns = spans(image.shape[1], tiling)
        self.output: Samples = scratch.empty(image.shape, dtype)
        self._blend = tiling.blend
        self._carry: NDArray[np.float32] | None = None
        self._strip: NDArray[np.float32] | None = None

    def tile(self, row: int, column: int) -> Tensor:
        """Cut a tile: (3, side, side) float32 in [0, 1]; beyond the frame it is mirrored."""
        down, across = self.rows[row], self.columns[column]
        cut = self.image[
            down.start : down.start + down.length, across.start : across.start + across.length
        ]
        missing = (down.length - cut.shape[0], across.length - cut.shape[1])
        if any(missing):
            mirror = missing[0] < cut.shape[0] and missing[1] < cut.shape[1]
            widths = ((0, int(missing[0])), (0, int(missing[1])), (0, 0))
            cut = np.pad(cut, widths, mode="reflect" if mirror else "edge")
        scale = np.float32(1 / full_scale(cut.dtype))
        values = np.ascontiguousarray(cut.transpose(2, 0, 1)).astype(np.float32)
        return torch.from_numpy(values * scale)

    def add(self, row: int, column: int, result: NDArray[np.float32]) -> None:
        """Take a tile's result, (3, side, side); tiles come in reading order."""
        down, across = self.rows[row], self.columns[column]
        if self._strip is None:
            shape = (len(down.weights), *self.image.shape[1:])
            self._strip = np.zeros(shape, np.float32)
        top, left = down.first - down.start, across.first - across.start
        used = result[:, top : top + len(down.weights), left : left + len(across.weights)]
        weighted = used.transpose(1, 2, 0) * across.weights[None, :, None]
        self._strip[:, across.first : across.first + len(across.weights)] += weighted
        if column == len(self.columns) - 1:
            self._finish_row(row)

    def _finish_row(self, row: int) -> None:
        strip, down = self._strip, self.rows[row]
        assert strip is not None
        strip *= down.weights[:, None, None]
        if self._carry is not None:
            strip[: self._blend] += self._carry
        is_last = row == len(self.rows) - 1
        done = len(strip) if is_last else len(strip) - self._blend
        self._carry = None if is_last else strip[done:].copy()
        scale, final = full_scale(self.output.dtype), strip[:done]
        final *= scale
        self.output[down.first : down.first + done] = np.clip(
            np.rint(final, out=final), 0, scale, out=final
        )
        self._strip = None
        scratch.release(self.image, self.output)


def _run(
    network: Network,
    images: Sequence[Samples],
    tiling: Tiling,
    device: torch.device,
    dtypes: Sequence[SampleType],
) -> list[Samples]:
    canvases = [_Canvas(image, tiling, dtype) for image, dtype in zip(images, dtypes, strict=True)]
    for batch in _batches(canvases, tiling.batch):
        tiles = torch.stack([canvas.tile(row, column) for canvas, row, column in batch])
        tiles = tiles.to(device, memory_format=torch.channels_last)
        with torch.inference_mode():
            results = network(tiles).float().cpu()
        if not torch.isfinite(results).all():
            raise GuardError("the network returned NaN or infinity")
        for (canvas, row, column), result in zip(batch, results.numpy(), strict=True):
            canvas.add(row, column, result)
    return [canvas.output for canvas in canvases]


def _batches(canvases: Sequence[_Canvas], size: int) -> Iterator[list[tuple[_Canvas, int, int]]]:
    """Tiles in reading order, cut where the batch is full or the tiles' shape changes."""
    batch: list[tuple[_Canvas, int, int]] = []
    shape: tuple[int, int] | None = None
    for canvas in canvases:
        own = (canvas.rows[0].length, canvas.columns[0].length)
        for row in range(len(canvas.rows)):
            for column in range(len(canvas.columns)):
                if batch and (len(batch) == size or own != shape):
                    yield batch
                    batch = []
                shape = own
                batch.append((canvas, row, column))
    if batch:
        yield batch
