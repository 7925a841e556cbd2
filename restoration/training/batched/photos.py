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

    def patches(self, count: int, side: int, draws: Draws, *, upright: bool = False) -> Tensor:
        """Cut random squares, each randomly mirrored and turned by quarter turns.

        Args:
            count: patches, each from a photograph chosen at random.
            side: in pixels, at most `shortest_side`.
            draws: source of randomness.
            upright: only mirror left and right.

        Returns:
            (count, C, side, side) uint8, channels last in memory.
        """
        chosen = draws.integers(count, self.count)
        widths = self._widths[chosen]
        tops = draws.integers(count, self._heights[chosen] - side + 1)
        lefts = draws.integers(count, widths - side + 1)
        mirrored, flipped, turned = (draws.integers(3 * count, 2) == 1).view(3, count)
        if upright:
            flipped, turned = torch.zeros_like(flipped), torch.zeros_like(turned)
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
        pixels = self._pixels.index_select(0, index.flatten())
        return pixels.view(count, side, side, -1).permute(0, 3, 1, 2)
