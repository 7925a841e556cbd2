from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from restoration.assess import BLURRED_SIGMA, SURE_ENOUGH
from restoration.assess.estimator import estimate_strengths
from restoration.assess.scales import Estimate
from restoration.codec import decode
from restoration.samples import eight_bits
from tests.test_assess_scenes import as_jpeg, gray_scene, scene, with_blur, with_noise


def estimate_blur(image: np.ndarray) -> Estimate:
    return estimate_strengths(image).blur


@pytest.mark.parametrize("noise", [0.0, 5.0, 10.0, 25.0])
def test_a_sharp_scene_is_not_blurred(noise: float) -> None:
    for seed in range(3):
        assert estimate_blur(with_noise(scene(seed), noise)).sigma < 0.9


@pytest.mark.parametrize("noise", [0.0, 2.55, 10.0])
@pytest.mark.parametrize("sigma", [1.2, 2.0, 3.0, 4.0])
@pytest.mark.parametrize("name", ["black-canyon.jpg", "和船 – boats.jpg"])
def test_the_blur_of_photographs_is_measured(
    name: str, sigma: float, noise: float, sample_archive: Path
) -> None:
    (path,) = sample_archive.rglob(name)
    with path.open("rb") as file:
        photo = eight_bits(decode(file).pixels)
    # Prints of the 1870s are only as sharp as this.
    half = cv2.resize(photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    assert estimate_blur(with_noise(half, noise)).sigma < 0.25
    estimate = estimate_blur(with_noise(with_blur(half, sigma), noise))
    assert abs(estimate.sigma - sigma) < 0.25 * sigma
    assert estimate.confidence > SURE_ENOUGH


@pytest.mark.parametrize(
    ("sigma", "noise"),
    # Drawn shapes have no texture: under noise their weak blur reads as too weak.
    [(1.2, 0.0), *((sigma, noise) for sigma in (2.0, 3.0, 4.0) for noise in (0.0, 2.55, 10.0))],
)
def test_gaussian_blur_is_measured(sigma: float, noise: float) -> None:
    for seed in range(2):
        estimate = estimate_blur(with_noise(with_blur(scene(seed), sigma), noise))
        assert abs(estimate.sigma - sigma) < 0.25 * sigma
        assert estimate.confidence > 0.3


@pytest.mark.parametrize("noise", [0.0, 10.0, 25.0])
def test_a_blurred_scene_is_recognised_despite_noise(noise: float) -> None:
    for seed in range(3):
        photo = with_noise(with_blur(scene(seed), 2.4), noise)
        assert estimate_blur(photo).sigma >= BLURRED_SIGMA


def test_a_blurred_background_is_not_a_blurred_photograph() -> None:
    photo = scene(5)
    bokeh = with_blur(photo, 6)
    bokeh[60:200, 100:260] = photo[60:200, 100:260]
    assert estimate_blur(bokeh).sigma < BLURRED_SIGMA


def test_a_sharp_margin_does_not_hide_blur() -> None:
    framed = np.full((300, 400, 3), 250, np.uint8)
    framed[22:-22, 24:-24] = with_blur(scene(2), 2)
    assert abs(estimate_blur(framed).sigma - 2) < 0.4


def test_jpeg_changes_little() -> None:
    soft = with_blur(scene(3), 2)
    assert abs(estimate_blur(as_jpeg(soft, 85)).sigma - estimate_blur(soft).sigma) < 0.4


def test_a_single_channel_reads_like_three_equal_ones() -> None:
    photo = with_blur(gray_scene(1), 1.5)
    assert estimate_blur(photo).sigma == pytest.approx(estimate_blur(photo[..., 0]).sigma, abs=0.02)


def test_contrast_does_not_matter() -> None:
    soft = with_blur(scene(0), 2)
    flat = (soft // 3 + 80).astype(np.uint8)
    assert abs(estimate_blur(flat).sigma - estimate_blur(soft).sigma) < 0.25


def test_turning_a_photograph_changes_little() -> None:
    photo = with_noise(with_blur(scene(4), 1.6), 3)
    straight = estimate_blur(photo).sigma
    for turned in (photo[::-1], photo[:, ::-1], np.rot90(photo), np.rot90(photo, 2)):
        assert abs(estimate_blur(turned).sigma - straight) < 0.2


def test_a_large_photograph_is_measured_on_windows_of_native_pixels() -> None:
    small = with_blur(scene(0), 2)
    large = np.tile(small, (8, 8, 1))
    assert abs(estimate_blur(large).sigma - 2) < 0.4


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 3), st.floats(0.8, 3), st.floats(0.5, 1.5))
def test_more_blur_reads_higher(seed: int, sigma: float, more: float) -> None:
    photo = scene(seed, 128, 160)
    less_blurred = estimate_blur(with_blur(photo, sigma)).sigma
    assert estimate_blur(with_blur(photo, sigma + more)).sigma > less_blurred


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        np.uint8,
        st.one_of(
            st.tuples(st.integers(1, 50), st.integers(1, 50)),
            st.tuples(st.integers(1, 50), st.integers(1, 50), st.just(3)),
        ),
    )
)
def test_any_small_image_is_measured(image: np.ndarray) -> None:
    before = image.copy()
    estimate = estimate_blur(image)
    assert math.isfinite(estimate.sigma)
    assert estimate.sigma >= 0
    assert 0 <= estimate.confidence <= 1
    assert np.array_equal(image, before)


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (3, 200), (12, 12, 3), (100, 100)])
def test_without_edges_there_is_no_confidence(shape: tuple[int, ...]) -> None:
    estimate = estimate_blur(np.full(shape, 90, np.uint8))
    assert (estimate.sigma, estimate.confidence) == (0, 0)
