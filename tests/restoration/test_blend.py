"""Strength and grain: what is mixed of a photo and its restoration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from restoration.blend import blend, grain_of, like
from restoration.samples import eight_bits
from tests.scenes import noisy, scene

SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 6))
SHARES = st.floats(0, 1)


@st.composite
def photo_and_denoised(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """A gray or colour photo, and any (H, W, 3) output of a network."""
    shape = draw(SHAPES)
    photo = draw(arrays(np.uint8, draw(st.sampled_from([shape, (*shape, 3)]))))
    return photo, draw(arrays(draw(st.sampled_from([np.uint8, np.uint16])), (*shape, 3)))


def mixed(photo: np.ndarray, denoised: np.ndarray, strength: float, keep: float) -> np.ndarray:
    restored = like(photo, eight_bits(denoised))
    grain = grain_of(photo, denoised)
    return blend(photo, restored, strength=strength, grain=grain, keep_grain=keep)


@given(photo_and_denoised(), SHARES)
def test_strength_0_is_the_photo(pair: tuple[np.ndarray, np.ndarray], keep: float) -> None:
    np.testing.assert_array_equal(mixed(*pair, 0, keep), pair[0])


@given(photo_and_denoised())
def test_full_strength_without_grain_is_the_restoration(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    np.testing.assert_array_equal(mixed(*pair, 1, 0), like(pair[0], eight_bits(pair[1])))


@given(photo_and_denoised(), SHARES)
def test_all_grain_given_back_to_a_gray_photo_is_the_photo(
    pair: tuple[np.ndarray, np.ndarray], strength: float
) -> None:
    photo, denoised = pair
    gray = photo if photo.ndim == 2 else photo[..., 0]
    np.testing.assert_array_equal(mixed(gray, denoised, strength, 1), gray)
    neutral = np.repeat(gray[..., None], 3, axis=2)
    np.testing.assert_array_equal(mixed(neutral, denoised, strength, 1), neutral)


@given(photo_and_denoised(), st.lists(SHARES, min_size=2, max_size=2), SHARES)
def test_the_change_grows_with_the_strength(
    pair: tuple[np.ndarray, np.ndarray], strengths: list[float], keep: float
) -> None:
    photo = pair[0].astype(int)
    less, more = (mixed(*pair, strength, keep) - photo for strength in sorted(strengths))
    assert (np.abs(less) <= np.abs(more)).all()
    assert (less * more >= 0).all(), "never beyond the photo to its other side"


@given(photo_and_denoised(), st.lists(SHARES, min_size=2, max_size=2))
def test_the_grain_grows_with_its_share(
    pair: tuple[np.ndarray, np.ndarray], shares: list[float]
) -> None:
    restored = like(pair[0], eight_bits(pair[1])).astype(int)
    less, more = (mixed(*pair, 1, share) - restored for share in sorted(shares))
    assert (np.abs(less) <= np.abs(more)).all()
    assert (less * more >= 0).all()


@given(photo_and_denoised(), SHARES, SHARES)
def test_it_is_the_documented_formula_but_for_rounding(
    pair: tuple[np.ndarray, np.ndarray], strength: float, keep: float
) -> None:
    photo, denoised = pair
    restored = like(photo, eight_bits(denoised)).astype(float)
    grain = grain_of(photo, denoised).astype(float)
    given_back = keep * (grain if photo.ndim == 2 else grain[..., None])
    exact = photo + strength * (restored + given_back - photo)
    error = mixed(photo, denoised, strength, keep) - np.clip(exact, 0, 255)
    assert np.abs(error).max() <= 0.5 + 1e-4


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tall_photos_are_mixed_in_strips_without_a_seam(dtype: type) -> None:
    rng = np.random.default_rng(3)
    photo = rng.integers(0, 256, (2050, 3, 3), dtype=np.uint8)
    denoised = rng.integers(0, np.iinfo(dtype).max + 1, (2050, 3, 3), dtype=dtype)
    whole = mixed(photo, denoised, 0.6, 0.3)
    parts = [mixed(photo[top : top + 7], denoised[top : top + 7], 0.6, 0.3)
             for top in range(0, 2050, 7)]  # fmt: skip
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_chroma_noise_stays_removed() -> None:
    clean = scene(60, 80)
    photo = noisy(clean // 2 + 60, 12)  # far from black and white: nothing is clipped
    denoised = clean // 2 + 60
    textured = mixed(photo, denoised, 1, 1).astype(int)
    assert np.abs(textured - denoised).mean() > 3, "grain came back"
    for a, b in ((0, 1), (1, 2)):
        np.testing.assert_array_equal(
            textured[..., a] - textured[..., b], denoised[..., a].astype(int) - denoised[..., b]
        )
