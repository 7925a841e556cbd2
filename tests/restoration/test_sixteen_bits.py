"""16-bit photos take the same way as 8-bit ones, and lose nothing on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from restoration import samples, scratch
from restoration.assess import Assessment, assess, estimate_noise
from restoration.blend import blend, grain_of, like
from restoration.colour import as_gray, integer_luma, is_neutral, join_chroma, luma8
from restoration.errors import GuardError
from restoration.execution import engine_for
from restoration.guards import check_colorized, check_restored
from restoration.models import Model
from restoration.plan import ALL_STEPS, Plan, Step, make_plan
from restoration.quality import measure, psnr_db, ssim
from restoration.recipe import Options
from restoration.resources import Resources
from restoration.restore import Job, Restored, Restorer
from restoration.samples import are_equal, eight_bits, full_scale
from restoration.tiling import Tiling, run_tiled
from tests.scenes import gray_scene, noisy, scene

CPU = torch.device("cpu")
EXACT = Resources(precision="fp32")
"""What is compared here is depth, not precision."""
ENGINE = engine_for(CPU)
SMALL = Tiling(side=128, context=24, blend=8)


def fine(image: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """16 bits that round to an 8-bit image, with low bits of their own."""
    low = np.random.default_rng(seed).integers(-100, 101, image.shape)
    return np.clip(image.astype(int) * 257 + low, 0, 65535).astype(np.uint16)


def plan_of(*steps: Step) -> Plan:
    return make_plan(Assessment(50, 1, 5, 1, True, 1), steps)


def restored(pixels: np.ndarray, *steps: Step, options: Options | None = None) -> Restored:
    # Steps are forced on scenes that may be no better for them.
    restorer = Restorer(
        CPU,
        options=replace(options or Options(), even_if_worse=True),
        resources=EXACT,
    )
    (result,) = restorer.restore([Job(pixels, plan_of(*steps), 20)])
    assert isinstance(result, Restored), result
    return result


def test_full_scale_is_the_types() -> None:
    assert (full_scale(np.uint8), full_scale(np.dtype(np.uint16))) == (255, 65535)


@given(hnp.arrays(np.uint16, (3, 4, 3)))
def test_rounding_to_8_bits_is_to_the_nearest(image: np.ndarray) -> None:
    assert np.abs(eight_bits(image).astype(int) * 257 - image).max() <= 128


def test_every_gray_is_its_own_luma() -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(integer_luma(as_gray(ramp)), ramp)
    np.testing.assert_array_equal(luma8(as_gray(ramp)), eight_bits(ramp))
    assert is_neutral(as_gray(ramp))


def test_luma_is_the_weighted_sum() -> None:
    image = np.random.default_rng(0).integers(0, 65536, (40, 50, 3)).astype(np.uint16)
    exact = image @ np.array([0.299, 0.587, 0.114])
    assert np.abs(integer_luma(image) - exact).max() < 1


@settings(max_examples=200)
@given(
    luma=hnp.arrays(np.uint16, (4, 5)),
    chroma=hnp.arrays(np.float32, (4, 5, 2), elements=st.floats(-0.5, 0.5, width=32)),
)
def test_joining_any_chroma_keeps_the_luma_exactly(luma: np.ndarray, chroma: np.ndarray) -> None:
    np.testing.assert_array_equal(integer_luma(join_chroma(luma, chroma)), luma)


def test_every_luma_survives_vivid_chroma() -> None:
    rng = np.random.default_rng(1)
    luma = np.tile(np.arange(65536, dtype=np.uint16), (12, 1))
    chroma = rng.uniform(-0.5, 0.5, (12, 65536, 2)).astype(np.float32)
    np.testing.assert_array_equal(integer_luma(join_chroma(luma, chroma)), luma)


@given(
    st.sampled_from([(3, 4), (3, 4, 3)]), st.integers(0, 2**32 - 1), st.floats(0, 1),
    st.floats(0, 1),
)  # fmt: skip
def test_blending_is_the_documented_formula(
    shape: tuple[int, ...], seed: int, strength: float, keep: float
) -> None:
    rng = np.random.default_rng(seed)
    photo = rng.integers(0, 65536, shape).astype(np.uint16)
    denoised = rng.integers(0, 65536, (3, 4, 3)).astype(np.uint16)
    change = like(photo, denoised)
    grain = grain_of(photo, denoised)
    given_back = keep * (grain if photo.ndim == 2 else grain[..., None])
    exact = photo + strength * (change.astype(float) + given_back - photo)
    mixed = blend(photo, change, strength=strength, grain=grain, keep_grain=keep)
    assert mixed.dtype == np.uint16
    assert np.abs(mixed - np.clip(exact, 0, 65535)).max() <= 0.5 + 0.02, "float32"
    into = blend(photo, change, strength=strength, grain=grain, keep_grain=keep, out=change)
    np.testing.assert_array_equal(into, mixed)


def test_all_grain_given_back_is_the_photo_to_its_last_bit() -> None:
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 65536, (30, 40)).astype(np.uint16)
    denoised = rng.integers(0, 65536, (30, 40, 3)).astype(np.uint16)
    grain = grain_of(photo, denoised)
    assert np.abs(grain).max() > 32767, "more than int16 holds"
    mixed = blend(photo, like(photo, denoised), strength=0.3, grain=grain, keep_grain=1)
    np.testing.assert_array_equal(mixed, photo)


@settings(max_examples=20, deadline=None)
@given(height=st.integers(1, 300), width=st.integers(1, 300))
def test_identity_network_returns_every_bit(height: int, width: int) -> None:
    image = np.random.default_rng(height).integers(0, 65536, (height, width, 3)).astype(np.uint16)
    small = eight_bits(image)
    results = run_tiled(lambda t: t, [image, small], SMALL, ENGINE, dtype=[np.uint16, np.uint8])
    np.testing.assert_array_equal(results[0], image)
    np.testing.assert_array_equal(results[1], small)


def test_guards_speak_of_8_bit_units() -> None:
    photo = fine(scene(120, 160))
    check_restored(photo, photo, noise_sigma=0)
    brighter = np.clip(photo.astype(int) + 10 * 257, 0, 65535).astype(np.uint16)
    with pytest.raises(GuardError, match=r"moved by (9|10)\.\d of 255"):
        check_restored(photo, brighter, noise_sigma=0)
    means = np.broadcast_to(photo.mean((0, 1)).astype(np.uint16), photo.shape)
    with pytest.raises(GuardError, match="contrast"):
        check_restored(photo, means, noise_sigma=0)
    with pytest.raises(GuardError, match="uint8"):
        check_restored(photo, eight_bits(photo), noise_sigma=0)
    luma = integer_luma(photo)
    check_colorized(luma, as_gray(luma))
    with pytest.raises(GuardError, match="cast"):
        check_colorized(luma, np.dstack([luma, luma * 0, luma * 0]))
    with pytest.raises(GuardError, match="colorized output is"):
        check_colorized(luma, as_gray(eight_bits(luma)))


def test_measures_are_those_of_the_8_bit_rounding() -> None:
    image = noisy(scene(200, 260), 10)
    assert measure(fine(image)) == measure(image)
    assert ssim(fine(image), fine(scene(200, 260))) == ssim(image, scene(200, 260))
    assert assess(fine(image)) == assess(image)
    assert estimate_noise(fine(image)) == estimate_noise(image)
    large = noisy(scene(1000, 1100, seed=3), 8)
    assert assess(fine(large)) == assess(large), "in windows, too"


def test_psnr_sees_the_last_bit() -> None:
    image = fine(scene(40, 50)) // 2
    assert psnr_db(image, image) == 100
    assert psnr_db(image, image + np.uint16(1)) == pytest.approx(20 * np.log10(65535))
    assert psnr_db(image, image + np.uint16(2570)) == pytest.approx(20 * np.log10(25.5))


@pytest.mark.parametrize("steps", [(Step.DENOISE,), (Step.DENOISE, Step.DEBLUR)])
@pytest.mark.parametrize("options", [Options(), Options(strength=0.6, keep_grain=0.3)])
def test_a_16_bit_photo_becomes_what_its_8_bit_rounding_becomes(
    steps: tuple[Step, ...], options: Options
) -> None:
    rough = noisy(scene(96, 128), 20)
    exact = rough.astype(np.uint16) * np.uint16(257)
    small = restored(rough, *steps, options=options).pixels
    large = restored(exact, *steps, options=options).pixels
    assert small is not None
    assert large is not None
    assert large.dtype == np.uint16
    assert np.abs(large / 257 - small).max() <= 1
    assert np.mean(large % 257 != 0) > 0.9, "more than 8 bits came out"


@pytest.mark.parametrize("neutral", [False, True])
def test_gray_and_colour_of_16_bits_all_the_way(neutral: bool) -> None:
    gray = fine(noisy(gray_scene(96, 128), 20))
    photo = np.repeat(gray[..., None], 3, 2) if neutral else gray
    kept = photo.copy()
    result = restored(photo, *ALL_STEPS)
    np.testing.assert_array_equal(photo, kept)
    assert result.pixels is not None
    assert result.colorized is not None
    assert result.pixels.shape == photo.shape
    assert result.pixels.dtype == result.colorized.dtype == np.uint16
    luma = result.pixels[..., 0] if neutral else result.pixels
    np.testing.assert_array_equal(integer_luma(result.colorized), luma)
    if neutral:
        assert is_neutral(result.pixels)


def test_photos_of_both_depths_share_batches() -> None:
    small, large = noisy(scene(80, 96), 20), fine(noisy(scene(80, 96, seed=2), 20))
    jobs = [Job(pixels, plan_of(Step.DENOISE), 20) for pixels in (small, large)]
    for job, result in zip(jobs, Restorer(CPU, resources=EXACT).restore(jobs), strict=True):
        assert isinstance(result, Restored)
        assert result.pixels is not None
        assert result.pixels.dtype == job.pixels.dtype
        alone = restored(job.pixels, Step.DENOISE).pixels
        assert alone is not None
        assert np.abs(result.pixels / full_scale(alone.dtype)
                      - alone / full_scale(alone.dtype)).max() < 1 / 255  # fmt: skip


def test_what_no_network_touched_keeps_every_bit() -> None:
    photo = fine(noisy(gray_scene(64, 64), 20))
    result = restored(photo, Step.DENOISE, options=Options(keep_grain=1))
    assert result.pixels is None


class Fading(Restorer):
    """Restorer whose restoring networks only lower the contrast a little."""

    def model(self, step: Step) -> Model:
        sound = super().model(step)
        if step is Step.COLORIZE:
            return sound

        class Network(torch.nn.Module):
            config = sound.network.config

            def forward(self, tiles: torch.Tensor) -> torch.Tensor:
                return tiles * 0.98 + 0.01

        return Model(sound.card, Network(), sound.device)  # type: ignore[arg-type]


def test_large_and_small_arrays_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mapped files, released after each of many strips, in place of memory."""
    photo = fine(noisy(scene(300, 400), 10))
    options = Options(strength=0.7, keep_grain=0.3, even_if_worse=True)
    outcomes = []
    for large_bytes, strip_pixels in ((1 << 40, 1 << 22), (1, 4000)):
        monkeypatch.setattr(scratch, "LARGE_BYTES", large_bytes)
        monkeypatch.setattr(samples, "_STRIP_PIXELS", strip_pixels)
        pixels = scratch.empty(photo.shape, np.uint16)
        pixels[:] = photo
        job = Job(pixels, plan_of(*ALL_STEPS), 10)
        (result,) = Fading(CPU, SMALL_ENOUGH, options=options).restore([job])
        assert isinstance(result, Restored), result
        assert result.pixels is not None
        assert result.colorized is not None
        np.testing.assert_array_equal(pixels, photo)
        outcomes.append((result, assess(pixels), ssim(pixels, result.pixels)))
    (plain, *measured), (mapped, *again) = outcomes
    assert plain.pixels.base is None
    assert mapped.pixels.base is not None
    assert are_equal(plain.pixels, mapped.pixels)
    assert are_equal(plain.colorized, mapped.colorized)
    assert measured == again


SMALL_ENOUGH = Tiling(side=256, context=48, blend=16, multiple=16)
