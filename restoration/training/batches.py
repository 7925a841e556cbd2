"""Where a run's batches come from: synthetic degradations, true pairs, or half of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from restoration.errors import UsageError
from restoration.training.batched import Draws, PhotoBuffer
from restoration.training.data import PhotoSet
from restoration.training.task import TrainingTask

Batches = Callable[[], tuple[Tensor, Tensor]]
"""Draws the next (inputs, targets), on the device."""


def batches_for(task: TrainingTask, photos: PhotoSet, seed: int, device: torch.device) -> Batches:
    """What a run trains on.

    Args:
        task: what to train.
        photos: clean photographs, pairs, or both: then half of each batch is pairs.
        seed: of all randomness.
        device: where photographs are kept and batches made.

    Raises:
        UsageError: nothing to train on, or photographs smaller than a patch.
    """
    draws = Draws(seed, device)
    if photos.pairs is None:
        return _synthetic(task, photos, draws)
    if not photos.train:
        return _paired(task, photos, draws)
    half = task.batch // 2
    synthetic = _synthetic(replace(task, batch=task.batch - half), photos, draws)
    paired = _paired(replace(task, batch=half), photos, draws)

    def mixed() -> tuple[Tensor, Tensor]:
        inputs, targets = zip(synthetic(), paired(), strict=True)
        return torch.cat(inputs), torch.cat(targets)

    return mixed


def _synthetic(task: TrainingTask, photos: PhotoSet, draws: Draws) -> Batches:
    if not photos.train:
        raise UsageError("there is no photograph to train on")
    buffer = PhotoBuffer(task.prepared(photos.train), draws.device)
    _check(buffer, task.minimum_side)
    return lambda: task.draw_batch(buffer, draws)


def _paired(task: TrainingTask, photos: PhotoSet, draws: Draws) -> Batches:
    assert photos.pairs is not None
    buffer = PhotoBuffer(photos.pairs.train, draws.device)
    _check(buffer, task.patch)

    def draw() -> tuple[Tensor, Tensor]:
        pairs = buffer.patches(task.batch, task.patch, draws).float() / 255
        return pairs[:, 3:], pairs[:, :3]

    return draw


def _check(buffer: PhotoBuffer, side: int) -> None:
    if buffer.shortest_side < side:
        raise UsageError(
            f"a photograph is {buffer.shortest_side} pixels short, patches need {side} (--patch)"
        )
