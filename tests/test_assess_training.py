from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file

from flows.cli import main
from restoration.assess.scales import BLUR_SCALE, NOISE_SCALE
from restoration.assess.statistics import LENGTH
from restoration.models import read_network
from restoration.networks import gmac_per_megapixel
from restoration.networks.statistics_regressor import (
    StatisticsRegressor,
    StatisticsRegressorConfig,
)
from restoration.training.assess import (
    FittingOptions,
    StatisticsSet,
    calibrate,
    fit,
    measure,
)
from restoration.training.assess_samples import draw_sample, equivalent_sigma, is_sharp
from restoration.training.degradations import disk_kernel, gaussian_kernel
from tests.scenes import scene
from tests.test_assess_scenes import with_blur

QUICK = FittingOptions(epochs=30, input_noise=0.05, batch=64, learning_rate=1e-2)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_samples_are_seeded_and_their_truth_is_in_range(seed: int) -> None:
    photo = scene(200, 260)
    sample, again = (draw_sample(photo, np.random.default_rng(seed)) for _ in range(2))
    assert sample.image.dtype == np.uint8
    assert sample.image.ndim == 3
    assert np.array_equal(sample.image, again.image)
    assert 0 <= sample.noise_sigma < 110
    assert math.isnan(sample.blur_sigma) or 0 <= sample.blur_sigma < 20


@given(st.floats(0.8, 4), st.floats(0.8, 4), st.floats(0, 3.14))
def test_a_gaussian_is_its_own_equivalent(along: float, across: float, angle: float) -> None:
    kernel = gaussian_kernel(along, across, angle)
    expected = math.sqrt((along**2 + across**2) / 2)
    assert equivalent_sigma(kernel) == pytest.approx(expected, rel=0.02)


@given(st.floats(2, 9))
def test_a_disk_blurs_like_a_gaussian_of_half_its_radius(radius: float) -> None:
    # Its antialiased edge adds about the variance of a pixel.
    expected = math.sqrt(radius**2 / 4 + 1 / 12)
    assert equivalent_sigma(disk_kernel(radius)) == pytest.approx(expected, rel=0.04)


def test_only_sharp_details_bear_witness_to_blur() -> None:
    assert is_sharp(scene())
    assert not is_sharp(with_blur(scene(), 2))
    assert is_sharp(np.full((60, 60, 3), 99, np.uint8)), "nothing there to say otherwise"


def made_up(count: int, seed: int) -> StatisticsSet:
    """Statistics of which the first and the last tell noise and blur, the latter less clearly."""
    rng = np.random.default_rng(seed)
    statistics = 0.01 * rng.standard_normal((count, LENGTH))
    statistics[:, [0, -1]] *= 100
    noise = 20 + 8 * np.tanh(statistics[:, 0])
    blur = 2 + np.tanh(statistics[:, -1]) + 0.2 * rng.standard_normal(count)
    return StatisticsSet(statistics, noise, np.where(np.arange(count) % 5, blur.clip(0), np.nan))


def test_fitting_learns_noise_and_blur_and_how_sure_it_is() -> None:
    network = fit(made_up(500, 0), QUICK, QUICK)
    calibrate(network, made_up(200, 1))
    test = made_up(300, 2)
    with torch.inference_mode():
        found = network(torch.from_numpy(test.statistics).float()).double().numpy()
    for index, (scale, truth) in enumerate(
        ((NOISE_SCALE, test.noise_sigma), (BLUR_SCALE, test.blur_sigma))
    ):
        known = ~np.isnan(truth)
        estimates = [scale.estimate(*row) for row in found[known, index]]
        errors = np.abs(np.array([e.sigma for e in estimates]) - truth[known])
        assert errors.mean() < 0.6 * np.abs(truth[known] - truth[known].mean()).mean()
        within = errors <= [scale.tolerance(sigma) for sigma in truth[known]]
        assert np.mean([e.confidence for e in estimates]) == pytest.approx(within.mean(), abs=0.12)
    assert found[:, 1, 1].mean() > 1.5 * found[:, 0, 1].mean(), "blur was drawn less clearly"


def test_each_quantity_depends_on_its_own_statistics() -> None:
    torch.manual_seed(0)
    network = StatisticsRegressorConfig(starts=(0, 7), stops=(7, 11), hidden=8, members=2).build()
    some = torch.randn(3, 11)
    assert network(some).shape == (3, 2, 2)
    assert torch.equal(network(some[:, :7])[:, 0], network(some)[:, 0])
    assert network(some[:, :7]).shape == (3, 1, 2)
    assert (network(1e6 * some)[..., 1] > 0).all(), "statistics beyond those of training"


def test_a_regressor_needs_something_to_go_by() -> None:
    for starts, stops in (((), ()), ((0,), (0,)), ((0, 4), (4,))):
        with pytest.raises(ValueError, match=r"range|shorter"):
            StatisticsRegressorConfig(starts=starts, stops=stops)
    config = StatisticsRegressorConfig(starts=(0, 7), stops=(7, 11), hidden=8)
    assert StatisticsRegressorConfig.from_json(config.to_json()) == config


def test_measuring_draws_as_many_as_it_is_asked_for() -> None:
    data, again = (measure([scene(seed=0), scene(seed=1)], 6, seed=4) for _ in range(2))
    assert data.statistics.shape == (6, LENGTH)
    assert np.isfinite(data.statistics).all()
    assert np.array_equal(data.statistics, again.statistics)
    assert (data.noise_sigma >= 0).all()


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for folder in ("fit", "held"):
        (tmp_path / folder).mkdir()
        for seed in range(2):
            name = tmp_path / folder / f"{seed}.png"
            Image.fromarray(scene(130, 150, seed=seed)).save(name)
    return tmp_path


def train(folder: Path, *words: object) -> int:
    given = ["--data", folder / "fit", "--held-out", folder / "held", *words]
    return main(["train", "assess", *map(str, given)])


def test_the_command_writes_weights_that_can_be_read(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--samples", 100, "--statistics", folders / "statistics.npz", "--output"]
    weights = [folders / "a.safetensors", folders / "b.safetensors"]
    for output in weights:
        assert train(folders, *words, output) == 0
        assert "100 samples, 25 held out" in capsys.readouterr().out
        network = read_network(output)
        assert isinstance(network, StatisticsRegressor)
        assert gmac_per_megapixel(network.config) == 0
    # The second time from the kept statistics.
    first, second = (load_file(path) for path in weights)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--samples", 3], "at least 100"),
        (["--held-out", "nowhere"], "no such folder"),
        (["--statistics", "nowhere/kept.npz"], "does not exist"),
        (["--statistics", "kept"], "must end in .npz"),
        (["--exclude", "nowhere"], "no such folder"),
    ],
)
def test_what_makes_no_sense_is_refused(
    words: list[object], complaint: str, folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(folders, "--output", folders / "x.safetensors", *words) == 2
    complaints = capsys.readouterr().err
    assert complaint in complaints
    assert complaints.count("\n") == 1


def test_statistics_of_something_else_are_refused(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = folders / "other.npz"
    for content in (b"nothing", b"", b"PK\x03\x04"):
        other.write_bytes(content)
        words = ["--output", folders / "x.safetensors", "--statistics", other]
        assert train(folders, *words) == 2
        assert "not what this command wrote" in capsys.readouterr().err


def test_photographs_of_a_test_set_are_left_out(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--output", folders / "x.safetensors", "--exclude", folders / "held"]
    assert train(folders, *words) == 2
    assert "0 usable photographs" in capsys.readouterr().err
