"""What an evaluation found: a row per photograph, and a summary row per method and condition.

Both are flat, so that they are files (`restoration.evaluation.export`) as they stand. A summary
row names the command that makes it and the weights that it measured: model cards are filled from
it (`restoration.evaluation.card`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from restoration.evaluation.measuring import Measurement
from restoration.evaluation.methods import Method


@dataclass(frozen=True)
class Run:
    """What was run.

    Attributes:
        task: denoise, deblur, colorize or assess.
        dataset: name of the folder of photographs.
        device: what the networks ran on.
        command: the command, with paths cut to their last part.
    """

    task: str
    dataset: str
    device: str
    command: str


@dataclass(frozen=True)
class PhotoRow:
    """A method on one photograph: `Measurement` with the run's and the method's own facts.

    `gain_db` is PSNR less that of the input; sort by it to find what a method does worst.
    """

    task: str
    dataset: str
    photo: str
    condition: str
    method: str
    psnr_db: float
    input_psnr_db: float
    gain_db: float
    ssim: float
    input_ssim: float
    colourfulness: float
    megapixels: float
    seconds_per_megapixel: float
    cpu_seconds_per_megapixel: float
    gmac_per_megapixel: float | None
    parameters: int | None
    device: str


@dataclass(frozen=True)
class Summary:
    """A method in one condition, over all photographs.

    Attributes:
        task: denoise, deblur, colorize or assess.
        dataset: name of the folder of photographs.
        photos: how many there were.
        condition: the degradation.
        method: its name.
        weights_sha256: of its weights file; "" where there is none.
        psnr_db: mean; a photograph that is not changed at all counts as 100 dB.
        input_psnr_db: mean of the degraded photographs.
        ssim: mean, on luma.
        input_ssim: mean of the degraded photographs.
        colourfulness: mean.
        frechet_distance: to the clean photographs, see `restoration.evaluation.features`; None
            where it was not measured.
        seconds_per_megapixel: median wall-clock time.
        cpu_seconds_per_megapixel: median time of all threads together on the CPU.
        gmac_per_megapixel: 10^9 multiply-accumulates per 10^6 pixels that the network sees.
        parameters: trained numbers.
        worst_photo: the one with the smallest gain.
        worst_gain_db: its PSNR less that of its degraded version.
        device: what the networks ran on.
        command: that makes this row.
    """

    task: str
    dataset: str
    photos: int
    condition: str
    method: str
    weights_sha256: str
    psnr_db: float
    input_psnr_db: float
    ssim: float
    input_ssim: float
    colourfulness: float
    frechet_distance: float | None
    seconds_per_megapixel: float
    cpu_seconds_per_megapixel: float
    gmac_per_megapixel: float | None
    parameters: int | None
    worst_photo: str
    worst_gain_db: float
    device: str
    command: str


Cell = tuple[str, str]
"""Names of a condition and of a method."""


def photo_rows(
    run: Run, methods: Sequence[Method], measurements: Sequence[Measurement]
) -> list[PhotoRow]:
    """One row per measurement."""
    by_name = {method.name: method for method in methods}
    return [
        PhotoRow(
            task=run.task,
            dataset=run.dataset,
            photo=m.photo,
            condition=m.condition,
            method=m.method,
            psnr_db=m.psnr_db,
            input_psnr_db=m.input_psnr_db,
            gain_db=m.gain_db,
            ssim=m.ssim,
            input_ssim=m.input_ssim,
            colourfulness=m.colourfulness,
            megapixels=m.megapixels,
            seconds_per_megapixel=m.seconds_per_megapixel,
            cpu_seconds_per_megapixel=m.cpu_seconds_per_megapixel,
            gmac_per_megapixel=by_name[m.method].gmac_per_megapixel,
            parameters=by_name[m.method].parameters,
            device=run.device,
        )
        for m in measurements
    ]


def summarise(
    run: Run,
    methods: Sequence[Method],
    measurements: Sequence[Measurement],
    frechet: Mapping[Cell, float] | None = None,
) -> list[Summary]:
    """One row per condition and method, in the order of measuring.

    Args:
        run: what was run.
        methods: all that were measured.
        measurements: of all photographs.
        frechet: Frechet distances by condition and method, where they were measured.
    """
    cells: dict[Cell, list[Measurement]] = {}
    for measurement in measurements:
        cells.setdefault((measurement.condition, measurement.method), []).append(measurement)
    by_name = {method.name: method for method in methods}
    return [
        _summary(run, by_name[cell[1]], own, (frechet or {}).get(cell))
        for cell, own in cells.items()
    ]


def _summary(
    run: Run, method: Method, own: Sequence[Measurement], frechet: float | None
) -> Summary:
    worst = min(own, key=lambda m: m.gain_db)
    return Summary(
        task=run.task,
        dataset=run.dataset,
        photos=len(own),
        condition=worst.condition,
        method=method.name,
        weights_sha256=method.weights_sha256,
        psnr_db=float(np.mean([m.psnr_db for m in own])),
        input_psnr_db=float(np.mean([m.input_psnr_db for m in own])),
        ssim=float(np.mean([m.ssim for m in own])),
        input_ssim=float(np.mean([m.input_ssim for m in own])),
        colourfulness=float(np.mean([m.colourfulness for m in own])),
        frechet_distance=frechet,
        seconds_per_megapixel=float(np.median([m.seconds_per_megapixel for m in own])),
        cpu_seconds_per_megapixel=float(np.median([m.cpu_seconds_per_megapixel for m in own])),
        gmac_per_megapixel=method.gmac_per_megapixel,
        parameters=method.parameters,
        worst_photo=worst.photo,
        worst_gain_db=worst.gain_db,
        device=run.device,
        command=run.command,
    )
