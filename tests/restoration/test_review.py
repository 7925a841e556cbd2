"""What is shown to a person, and what is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from restoration.assess import Assessment, assess
from restoration.assess.scales import Estimate
from restoration.colorize import Interpretation, interpret
from restoration.colour_evidence import ColourEvidence, colour_evidence, face_colour
from restoration.evidence import Evidence, gather
from restoration.faces import Face
from restoration.harm import Judgement
from restoration.measures import NO_CHANGE, Change, Measures
from restoration.models import Model, load_model
from restoration.plan import Plan, Step, make_plan, nothing_planned
from restoration.quality import Quality
from restoration.recipe import Options
from restoration.restore import Job, Restored, Restorer
from restoration.review import review
from tests.scenes import gray_scene, noisy, scene

CPU = torch.device("cpu")
FOUND = Assessment(12.0, 0.9, 0.3, 0.9, True, 0.9)
BEFORE = Measures(
    Estimate(12.0, 0.9), Estimate(0.3, 0.9), Quality(20.0, 30.0, 50.0, 120.0), 1.05, 6.0
)
ORDINARY = Evidence(
    BEFORE, BEFORE, Change(30.0, 0.8, 2.0, 0.98), 1, ColourEvidence(2.5, 20.0, 30.0)
)


def model(step: Step) -> Model:
    return load_model(step.value, CPU)


DONE = Restored(None, None, (model(Step.DENOISE), model(Step.COLORIZE)))


def reasons(
    found: Assessment = FOUND,
    plan: Plan | None = None,
    result: Restored = DONE,
    evidence: Evidence = ORDINARY,
) -> tuple[str, ...]:
    return review(found, plan or make_plan(found), result, evidence).reasons


def test_an_ordinary_restoration_needs_nobody() -> None:
    assert reasons() == ()
    untouched = Assessment(1.0, 0.9, 0.2, 0.9, False, 0.9)
    assert reasons(untouched, result=Restored(None, None), evidence=Evidence(BEFORE, BEFORE)) == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Change(22.0, 0.4, 4.0), "changed strongly (PSNR 22.0 dB, CIEDE2000 4.0)"),
        (Change(28.0, 0.7, 12.0), "changed strongly"),
        (Change(30.0, 0.8, 2.0, 0.7), "a face was changed much (SSIM 0.70, faces 1)"),
    ],
)
def test_strong_changes(change: Change, words: str) -> None:
    (reason,) = reasons(evidence=replace(ORDINARY, change=change))
    assert words in reason


def test_shaky_measurements() -> None:
    shaky = replace(FOUND, noise_confidence=0.6)
    (reason,) = reasons(shaky)
    assert "may be texture (sigma 12.0, confidence 0.60)" in reason
    (reason,) = reasons(replace(FOUND, monochrome_confidence=0.4))
    assert "may have had some (confidence 0.40)" in reason
    blurred = Assessment(1.0, 0.9, 1.8, 0.6, False, 0.9)
    deblurred = Restored(None, None, (model(Step.DEBLUR),))
    (reason,) = reasons(blurred, result=deblurred)
    assert "may be meant (sigma 1.8 px" in reason
    assert reasons(blurred, result=replace(deblurred, shaken=True)) == (), "the photo bore it out"


def test_what_was_left_alone() -> None:
    nothing = Restored(None, None)
    unsure = Assessment(9.0, 0.4, 2.5, 0.4, False, 0.9)
    found = reasons(unsure, result=nothing, evidence=Evidence(BEFORE, BEFORE, NO_CHANGE))
    assert [reason.partition(" was")[0] for reason in found] == ["strong noise", "strong blur"]
    # Not where nobody asked, not where it is bilevel, not where it is no measurement.
    for plan in (make_plan(unsure, (Step.COLORIZE,)), nothing_planned("two tones")):
        assert reasons(unsure, plan, nothing) == ()
    sky = replace(unsure, noise_sigma=1.0, blur_confidence=0.1)
    assert reasons(sky, result=nothing) == ()
    weak = replace(unsure, noise_sigma=5.0, blur_sigma=1.5)
    assert reasons(weak, result=nothing) == ()


def test_what_is_no_better() -> None:
    judgement = Judgement(BEFORE, BEFORE, (Step.DENOISE,), ("the noise is hardly less",))
    withheld = Restored(None, None, withheld=(Step.DENOISE,), judgement=judgement)
    (reason,) = reasons(result=withheld)
    assert "which was kept (denoise: the noise is hardly less)" in reason
    (reason,) = reasons(result=replace(withheld, withheld=()))
    assert "kept as asked (denoise: the noise is hardly less)" in reason


@pytest.mark.parametrize(
    ("colour", "words"),
    [
        (ColourEvidence(6.1, 20, 30), "uncertain (tries are 6.1 levels apart)"),
        (ColourEvidence(2, 95, 30), "strong cast, which was weakened (95 levels)"),
        (ColourEvidence(2, 20, 120), "garish (colourfulness 120)"),
        (ColourEvidence(2, 2, 1.5), "next to no colour (colourfulness 1.5)"),
        (ColourEvidence(2, 20, 30, 1), "no colour of skin (faces 1 of 1)"),
    ],
)
def test_odd_colours(colour: ColourEvidence, words: str) -> None:
    (reason,) = reasons(evidence=replace(ORDINARY, colour=colour))
    assert words in reason


def coloured(cb: float, cr: float, shape: tuple[int, int] = (80, 100)) -> Interpretation:
    chroma = np.broadcast_to(np.array([cb, cr], np.float32) / 255, (*shape, 2))
    return Interpretation(np.full(shape, 0.5, np.float32), chroma, 1.0, 10.0)


@pytest.mark.parametrize(
    ("cb", "cr", "odd"),
    [(-20, 30, 0), (-10, 12, 0), (0, 0, 0), (20, -20, 1), (-30, -30, 1), (40, 40, 1), (-40, 70, 1)],
)
def test_faces_of_the_colour_of_skin(cb: float, cr: float, odd: int) -> None:
    face = Face(100, 80, 120, 160, 0.9)
    interpretation = coloured(cb, cr)
    assert face_colour(face, interpretation, (320, 400)) == pytest.approx((cb, cr), abs=0.01)
    assert colour_evidence(interpretation, (face,), (320, 400)).odd_faces == odd


def test_the_smallest_face_at_the_edge_has_a_colour() -> None:
    corner = Face(399, 319, 1, 1, 0.9)
    assert face_colour(corner, coloured(-9, 9), (320, 400)) == pytest.approx((-9, 9), abs=0.01)


def test_colours_are_more_uncertain_where_the_tries_differ() -> None:
    found = interpret(gray_scene(), model(Step.COLORIZE))
    assert 0 < found.uncertainty < 40
    assert found.cast >= 0

    class OfTwoMinds(torch.nn.Module):
        """Red one time, blue the next."""

        config = model(Step.COLORIZE).network.config
        turn = 1.0

        def forward(self, tiles: torch.Tensor) -> torch.Tensor:
            self.turn = -self.turn
            out = model(Step.COLORIZE).network(tiles)
            return torch.full_like(out, 0.1 * self.turn)

    unsure = Model(model(Step.COLORIZE).card, OfTwoMinds(), CPU)  # type: ignore[arg-type]
    # Each try is 0.1 from the mean in Cb and in Cr.
    expected = 255 * 0.1 * 2**0.5
    assert interpret(gray_scene(), unsure).uncertainty == pytest.approx(expected, rel=1e-3)


def test_evidence_of_what_was_changed_and_of_what_was_not() -> None:
    restorer = Restorer(CPU)
    for pixels in (noisy(scene(), 20), scene(seed=1), gray_scene(seed=4)):
        found = assess(pixels)
        plan = make_plan(found)
        (result,) = restorer.restore([Job(pixels, plan, found.noise_sigma, found)])
        assert isinstance(result, Restored)
        evidence = gather(pixels, found, plan, result)
        assert evidence.before.noise.sigma == found.noise_sigma
        is_changed = result.pixels is not None
        assert (evidence.after is evidence.before) == (not is_changed)
        assert (evidence.change is not None) == plan.changes_pixels
        assert (evidence.colour is not None) == (Step.COLORIZE in plan.steps)
        if not plan.steps:
            assert evidence.faces is None


def test_what_was_blended_is_measured_as_it_came_out() -> None:
    pixels = noisy(scene(), 20)
    found = assess(pixels)
    plan = make_plan(found)
    (result,) = Restorer(CPU, options=Options(strength=0.5)).restore(
        [Job(pixels, plan, found.noise_sigma, found)]
    )
    evidence = gather(pixels, found, plan, result)
    assert result.judgement.after.noise.sigma < 2
    assert 7 < evidence.after.noise.sigma < 13
