"""What is known of a photograph after its restoration: the measures of it and of the result."""

from __future__ import annotations

from dataclasses import dataclass

from restoration.assess import Assessment
from restoration.colour_evidence import ColourEvidence, colour_evidence
from restoration.faces import find_faces
from restoration.measures import NO_CHANGE, Change, Measures, change_between, measures_of
from restoration.plan import Plan
from restoration.restore import Restored
from restoration.samples import Samples


@dataclass(frozen=True)
class Evidence:
    """Measures of one page, before and after, and of the change.

    Attributes:
        before: of the original.
        after: of what came out; `before` where no pixel was changed.
        change: None where no step was planned that changes pixels.
        faces: how many there are; None where nobody looked, or could (extra `faces`).
        colour: of the colours given to it; None where there are none.
    """

    before: Measures
    after: Measures
    change: Change | None = None
    faces: int | None = None
    colour: ColourEvidence | None = None


def gather(pixels: Samples, assessment: Assessment, plan: Plan, result: Restored) -> Evidence:
    """Measure what was not measured yet; what was not changed is not measured twice.

    Args:
        pixels: of the original, (H, W) or (H, W, 3), uint8 or uint16.
        assessment: of them.
        plan: what was to be done.
        result: what became of them.

    Raises:
        WeightsError: weights of a measure are missing or altered.
    """
    judged, restored = result.judgement, result.pixels
    before = measures_of(pixels, assessment) if judged is None else judged.before
    is_changed = restored is not None or result.interpretation is not None
    faces = find_faces(pixels) if is_changed else None
    colour = None
    if result.interpretation is not None:
        colour = colour_evidence(result.interpretation, faces or (), pixels.shape)
    count = None if faces is None else len(faces)
    if restored is None:
        change = NO_CHANGE if plan.changes_pixels else None
        return Evidence(before, before, change, count, colour)
    after = judged.after if judged is not None and result.as_judged else measures_of(restored)
    return Evidence(before, after, change_between(pixels, restored, faces or ()), count, colour)
