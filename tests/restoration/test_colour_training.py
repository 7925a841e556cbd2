from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from flows.cli import main
from restoration.errors import UsageError
from restoration.models import read_network
from restoration.networks import ChromaBins, ColourUNet, ColourUNetConfig, NetworkConfig
from restoration.training import calibrate
from restoration.training.batched import Draws, as_old_prints
from restoration.training.batched.fields import luma
from restoration.training.batched.film import emulsions, faded
from restoration.training.batches import batches_for
from restoration.training.colour_task import Colorize
from restoration.training.data import PhotoSet, load_photos
from restoration.training.encoder_weights import PACKAGE
from restoration.training.optimization import new_optimizers
from restoration.training.options import TrainingOptions
from restoration.training.rebalancing import chroma_prior, rarity_weights, smoothed
from restoration.training.soft_labels import soft_cross_entropy
from restoration.training.tasks import TASKS
from restoration.training.trainer import train
from restoration.training.weights import save_weights
from tests.scenes import scene

CPU = torch.device("cpu")
RNG = np.random.default_rng
BINS = ChromaBins(0.1)


@dataclass(frozen=True)
class SmallColorize(Colorize):
    config: NetworkConfig = ColourUNetConfig(widths=(8, 8, 16, 16), bin_step=0.1)  # noqa: RUF009
    patch: int = 64
    batch: int = 4


REGRESSION = SmallColorize(config=ColourUNetConfig(widths=(8, 8, 16, 16), bin_step=0.0))
BOTH = pytest.mark.parametrize("task", [SmallColorize(), REGRESSION], ids=["bins", "regression"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("colour")
    for i in range(28):
        Image.fromarray(scene(100, 120, seed=i)).save(folder / f"{i:02}.png")
    return folder


@pytest.fixture(scope="module")
def photos(folder: Path) -> PhotoSet:
    return load_photos([folder], minimum_side=64, validation=4)


def plain(red: int, green: int, blue: int, side: int = 48) -> np.ndarray:
    return np.full((side, side, 3), (red, green, blue), np.uint8)


def pure(red: float, green: float, blue: float, count: int) -> torch.Tensor:
    return torch.tensor([red, green, blue])[None, :, None, None].repeat(count, 1, 1, 1)


# Film


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), side=st.integers(16, 50), count=st.integers(1, 20))
def test_old_prints_are_gray_pictures_of_the_same_scene(seed, side, count) -> None:
    pixels = np.stack([scene(side, side, seed=i % 3) for i in range(count)])
    rgb = torch.from_numpy(pixels).movedim(3, 1).float() / 255
    before = rgb.clone()
    gray = as_old_prints(rgb, Draws(seed, CPU))
    assert gray.shape == (count, side, side)
    assert gray.dtype == torch.float32
    assert 0 <= gray.min() <= gray.max() <= 1
    torch.testing.assert_close(gray, as_old_prints(rgb, Draws(seed, CPU)))
    torch.testing.assert_close(rgb, before, msg="the colours that are to be learned")


def test_some_prints_are_the_photographs_own_luma_and_no_two_others_alike() -> None:
    rgb = torch.from_numpy(scene(48, 48, seed=2)).movedim(2, 0)[None].repeat(100, 1, 1, 1) / 255
    gray = as_old_prints(rgb, Draws(0, CPU))
    error = (gray - luma(rgb)).abs().mean((1, 2))
    assert 0.2 <= (error < 1e-5).float().mean() <= 0.5
    changed = error[error >= 1e-5]
    assert len(changed.unique()) == len(changed)
    assert (gray.std((1, 2)) > 0.02).all(), "the scene can still be seen"


def test_an_emulsion_keeps_grays_and_some_do_not_see_red() -> None:
    ramp = torch.linspace(0, 1, 100)[None, None, None, :].repeat(60, 3, 1, 1)
    torch.testing.assert_close(emulsions(ramp, Draws(0, CPU)), ramp[:, 0], atol=1e-4, rtol=0)
    red = emulsions(pure(1, 0, 0, 300), Draws(1, CPU)).flatten()
    blue = emulsions(pure(0, 0, 1, 300), Draws(1, CPU)).flatten()
    blind = red < 0.29
    assert 0.3 < blind.float().mean() < 0.45
    assert blue[blind].median() > red[blind].median() + 0.3
    assert red[~blind].median() > 0.5


