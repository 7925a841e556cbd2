"""Do no harm, with the shipped networks, with damaged ones, and by the rules alone."""

from __future__ import annotations

import copy
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from restoration.assess import assess
from restoration.assess.scales import Estimate
from restoration.harm import judge
from restoration.measures import Measures, measures_of
from restoration.models import Model
from restoration.plan import ALL_STEPS, Step, make_plan
from restoration.quality import Quality
from restoration.recipe import Options, recipe_id
from restoration.restore import Job, Restored, Restorer
from tests.scenes import gray_scene, noisy, scene

CPU = torch.device("cpu")
SOUND = Measures(
    Estimate(12.0, 0.9), Estimate(0.3, 0.9), Quality(20.0, 30.0, 50.0, 120.0), 1.05, 6.0
)
BETTER = replace(SOUND, noise=Estimate(0.5, 0.9), naturalness=3.0)


class Damaged(Restorer):
    """Valid networks whose outermost weights are times `factor`: -1 adds what it is to remove."""

    def __init__(self, factor: float, **options: object) -> None:
        super().__init__(CPU, options=Options(**options))
        self._factor = factor
        self._damaged: dict[Step, Model] = {}

    def model(self, step: Step) -> Model:
        sound = super().model(step)
        if step is Step.COLORIZE:
            return sound
        if step not in self._damaged:
            network = copy.deepcopy(sound.network)
            weights = [each for each in network.parameters() if each.ndim >= 2]
            weights[-1].data *= self._factor
            self._damaged[step] = Model(sound.card, network, CPU)
        return self._damaged[step]


def job_of(pixels: np.ndarray, steps: tuple[Step, ...] = ALL_STEPS) -> Job:
    found = assess(pixels)
    return Job(pixels, make_plan(found, steps), found.noise_sigma, found)


def done(restorer: Restorer, job: Job) -> Restored:
    (result,) = restorer.restore([job])
    assert isinstance(result, Restored), result
    return result


@pytest.fixture(scope="module")
def photos(sample_archive) -> dict[str, np.ndarray]:
    """Real photographs as archives have them: noisy, out of focus, both gray and colour."""
    names = {"noisy": "farms/dust-bowl-home (noisy scan).jpg",
             "blurred": "alps/french-alpine-landscape (out of focus).png",
             "colour": "farms/cat-in-colour.png"}  # fmt: skip
    read = {key: cv2.imread(str(sample_archive / name))[..., ::-1] for key, name in names.items()}
    part = {
        "noisy": (slice(200, 520), slice(300, 700)),
        "blurred": (slice(100, 420), slice(0, 400)),
    }
    cut = {key: np.ascontiguousarray(photo[part.get(key, ...)]) for key, photo in read.items()}
    return cut | {"colour": noisy(cut["colour"], 12)}


@pytest.mark.parametrize(
    ("name", "step"), [("noisy", Step.DENOISE), ("blurred", Step.DEBLUR), ("colour", Step.DENOISE)]
)
def test_ordinary_photographs_are_not_withheld(photos, name: str, step: Step) -> None:
    job = job_of(photos[name])
    assert step in job.plan.steps
    result = done(Restorer(CPU), job)
    assert result.pixels is not None
    assert (result.withheld, result.notes) == ((), ())
    assert result.judgement is not None
    assert result.judgement.findings == ()
    assert result.judgement.after.naturalness < result.judgement.before.naturalness


@pytest.mark.parametrize("name", ["noisy", "blurred", "colour"])
def test_what_a_damaged_network_makes_is_withheld(photos, name: str) -> None:
    job = job_of(photos[name])
    result = done(Damaged(-1), job)
    steps = tuple(step for step in job.plan.steps if step.changes_pixels)
    assert result.pixels is None
    assert result.withheld == steps
    assert not {model.card.task for model in result.models} & set(steps)
    (note,) = result.notes
    assert note.startswith("the restored photo was no better than the original, which was kept (")
    assert "sigma" in note


