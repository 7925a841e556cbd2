from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from restoration.assess.monochrome import estimate_monochrome
from tests.test_assess_scenes import as_jpeg, gray_scene, scene, toned, with_noise

TONES = {
    "gray": ((0, 0, 0), (255, 255, 255)),
    "sepia": ((28, 16, 8), (250, 232, 196)),
    "paper yellow over neutral shadows": ((10, 10, 10), (250, 240, 205)),
    "cyanotype": ((10, 25, 60), (235, 240, 240)),
    "split tone": ((15, 20, 40), (250, 235, 205)),
    "slight cast": ((0, 4, 2), (250, 255, 251)),
}


@pytest.mark.parametrize("name", TONES)
def test_a_single_tone_is_monochrome(name: str) -> None:
    photo = toned(gray_scene(0), *TONES[name])
    estimate = estimate_monochrome(photo)
    assert estimate.is_monochrome
    assert estimate.confidence > 0.5
    assert estimate_monochrome(as_jpeg(photo, 75)).is_monochrome


@pytest.mark.parametrize("name", TONES)
@pytest.mark.parametrize("sigma", [10.0, 25.0])
def test_colour_noise_is_not_colour(name: str, sigma: float) -> None:
    photo = with_noise(toned(gray_scene(1), *TONES[name]), sigma)
    assert estimate_monochrome(photo, sigma).is_monochrome


def test_noise_explains_no_more_than_it_can() -> None:
    """Without knowing of noise, what differs from block to block is colour."""
    noisy = with_noise(gray_scene(1), 25)
    assert not estimate_monochrome(noisy, 0).is_monochrome


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_colour_scene_is_not_monochrome(seed: int) -> None:
    for photo in (scene(seed), as_jpeg(scene(seed), 60)):
        estimate = estimate_monochrome(photo)
        assert not estimate.is_monochrome
        assert estimate.confidence > 0.5
    assert not estimate_monochrome(with_noise(scene(seed), 25), 25).is_monochrome


def test_a_small_coloured_thing_makes_a_gray_scene_colour() -> None:
    photo = gray_scene(2)
    photo[100:130, 150:180] = (200, 40, 40)
    assert not estimate_monochrome(photo).is_monochrome


def test_unevenly_faded_sepia_is_monochrome() -> None:
    sepia = toned(gray_scene(3), *TONES["sepia"]).astype(np.float32)
    fading = np.linspace(0, 4, sepia.shape[1])[None, :]
    sepia[..., 2] += fading
    assert estimate_monochrome(np.clip(sepia, 0, 255).astype(np.uint8)).is_monochrome


def test_the_mount_around_a_print_does_not_count() -> None:
    photo = gray_scene(4)
    photo[:10] = photo[-10:] = (150, 90, 40)
    assert estimate_monochrome(photo).is_monochrome


def test_a_large_photograph_is_seen_whole() -> None:
    large = np.tile(gray_scene(0), (6, 6, 1))
    assert estimate_monochrome(large).is_monochrome
    large[700:800, 900:1000] = (40, 60, 200)
    assert not estimate_monochrome(large).is_monochrome


def test_without_channels_it_is_monochrome_for_certain() -> None:
    estimate = estimate_monochrome(gray_scene(0)[..., 0])
    assert (estimate.is_monochrome, estimate.confidence) == (True, 1)


@pytest.mark.parametrize("seed", [0, 1])
def test_turning_a_photograph_changes_nothing(seed: int) -> None:
    for photo in (scene(seed), toned(gray_scene(seed), *TONES["sepia"])):
        straight = estimate_monochrome(photo)
        for turned in (photo[::-1], photo[:, ::-1], np.rot90(photo)):
            estimate = estimate_monochrome(turned)
            assert estimate.is_monochrome == straight.is_monochrome
            assert estimate.confidence == pytest.approx(straight.confidence, abs=0.1)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        np.uint8,
        st.one_of(
            st.tuples(st.integers(1, 40), st.integers(1, 40)),
            st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3)),
        ),
    ),
    st.floats(0, 60),
)
def test_any_small_image_is_decided(image: np.ndarray, sigma: float) -> None:
    before = image.copy()
    estimate = estimate_monochrome(image, sigma)
    assert isinstance(estimate.is_monochrome, bool)
    assert 0 <= estimate.confidence <= 1
    assert np.array_equal(image, before)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3), (7, 7, 3)])
def test_less_than_a_block_gives_no_confidence(shape: tuple[int, ...]) -> None:
    assert estimate_monochrome(np.full(shape, 90, np.uint8)).confidence == 0