def test_fading_lifts_blacks_and_lowers_whites() -> None:
    steps = torch.linspace(0, 1, 50)[None, None].repeat(20, 1, 1)
    old = faded(steps, Draws(0, CPU))
    assert (old.diff(dim=2) > 0).all()
    assert 0 <= old.min() <= old[..., 0].max() <= 0.15
    assert 0.8 <= old[..., -1].min() <= old.max() <= 1


# Rebalancing


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), uniform=st.floats(0.05, 1))
def test_weights_have_mean_one_and_favour_the_rare(seed: int, uniform: float) -> None:
    prior = smoothed(torch.from_numpy(RNG(seed).dirichlet(np.full(BINS.count, 0.1))).float(), BINS)
    assert float(prior.sum()) == pytest.approx(1, abs=1e-5)
    weights = rarity_weights(prior, uniform)
    assert float((prior * weights).sum()) == pytest.approx(1, abs=1e-4)
    order = prior.argsort()
    assert (weights[order].diff() <= 1e-4).all()


def test_the_prior_counts_the_colours_of_photographs() -> None:
    prior = chroma_prior([plain(128, 128, 128), plain(255, 0, 0), plain(90, 90, 90)], BINS)
    gray, red = (chroma_prior([plain(*c)], BINS) for c in ((60, 60, 60), (255, 0, 0)))
    torch.testing.assert_close(prior, (2 * gray + red) / 3)
    assert BINS.centres[gray.argmax()].abs().max() < 1e-6
    weights = rarity_weights(prior)
    assert weights[gray.argmax()] < weights[red.argmax()] < weights.max() + 1e-6


# The task


@BOTH
def test_batches_and_losses_fit_the_network(task: Colorize, photos: PhotoSet) -> None:
    task = task.informed(photos.train)
    inputs, targets = batches_for(task, photos, 0, CPU)()
    assert inputs.shape == (4, 1, 64, 64)
    assert targets.shape == (4, 2, 16, 16)
    assert 0 <= inputs.min() <= inputs.max() <= 1
    assert targets.abs().max() <= 0.5
    torch.testing.assert_close(batches_for(task, photos, 0, CPU)(), (inputs, targets))
    torch.manual_seed(0)
    loss = task.loss(task.config.build()(inputs), targets)
    assert loss.ndim == 0
    assert torch.isfinite(loss)


def test_the_loss_is_least_where_the_truth_is_likeliest(photos: PhotoSet) -> None:
    task = SmallColorize().informed(photos.train)
    _, targets = batches_for(task, photos, 1, CPU)()
    indices, shares = BINS.encode(targets)
    n, _, h, w = indices.shape
    truth = torch.zeros(n, BINS.count, h, w).scatter_add_(1, indices, shares)
    unsure = task.loss(torch.zeros_like(truth), targets)
    # What is left is the entropy of sharing among four bins: less than log 4.
    assert task.loss((truth + 1e-6).log(), targets) < np.log(4)
    assert float(unsure) == pytest.approx(np.log(BINS.count), rel=1e-3)
    assert task.loss((truth.flip(0) + 1e-6).log(), targets) > unsure


def test_rare_colours_weigh_more_in_the_loss() -> None:
    """To be unsure about the one red photograph costs more than about one of the gray ones."""
    task = SmallColorize().informed([plain(100, 100, 100)] * 9 + [plain(255, 0, 0)])
    targets = torch.tensor([[0.0, 0.0], [-0.1687, 0.5]])[:, :, None, None]
    indices, shares = BINS.encode(targets)
    sure = torch.zeros(2, BINS.count, 1, 1).scatter_add_(1, indices, 20 * shares)

    def loss_unsure_about(photo: int, task: Colorize) -> float:
        logits = sure.clone()
        logits[photo] = 0
        return float(task.loss(logits, targets))

    assert loss_unsure_about(1, task) > 1.5 * loss_unsure_about(0, task)
    alike = replace(task, weights=None)
    assert loss_unsure_about(1, alike) < 1.1 * loss_unsure_about(0, alike)


