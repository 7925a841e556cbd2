from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from restoration.assess import NOISY_SIGMA, assess, estimate_noise
from restoration.plan import Step, make_plan
from tests.test_assess_scenes import as_jpeg, gray_scene, scene, with_blur, with_noise


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_clean_scene_is_not_noisy(seed: int) -> None:
    assert estimate_noise(scene(seed)).sigma < 3
    assert estimate_noise(as_jpeg(scene(seed), 80)).sigma < NOISY_SIGMA


@pytest.mark.parametrize("sigma", [5.0, 10.0, 25.0, 50.0])
def test_white_noise_is_measured(sigma: float) -> None:
    for seed in range(3):
        estimate = estimate_noise(with_noise(scene(seed), sigma))
        assert abs(estimate.sigma - sigma) < 2 + 0.08 * sigma
        assert estimate.confidence > 0.5


def test_noise_is_measured_in_a_single_channel() -> None:
    noisy = with_noise(gray_scene(0)[..., 0], 15)
    assert abs(estimate_noise(noisy).sigma - 15) < 3


def test_noise_is_measured_on_a_blurred_photograph() -> None:
    assert abs(estimate_noise(with_noise(with_blur(scene(1), 2), 10)).sigma - 10) < 2


def test_correlated_grain_is_seen() -> None:
    photo = gray_scene(0)
    grain = np.random.default_rng(5).standard_normal(photo.shape[:2])
    grain = cv2.GaussianBlur(grain, (0, 0), 0.8)
    grain *= 15 / grain.std()
    grained = np.clip(np.rint(photo + grain[..., None]), 0, 255).astype(np.uint8)
    assert NOISY_SIGMA < estimate_noise(grained).sigma < 20


def test_fine_texture_is_no_reason_to_denoise() -> None:
    """Twigs and gravel: random texture of varying contrast, nowhere quite even."""
    rng = np.random.default_rng(6)
    fine = cv2.GaussianBlur(rng.standard_normal((256, 256)), (0, 0), 0.8)
    contrast = np.exp(1.2 * 12 * cv2.GaussianBlur(rng.standard_normal((256, 256)), (0, 0), 6))
    texture = np.clip(110 + 25 * fine / fine.std() * contrast, 0, 255).astype(np.uint8)
    assert Step.DENOISE not in make_plan(assess(texture)).steps


@pytest.mark.parametrize("level", [0, 235, 255])
def test_an_even_margin_does_not_hide_noise(level: int) -> None:
    photo = np.full((300, 396, 3), level, np.uint8)
    photo[22:-22, 22:-22] = with_noise(scene(2), 20)
    assert abs(estimate_noise(photo).sigma - 20) < 4


def test_clipped_regions_do_not_hide_noise() -> None:
    photo = scene(3)
    photo[:120] = 255
    photo[200:] = 0
    assert abs(estimate_noise(with_noise(photo, 20)).sigma - 20) < 4


def test_a_noiseless_part_does_not_hide_white_noise() -> None:
    photo = with_noise(scene(1), 25)
    photo[80:150, 100:200] = 128
    assert estimate_noise(photo).sigma > 15


def test_a_large_photograph_is_measured_on_windows_of_native_pixels() -> None:
    small = with_noise(scene(0), 12)
    large = np.tile(small, (8, 8, 1))
    assert abs(estimate_noise(large).sigma - estimate_noise(small).sigma) < 1.5


def test_turning_a_photograph_changes_little() -> None:
    noisy = with_noise(scene(4), 12)
    straight = estimate_noise(noisy).sigma
    for turned in (noisy[::-1], noisy[:, ::-1], np.rot90(noisy), np.rot90(noisy, 2)):
        assert abs(estimate_noise(turned).sigma - straight) < 1


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 3), st.floats(0, 40), st.floats(5, 15))
def test_more_noise_reads_higher(seed: int, sigma: float, more: float) -> None:
    photo = scene(seed, 96, 128)
    less_noisy = estimate_noise(with_noise(photo, sigma)).sigma
    assert estimate_noise(with_noise(photo, sigma + more)).sigma > less_noisy


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        np.uint8,
        st.one_of(
            st.tuples(st.integers(1, 40), st.integers(1, 40)),
            st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3)),
        ),
    )
)
def test_any_small_image_is_measured(image: np.ndarray) -> None:
    before = image.copy()
    estimate = estimate_noise(image)
    assert math.isfinite(estimate.sigma)
    assert estimate.sigma >= 0
    assert 0 <= estimate.confidence <= 1
    assert np.array_equal(image, before)


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (7, 300), (16, 24, 3)])
def test_a_few_blocks_give_no_confidence(shape: tuple[int, ...]) -> None:
    estimate = estimate_noise(np.full(shape, 90, np.uint8))
    assert (estimate.sigma, estimate.confidence) == (0, 0)


def test_nothing_but_black_gives_no_confidence() -> None:
    estimate = estimate_noise(np.zeros((64, 64, 3), np.uint8))
    assert (estimate.sigma, estimate.confidence) == (0, 0)
