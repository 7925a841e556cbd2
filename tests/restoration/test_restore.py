"""The shipped networks through the production path."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from restoration.assess import Assessment, assess
from restoration.colorize import LARGEST_CAST, without_cast
from restoration.colour import is_neutral, join_chroma, luma8
from restoration.errors import GuardError
from restoration.models import Model
from restoration.plan import ALL_STEPS, Plan, Step, make_plan
from restoration.quality import colourfulness, psnr_db
from restoration.recipe import Options
from restoration.resources import Resources
from restoration.restore import Job, Restored, Restorer
from restoration.tiling import Tiling
from tests.scenes import gray_scene, noisy, scene

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return Restorer(CPU)


def plan_of(*steps: Step) -> Plan:
    return make_plan(Assessment(50, 1, 5, 1, True, 1), steps)


def restored(restorer: Restorer, pixels: np.ndarray, *steps: Step, sigma: float = 20) -> Restored:
    (result,) = restorer.restore([Job(pixels, plan_of(*steps), sigma)])
    assert isinstance(result, Restored), result
    return result


@pytest.mark.parametrize("sigma", [15, 25, 50])
def test_denoising_brings_a_photo_nearer_to_the_clean_one(restorer: Restorer, sigma: float) -> None:
    clean = scene()
    degraded = noisy(clean, sigma)
    result = restored(restorer, degraded, Step.DENOISE, sigma=sigma)
    assert result.pixels is not None
    assert psnr_db(clean, result.pixels) > psnr_db(clean, degraded) + 5


def test_deblurring_brings_a_photo_nearer_to_the_sharp_one(restorer: Restorer) -> None:
    clean = scene(seed=5)
    blurred = noisy(cv2.GaussianBlur(clean, (0, 0), 1.6), 1)
    result = restored(restorer, blurred, Step.DEBLUR, sigma=1)
    assert result.pixels is not None
    assert psnr_db(clean, result.pixels) > psnr_db(clean, blurred) + 1


def test_colour_keeps_the_luma_of_the_restored_photo(restorer: Restorer) -> None:
    degraded = noisy(gray_scene(), 20)
    result = restored(restorer, degraded, Step.DENOISE, Step.COLORIZE)
    assert result.pixels is not None
    assert result.colorized is not None
    np.testing.assert_array_equal(luma8(result.colorized), result.pixels)
    assert [model.card.task for model in result.models] == ["denoise", "colorize"]


def test_colour_alone_changes_no_pixel_of_the_restored_photo(
    restorer: Restorer, sample_archive
) -> None:
    path = sample_archive / "expeditions" / "1871" / "black-canyon.jpg"
    print_ = cv2.imread(str(path))[..., ::-1]
    result = restored(restorer, np.ascontiguousarray(print_), Step.COLORIZE)
    assert result.pixels is None
    assert result.colorized is not None
    np.testing.assert_array_equal(luma8(result.colorized), luma8(print_))
    assert colourfulness(result.colorized) > 3


def test_gray_photos_stay_exactly_gray(restorer: Restorer) -> None:
    gray = noisy(gray_scene(), 20)
    single = restored(restorer, gray, Step.DENOISE)
    triple = restored(restorer, np.repeat(gray[..., None], 3, 2), Step.DENOISE)
    assert single.pixels is not None
    assert single.pixels.shape == gray.shape
    assert triple.pixels is not None
    assert is_neutral(triple.pixels)
    np.testing.assert_array_equal(triple.pixels[..., 0], single.pixels)


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (17, 9), (1000, 4)])
def test_odd_sizes_go_all_the_way(restorer: Restorer, shape: tuple[int, int]) -> None:
    gray = noisy(np.full(shape, 128, np.uint8), 5)
    result = restored(restorer, gray, *ALL_STEPS)
    assert result.pixels is not None
    assert result.colorized is not None
    assert result.pixels.shape == shape
    assert result.colorized.shape == (*shape, 3)


def test_several_photos_together_are_as_one_by_one(restorer: Restorer) -> None:
    jobs = [
        Job(noisy(scene(150, 200, seed=1), 20), plan_of(Step.DENOISE), 20),
        Job(scene(90, 160, seed=2), plan_of(), 0),
        Job(noisy(gray_scene(200, 150, seed=3), 10), plan_of(*ALL_STEPS), 10),
    ]
    together = restorer.restore(jobs)
    for job, result in zip(jobs, together, strict=True):
        (alone,) = restorer.restore([job])
        assert isinstance(result, Restored)
        assert isinstance(alone, Restored)
        for name in ("pixels", "colorized"):
            a, b = getattr(result, name), getattr(alone, name)
            assert (a is None) == (b is None)
            if a is not None:
                assert np.abs(a.astype(int) - b).max() <= 1


def test_tiled_and_whole_agree_within_one_level() -> None:
    photo = noisy(scene(700, 900, seed=8), 15)
    results = []
    for side in (1024, 384):
        # Deblur's four levels have a stride of 16 pixels.
        restorer = Restorer(
            CPU,
            Tiling(side=side, context=64, multiple=16),
            options=Options(even_if_worse=True),
            resources=Resources(precision="fp32"),
        )
        result = restored(restorer, photo, Step.DENOISE, Step.DEBLUR)
        assert result.pixels is not None
        results.append(result.pixels.astype(int))
    assert np.abs(results[0] - results[1]).max() <= 1


def test_strength_and_grain_lie_between_the_photo_and_the_restoration(restorer: Restorer) -> None:
    clean = gray_scene(96, 128)
    photo = noisy(clean, 20)
    full = restored(restorer, photo, Step.DENOISE).pixels
    for options in (Options(strength=0.5), Options(keep_grain=0.5)):
        some = restored(Restorer(CPU, options=options), photo, Step.DENOISE).pixels
        assert full is not None
        assert some is not None
        # On a gray photo both are half the way back, and half levels are rounded.
        assert np.abs(some - (photo.astype(float) + full) / 2).max() <= 0.5
        assert psnr_db(clean, photo) < psnr_db(clean, some) < psnr_db(clean, full)


def test_a_photo_that_gets_all_back_is_left_alone() -> None:
    photo = noisy(gray_scene(64, 64), 20)
    for options in (Options(strength=0), Options(keep_grain=1)):
        result = restored(Restorer(CPU, options=options), photo, Step.DENOISE)
        assert result.pixels is None
        assert [model.card.task for model in result.models] == ["denoise"]


def test_grain_is_given_back_after_deblurring() -> None:
    photo = noisy(gray_scene(96, 128), 20)
    steps = (Step.DENOISE, Step.DEBLUR)
    # The scene is sharp: its deblurring is no better, and kept only because it is asked for.
    kept = Options(even_if_worse=True)
    smooth = restored(Restorer(CPU, options=kept), photo, *steps).pixels
    with_grain = Options(keep_grain=1, even_if_worse=True)
    textured = restored(Restorer(CPU, options=with_grain), photo, *steps).pixels
    denoised = restored(Restorer(CPU), photo, Step.DENOISE).pixels
    assert smooth is not None
    assert textured is not None
    assert denoised is not None
    grain = photo.astype(int) - denoised
    expected = np.clip(smooth + grain, 0, 255)
    # Alone, the denoised photo is rounded once; on its way to deblurring, at 16 bits first.
    assert np.abs(textured - expected).max() <= 1


class BrokenFor(Restorer):
    """Restorer whose network returns NaN for one photo's tiles: those of a certain brightness."""

    def model(self, step: Step) -> Model:
        sound = super().model(step)

        class Network(torch.nn.Module):
            config = sound.network.config

            def forward(self, tiles: torch.Tensor) -> torch.Tensor:
                out = sound.network(tiles).clone()
                out[tiles.mean((1, 2, 3)) > 0.9] = float("nan")
                return out

        return Model(sound.card, Network(), sound.device)  # type: ignore[arg-type]


