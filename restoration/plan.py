"""Which U-Nets run on a photograph, and why."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from restoration.assess import BLURRED_SIGMA, NOISY_SIGMA, SURE_ENOUGH, Assessment
from restoration.errors import UsageError


class Step(enum.StrEnum):
    """A restoration step; the order of definition is the order in which steps run."""

    DENOISE = "denoise"
    DEBLUR = "deblur"
    COLORIZE = "colorize"

    @property
    def changes_pixels(self) -> bool:
        """Whether the restored photo differs for it (colour is a separate output)."""
        return self is not Step.COLORIZE


ALL_STEPS: Final = tuple(Step)

WORTH_A_TRY: Final = 0.2
"""Confidence in the blur from which camera shake is looked for."""

MINIMUM_CONFIDENCE: Final = 0.3
"""Below this "monochrome" is a guess, and a guess is no reason to colour a photograph."""


@dataclass(frozen=True)
class PlannedStep:
    """One step taken or left out.

    Attributes:
        step: which.
        runs: whether it is taken.
        reason: plain words, with the measurement that decided.
        tentative: whether it is only tried: the photo stays as it was unless it bears the step out.
        doubtful: whether the measurement was strong enough but not certain enough.
    """

    step: Step
    runs: bool
    reason: str
    tentative: bool = False
    doubtful: bool = False


@dataclass(frozen=True)
class Plan:
    """What happens to one photograph.

    Attributes:
        decisions: one for every step, in the order in which they run.
    """

    decisions: tuple[PlannedStep, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps that run, in order."""
        return tuple(decision.step for decision in self.decisions if decision.runs)

    def is_tentative(self, step: Step) -> bool:
        """Whether a step is only tried."""
        return any(each.tentative for each in self.decisions if each.step is step)

    def is_doubtful(self, step: Step) -> bool:
        """Whether a step was left out, or only tried, because its measurement was not certain."""
        return any(each.doubtful for each in self.decisions if each.step is step)

    @property
    def reasons(self) -> tuple[str, ...]:
        """One line per step: 'denoise: noise sigma 12.3 is at least 4'."""
        return tuple(f"{d.step}: {d.reason}" for d in self.decisions)

    @property
    def changes_pixels(self) -> bool:
        """Whether the restored photo differs from the source."""
        return any(step.changes_pixels for step in self.steps)


def parse_steps(text: str) -> tuple[Step, ...]:
    """Read a list such as 'denoise,colorize'.

    Raises:
        UsageError: an unknown step, an empty name, one named twice, or steps out of their order.
    """
    names = [name.strip() for name in text.split(",")]
    known = ", ".join(ALL_STEPS)
    if not any(names):
        raise UsageError(f"no step is named; choose from {known}")
    if not all(names):
        raise UsageError(f"a step's name is missing beside a comma in {text!r}")
    for name in names:
        if name not in list(Step):
            raise UsageError(f"unknown step {name!r}; choose from {known}")
    steps = [Step(name) for name in names]
    if len(set(steps)) < len(steps):
        raise UsageError("a step is named twice")
    if steps != sorted(steps, key=ALL_STEPS.index):
        raise UsageError(f"steps run in the order {known}; name them in it")
    return tuple(steps)


def make_plan(
    assessment: Assessment, requested: Sequence[Step] = ALL_STEPS, *, strength: float = 1.0
) -> Plan:
    """Decide on every step from what was measured and what was asked for.

    Args:
        assessment: of the photo.
        requested: the steps that may run.
        strength: share of the change that will be applied; at 0 no step that changes pixels runs.
    """

    def decide(step: Step) -> PlannedStep:
        if step not in requested:
            return PlannedStep(step, False, "not asked for")
        if strength == 0 and step.changes_pixels:
            return PlannedStep(step, False, "the strength is 0")
        return _decide(step, assessment)

    return Plan(tuple(decide(step) for step in ALL_STEPS))


def nothing_planned(reason: str) -> Plan:
    """The plan of a page that no network should touch, whatever is measured."""
    return Plan(tuple(PlannedStep(step, False, reason) for step in ALL_STEPS))


def _decide(step: Step, assessment: Assessment) -> PlannedStep:
    if step is Step.DENOISE:
        return _decide_by_strength(
            step, "noise sigma", assessment.noise_sigma, assessment.noise_confidence, NOISY_SIGMA
        )
    if step is Step.DEBLUR:
        decision = _decide_by_strength(
            step, "blur sigma", assessment.blur_sigma, assessment.blur_confidence, BLURRED_SIGMA
        )
        return decision if decision.runs else _tried(decision, assessment)
    sure = f"(confidence {assessment.monochrome_confidence:.2f})"
    if not assessment.is_monochrome:
        return PlannedStep(step, False, f"the photo is in colour {sure}")
    if assessment.monochrome_confidence < MINIMUM_CONFIDENCE:
        return PlannedStep(step, False, f"not surely monochrome {sure}")
    return PlannedStep(step, True, f"the photo is monochrome {sure}")


def _tried(refused: PlannedStep, assessment: Assessment) -> PlannedStep:
    """Deblur what is blurred in an odd way, such as camera shake, if the photo itself bears it out.

    The regressor has seen how shaken photos look, and is rarely sure of them (0.2-0.45).
    """
    is_blurred = assessment.blur_sigma >= BLURRED_SIGMA
    if not is_blurred or assessment.blur_confidence < WORTH_A_TRY:
        return refused
    reason = f"{refused.reason}: undone only if it is camera shake that the photo bears out"
    return PlannedStep(refused.step, True, reason, tentative=True, doubtful=True)


def _decide_by_strength(
    step: Step, name: str, value: float, confidence: float, threshold: float
) -> PlannedStep:
    measured = f"{name} {value:.1f}"
    if value < threshold:
        return PlannedStep(step, False, f"{measured} is below {threshold:g}")
    if confidence < SURE_ENOUGH:
        unsure = f"{measured} is not certain (confidence {confidence:.2f})"
        return PlannedStep(step, False, unsure, doubtful=True)
    return PlannedStep(step, True, f"{measured} is at least {threshold:g}")