def test_cross_entropy_against_shares_is_torchs_own() -> None:
    torch.manual_seed(0)
    logits = (3 * torch.randn(2, 3, 7, dtype=torch.double)).requires_grad_()
    indices, shares = torch.randint(7, (2, 3, 4)), torch.rand(2, 3, 4, dtype=torch.double)
    expected = -(shares * logits.log_softmax(-1).gather(-1, indices)).sum()
    torch.testing.assert_close(soft_cross_entropy(logits, indices, shares), expected)
    assert torch.autograd.gradcheck(lambda x: 3 * soft_cross_entropy(x, indices, shares), logits)


@BOTH
def test_training_lowers_the_loss_and_a_frozen_encoder_stays(
    task: Colorize, folder: Path, tmp_path: Path
) -> None:
    """On brown pictures: what is learned in so few steps is a cast, not what things are."""
    photos = load_photos([folder], minimum_side=64, validation=4)
    brown = [(p.mean(2, keepdims=True) * (1, 0.7, 0.4)).astype(np.uint8) for p in photos.train]
    photos = replace(photos, train=brown)
    torch.manual_seed(3)
    initial = {name: p.detach() for name, p in task.config.build().named_parameters()}
    informed = task.informed(photos.train)
    inputs, targets = batches_for(informed, photos, 9, CPU)()

    def loss_of(weights: dict[str, torch.Tensor]) -> float:
        network = task.config.build().train()
        network.load_state_dict(weights)
        with torch.no_grad():
            return float(informed.loss(network(inputs), targets))

    output = tmp_path / "colour.safetensors"
    options = TrainingOptions(
        minutes=1, steps=40, learning_rate=3e-3, warmup_steps=5, encoder_rate=0.0,
        precision="fp32", ema_decay=0.9,
    )  # fmt: skip
    train(task, photos, output, options, initial=initial)
    network = read_network(output)
    trained = {name: p.float() for name, p in network.named_parameters()}
    assert loss_of(trained) < 0.95 * loss_of(initial)
    for name, before in initial.items():
        if name.startswith("encoder."):
            torch.testing.assert_close(trained[name], before.half().float())
    with torch.inference_mode():
        chroma = network(inputs)
    assert chroma.shape == targets.shape
    assert chroma.abs().max() <= 0.6


def test_a_pretrained_encoder_learns_more_slowly(photos: PhotoSet, tmp_path: Path) -> None:
    torch.manual_seed(0)
    initial = {name: p.detach() for name, p in REGRESSION.config.build().named_parameters()}

    def movement(rate: float) -> float:
        output = tmp_path / f"{rate}.safetensors"
        options = TrainingOptions(
            minutes=1, steps=3, warmup_steps=1, encoder_rate=rate, precision="fp32", ema_decay=0.0
        )
        train(REGRESSION, photos, output, options, initial=initial)
        after = dict(read_network(output).named_parameters())
        name = "encoder.stages.5.0.expand.weight"
        return float((after[name] - initial[name]).abs().mean())

    assert 0 < movement(0.1) < 0.5 * movement(1.0)


@pytest.fixture
def small_task(monkeypatch) -> None:
    monkeypatch.setitem(TASKS, "colorize", SmallColorize())


def test_filters_of_a_pretrained_encoder_stay() -> None:
    network = REGRESSION.config.build()
    new_optimizers(network, TrainingOptions(minutes=1, encoder_rate=0.1))
    moving = {name for name, p in network.encoder.named_parameters() if p.requires_grad}
    assert "stages.2.0.depthwise.weight" not in moving
    assert {"stages.2.0.depthwise.bias", "stages.2.0.expand.weight", "head.weight"} <= moving
    new_optimizers(network, TrainingOptions(minutes=1, encoder_rate=0.0))
    assert not any(p.requires_grad for p in network.encoder.parameters())


