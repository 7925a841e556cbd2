"""NIQE: features, the shipped statistics, and how they are made and measured."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from flows.cli import main
from restoration.catalogue import WEIGHTS_FOLDER, card_for
from restoration.models import read_network
from restoration.naturalness import FEATURES, naturalness, patch_features
from restoration.networks.natural_statistics import NaturalStatistics, NaturalStatisticsConfig
from restoration.training.degradations import jpeg_round_trip
from restoration.training.naturalness_command import fit
from tests.scenes import gray_scene, noisy, scene


@pytest.fixture(scope="module")
def photo(sample_archive) -> np.ndarray:
    path = sample_archive / "farms" / "cat-in-colour.png"
    return np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])


def test_what_is_done_to_a_photograph_is_seen(photo: np.ndarray) -> None:
    sound = naturalness(photo)
    assert 1 < sound < 4
    for degraded in (
        noisy(photo, 10),
        cv2.GaussianBlur(photo, (0, 0), 1.6),
        jpeg_round_trip(photo, 15),
        cv2.medianBlur(photo, 7),
    ):
        assert naturalness(degraded) > 1.15 * sound
    weak, strong = (naturalness(noisy(photo, sigma)) for sigma in (10, 30))
    assert weak < strong


def test_depth_and_channels_make_no_difference() -> None:
    gray = gray_scene(200, 240)
    expected = naturalness(gray)
    assert naturalness(gray.astype(np.uint16) * 257) == expected
    assert naturalness(np.repeat(gray[..., None], 3, 2)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((1, 1), np.uint8),
        scene(79, 400),
        np.full((300, 300), 255, np.uint8),
        np.zeros((400, 300, 3), np.uint16),
    ],
    ids=["pixel", "narrow", "white", "black"],
)
def test_nothing_is_said_of_too_little(picture: np.ndarray) -> None:
    assert naturalness(picture) is None


def test_features_are_those_of_the_distributions() -> None:
    rng = np.random.default_rng(0)
    # Where noise is all there is, what is normalised locally is nearly Gaussian: shape 2.
    features = patch_features(noisy(np.full((160, 320), 128, np.uint8), 20))
    assert features.shape == (8, FEATURES)
    shape, variance = features[:, 0].mean(), features[:, 1].mean()
    assert 2.0 < shape < 3.5
    assert 0.5 < variance < 1.1
    # Neighbours of white noise differ from their common mean in opposite ways, if at all.
    means = features[:, [3, 7, 11, 15]]
    assert -0.15 < means.min() < means.max() < 0
    smooth = cv2.GaussianBlur(rng.normal(128, 80, (160, 320)), (0, 0), 1.5)
    related = patch_features(np.clip(smooth, 0, 255).astype(np.uint8))
    assert related[:, 3].min() > 0.1, "neighbours of blurred noise agree"


def test_the_distance_is_mahalanobis_of_the_pooled_covariance() -> None:
    torch.manual_seed(0)
    network = NaturalStatisticsConfig(features=3).build()
    patches = torch.randn(1, 500, 3, dtype=torch.float64) + torch.tensor([2.0, 0.0, 0.0])
    own = np.asarray(patches[0])
    pooled = (np.eye(3) + np.cov(own.T)) / 2
    expected = np.sqrt(own.mean(0) @ np.linalg.inv(pooled) @ own.mean(0))
    assert float(network(patches)[0]) == pytest.approx(expected, rel=1e-6)


def test_the_command_writes_what_it_measured(tmp_path: Path, capsys) -> None:
    (tmp_path / "photos").mkdir()
    for seed in range(30):
        picture = noisy(scene(330, 330, seed=seed), 1, seed=seed)
        Image.fromarray(picture).save(tmp_path / "photos" / f"{seed}.png")
    words = ["--data", tmp_path / "photos", "--output", tmp_path / "n.safetensors"]
    assert main(["train", "naturalness", *map(str, words)]) == 0
    assert "480 patches of 30 photographs" in capsys.readouterr().out
    network = read_network(tmp_path / "n.safetensors")
    assert isinstance(network, NaturalStatistics)
    assert set(load_file(tmp_path / "n.safetensors")) == {"centre", "spread", "correlation"}
    own = torch.from_numpy(patch_features(scene(330, 330, seed=3)))[None]
    other = torch.from_numpy(patch_features(noisy(scene(330, 330, seed=3), 25)))[None]
    assert network(own) < network(other)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--data", "nowhere", "--output", "x.safetensors"], "no such folder"),
        (["--data", "photos", "--output", "nowhere/x.safetensors"], "does not exist"),
        (["--data", "photos", "--output", "x.safetensors"], "patches are too few"),
    ],
)
def test_what_makes_no_sense_is_refused(
    words: list[str], complaint: str, tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for seed in range(2):
        Image.fromarray(scene(200, 200, seed=seed)).save(tmp_path / "photos" / f"{seed}.png")
    assert main(["train", "naturalness", *words]) == 2
    complaints = capsys.readouterr().err
    assert complaint in complaints
    assert complaints.count("\n") == 1


def test_fitting_holds_the_moments() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(3, 0.1, (900, FEATURES))
    features[:, 1] = 2 * features[:, 0] + rng.normal(0, 0.1, 900)
    network = fit(features)
    np.testing.assert_allclose(network.centre.numpy(), features.mean(0), rtol=1e-5)
    np.testing.assert_allclose(network.spread.numpy(), features.std(0, ddof=1), rtol=1e-5)
    assert float(network.correlation[0, 1]) == pytest.approx(0.9, abs=0.05)


def test_the_shipped_statistics_are_small_and_sound() -> None:
    card = card_for("naturalness")
    assert (WEIGHTS_FOLDER / card.file).stat().st_size < 10_000
    network = read_network(WEIGHTS_FOLDER / card.file, sha256=card.sha256)
    values = torch.linalg.eigvalsh(network.correlation.double())
    assert values.min() > -1e-2, "rounding to fp16 costs next to nothing"
    assert float(network.correlation.diagonal().min()) == 1


def test_evaluate_naturalness(tmp_path: Path, photo: np.ndarray, capsys) -> None:
    (tmp_path / "photos").mkdir()
    colour = scene(240, 320)
    for index, picture in enumerate((photo, colour)):
        Image.fromarray(picture).save(tmp_path / "photos" / f"{index}.png")
    words = ["--data", tmp_path / "photos", "--csv", tmp_path / "n.csv"]
    assert main(["evaluate", "naturalness", *map(str, words)]) == 0
    assert "white noise sigma 25" in capsys.readouterr().out
    with (tmp_path / "n-summary.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["weights_sha256"] for row in rows} == {card_for("naturalness").sha256}
    (worse,) = (
        float(row["value"]) for row in rows
        if (row["condition"], row["measure"]) == ("white noise sigma 25", "worse than clean %")
    )  # fmt: skip
    assert worse == 100
    assert main(["evaluate", "naturalness", *map(str, words), "--peers"]) == 2
    assert "no peers" in capsys.readouterr().err
