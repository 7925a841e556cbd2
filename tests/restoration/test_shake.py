"""Camera shake: kernels found again, deconvolution, and what must be left alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restoration.assess import Assessment
from restoration.execution import engine_for
from restoration.models import load_model
from restoration.plan import Step, make_plan
from restoration.quality import psnr_db
from restoration.restore import Job, Restored, Restorer
from restoration.shake import remove_shake
from restoration.shake.deconvolution import DECONVOLUTION_TILING, Deconvolver
from restoration.shake.evidence import Evidence, is_shaken
from restoration.shake.fourier import (
    differences,
    fast_length,
    gathered,
    gradient_functions,
    transfer_function,
)
from restoration.shake.kernel import (
    LONGEST_SIDE,
    Kernel,
    cleaned,
    estimate_kernel,
    fitting_kernel,
)
from restoration.shake.remove import LEAST_SIDE
from restoration.shake.windows import MOST_WINDOWS, WINDOW_SIDE, windows
from restoration.tiling import Tiling, run_tiled
from restoration.training.degradations import blur, gaussian_kernel, motion_kernel, quantise
from tests.scenes import noisy, scene

CPU = torch.device("cpu")
ENGINE = engine_for(CPU)
Byte = np.ndarray


def shaken(clean: Byte, length: float = 12, *, seed: int = 3) -> tuple[Byte, np.ndarray]:
    kernel = motion_kernel(length, np.random.default_rng(seed))
    return noisy(quantise(blur(clean.astype(np.float32), kernel)), 1), kernel


def deblurred(photo: Byte) -> Byte:
    model = load_model("deblur", CPU)
    return run_tiled(model, [photo], Tiling.suited_to(model.network.config), ENGINE)[0]


def likeness(found: np.ndarray, true: np.ndarray) -> float:
    """Normalised correlation of two kernels, the best over all shifts."""
    shape = (96, 96)
    crossed = np.fft.rfft2(found, shape) * np.conj(np.fft.rfft2(true, shape))
    return float(np.fft.irfft2(crossed, shape).max() / np.linalg.norm(found) / np.linalg.norm(true))


def registered(picture: Byte, reference: Byte) -> Byte:
    """Moved so that it lies on the reference: a photo does not say where its frame was."""
    first, second = (p.astype(np.float64).mean(2) for p in (reference, picture))
    (right, down), _ = cv2.phaseCorrelate(first, second)
    move = np.array([[1, 0, -right], [0, 1, -down]], np.float32)
    size = (picture.shape[1], picture.shape[0])
    return cv2.warpAffine(picture, move, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def test_differences_on_pixels_are_those_of_the_spectrum() -> None:
    picture = torch.rand(2, 24, 30, generator=torch.Generator().manual_seed(0))
    functions = gradient_functions((24, 30), CPU)[:, None]
    spectra = functions * torch.fft.rfft2(picture)
    slopes = differences(picture)
    assert torch.allclose(torch.fft.irfft2(spectra, (24, 30)), slopes, atol=1e-5)
    back = torch.fft.irfft2((functions.conj() * torch.fft.rfft2(slopes)).sum(0), (24, 30))
    assert torch.allclose(gathered(slopes), back, atol=1e-5)


@pytest.mark.parametrize(("length", "seed"), [(8, 1), (12, 3), (18, 5)])
def test_a_motion_kernel_is_recovered(length: float, seed: int) -> None:
    photo, true = shaken(scene(256, 320, seed=seed), length, seed=seed)
    luma = torch.from_numpy(photo.astype(np.float32).mean(2) / 255)
    found = estimate_kernel(luma)
    assert found.weights.shape == (LONGEST_SIDE, LONGEST_SIDE)
    assert found.weights.sum() == pytest.approx(1, abs=1e-4)
    assert found.weights.min() >= 0
    assert likeness(found.weights, true) > 0.8
    assert (estimate_kernel(luma).weights == found.weights).all()


def test_shake_is_undone_and_said_so() -> None:
    clean = scene(256, 320, seed=3)
    photo, _ = shaken(clean)
    by_network = deblurred(photo)
    outcome = remove_shake(photo, by_network, CPU)
    assert outcome.kernel is not None
    assert "camera shake" in outcome.note
    inner = np.s_[16:-16, 16:-16]
    gained = psnr_db(clean[inner], np.ascontiguousarray(registered(outcome.pixels, clean)[inner]))
    before = psnr_db(clean[inner], np.ascontiguousarray(registered(by_network, clean)[inner]))
    assert gained > before + 2
    assert (remove_shake(photo, by_network, CPU).pixels == outcome.pixels).all()


def test_sixteen_bits_give_what_eight_bits_give() -> None:
    photo, _ = shaken(scene(256, 320, seed=3))
    by_network = deblurred(photo)
    eight = remove_shake(photo, by_network, CPU)
    sixteen = remove_shake(photo.astype(np.uint16) * 257, by_network, CPU)
    assert sixteen.kernel is not None
    assert sixteen.pixels.dtype == np.uint8
    assert np.abs(eight.pixels.astype(int) - sixteen.pixels).max() <= 1


@pytest.mark.parametrize("sigma", [0, 1.2, 2.4])
def test_sharp_and_gaussian_photos_keep_the_networks_pixels(sigma: float) -> None:
    clean = scene(256, 320, seed=7)
    kernel = gaussian_kernel(sigma) if sigma else np.ones((1, 1), np.float32)
    photo = noisy(quantise(blur(clean.astype(np.float32), kernel)), 1)
    by_network = deblurred(photo)
    outcome = remove_shake(photo, by_network, CPU)
    assert outcome.kernel is None
    assert outcome.note == ""
    assert outcome.pixels is by_network


@pytest.mark.parametrize("noise", [0, 4, 30])
def test_a_flat_photo_keeps_the_networks_pixels(noise: float) -> None:
    photo = noisy(np.full((160, 200, 3), 120, np.uint8), noise)
    assert remove_shake(photo, photo, CPU).pixels is photo


@pytest.mark.parametrize("shape", [(1, 1), (3, 400), (LEAST_SIDE - 1, 300)])
def test_photos_with_too_little_in_them_are_left_alone(shape: tuple[int, int]) -> None:
    photo = noisy(np.full((*shape, 3), 120, np.uint8), 4)
    assert remove_shake(photo, photo, CPU).pixels is photo


@given(st.integers(LEAST_SIDE, 190), st.integers(LEAST_SIDE, 190), st.integers(0, 9))
@settings(max_examples=4, deadline=None)
def test_any_size_goes_through(height: int, width: int, seed: int) -> None:
    photo, _ = shaken(scene(height, width, seed=seed))
    outcome = remove_shake(photo, photo, CPU)
    assert outcome.pixels.shape == photo.shape
    assert outcome.pixels.dtype == np.uint8


def test_the_production_path_notes_what_it_undid() -> None:
    photo, _ = shaken(scene(256, 320, seed=3))
    plan = make_plan(Assessment(1, 1, 3, 1, False, 1), [Step.DEBLUR])
    (result,) = Restorer(CPU).restore([Job(photo, plan, 1.0)])
    assert isinstance(result, Restored)
    assert result.pixels is not None
    assert (result.pixels == remove_shake(photo, deblurred(photo), CPU).pixels).all()
    assert len(result.notes) == 1


TRIED = Assessment(1, 1, 2, 0.3, False, 1)
"""Blurred, but the regressor is not sure: as camera shake mostly reads."""


def test_shake_that_the_photo_bears_out_is_undone_though_nobody_was_sure() -> None:
    photo, _ = shaken(scene(256, 320, seed=3))
    plan = make_plan(TRIED, [Step.DEBLUR])
    assert plan.is_tentative(Step.DEBLUR)
    (result,) = Restorer(CPU).restore([Job(photo, plan, 1.0)])
    assert isinstance(result, Restored)
    assert result.pixels is not None
    assert [model.card.task for model in result.models] == ["deblur"]
    assert result.shaken


@pytest.mark.parametrize("noise", [1, 15])
def test_a_try_that_finds_no_shake_deblurs_nothing(noise: float) -> None:
    photo = noisy(scene(256, 320, seed=3), noise)
    sure = make_plan(Assessment(noise, 1, 0, 1, False, 1), [Step.DENOISE])
    tried = make_plan(Assessment(noise, 1, 2, 0.3, False, 1), [Step.DENOISE, Step.DEBLUR])
    alone, also = (Restorer(CPU).restore([Job(photo, plan, noise)])[0] for plan in (sure, tried))
    assert isinstance(alone, Restored)
    assert isinstance(also, Restored)
    assert also.models == alone.models
    assert "nothing was deblurred" in also.notes[0]
    if alone.pixels is None:
        assert also.pixels is None
    else:  # rounded twice, since 16 bits lay between the networks
        assert also.pixels is not None
        assert np.abs(also.pixels.astype(int) - alone.pixels).max() <= 1


def test_tiles_give_what_the_whole_photo_gives() -> None:
    photo, true = shaken(scene(420, 460, seed=2), 14)
    side = LONGEST_SIDE - true.shape[0]
    kernel = Kernel(np.pad(true, (side // 2, side - side // 2)))
    solver = Deconvolver(kernel, 2 / 255)
    (whole,) = run_tiled(solver, [photo], DECONVOLUTION_TILING, ENGINE)
    small = Tiling(side=256, context=DECONVOLUTION_TILING.context, multiple=1)
    (tiled,) = run_tiled(solver, [photo], small, ENGINE)
    difference = np.abs(whole.astype(int) - tiled)
    # What lies beyond the frame is guessed from what the solver sees of it: edges may differ.
    assert difference.mean() < 0.3
    assert difference[16:-16, 16:-16].max() <= 8


def test_deconvolution_with_the_true_kernel_restores_the_borders_too() -> None:
    clean = scene(300, 340, seed=4)
    photo, true = shaken(clean, 10)
    inner = np.s_[20:-20, 20:-20]  # cut out of a larger photo: nothing is known beyond the frame
    observed = np.ascontiguousarray(photo[inner])
    tensor = torch.from_numpy(observed.transpose(2, 0, 1).astype(np.float32) / 255)[None]
    restored, _ = Deconvolver(Kernel(true), 1 / 255).restore(tensor)
    pixels = quantise(restored[0].numpy().transpose(1, 2, 0) * 255)
    truth = np.ascontiguousarray(clean[inner])
    pixels = registered(pixels, truth)
    assert psnr_db(truth, pixels) > psnr_db(truth, observed) + 4
    border = np.s_[:, :8]
    assert psnr_db(truth[border].copy(), pixels[border].copy()) > psnr_db(
        truth[border].copy(), observed[border].copy()
    )


@given(st.integers(1, 5000))
def test_fast_lengths_are_products_of_small_primes(least: int) -> None:
    length = fast_length(least)
    assert least <= length <= 1.2 * least + 1
    for prime in (2, 3, 5):
        while length % prime == 0:
            length //= prime
    assert length == 1


@given(st.integers(-3, 3), st.integers(-3, 3))
def test_a_shifted_transfer_function_moves_the_picture(down: int, right: int) -> None:
    picture = torch.from_numpy(np.random.default_rng(1).random((20, 24), np.float32))
    point = torch.zeros(3, 3)
    point[1, 1] = 1
    spectrum = transfer_function(point, (20, 24), shift=(down, right))
    moved = torch.fft.irfft2(torch.fft.rfft2(picture) * spectrum, (20, 24))
    assert torch.allclose(moved, picture.roll((down, right), (0, 1)), atol=1e-4)


@given(st.integers(0, 50))
@settings(max_examples=20)
def test_a_fitted_kernel_is_the_one_that_blurred(seed: int) -> None:
    rng = np.random.default_rng(seed)
    true = cleaned(rng.random((7, 7)).astype(np.float32), faintest=0.3)
    sharp = rng.standard_normal((1, 60, 70)).astype(np.float32)
    blurred = cv2.filter2D(sharp[0], -1, true[::-1, ::-1].copy(), borderType=cv2.BORDER_CONSTANT)
    found = fitting_kernel(torch.from_numpy(sharp), torch.from_numpy(blurred)[None], 7, ridge=1e-3)
    assert np.abs(found - true).max() < 0.02


def test_a_kernel_lies_centred_on_its_extent() -> None:
    weights = np.zeros((9, 9), np.float32)
    weights[1, 2], weights[4, 7] = 0.9, 0.1
    kernel = Kernel(weights)
    assert kernel.extent == (4, 6)
    assert kernel.shift == (1.5, -0.5)
    assert kernel.spread == pytest.approx(0.3 * np.hypot(3, 5))


def test_faint_values_and_small_pieces_are_dropped() -> None:
    weights = np.zeros((9, 9), np.float32)
    weights[4, 3:6] = 1
    weights[4, 6] = 0.01
    weights[0, 0] = 0.1
    kept = cleaned(weights, faintest=0.05)
    assert kept[4, 3:6] == pytest.approx(1 / 3)
    assert np.count_nonzero(kept) == 3
    nothing = cleaned(np.zeros((5, 5), np.float32), faintest=0.05)
    assert nothing[2, 2] == nothing.sum() == 1


def test_every_doubt_keeps_the_network() -> None:
    long = Kernel(np.diag(np.full(11, 1 / 11, np.float32)))
    short = Kernel(np.diag(np.full(3, 1 / 3, np.float32)))
    sure = Evidence(1.0, 4.0, 4.0, 1.0)
    assert is_shaken(long, [sure])
    assert not is_shaken(short, [sure])
    assert not is_shaken(long, [Evidence(3.0, 4.0, 4.0, 1.0)])
    assert not is_shaken(long, [Evidence(1.0, 4.0, 1.1, 1.0)])
    assert not is_shaken(long, [sure, Evidence(1.1, 1.0, 4.0, 1.0)])


@given(st.integers(1, 3000), st.integers(1, 3000))
@settings(max_examples=25, deadline=None)
def test_windows_lie_within_the_photo_and_apart(height: int, width: int) -> None:
    photo = np.broadcast_to(np.uint8(7), (height, width, 3))
    found = windows(photo)
    assert 1 <= len(found) <= MOST_WINDOWS
    covered = np.zeros((height, width), np.uint8)
    for place in found:
        assert covered[place].shape == (min(height, WINDOW_SIDE), min(width, WINDOW_SIDE))
        covered[place] += 1
    assert covered.max() == 1


def test_the_first_window_is_the_one_with_most_contours() -> None:
    photo = np.full((1100, 1700, 3), 128, np.uint8)
    photo[560:1090, 600:1100] = scene(530, 500, seed=1)
    top, left = windows(photo)[0]
    assert (top.start, left.start) == (588, 594)
