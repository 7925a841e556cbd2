"""Carry out plans: networks over pixels, tiles of several photographs batched together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import torch

from restoration.assess import Assessment
from restoration.blend import Grain, blend, grain_of, like
from restoration.catalogue import WEIGHTS_FOLDER
from restoration.colorize import Interpretation, colorized_as, interpret
from restoration.colour import integer_luma
from restoration.device import resolve_precision
from restoration.execution import Engine, engine_for, tile_pixels
from restoration.guards import check_colorized, check_restored
from restoration.harm import Judgement, judge
from restoration.measures import measures_of
from restoration.models import Model, load_model
from restoration.plan import Plan, Step
from restoration.precision import Precision
from restoration.recipe import Options
from restoration.resources import DEFAULT_RESOURCES, Resources
from restoration.samples import Samples, SampleType, are_equal, eight_bits, sample_type
from restoration.shake import remove_shake
from restoration.tiling import Tiling, run_tiled

DEFAULT_OPTIONS: Final = Options()

WITHHELD: Final = "the restored photo was no better than the original, which was kept"
KEPT_ANYWAY: Final = "the restored photo is no better than the original, and was kept as asked"


@dataclass(frozen=True)
class Job:
    """One photograph and what is to be done to it.

    Attributes:
        pixels: (H, W) or (H, W, 3), uint8 or uint16; never written to.
        plan: the steps.
        noise_sigma: measured, 8-bit units; the guards allow for it.
        assessment: of the pixels; measured again where it is not given and is needed.
    """

    pixels: Samples = field(repr=False)
    plan: Plan
    noise_sigma: float
    assessment: Assessment | None = None


@dataclass(frozen=True)
class Restored:
    """What became of one photograph.

    Attributes:
        pixels: restored, of the input's shape and type; None where no pixel changed.
        colorized: (H, W, 3) of the input's type, or None where colour was not planned.
        models: the models whose work is in the results, in order.
        notes: what steps found out while they ran, one sentence each.
        shaken: whether camera shake was deconvolved, in the place of what the deblur network made.
        withheld: the steps whose work was put aside, because the photo was no better for it.
        judgement: how what the networks made was measured; None where they changed nothing.
        as_judged: whether `pixels` are what was judged: not blended with the photo or its grain.
        interpretation: what the colours are made from; None where colour was not planned.
    """

    pixels: Samples | None = field(repr=False)
    colorized: Samples | None = field(repr=False)
    models: tuple[Model, ...] = ()
    notes: tuple[str, ...] = ()
    shaken: bool = False
    withheld: tuple[Step, ...] = ()
    judgement: Judgement | None = None
    as_judged: bool = True
    interpretation: Interpretation | None = field(default=None, repr=False)


@dataclass
class _Progress:
    """What the networks have made of a job so far.

    Attributes:
        pixels: (H, W, 3) uint8 or uint16; None before the first step and while the next runs.
        grain: what denoising took, where some of it will be given back.
        notes: what steps found out, one sentence each.
        given_up: steps that were only tried, and not borne out.
        shaken: see `Restored`.
        withheld: see `Restored`.
        judgement: see `Restored`.
        as_judged: see `Restored`.
    """

    pixels: Samples | None = None
    grain: Grain | None = None
    notes: tuple[str, ...] = ()
    given_up: tuple[Step, ...] = ()
    shaken: bool = False
    withheld: tuple[Step, ...] = ()
    judgement: Judgement | None = None
    as_judged: bool = True


class Restorer:
    """The three U-Nets on one device; networks are loaded when a plan first needs them.

    Safe to use from several threads at once, whose tiles then share the device.

    Args:
        device: where the networks run.
        tiling: how photos are cut; None for what suits the device and each network.
        options: strength, keep_grain, passes and the choice of models; the steps are each
            plan's own.
        folder: where the models are.
        resources: what may be used of the machine.

    Raises:
        UsageError: a precision that the device does not calculate with.
    """

    def __init__(
        self,
        device: torch.device,
        tiling: Tiling | None = None,
        *,
        options: Options = DEFAULT_OPTIONS,
        folder: Path = WEIGHTS_FOLDER,
        resources: Resources = DEFAULT_RESOURCES,
    ) -> None:
        self.device = device
        self._tiling = tiling
        self.options = options
        self._folder = folder
        self.resources = resources
        self.precision = resolve_precision(resources.precision, device)
        self._engine = engine_for(device, resources)

    def model(self, step: Step) -> Model:
        """The model of a step.

        Raises:
            WeightsError: missing or altered weights.
        """
        # Colour is predicted on a small picture, of which fewer bits would save little, and move
        # its uncertainty and cast, which decide whether a person should look.
        precision = self.precision if step.changes_pixels else Precision.FP32
        return load_model(
            step.value,
            self.device,
            self._folder,
            chosen=self.options.models,
            precision=precision,
        )

    def under(self, options: Options) -> Restorer:
        """This restorer with other options: its networks and its engine are the same."""
        return Restorer(
            self.device,
            self._tiling,
            options=options,
            folder=self._folder,
            resources=self.resources,
        )

    def tiling(self, model: Model) -> Tiling:
        """How photos are cut for a model: tiles start at multiples of its network's stride."""
        if self._tiling is not None:
            return self._tiling
        pixels = tile_pixels(self.device, self.resources)
        return Tiling.suited_to(model.network.config, pixels=pixels)

    def restore(self, jobs: Sequence[Job]) -> list[Restored | Exception]:
        """Restore several photographs together.

        One photo's failure never costs another: where a shared pass fails, its photos are done
        one at a time, and each failure takes its photo's place in the result.

        Returns:
            For each job what became of it, or the error that it met.
        """
        try:
            progress = self._run_networks(jobs)
        except Exception as error:
            if len(jobs) == 1:
                return [error]
            return [result for job in jobs for result in self.restore([job])]
        return [self._finish(job, done) for job, done in zip(jobs, progress, strict=True)]

    def _run_networks(self, jobs: Sequence[Job]) -> list[_Progress]:
        """Denoise and deblur; tiles of all photos that need a step share its batches."""
        progress = [_Progress() for _ in jobs]
        for step in (Step.DENOISE, Step.DEBLUR):
            chosen = [
                (job, own)
                for job, own in zip(jobs, progress, strict=True)
                if step in job.plan.steps
            ]
            if not chosen:
                continue
            inputs: list[Samples] = []
            for job, own in chosen:
                inputs.append(_three_channels(job.pixels) if own.pixels is None else own.pixels)
                own.pixels = None
            model = self.model(step)
            dtypes = [_type_after(step, job) for job, _ in chosen]
            outputs = run_tiled(
                model,
                inputs,
                self.tiling(model),
                self._engine,
                dtype=dtypes,
                passes=self.options.passes,
            )
            for (job, own), given, output in zip(chosen, inputs, outputs, strict=True):
                own.pixels = output
                if step is Step.DENOISE and self.options.keep_grain > 0:
                    own.grain = grain_of(job.pixels, output)
                if step is Step.DEBLUR:
                    _remove_shake(own, job, given, self.device, self._engine)
            del inputs, outputs, given, output  # of a large scan each is hundreds of megabytes
        return progress

    def _finish(self, job: Job, done: _Progress) -> Restored | Exception:
        try:
            pixels = None if done.pixels is None else self._finished_pixels(job, done)
            colorized = interpretation = None
            if Step.COLORIZE in job.plan.steps:
                luma = integer_luma(job.pixels if pixels is None else pixels)
                interpretation = interpret(luma, self.model(Step.COLORIZE))
                colorized = colorized_as(luma, interpretation)
                check_colorized(luma, colorized)
        except Exception as error:
            return error
        unused = (*done.given_up, *done.withheld)
        return Restored(
            pixels,
            colorized,
            models=tuple(self.model(step) for step in job.plan.steps if step not in unused),
            notes=done.notes,
            shaken=done.shaken and not done.withheld,
            withheld=done.withheld,
            judgement=done.judgement,
            as_judged=done.as_judged,
            interpretation=interpretation,
        )

    def _finished_pixels(self, job: Job, done: _Progress) -> Samples | None:
        """Check what the networks made and blend it with the photo; None where nothing changes."""
        assert done.pixels is not None
        restored = like(job.pixels, done.pixels, out=done.pixels)
        done.pixels = None
        # Checked as the networks left it: a small strength must not hide that they failed.
        check_restored(job.pixels, restored, noise_sigma=job.noise_sigma)
        if are_equal(restored, job.pixels):
            return None
        _judge(done, job, restored, keep=self.options.even_if_worse)
        if done.withheld:
            return None
        blended = blend(
            job.pixels,
            restored,
            strength=self.options.strength,
            grain=done.grain,
            keep_grain=self.options.keep_grain,
            out=restored,
        )
        mixes_grain = done.grain is not None and self.options.keep_grain > 0
        done.as_judged = self.options.strength == 1 and not mixes_grain
        return None if are_equal(blended, job.pixels) else blended