def test_colour_is_judged_apart_and_laid_over_the_original(photos) -> None:
    gray = cv2.cvtColor(photos["noisy"], cv2.COLOR_RGB2GRAY)
    result = done(Damaged(-1), job_of(gray))
    assert result.withheld == (Step.DENOISE,)
    assert [model.card.task for model in result.models] == ["colorize"]
    assert result.colorized is not None
    luma = np.asarray(cv2.cvtColor(result.colorized, cv2.COLOR_RGB2GRAY))
    assert np.abs(luma.astype(int) - gray).max() <= 1


def test_it_is_kept_where_that_is_asked_for(photos) -> None:
    result = done(Damaged(-1, even_if_worse=True), job_of(photos["noisy"]))
    assert result.pixels is not None
    assert result.withheld == ()
    (note,) = result.notes
    assert note.startswith("the restored photo is no better than the original, and was kept as")


def test_a_small_strength_hides_no_harm(photos) -> None:
    for options in ({"strength": 0.05}, {"keep_grain": 0.9}):
        assert done(Damaged(-1, **options), job_of(photos["noisy"])).withheld
        result = done(Restorer(CPU, options=Options(**options)), job_of(photos["noisy"]))
        assert result.withheld == ()
        assert not result.as_judged


def test_one_photos_harm_is_no_others(photos) -> None:
    blank = job_of(scene(64, 64))
    restorer = Damaged(-1)
    first, second = restorer.restore([job_of(photos["colour"]), blank])
    assert first.withheld == (Step.DENOISE,)
    assert (second.withheld, second.judgement) == ((), None)


@pytest.mark.parametrize(
    ("after", "steps", "finding"),
    [
        (replace(BETTER, noise=Estimate(11.0, 0.9)), (Step.DENOISE,), "noise is hardly less"),
        (replace(BETTER, naturalness=7.0), (Step.DENOISE,), "less like a photograph"),
        (replace(BETTER, blockiness=1.5), (Step.DENOISE,), "blocks are more visible"),
        (replace(BETTER, blur=Estimate(0.3, 0.9)), (Step.DEBLUR,), "blur is hardly less"),
        (replace(SOUND, noise=Estimate(18, 0.9), blur=Estimate(0.1, 0.9)), (Step.DEBLUR,),
         "more noise"),
        (replace(BETTER, quality=Quality(20.0, 30.0, 80.0, 120.0)), (Step.DENOISE,), "contrast"),
        (replace(BETTER, quality=Quality(20.0, 30.0, 30.0, 120.0)), (Step.DENOISE,), "contrast"),
        (replace(BETTER, quality=Quality(20.0, 30.0, 50.0, 130.0)), (Step.DENOISE,), "brightness"),
    ],
)  # fmt: skip
def test_every_rule(after: Measures, steps: tuple[Step, ...], finding: str) -> None:
    found = judge(SOUND, after, steps)
    assert len(found.findings) == 1, found.findings
    assert finding in found.findings[0]
    assert found.reason.startswith(f"{steps[0]}: ")


def test_what_is_better_and_what_cannot_be_measured() -> None:
    assert judge(SOUND, BETTER, (Step.DENOISE,)).findings == ()
    assert judge(SOUND, BETTER, (Step.DENOISE,)).reason == ""
    unknown = replace(SOUND, noise=Estimate(0.0, 0.0), blur=Estimate(0.0, 0.0))
    worse = replace(SOUND, noise=Estimate(40.0, 0.9))
    assert judge(unknown, worse, (Step.DENOISE,)).findings == ()
    half_known = replace(unknown, blur=SOUND.blur)
    assert judge(half_known, worse, (Step.DEBLUR,)).findings != ()
    small = replace(SOUND, naturalness=None)
    assert judge(small, replace(BETTER, naturalness=None), (Step.DENOISE,)).findings == ()


def test_measures_take_what_is_known() -> None:
    photo = noisy(gray_scene(), 9)
    found = assess(photo)
    known, measured = measures_of(photo, found), measures_of(photo)
    assert known == measured
    assert known.noise.sigma == found.noise_sigma
    assert known.quality.brightness == pytest.approx(photo.mean(), abs=0.01)


def test_the_recipe_says_what_is_kept() -> None:
    ordinary, forced = (recipe_id(Options(even_if_worse=kept), ()) for kept in (False, True))
    assert ordinary != forced
