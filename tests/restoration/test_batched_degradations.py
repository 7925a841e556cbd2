"""Batched degradations mean the same as those of one photograph, and as libraries' own."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restoration.colour import BT601
from restoration.training import degradations as reference
from restoration.training.batched import (
    Draws,
    PhotoBuffer,
    as_gray,
    fields,
    gray_at_the_end,
    kernels,
    random_blur,
    random_noise,
    recipes,
)
from restoration.training.batched.jpeg import jpeg_round_trip
from tests.scenes import scene

CPU = torch.device("cpu")


def batch_of(*images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()


def test_patches_are_parts_of_the_photos_in_all_eight_orientations() -> None:
    photo = np.arange(7 * 9 * 3, dtype=np.uint8).reshape(7, 9, 3)
    patches = PhotoBuffer([photo], CPU).patches(2000, 6, Draws(0, CPU))
    expected = {
        np.rot90(cut[:, ::mirror], turn).tobytes()
        for top in range(2) for left in range(4) for turn in range(4) for mirror in (1, -1)
        for cut in [photo[top : top + 6, left : left + 6]]
    }  # fmt: skip
    assert {patch.permute(1, 2, 0).numpy().tobytes() for patch in patches} == expected


def test_every_photo_is_drawn_from_and_each_from_its_own_pixels() -> None:
    photos = [np.full((8 + i, 12 - i, 3), 40 * i, np.uint8) for i in range(4)]
    patches = PhotoBuffer(photos, CPU).patches(64, 8, Draws(1, CPU))
    assert {tuple(patch.unique().tolist()) for patch in patches} == {(0,), (40,), (80,), (120,)}


def test_upright_patches_are_only_mirrored() -> None:
    photo = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
    patches = PhotoBuffer([photo], CPU).patches(40, 8, Draws(0, CPU), upright=True)
    found = {patch.permute(1, 2, 0).numpy().tobytes() for patch in patches}
    assert found == {photo.tobytes(), photo[:, ::-1].tobytes()}


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.lists(st.floats(0, 1), min_size=1, max_size=5), st.integers(0, 99))
def test_a_partition_deals_every_sample_once_in_due_shares(count, shares, seed) -> None:
    total = sum(shares) or 1.0
    shares = [share / total for share in shares] if sum(shares) else [1.0] + [0.0] * len(shares)
    groups = Draws(seed, CPU).partition(count, shares)
    assert sorted(torch.cat(groups).tolist()) == list(range(count))
    for group, share in zip(groups, shares, strict=True):
        assert abs(len(group) - count * share) < 1.001


def test_the_same_seed_draws_the_same_batch() -> None:
    photos = PhotoBuffer([scene(80, 90, seed=i) for i in range(3)], CPU)

    def draw(seed: int) -> torch.Tensor:
        draws = Draws(seed, CPU)
        return random_noise(photos.patches(8, 48, draws).float(), draws)

    assert torch.equal(draw(3), draw(3))
    assert not torch.equal(draw(3), draw(4))


def test_gamma_variates_have_their_mean_and_variance() -> None:
    values = Draws(0, CPU).gamma(40_000, 2.5)
    assert float(values.mean()) == pytest.approx(2.5, rel=0.03)
    assert float(values.var()) == pytest.approx(2.5, rel=0.05)


@pytest.mark.parametrize("radius", [0.3, 0.8, 1.6, 2.5])
def test_gaussian_matrices_filter_as_opencv_does(radius: float) -> None:
    field = np.random.default_rng(0).standard_normal((60, 60), dtype=np.float32)
    margin = 10
    matrix = fields.gaussian_matrix(torch.tensor([radius]), 40, margin)
    ours = fields.filtered(torch.from_numpy(field)[None], matrix)[0].numpy()
    theirs = cv2.GaussianBlur(field, (0, 0), radius)[margin:-margin, margin:-margin]
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


@pytest.mark.parametrize("factor", [0.6, 0.85, 1.0, 1.3, 1.6])
@pytest.mark.parametrize(
    ("method", "flag"),
    [("linear", cv2.INTER_LINEAR), ("cubic", cv2.INTER_CUBIC), ("area", cv2.INTER_AREA)],
)
def test_resampling_matrices_resize_as_opencv_does(factor, method, flag) -> None:
    side = 40
    source = round(side * factor)
    field = np.random.default_rng(1).standard_normal((source, source), dtype=np.float32)
    exact = torch.tensor([source / side])
    matrix = fields.resampling_matrix(exact, method, side, source)
    ours = fields.filtered(torch.from_numpy(field)[None], matrix)[0].numpy()
    theirs = cv2.resize(field, (side, side), interpolation=flag)
    np.testing.assert_allclose(ours[5:-5, 5:-5], theirs[5:-5, 5:-5], atol=2e-3)


def test_coloured_noise_has_its_sigma_and_correlation() -> None:
    sigma, radius = torch.tensor([5.0, 20.0]), torch.tensor([0.8, 1.6])
    noise = fields.coloured_noise(256, sigma, radius, Draws(0, CPU), largest_radius=1.6)
    torch.testing.assert_close(noise.std((1, 2), correction=0), sigma, rtol=1e-3, atol=0)
    for field, r in zip(noise, (0.8, 1.6), strict=True):
        measured = np.corrcoef(field[:, :-1].ravel(), field[:, 1:].ravel())[0, 1]
        assert measured == pytest.approx(math.exp(-1 / (4 * r**2)), abs=0.04)


@pytest.mark.parametrize("seed", range(3))
def test_old_photo_noise_means_what_the_reference_means(seed: int) -> None:
    """Over many draws: the strength of the noise, its correlation, and its colour."""
    flat = np.full((48, 48, 3), 120, np.float32)
    rng = np.random.default_rng(seed)
    theirs = np.stack([reference.old_photo_noise(flat, rng) - flat for _ in range(300)])
    # Some choices are one for a whole batch, so many small batches are drawn.
    images, draws = batch_of(*[flat] * 4), Draws(seed, CPU)
    noise = torch.cat([recipes.old_photo_noise(images, draws) - images for _ in range(75)])
    ours = noise.permute(0, 2, 3, 1).numpy()
    for measure in (_log_strength, _neighbours, _chroma_share):
        a, b = measure(ours), measure(theirs)
        error = math.hypot(a.std(), b.std()) / math.sqrt(len(a))
        assert abs(a.mean() - b.mean()) < 4 * error, measure.__name__


def _log_strength(noise: np.ndarray) -> np.ndarray:
    return np.log(noise.std((1, 2, 3)))


def _neighbours(noise: np.ndarray) -> np.ndarray:
    luma = noise @ BT601
    return (luma[:, :, :-1] * luma[:, :, 1:]).mean((1, 2)) / luma.var((1, 2))


def _chroma_share(noise: np.ndarray) -> np.ndarray:
    luma = (noise @ BT601)[..., None]
    return (noise - luma).std((1, 2, 3)) / noise.std((1, 2, 3))


def test_tones_weigh_grain_as_in_the_reference() -> None:
    y = np.tile(np.linspace(0, 255, 64, dtype=np.float32), (4, 1))
    ours = fields.tone_weight(torch.from_numpy(y).expand(400, -1, -1), Draws(0, CPU))
    rng = np.random.default_rng(0)
    kinds = {reference.tone_weight(y, rng)[0].round(4).tobytes() for _ in range(100)}
    assert len(kinds) == 4
    found = np.array([weight[0].numpy() for weight in ours])
    references = [np.frombuffer(kind, np.float32) for kind in sorted(kinds)]
    nearest = np.array([[np.abs(w - r).max() for r in references] for w in found])
    assert nearest.min(1).max() < 1e-3
    assert set(nearest.argmin(1)) == {0, 1, 2, 3}


def test_paper_texture_has_its_strength_and_period() -> None:
    strength = torch.linspace(0.005, 0.03, 40)
    relief = fields.paper_texture(96, strength, Draws(0, CPU))
    torch.testing.assert_close(relief.std((1, 2), correction=0), strength, rtol=1e-3, atol=0)
    spectrum = torch.fft.rfft2(relief).abs().square().mean(0)
    frequency = torch.hypot(torch.fft.fftfreq(96)[:, None], torch.fft.rfftfreq(96))
    in_band = (frequency > 1 / 24) & (frequency < 1 / 2.5)
    assert spectrum[in_band].sum() > 0.9 * spectrum.sum()


@pytest.mark.parametrize("quality", [60, 80, 95])
@pytest.mark.parametrize(("subsampled", "sampling"), [(True, 0x221111), (False, 0x111111)])
@pytest.mark.parametrize("shape", [(64, 96), (51, 73)])
def test_jpeg_is_libjpegs(quality: int, subsampled: bool, sampling: int, shape) -> None:
    rng = np.random.default_rng(quality)
    images = [
        reference.quantise(reference.white_noise(scene(*shape, seed=i).astype(np.float32), 10, rng))
        for i in range(3)
    ]
    ours = jpeg_round_trip(
        batch_of(*images), torch.full((3,), quality), subsampled=subsampled
    ).permute(0, 2, 3, 1).numpy()  # fmt: skip
    settings_ = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    theirs = np.stack([
        cv2.imdecode(cv2.imencode(".jpg", image[..., ::-1], settings_)[1], 1)[..., ::-1]
        for image in images
    ]).astype(np.float32)  # fmt: skip
    harm = np.abs(theirs - np.stack(images)).mean()
    assert np.abs(ours - theirs).mean() < 0.5
    assert np.abs(ours - theirs).mean() < 0.15 * harm
    assert ours.min() >= 0
    assert ours.max() <= 255
    np.testing.assert_array_equal(ours, ours.round())


def test_each_sample_has_its_own_jpeg_quality() -> None:
    image = reference.quantise(
        reference.white_noise(scene(64, 64).astype(np.float32), 10, np.random.default_rng(0))
    )
    images = batch_of(image, image, image)
    errors = (jpeg_round_trip(images, torch.tensor([95, 50, 75])) - images).abs().mean((1, 2, 3))
    assert errors[0] < errors[2] < errors[1]


@settings(max_examples=25, deadline=None)
@given(
    sigma_x=st.floats(0.5, 3.6), sigma_y=st.floats(0.5, 3.6), angle=st.floats(0, 3.1),
    radius=st.floats(0.8, 5),
)  # fmt: skip
def test_kernels_are_the_references(sigma_x, sigma_y, angle, radius) -> None:
    half = recipes.BLUR_REACH
    pairs = [
        (
            kernels.gaussian_kernels(*(torch.tensor([v]) for v in (sigma_x, sigma_y, angle)), half),
            reference.gaussian_kernel(sigma_x, sigma_y, angle),
        ),
        (kernels.disk_kernels(torch.tensor([radius]), half), reference.disk_kernel(radius)),
    ]
    for ours, theirs in pairs:
        border = half - len(theirs) // 2
        np.testing.assert_allclose(ours[0].numpy(), np.pad(theirs, border), atol=2e-3)


def test_motion_kernels_are_paths_of_their_length() -> None:
    half = recipes.BLUR_REACH
    length = torch.linspace(4, 28, 60)
    paths = kernels.motion_kernels(length, Draws(0, CPU), half)
    torch.testing.assert_close(paths.sum((1, 2)), torch.ones(60))
    assert paths.min() >= 0
    offsets = torch.arange(2 * half + 1) - half
    for axis in (1, 2):
        centres = (paths.sum(axis) * offsets).sum(1)
        torch.testing.assert_close(centres, torch.zeros(60), atol=1e-3, rtol=0)
    touched = paths > 0
    # Where none of the 28 pixels lies off to one side, which would not fit.
    for path, expected in zip(touched[:24], length.tolist(), strict=False):
        extents = [int(np.ptp(np.flatnonzero(path.any(axis).numpy()))) for axis in (0, 1)]
        assert expected <= max(extents) + 1 <= expected + 3
    assert (touched.sum((1, 2)) < 0.5 * touched[0].numel()).all(), "thin, as paths are"


def test_convolution_is_the_references_inside_the_margin() -> None:
    photos = [scene(72, 80, seed=i) for i in range(3)]
    rng = np.random.default_rng(0)
    theirs = [reference.motion_kernel(length, rng) for length in (9, 12, 17)]
    half = recipes.BLUR_REACH
    ours = torch.stack(
        [torch.from_numpy(np.pad(kernel, half - len(kernel) // 2)) for kernel in theirs]
    )
    blurred = kernels.convolve(batch_of(*photos), ours).permute(0, 2, 3, 1).numpy()
    inner = slice(half, -half)
    for image, photo, kernel in zip(blurred, photos, theirs, strict=True):
        expected = reference.blur(photo.astype(np.float32), kernel)
        np.testing.assert_allclose(image[inner, inner], expected[inner, inner], atol=0.02)


def test_random_noise_covers_all_that_it_should() -> None:
    draws = Draws(0, CPU)
    clean = batch_of(*[scene(64, 64, seed=i) for i in range(8)]).repeat(40, 1, 1, 1)
    gray_at_the_end(clean, draws)
    assert abs(int((clean[:, 0] == clean[:, 1]).all(2).all(1).sum()) - 0.3 * 320) <= 1
    noisy = random_noise(clean, draws)
    assert noisy.min() >= 0
    assert noisy.max() <= 255
    assert torch.equal(noisy, noisy.round())
    noise = (noisy - clean).permute(0, 2, 3, 1).numpy()
    strength = noise.std((1, 2, 3))
    assert 16 <= (strength == 0).sum() <= 22, "what is clean must stay"
    assert strength.max() > 45
    correlation = _neighbours(noise[strength > 1])
    assert (correlation < 0.1).sum() > 100, "white"
    assert (correlation > 0.3).sum() > 30, "grain"
    assert (noise[-73:, ..., :1] == noise[-73:]).all(), "a monochrome photograph's"
    colour = _chroma_share(noise[strength > 1])
    assert (colour < 0.2).sum() > 30, "luminance alone"
    assert (colour > 0.6).sum() > 100, "every channel its own"


def test_random_blur_leaves_some_sharp_and_cuts_the_margin() -> None:
    sharp = batch_of(*[scene(96, 96, seed=i) for i in range(4)]).repeat(25, 1, 1, 1)
    blurred = random_blur(sharp, 16, Draws(0, CPU))
    assert blurred.shape == (100, 3, 64, 64)
    error = (blurred - sharp[..., 16:-16, 16:-16]).std((1, 2, 3))
    # White noise of at most 10 is all that a sharp sample has.
    assert 0.08 < (error < 10).float().mean() < 0.8
    assert error.max() > 15


def test_gray_is_the_references_luma() -> None:
    photo = scene(32, 32)
    gray = as_gray(batch_of(photo))[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(
        gray, np.repeat(reference.quantise(reference.luma(photo))[..., None], 3, 2)
    )


def test_any_field_of_a_batch_may_have_been_resampled(monkeypatch: pytest.MonkeyPatch) -> None:
    # Resampling by zeros blanks the fields that it is done to.
    monkeypatch.setattr(fields, "resampling_matrix", lambda factor, _method, outer, source:
                        torch.zeros(len(factor), outer, source))  # fmt: skip
    draws, sigma, radius = Draws(0, CPU), torch.full((6,), 5.0), torch.full((6,), 0.5)
    blank = torch.stack([
        fields.scanned_noise(16, sigma, radius, draws, largest_radius=1.4).abs().amax((1, 2)) == 0
        for _ in range(40)
    ])  # fmt: skip
    share = blank.float().mean(0)
    assert ((share > 0.2) & (share < 0.8)).all(), "gray photographs stand at a batch's end"