def words(*arguments: object) -> list[str]:
    return ["train", *map(str, arguments)]


def test_train_command(folder: Path, tmp_path: Path, small_task, capsys) -> None:
    output = tmp_path / "w.safetensors"
    command = words("colorize", "--data", folder, "--minutes", "0.02", "--output", output)
    assert main([*command, "--objective", "regression", "--encoder-rate", "0"]) == 0
    config = read_network(output).config
    assert isinstance(config, ColourUNetConfig)
    assert config == replace(SmallColorize().config, bin_step=0.0)
    capsys.readouterr()
    assert main([*command, "--init", str(output), "--init-encoder"]) == 2
    assert "not both" in capsys.readouterr().err
    for option in ("--encoder-rate", "--held-out", "--warmup-steps"):
        assert main([*command, option, "-1"]) == 2
        assert option in capsys.readouterr().err


def test_train_command_starts_from_the_package(folder: Path, tmp_path: Path, small_task) -> None:
    pytest.importorskip(PACKAGE)
    output = tmp_path / "w.safetensors"
    command = words("colorize", "--data", folder, "--minutes", "0.02", "--output", output)
    assert main([*command, "--init-encoder", "--encoder-rate", "0"]) == 0
    network = read_network(output)
    assert isinstance(network, ColourUNet)
    assert float(network.encoder.stem.weight.abs().max()) > 1, "random kernels are smaller"


# Calibration


def test_less_favour_and_less_temperature(photos: PhotoSet) -> None:
    """Of a network that says the same probabilities everywhere."""
    task = SmallColorize().informed([plain(100, 100, 100)] * 5 + [plain(255, 0, 0)])
    assert task.weights is not None
    network = ColourUNet(SmallColorize().config).eval()
    with torch.no_grad():
        network.tail.weight.zero_()
        network.tail.bias.copy_(-BINS.centres.norm(dim=1) * 5)
    gray = torch.rand(1, 1, 32, 32)

    def probability(favour: float, temperature: float) -> torch.Tensor:
        vividness = calibrate.Vividness(favour, temperature, gain=1.5)
        changed = calibrate.speaking(network, task.weights, vividness)
        assert (changed.config.temperature, changed.config.gain) == (temperature, 1.5)
        with torch.no_grad():
            return changed.train()(gray)[0, :, 0, 0].softmax(0)

    said = network.tail.bias.softmax(0)
    torch.testing.assert_close(probability(1, 0.5), said)
    truth = said / task.weights
    torch.testing.assert_close(probability(0, 1), truth / truth.sum())
    half = said / task.weights.sqrt()
    torch.testing.assert_close(probability(0.5, 1), half / half.sum())
    with pytest.raises(UsageError, match="factor"):
        calibrate.scaled(network, 2)


def test_calibrate_command_for_bins(folder: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    network = ColourUNet(SmallColorize().config)
    path, output = tmp_path / "w.safetensors", tmp_path / "c.safetensors"
    save_weights(network.state_dict(), network.config, path, task="colorize")
    monkeypatch.setattr(calibrate, "FAVOURS", (1.0, 0.5))
    monkeypatch.setattr(calibrate, "TEMPERATURES", (1.0,))
    monkeypatch.setattr(calibrate, "GAINS", (1.0,))
    command = ["calibrate", str(path), "--data", str(folder), "--held-out", "2", "--patch", "64"]
    monkeypatch.setattr("sys.argv", command)
    calibrate.main()
    assert capsys.readouterr().out.count("colourfulness") == 1 + 2
    extra = ["--favour", "0.5", "--temperature", "0.7", "--gain", "1.2", "--output", str(output)]
    monkeypatch.setattr("sys.argv", [*command, *extra])
    calibrate.main()
    assert read_network(output).config == replace(network.config, temperature=0.7, gain=1.2)
