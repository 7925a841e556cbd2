from __future__ import annotations

import cv2
import numpy as np
import pytest

from restoration.colour import luma8
from restoration.errors import GuardError
from restoration.guards import check_colorized, check_restored
from restoration.quality import colourfulness, measure, psnr_db, ssim
from tests.scenes import gray_scene, noisy, scene

PHOTO = scene(200, 260)


@pytest.mark.parametrize(
    "after",
    [
        np.zeros_like(PHOTO),
        np.full_like(PHOTO, 255),
        np.full_like(PHOTO, int(PHOTO.mean())),
        np.clip(PHOTO.astype(int) + 30, 0, 255).astype(np.uint8),
        PHOTO[:-1],
        PHOTO[..., 0],
        PHOTO.astype(np.float32),
    ],
    ids=["black", "white", "flat", "brighter", "shape", "channels", "type"],
)
def test_wrong_output_is_refused(after: np.ndarray) -> None:
    with pytest.raises(GuardError):
        check_restored(PHOTO, after, noise_sigma=5)


@pytest.mark.parametrize("sigma", [0, 10, 25, 50])
def test_perfect_restoration_passes(sigma: float) -> None:
    check_restored(noisy(PHOTO, sigma), PHOTO, noise_sigma=sigma)


def test_the_shift_of_clipped_noise_is_allowed_for() -> None:
    night = (PHOTO // 16).astype(np.uint8)
    check_restored(noisy(night, 40), night, noise_sigma=40)
    with pytest.raises(GuardError, match="brightness"):
        check_restored(noisy(night, 40), night, noise_sigma=0)


def test_a_black_photo_may_stay_black() -> None:
    black = np.zeros((40, 40), np.uint8)
    check_restored(black, black, noise_sigma=0)


def test_colorized_guard() -> None:
    luma = gray_scene(50, 50)
    check_colorized(luma, np.repeat(luma[..., None], 3, 2))
    with pytest.raises(GuardError, match="cast"):
        check_colorized(luma, np.dstack([luma, luma * 0, luma * 0]))
    with pytest.raises(GuardError, match="colorized output is"):
        check_colorized(luma, luma)


def test_psnr_of_known_error() -> None:
    a = np.full((10, 10), 100, np.uint8)
    assert psnr_db(a, a + 10) == pytest.approx(20 * np.log10(255 / 10))
    assert psnr_db(a, a) == 100


def test_strips_change_nothing() -> None:
    tall = scene(2300, 40, seed=4)
    other = noisy(tall, 10)
    error = np.mean((tall.astype(float) - other) ** 2)
    assert psnr_db(tall, other) == pytest.approx(10 * np.log10(255**2 / error), abs=1e-4)
    luma = cv2.cvtColor(tall, cv2.COLOR_RGB2GRAY).astype(np.float64)
    assert measure(tall).contrast == pytest.approx(luma.std(), rel=0.01)


@pytest.mark.parametrize("sigma", [0, 1, 15, 50])
@pytest.mark.parametrize("photo", [scene(97, 131), gray_scene()], ids=["colour", "gray"])
def test_psnr_and_ssim_agree_with_scikit_image(photo: np.ndarray, sigma: float) -> None:
    metrics = pytest.importorskip("skimage.metrics")
    other = noisy(photo, sigma)
    expected = metrics.structural_similarity(
        luma8(photo), luma8(other), gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, data_range=255,
    )  # fmt: skip
    assert ssim(photo, other) == pytest.approx(expected, abs=1e-5)
    if sigma:
        expected = metrics.peak_signal_noise_ratio(photo, other, data_range=255)
        assert psnr_db(photo, other) == pytest.approx(expected, abs=1e-5)


def test_ssim_of_tiny_images() -> None:
    a = np.zeros((3, 3), np.uint8)
    assert ssim(a, a) == pytest.approx(1)


def test_sharpness_sees_blur_and_not_noise() -> None:
    sharp = measure(PHOTO).sharpness
    blurred = measure(cv2.GaussianBlur(PHOTO, (0, 0), 2)).sharpness
    with_noise = measure(noisy(PHOTO, 5)).sharpness
    assert blurred < 0.4 * sharp
    assert with_noise == pytest.approx(sharp, rel=0.3)


def test_colourfulness() -> None:
    assert colourfulness(gray_scene()) == 0
    assert colourfulness(np.repeat(gray_scene()[..., None], 3, 2)) == 0
    # The formula by hand for two halves, red and blue.
    halves = np.zeros((10, 10, 3), np.uint8)
    halves[:, :5, 0] = 200
    halves[:, 5:, 2] = 200
    rg = np.where(np.arange(10) < 5, 200.0, 0.0)
    yb = np.where(np.arange(10) < 5, 100.0, -200.0)
    expected = np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean())
    assert colourfulness(halves) == pytest.approx(expected, rel=1e-5)
