"""The noise and the kernels that training draws have the properties that their names promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restoration.training import degradations as d

RNG = np.random.default_rng
FLAT = np.full((200, 220, 3), 128, np.float32)


def neighbours(field: np.ndarray) -> float:
    """Correlation between pixels that are neighbours in a row."""
    return float(np.corrcoef(field[:, :-1].ravel(), field[:, 1:].ravel())[0, 1])


@settings(max_examples=30, deadline=None)
@given(
    sigma=st.floats(0.5, 60), radius=st.floats(0, 2), scanned=st.booleans(), seed=st.integers(0, 99)
)
def test_coloured_noise_has_its_sigma(sigma, radius, scanned, seed) -> None:  # fmt: skip
    field = d.coloured_noise((60, 80), sigma, radius, RNG(seed), scanned=scanned)
    assert field.shape == (60, 80)
    assert field.dtype == np.float32
    assert field.std() == pytest.approx(sigma, rel=1e-3)


def test_coloured_noise_is_as_correlated_as_its_radius_says() -> None:
    # A Gaussian of s pixels gives white noise the autocorrelation exp(-1 / (4 s^2)) at one pixel.
    for radius in (0.8, 1.2, 2.0):
        field = d.coloured_noise((300, 300), 10, radius, RNG(0))
        assert neighbours(field) == pytest.approx(np.exp(-1 / (4 * radius**2)), abs=0.04)
    assert abs(neighbours(d.coloured_noise((300, 300), 10, 0, RNG(0)))) < 0.02


def test_tone_weights_are_about_one() -> None:
    ramp = np.tile(np.linspace(0, 255, 256, dtype=np.float32), (64, 1))
    weights = [d.tone_weight(ramp, RNG(seed)) for seed in range(40)]
    assert all(w.min() >= 0.3 and w.max() <= 1.35 for w in weights)
    assert any(w.std() == 0 for w in weights)
    assert any(w[0, 128] > 1.5 * w[0, 0] for w in weights), "strongest in the mid-tones"
    assert any(w[0, -1] > 2 * w[0, 0] for w in weights), "strongest in the lights"


def test_paper_texture_has_its_strength_and_sometimes_a_period() -> None:
    fields = [d.paper_texture((96, 96), 0.02, RNG(seed)) for seed in range(12)]
    assert all(field.std() == pytest.approx(0.02, rel=1e-3) for field in fields)

    def peak(field: np.ndarray) -> float:
        power = np.abs(np.fft.fft2(field)) ** 2
        return float(power.max() / power.sum())

    peaks = sorted(map(peak, fields))
    assert peaks[0] < 0.03 < 0.06 < peaks[-1], (
        "noise spreads over the spectrum, silk paper does not"
    )


def test_old_photo_noise_is_mostly_luminance() -> None:
    shares = []
    for seed in range(40):
        noise = d.old_photo_noise(FLAT, RNG(seed)) - FLAT
        luminance = d.luma(noise)
        assert abs(noise.mean()) < 3
        shares.append(float(luminance.std() / noise.std()))
    assert np.median(shares) > 0.9
    assert min(shares) < 0.85, "some have chroma noise too"


def test_a_shaken_camera_dwells() -> None:
    kernels = [d.motion_kernel(18, RNG(seed)) for seed in range(30)]
    for kernel in kernels:
        offsets = np.arange(len(kernel)) - len(kernel) // 2
        centre = (kernel.sum(0) @ offsets, kernel.sum(1) @ offsets)
        assert centre == pytest.approx((0, 0), abs=1e-3), "it moves nothing"
        rows, columns = np.nonzero(kernel > 1e-6)
        assert max(np.ptp(rows), np.ptp(columns)) == pytest.approx(18, abs=1.5)
    # An even stroke of 18 pixels has no pixel above about 1/18.
    assert np.median([kernel.max() for kernel in kernels]) > 1.2 / 18
