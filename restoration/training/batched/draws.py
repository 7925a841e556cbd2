"""Random numbers for whole batches, drawn on the device."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


@lru_cache
def constants(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Numbers as a float32 tensor on a device.

    Kept, because copying them there makes the host wait until the device has done all that was
    asked of it before.
    """
    return torch.tensor(values, device=device, dtype=torch.float32)


class Draws:
    """A source of randomness on one device.

    Pixels' and samples' random numbers come from a `torch.Generator` on the device. How many
    samples of a batch are treated in which way is drawn on the host, because the shape of a
    tensor must be known there and reading it back from a GPU would stop the GPU.

    Args:
        seed: the same seed gives the same numbers on the same kind of device.
        device: where the numbers are drawn.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self.device = device
        self._generator = torch.Generator(device)
        self._generator.manual_seed(seed)
        self._host = random.Random(seed)

    def uniform(self, count: int, low: float | Tensor = 0.0, high: float | Tensor = 1.0) -> Tensor:
        """`count` numbers in [low, high), (count,); bounds may be tensors of that shape."""
        share = torch.rand(count, generator=self._generator, device=self.device)
        return low + share * (high - low)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers of a shape."""
        return torch.randn(shape, generator=self._generator, device=self.device)

    def integers(self, count: int, high: int | Tensor) -> Tensor:
        """`count` whole numbers in [0, high), (count,) int64; `high` may be a tensor (count,)."""
        # float64: in float32 one product in 2^24 rounds up to `high` itself.
        share = torch.rand(
            count, generator=self._generator, device=self.device, dtype=torch.float64
        )
        return (share * high).long()

    def gamma(self, count: int, shape: float) -> Tensor:
        """Gamma-distributed numbers of scale 1, (count,); `shape` is a multiple of one half.

        A sum of exponentials, and for the half of a squared normal: `torch.distributions` takes
        no generator.
        """
        whole = int(shape)
        ones = torch.empty(count, whole, device=self.device)
        total = ones.exponential_(generator=self._generator).sum(1)
        return total + self.normal(count).square() / 2 if shape > whole else total

    def sizes(self, count: int, shares: Sequence[float]) -> list[int]:
        """Sizes of the groups into which a batch falls, some of them perhaps 0.

        Systematic sampling: `shares` of `count`, rounded up or down at random so that their means
        are exact. Batches vary less than with a draw per sample, and only what a group needs is
        computed for it.

        Args:
            count: samples in the batch.
            shares: of the groups, summing to 1.
        """
        offset = self._host.random()
        total, bounds = 0.0, [0]
        for share in shares[:-1]:
            total += share
            bounds.append(min(count, int(total * count + offset)))
        bounds.append(count)
        return [end - start for start, end in pairwise(bounds)]

    def partition(self, count: int, shares: Sequence[float]) -> tuple[Tensor, ...]:
        """Deal the samples of a batch into groups of these `sizes` at random.

        Returns:
            Indices (int64) of each group's samples; groups may be empty.
        """
        order = self.uniform(count).argsort()
        return torch.split(order, self.sizes(count, shares))

    def subset(self, count: int, share: float) -> Tensor:
        """Indices (int64) of a random `share` of `count` samples."""
        return self.partition(count, (share, 1 - share))[0]

    def choice(self, options: Sequence[T]) -> T:
        """One of several options, for a whole batch."""
        return self._host.choice(options)

    def happens(self, share: float) -> bool:
        """Whether something that befalls a `share` of all batches befalls this one."""
        return self._host.random() < share
