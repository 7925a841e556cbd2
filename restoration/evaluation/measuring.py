"""Run every method on every photograph and condition, and score what comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from restoration.evaluation.methods import Method, Truth
from restoration.evaluation.photos import NamedPhoto
from restoration.evaluation.protocols import Condition
from restoration.quality import colourfulness, psnr_db, ssim

Byte = NDArray[np.uint8]


@dataclass(frozen=True)
class Measurement:
    """A method on one photograph in one condition.

    Attributes:
        photo: its name.
        condition: the degradation.
        method: its name.
        psnr_db: against the clean photograph; 100 where the two are identical.
        input_psnr_db: of the degraded photograph, likewise.
        ssim: against the clean photograph, on luma.
        input_ssim: of the degraded photograph, likewise.
        colourfulness: of the result (Hasler and Suesstrunk 2003).
        megapixels: size of the photograph.
        seconds_per_megapixel: wall-clock time of the method.
        cpu_seconds_per_megapixel: time of all threads together on the CPU; what to compare on a
            machine that does other things too.
    """

    photo: str
    condition: str
    method: str
    psnr_db: float
    input_psnr_db: float
    ssim: float
    input_ssim: float
    colourfulness: float
    megapixels: float
    seconds_per_megapixel: float
    cpu_seconds_per_megapixel: float

    @property
    def gain_db(self) -> float:
        """PSNR that the method added to the degraded photograph's."""
        return self.psnr_db - self.input_psnr_db


@dataclass(frozen=True)
class Outcome:
    """A measurement with the pixels that it was made on, each of the clean photograph's shape."""

    measurement: Measurement
    photo_index: int
    method: Method
    clean: Byte = field(repr=False)
    degraded: Byte = field(repr=False)
    restored: Byte = field(repr=False)


def evaluate(
    photos: Sequence[NamedPhoto], conditions: Sequence[Condition], methods: Sequence[Method]
) -> Iterator[Outcome]:
    """Degrade every photograph in every way and let every method restore it.

    Yields:
        One outcome per condition, photograph and method, in this order of nesting; pixels of a
        photograph are not held beyond it.
    """
    for condition in conditions:
        for index, photo in enumerate(photos):
            degraded = condition.degrade(photo.pixels, np.random.default_rng(index))
            truth = Truth(photo.pixels, condition.sigma, condition.kernel)
            input_psnr_db = psnr_db(photo.pixels, degraded)
            input_ssim = ssim(photo.pixels, degraded)
            for method in methods:
                started, cpu_started = time.perf_counter(), time.process_time()
                restored = method.restore(degraded, truth)
                seconds = time.perf_counter() - started
                cpu_seconds = time.process_time() - cpu_started
                measurement = Measurement(
                    photo=photo.name,
                    condition=condition.name,
                    method=method.name,
                    psnr_db=psnr_db(photo.pixels, restored),
                    input_psnr_db=input_psnr_db,
                    ssim=ssim(photo.pixels, restored),
                    input_ssim=input_ssim,
                    colourfulness=colourfulness(restored),
                    megapixels=photo.megapixels,
                    seconds_per_megapixel=seconds / photo.megapixels,
                    cpu_seconds_per_megapixel=cpu_seconds / photo.megapixels,
                )
                yield Outcome(measurement, index, method, photo.pixels, degraded, restored)