def _judge(done: _Progress, job: Job, restored: Samples, *, keep: bool) -> None:
    """Measure what the networks made; put it aside, unless it is better or to be kept anyway."""
    steps = tuple(
        step for step in job.plan.steps if step.changes_pixels and step not in done.given_up
    )
    before = measures_of(job.pixels, job.assessment)
    done.judgement = judge(before, measures_of(restored), steps)
    if not done.judgement.findings:
        return
    if keep:
        done.notes += (f"{KEPT_ANYWAY} ({done.judgement.reason})",)
        return
    done.withheld = steps
    # What steps found out was found out about what is put aside.
    done.notes = (f"{WITHHELD} ({done.judgement.reason})",)


def _type_after(step: Step, job: Job) -> SampleType:
    """Of what a step makes: 16 bits between two networks, else the photo's own."""
    goes_on = step is Step.DENOISE and Step.DEBLUR in job.plan.steps
    return np.uint16 if goes_on else sample_type(job.pixels)


def _remove_shake(
    progress: _Progress, job: Job, given: Samples, device: torch.device, engine: Engine
) -> None:
    """Put a deconvolved photo in the place of the deblur network's output where it is better."""
    assert progress.pixels is not None
    outcome = remove_shake(given, progress.pixels, device, engine)
    progress.pixels = outcome.pixels
    progress.shaken = outcome.kernel is not None
    progress.notes += (outcome.note,) if outcome.note else ()
    if outcome.kernel is None and job.plan.is_tentative(Step.DEBLUR):
        progress.given_up = (Step.DEBLUR,)
        progress.notes += ("deblur: no camera shake was found, and nothing was deblurred",)
        progress.pixels = None
        if Step.DENOISE in job.plan.steps:
            progress.pixels = given if job.pixels.dtype == np.uint16 else eight_bits(given)


def _three_channels(pixels: Samples) -> Samples:
    # A view: a gray photo costs no copy on its way to the tiles.
    return np.broadcast_to(pixels[..., None], (*pixels.shape, 3)) if pixels.ndim == 2 else pixels
