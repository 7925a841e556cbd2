"""Carry out plans: networks over pixels, tiles of several photographs batched together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from restoration.colorize import colorize
from restoration.colour import as_gray, is_neutral, luma8
from restoration.guards import check_colorized, check_restored
from restoration.models import Model, load_model
from restoration.plan import Plan, Step
from restoration.tiling import Pixels, Tiling, run_tiled

Byte = NDArray[np.uint8]


@dataclass(frozen=True)
class Job:
    """One photograph and what is to be done to it.

    Attributes:
        pixels: (H, W) or (H, W, 3) uint8.
        plan: the steps.
        noise_sigma: measured, 8-bit units; the guards allow for it.
    """

    pixels: Byte = field(repr=False)
    plan: Plan
    noise_sigma: float


@dataclass(frozen=True)
class Restored:
    """What became of one photograph.

    Attributes:
        pixels: restored, of the input's shape; None where no step changes pixels.
        colorized: (H, W, 3) uint8, or None where colour was not planned.
        models: the models that ran, in order.
    """

    pixels: Byte | None = field(repr=False)
    colorized: Byte | None = field(repr=False)
    models: tuple[Model, ...] = ()


class Restorer:
    """The three U-Nets on one device; networks are loaded when a plan first needs them."""

    def __init__(self, device: torch.device, tiling: Tiling | None = None) -> None:
        self.device = device
        self.tiling = tiling or Tiling(batch=4 if device.type == "cpu" else 16)

    def model(self, step: Step) -> Model:
        """The model of a step.

        Raises:
            WeightsError: missing or altered weights.
        """
        return load_model(step.value, self.device)

    def restore(self, jobs: Sequence[Job]) -> list[Restored | Exception]:
        """Restore several photographs together.

        One photo's failure never costs another: where a shared pass fails, its photos are done
        one at a time, and each failure takes its photo's place in the result.

        Returns:
            For each job what became of it, or the error that it met.
        """
        try:
            changed = self._change_pixels(jobs)
        except Exception as error:
            if len(jobs) == 1:
                return [error]
            return [result for job in jobs for result in self.restore([job])]
        return [self._finish(job, pixels) for job, pixels in zip(jobs, changed, strict=True)]

    def _change_pixels(self, jobs: Sequence[Job]) -> list[Byte | None]:
        """Denoise and deblur; tiles of all photos that need a step share its batches."""
        current: list[Pixels | None] = [None] * len(jobs)
        for step in (Step.DENOISE, Step.DEBLUR):
            chosen = [i for i, job in enumerate(jobs) if step in job.plan.steps]
            if not chosen:
                continue
            inputs: list[Pixels] = []
            for i in chosen:
                done = current[i]
                inputs.append(_three_channels(jobs[i].pixels) if done is None else done)
                current[i] = None
            # 16 bits between two networks, so that nothing is lost to rounding on the way.
            goes_on = step is Step.DENOISE and any(Step.DEBLUR in job.plan.steps for job in jobs)
            dtype = np.uint16 if goes_on else np.uint8
            outputs = run_tiled(self.model(step), inputs, self.tiling, self.device, dtype=dtype)
            for i, output in zip(chosen, outputs, strict=True):
                current[i] = output
            del inputs, outputs  # of a large scan each is hundreds of megabytes
        return [
            None if pixels is None else _like(job.pixels, _eight_bits(pixels))
            for job, pixels in zip(jobs, current, strict=True)
        ]

    def _finish(self, job: Job, pixels: Byte | None) -> Restored | Exception:
        try:
            if pixels is not None:
                check_restored(job.pixels, pixels, noise_sigma=job.noise_sigma)
            colorized = None
            if Step.COLORIZE in job.plan.steps:
                luma = luma8(job.pixels if pixels is None else pixels)
                colorized = colorize(luma, self.model(Step.COLORIZE))
                check_colorized(luma, colorized)
        except Exception as error:
            return error
        return Restored(pixels, colorized, tuple(self.model(step) for step in job.plan.steps))


def _three_channels(pixels: Byte) -> Byte:
    # A view: a gray photo costs no copy on its way to the tiles.
    return np.broadcast_to(pixels[..., None], (*pixels.shape, 3)) if pixels.ndim == 2 else pixels


def _eight_bits(pixels: Pixels) -> Byte:
    if pixels.dtype == np.uint8:
        return pixels
    out = np.empty(pixels.shape, np.uint8)
    for top in range(0, pixels.shape[0], 1024):
        strip = pixels[top : top + 1024].astype(np.uint32)
        out[top : top + 1024] = (strip * 255 + 32767) // 65535
    return out


def _like(source: Byte, restored: Byte) -> Byte:
    """Bring restored (H, W, 3) pixels back to the source's channels.

    A gray photo, also one stored as three equal channels, must come back exactly neutral, though
    the network treats its channels as colours.
    """
    if source.ndim == 2:
        return luma8(restored)
    if is_neutral(source):
        return as_gray(restored)
    return restored