def test_one_photos_failure_costs_no_other() -> None:
    good = noisy(scene(96, 96), 20)
    bad = np.full((96, 96, 3), 250, np.uint8)
    jobs = [Job(pixels, plan_of(Step.DENOISE), 20) for pixels in (good, bad, good)]
    first, second, third = BrokenFor(CPU).restore(jobs)
    assert isinstance(first, Restored)
    assert isinstance(second, GuardError)
    assert isinstance(third, Restored)


def test_a_small_strength_hides_no_failure() -> None:
    class Black(Restorer):
        def model(self, step: Step) -> Model:
            sound = super().model(step)
            network = torch.nn.Conv2d(3, 3, 1)
            torch.nn.init.zeros_(network.weight)
            torch.nn.init.zeros_(network.bias)
            network.config = sound.network.config  # type: ignore[assignment]
            return Model(sound.card, network, CPU)  # type: ignore[arg-type]

    job = Job(scene(64, 64), plan_of(Step.DENOISE), 5)
    (result,) = Black(CPU, options=Options(strength=0.01)).restore([job])
    assert isinstance(result, GuardError)


def test_a_clean_photo_gets_no_plan_and_stays_as_it_is(restorer: Restorer) -> None:
    photo = scene()
    plan = make_plan(assess(photo))
    assert plan.steps == ()
    (result,) = restorer.restore([Job(photo, plan, 0)])
    assert result == Restored(None, None, ())


def test_the_input_is_not_written_to(restorer: Restorer) -> None:
    photo = noisy(scene(100, 100), 30)
    before = photo.copy()
    restored(restorer, photo, *ALL_STEPS, sigma=30)
    np.testing.assert_array_equal(photo, before)


def test_each_network_gets_tiles_at_its_own_stride() -> None:
    restorer = Restorer(CPU)
    for step in (Step.DENOISE, Step.DEBLUR):
        config = restorer.model(step).network.config
        tiling = restorer.tiling(restorer.model(step))
        assert (tiling.multiple, tiling.context) == (config.multiple, config.context)


def test_a_picture_of_nothing_gets_no_strong_cast() -> None:
    sky = np.full((20, 30, 2), (0.3, -0.2), np.float32)
    sky[:10, :, 0] = 0.1
    calm = without_cast(sky)
    np.testing.assert_allclose(calm / sky, np.full_like(sky, calm[0, 0, 0] / sky[0, 0, 0]), 1e-5)
    gray = np.full((20, 30), 128, np.uint8)
    means = join_chroma(gray, calm).astype(float).mean((0, 1))
    assert means.max() - means.min() == pytest.approx(LARGEST_CAST, abs=2)
    faint = sky / 4
    np.testing.assert_array_equal(without_cast(faint), faint)
