from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restoration.assess import edges, spectrum, structure
from restoration.assess.gradients import slopes_of
from restoration.assess.scales import BLUR_SCALE, NOISE_SCALE, Scale
from restoration.assess.statistics import LENGTH, photo_statistics
from restoration.assess.windows import (
    GRID_STEP,
    SMOOTHING,
    Windows,
    native_windows,
    without_margins,
)
from tests.test_assess_scenes import as_jpeg, gray_scene, scene, with_blur, with_noise

QUANTILES = len(spectrum.QUANTILES)
RINGS = len(spectrum.LUMA_RINGS) - 1


def noise_field(sigma: float, radius: float = 0.0, side: int = 256) -> np.ndarray:
    field = np.random.default_rng(3).standard_normal((side, side)).astype(np.float32)
    if radius:
        field = cv2.GaussianBlur(field, (0, 0), radius)
    return np.clip(np.rint(128 + sigma * field / field.std()), 0, 255).astype(np.uint8)


def ring_energies(image: np.ndarray) -> np.ndarray:
    """Quantiles (down) of the energy of each ring (across), 8-bit units squared."""
    values = spectrum.block_statistics(Windows(image[None]))
    assert values is not None
    return np.exp(values[: QUANTILES * RINGS]).reshape(QUANTILES, RINGS)


@pytest.mark.parametrize("sigma", [5.0, 20.0])
def test_white_noise_fills_every_ring_alike(sigma: float) -> None:
    # The transform is orthonormal: each coefficient has the pixels' variance. Quantiles of a
    # mean of squares are skewed, so the median ring is compared.
    middle = ring_energies(noise_field(sigma))[3:5].mean(axis=0)
    assert np.allclose(middle, sigma**2, rtol=0.25)


def test_grain_fills_the_low_rings() -> None:
    energies = ring_energies(noise_field(10, 0.8))[3]
    assert energies[0] > 3 * energies[-1]
    assert (np.diff(energies) < 0).all()


def test_jpeg_zeroes_high_coefficients() -> None:
    zeros = slice(QUANTILES * RINGS, QUANTILES * RINGS + RINGS)
    noisy = with_noise(scene(0), 5)
    before, after = (
        spectrum.block_statistics(Windows(i[None])) for i in (noisy, as_jpeg(noisy, 60))
    )
    assert before is not None
    assert after is not None
    assert before[zeros].max() < 0.25
    assert after[zeros][-1] > 0.9


def test_twigs_have_a_direction_and_grain_has_none() -> None:
    rng = np.random.default_rng(0)
    streaks = cv2.GaussianBlur(
        rng.standard_normal((256, 256)).astype(np.float32), (0, 0), sigmaX=6, sigmaY=0.6
    )
    found = []
    for plane in (noise_field(10, 0.8).astype(np.float32), 128 + 100 * streaks):
        half = cv2.resize(plane, (128, 128), interpolation=cv2.INTER_AREA)
        slopes = (slopes_of(each[None], SMOOTHING) for each in (plane, half))
        found.append(structure.structure_statistics(*slopes)[2])
    assert found[0] < 0.35
    assert found[1] > 0.8


@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0])
def test_edges_show_the_blur_of_a_scene(sigma: float) -> None:
    values = edges.edge_statistics(Windows(with_blur(scene(1), sigma)[None]))
    assert values is not None
    per_pair = values.reshape(len(edges.SCALES), -1)
    median = edges.BLUR_QUANTILES.index(0.5)
    assert per_pair[0, median] == pytest.approx(sigma, rel=0.2, abs=0.2)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.booleans(), st.integers(0, 5))
def test_statistics_have_one_length_and_are_finite(
    height: int, width: int, colour: bool, seed: int
) -> None:
    shape = (height, width, 3) if colour else (height, width)
    image = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    found = photo_statistics(image)
    if found is None:
        assert (height // 8) * (width // 8) < 2 * spectrum.FEWEST_BLOCKS
    else:
        assert found.values.shape == (LENGTH,)
        assert np.isfinite(found.values).all()


def test_a_gray_photograph_has_the_statistics_of_its_three_equal_channels() -> None:
    photo = with_noise(gray_scene(0)[..., 0], 6)
    single = photo_statistics(photo)
    triple = photo_statistics(np.repeat(photo[..., None], 3, axis=2))
    assert single is not None
    assert triple is not None
    assert np.allclose(single.values, triple.values, atol=0.02)


def test_windows_and_cuts_keep_to_the_grid_of_jpeg() -> None:
    # Every pixel holds its own place on the grid.
    y, x = np.mgrid[0:2100, 0:3000] % GRID_STEP
    image = (y * GRID_STEP + x).astype(np.uint8)
    assert all(window[0, 0] == 0 for window in native_windows(image))
    framed = np.full((300, 400, 3), 250, np.uint8)
    framed[13:-20, 21:-20] = np.random.default_rng(0).integers(0, 256, (267, 359, 3))
    inner = without_margins(framed)
    assert inner.shape == (300 - 16 - 20, 400 - 24 - 20, 3)


@given(st.sampled_from([NOISE_SCALE, BLUR_SCALE]), st.floats(0, 80))
def test_scales_are_inverted(scale: Scale, sigma: float) -> None:
    assert scale.from_scale(float(scale.to_scale(np.float64(sigma)))) == pytest.approx(sigma)


@given(
    st.sampled_from([NOISE_SCALE, BLUR_SCALE]),
    st.floats(-5, 15),
    st.floats(1e-3, 20),
    st.floats(1.1, 4),
)
def test_confidence_is_a_probability_that_falls_with_the_variance(
    scale: Scale, mean: float, variance: float, factor: float
) -> None:
    sure, unsure = scale.estimate(mean, variance), scale.estimate(mean, factor * variance)
    assert 0 <= unsure.confidence <= sure.confidence + 1e-9 <= 1 + 1e-9 or mean < 0
    assert sure.sigma == unsure.sigma >= 0


def test_confidence_is_the_share_within_the_tolerance() -> None:
    rng = np.random.default_rng(0)
    for scale, mean, deviation in ((NOISE_SCALE, 4.0, 0.8), (BLUR_SCALE, 7.0, 1.1)):
        estimate = scale.estimate(mean, deviation**2)
        drawn = [
            max(scale.from_scale(v), 0) for v in mean + deviation * rng.standard_normal(20_000)
        ]
        within = np.abs(np.array(drawn) - estimate.sigma) <= scale.tolerance(estimate.sigma)
        assert estimate.confidence == pytest.approx(within.mean(), abs=0.015)


def test_nothing_is_certain_where_the_variance_is_not_small() -> None:
    assert NOISE_SCALE.estimate(0.0, 1e-4).confidence == pytest.approx(1)
    assert math.isclose(BLUR_SCALE.estimate(0.0, 1e4).sigma, 0)
    assert BLUR_SCALE.estimate(8.0, 1e4).confidence < 0.05
