"""Photographs on the device, and patches cut from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restoration.training.batched.draws import Draws

Byte = NDArray[np.uint8]


class PhotoBuffer:
    """Photographs of any sizes, one after the other in one tensor on the device.

    Args:
        photos: each (H, W, C) uint8: R'G'B', or two of them for pairs.
        device: where they are kept.
    """

    def __init__(self, photos: Sequence[Byte], device: torch.device) -> None:
        sizes = torch.tensor([photo.shape[:2] for photo in photos], dtype=torch.int64)
        areas = sizes.prod(1)
        channels = photos[0].shape[2]
        pixels = torch.empty(int(areas.sum()), channels, dtype=torch.uint8, device=device)
        starts = (areas.cumsum(0) - areas).tolist()
        for photo, start in zip(photos, starts, strict=True):
            flat = torch.from_numpy(np.ascontiguousarray(photo)).reshape(-1, channels)
            pixels[start : start + len(flat)] = flat.to(device)
        self._pixels = pixels
        self._starts = torch.tensor(starts, dtype=torch.int64, device=device)
        self._heights, self._widths = sizes.to(device).unbind(1)
        self.count = len(photos)
        self.shortest_side = int(sizes.min())
        self.longest_short_side = int(sizes.min(1).values.max())

    def patches(self, count: int, side: int, draws: Draws) -> Tensor:
        """Cut random squares, each randomly mirrored and turned by quarter turns.

        Args:
            count: patches, each from a photograph chosen at random.
            side: in pixels, at most `shortest_side`.
            draws: source of randomness.

        Returns:
            (count, C, side, side) uint8, channels last in memory.
        """
        chosen = draws.integers(count, self.count)
        widths = self._widths[chosen]
        tops = draws.integers(count, self._heights[chosen] - side + 1)
        lefts = draws.integers(count, widths - side + 1)
        mirrored, flipped, turned = (draws.integers(3 * count, 2) == 1).view(3, count)
        # Walking the photo with other steps is mirroring and turning without moving a pixel.
        far = side - 1
        right, down = torch.where(mirrored, -1, 1), torch.where(flipped, -widths, widths)
        first = self._starts[chosen] + tops * widths + lefts
        first = first + far * mirrored + far * widths * flipped
        by_row, by_column = torch.where(turned, right, down), torch.where(turned, down, right)
        steps = torch.arange(side, device=draws.device)
        index = (
            first[:, None, None]
            + steps[:, None] * by_row[:, None, None]
            + steps * by_column[:, None, None]
        )
        return self._gather(index)

    def windows(
        self, count: int, smallest: int, largest: float, draws: Draws
    ) -> tuple[Tensor, Tensor]:
        """Cut random squares of varying size, each randomly mirrored.

        A photograph reduced to a short side drawn from [`smallest`, `largest`] (at most its own)
        would show a square of `smallest` pixels; its size in the photograph's own pixels is the
        window.

        Args:
            count: windows, each from a photograph chosen at random.
            smallest: pixels, at most `shortest_side`.
            largest: pixels.
            draws: source of randomness.

        Returns:
            (count, C, S, S) uint8, where S is the longest short side of any photograph, and the
            windows' sides (count,) float32 in pixels: what lies right of and below a window is
            no part of it.
        """
        chosen = draws.integers(count, self.count)
        heights, widths = self._heights[chosen], self._widths[chosen]
        short = torch.minimum(heights, widths)
        reduced = torch.minimum(draws.uniform(count, smallest, largest), short)
        sides = short * (smallest / reduced)
        whole = sides.ceil().long().minimum(short)
        tops = draws.integers(count, heights - whole + 1)
        lefts = draws.integers(count, widths - whole + 1)
        mirrored = draws.integers(count, 2) == 1
        steps = torch.arange(self.longest_short_side, device=draws.device)
        rows = tops[:, None] + torch.minimum(steps, whole[:, None] - 1)
        columns = torch.minimum(steps, whole[:, None] - 1)
        columns = torch.where(mirrored[:, None], whole[:, None] - 1 - columns, columns)
        columns = columns + lefts[:, None]
        first = self._starts[chosen][:, None, None]
        index = first + rows[:, :, None] * widths[:, None, None] + columns[:, None, :]
        return self._gather(index), sides

    def _gather(self, index: Tensor) -> Tensor:
        pixels = self._pixels.index_select(0, index.flatten())
        return pixels.view(*index.shape, -1).permute(0, 3, 1, 2)
