from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

from flows.cli import main
from restoration.execution import engine_for
from restoration.models import read_network
from restoration.networks import (
    ARCHITECTURES,
    ColourUNetConfig,
    DCGANUNetConfig,
    MaxPoolUNetConfig,
    Network,
    NetworkConfig,
    ReformedUNet256Config,
    UNet256Config,
    config_from_header,
    gmac_per_megapixel,
    header_of,
    parameter_count,
)
from restoration.networks.unet_256 import AttentionGate
from restoration.tiling import Tiling, run_tiled
from restoration.training.adversary import Adversary, AdversaryConfig
from restoration.training.averaging import snapshot, update_average
from restoration.training.baselines import BASELINES, TRAINABLE, Recipe, prepare
from restoration.training.batched import Draws, PhotoBuffer
from restoration.training.checkpoint import load_tensors, tensors_of
from restoration.training.data import PhotoSet
from restoration.training.journal import read_log
from restoration.training.options import Progress, TrainingOptions
from restoration.training.tasks import TASKS, Denoise
from restoration.training.trainer import train
from restoration.training.weights import save_weights
from tests.benchmarks import compare_architectures
from tests.scenes import scene

CPU = torch.device("cpu")
ENGINE = engine_for(CPU)
TINY: dict[str, NetworkConfig] = {
    "unet_256": UNet256Config(encoder=(8, 8, 16, 16, 16), decoder=(16, 16, 8, 8)),
    "unet_256_reformed": ReformedUNet256Config(encoder=(8, 8, 16, 16, 16), decoder=(16, 16, 8, 8)),
    "unet_maxpool": MaxPoolUNetConfig(widths=(4, 8, 8, 16)),
    "unet_dcgan": DCGANUNetConfig(widths=(8, 8, 16, 16)),
}
each_tiny = pytest.mark.parametrize("config", TINY.values(), ids=list(TINY))


def lived_in(config: NetworkConfig) -> Network:
    """An untrained network whose batch norm has seen pictures and whose output is not zero."""
    torch.manual_seed(0)
    network = config.build().train()
    with torch.no_grad():
        for parameter in network.tail.parameters():
            parameter.normal_(0, 0.1)
        for _ in range(30):
            network(torch.rand(2, 3, 64, 64) * torch.rand(2, 3, 1, 1))
    return network.eval()


def test_every_baseline_has_its_recipe_and_its_tiny_twin() -> None:
    assert set(ARCHITECTURES) == {*TRAINABLE, ColourUNetConfig.architecture}
    assert set(BASELINES) == set(TINY)


def running_statistics(network: nn.Module) -> int:
    return sum(b.numel() for b in network.buffers() if b.is_floating_point())


def test_unet_256_has_the_published_count() -> None:
    network = UNet256Config().build()
    assert running_statistics(network) == 2 * (256 + 512 + 512) == 2560
    assert parameter_count(network) + running_statistics(network) == 9_602_766


def test_sizes_of_the_other_baselines() -> None:
    reformed = ReformedUNet256Config().build()
    # By hand: a gate is 2x2 x skip x skip/2, gating x skip/2 + skip/2, skip/2 + 1 numbers.
    gates = [(512, 512), (256, 1024), (128, 512), (128, 256)]
    extra = sum(4 * s * s // 2 + g * s // 2 + s // 2 + s // 2 + 1 for s, g in gates)
    assert parameter_count(reformed) == 9_602_766 - 2560 + extra
    assert parameter_count(MaxPoolUNetConfig().build()) == pytest.approx(15e6, rel=0.02)
    assert parameter_count(DCGANUNetConfig().build()) == 16_660_163


@each_tiny
@settings(max_examples=12, deadline=None)
@given(height=st.integers(1, 90), width=st.integers(1, 90))
def test_any_size_in_is_the_same_size_out(config: NetworkConfig, height: int, width: int) -> None:
    network = config.build().eval()
    with torch.inference_mode():
        assert network(torch.rand(1, 3, height, width)).shape == (1, 3, height, width)


@each_tiny
def test_tiles_give_what_one_whole_pass_gives(config: NetworkConfig) -> None:
    network = lived_in(config)
    image = scene(96, 900, seed=3)
    tiling = Tiling.suited_to(config)
    whole = replace(tiling, side=1024)
    (tiled,) = run_tiled(network, [image], tiling, ENGINE)
    (expected,) = run_tiled(network, [image], whole, ENGINE)
    assert np.ptp(expected) > 20
    assert np.abs(tiled.astype(int) - expected).max() <= 1


@each_tiny
def test_weights_files_keep_batch_norms_statistics(config: NetworkConfig, tmp_path: Path) -> None:
    network = lived_in(config)
    path = tmp_path / "w.safetensors"
    save_weights(snapshot(network), config, path, task="denoise")
    again = read_network(path)
    assert again.config == config
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], tensor, atol=1e-4, rtol=1e-3)
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(again(image), network(image), atol=2e-2, rtol=2e-2)


def test_a_count_of_batches_beyond_half_precision_survives(tmp_path: Path) -> None:
    network = lived_in(TINY["unet_dcgan"])
    counts = {n: b for n, b in network.named_buffers() if n.endswith("num_batches_tracked")}
    for count in counts.values():
        count.fill_(123_457)
    save_weights(snapshot(network), network.config, tmp_path / "w.safetensors", task="denoise")
    stored = read_network(tmp_path / "w.safetensors").state_dict()
    assert {int(stored[name]) for name in counts} == {123_457}


@each_tiny
def test_configurations_survive_a_header(config: NetworkConfig) -> None:
    assert config_from_header(header_of(config, "denoise")) == config


def test_shapes_that_cannot_be_built_are_refused() -> None:
    with pytest.raises(ValueError, match="decoder"):
        UNet256Config(decoder=(8,))
    with pytest.raises(ValueError, match="one shape"):
        ReformedUNet256Config(out_channels=2)
    with pytest.raises(ValueError, match="levels"):
        DCGANUNetConfig(widths=(8,))
    with pytest.raises(ValueError, match="level"):
        MaxPoolUNetConfig(widths=())
    with pytest.raises(ValueError, match="dropout"):
        MaxPoolUNetConfig(dropout=1)
    with pytest.raises(ValueError, match="scale"):
        MaxPoolUNetConfig(input_scale=0)


def test_the_reformed_network_starts_as_the_identity() -> None:
    image = torch.rand(2, 3, 37, 50)
    torch.testing.assert_close(TINY["unet_256_reformed"].build()(image), image)


def test_an_attention_gate_only_ever_weakens_a_skip() -> None:
    torch.manual_seed(0)
    gate = AttentionGate(skip=6, gating=10)
    skip, gating = torch.randn(2, 6, 16, 24), torch.randn(2, 10, 8, 12)
    share = gate(skip, gating) / skip
    assert share.min() > 0
    assert share.max() < 1
    torch.testing.assert_close(share[:, :1].expand_as(share), share)  # one weight per pixel
    assert not torch.allclose(gate(skip, 3 * gating), gate(skip, gating))


def test_the_scaling_layer_takes_eight_bit_values() -> None:
    torch.manual_seed(0)
    config = MaxPoolUNetConfig(widths=(4, 8))
    network = config.build().eval()
    eight_bit = replace(config, input_scale=1 / 255).build().eval()
    eight_bit.load_state_dict(network.state_dict())
    image = torch.rand(1, 3, 20, 20)
    with torch.inference_mode():
        torch.testing.assert_close(eight_bit(image * 255), network(image) * 255, atol=0.01, rtol=0)


class _Counted(Network):
    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.strided = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.grouped = nn.Conv2d(8, 12, 3, padding=1, groups=4)
        self.grouped_up = nn.ConvTranspose2d(12, 6, 4, stride=2, padding=1, groups=3)
        self.same_up = nn.ConvTranspose2d(6, 5, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        return self.same_up(self.grouped_up(self.grouped(self.strided(image))))


class _CountedConfig(NetworkConfig):
    architecture = "counted"

    @property
    def multiple(self) -> int:
        return 2

    def build(self) -> Network:
        return _Counted(self)


def test_multiply_accumulates_counted_by_hand() -> None:
    # Per input pixel; a quarter of the positions are left after the strided convolution.
    strided = 3 * 8 * 9 / 4
    grouped = 12 * (8 / 4) * 9 / 4
    grouped_up = 12 * (6 / 3) * 16 / 4  # each of 12 values meets a 4x4 kernel for 2 outputs
    same_up = 6 * 5 * 9
    expected = (strided + grouped + grouped_up + same_up) / 1e3
    assert gmac_per_megapixel(_CountedConfig()) == pytest.approx(expected, rel=1e-9)
    # unet_256 by hand: 3456/4 + 147456/16 + ... down, 2359296/1024 + ... up, 72 at the end.
    assert gmac_per_megapixel(UNet256Config()) == pytest.approx(62.6, abs=0.1)


def test_the_average_follows_parameters_and_copies_statistics() -> None:
    network = TINY["unet_256"].build().train()
    average = snapshot(network)
    before = {name: tensor.clone() for name, tensor in average.items()}
    network(torch.rand(2, 3, 64, 64))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    update_average(average, network, decay=0.75)
    for name, _ in network.named_parameters():
        torch.testing.assert_close(average[name], before[name] + 0.25)
    for name, buffer in network.named_buffers():
        torch.testing.assert_close(average[name], buffer)
        assert not torch.equal(average[name], before[name])


@pytest.fixture(scope="module")
def photos() -> PhotoSet:
    return PhotoSet(
        train=[scene(90, 100, seed=i) for i in range(6)], validation=[scene(80, 80, seed=9)]
    )


def tiny_recipe(name: str) -> Recipe:
    recipe = replace(BASELINES[name], config=TINY[name], patch=64)
    if recipe.adversary is not None:
        recipe = replace(recipe, adversary=replace(recipe.adversary, widths=(4, 8, 8, 8)))
    return recipe


class OneBatch(Denoise):
    """Always the same batch: what its loss does is the network's doing, not the draw's."""

    def draw_batch(self, photos: PhotoBuffer, draws: Draws) -> tuple[Tensor, Tensor]:
        return super().draw_batch(photos, Draws(4, draws.device))


@pytest.mark.parametrize("name", list(BASELINES))
def test_each_recipe_lowers_its_loss(name: str, photos: PhotoSet, tmp_path: Path) -> None:
    recipe = tiny_recipe(name)
    task = recipe.task(OneBatch())
    output = tmp_path / "w.safetensors"

    def mean_loss(steps: int) -> float:
        options = TrainingOptions(minutes=60, steps=steps, warmup_steps=5, report_every_s=3600)
        return train(task, photos, output, recipe.options(options)).loss

    assert mean_loss(60) < 0.97 * mean_loss(2)
    assert read_network(output).config == recipe.config


def test_an_interrupted_adversarial_run_goes_on(photos: PhotoSet, tmp_path: Path) -> None:
    recipe = tiny_recipe("unet_dcgan")
    task = recipe.task(TASKS["denoise"])
    output = tmp_path / "w.safetensors"
    options = recipe.options(
        TrainingOptions(minutes=60, steps=6, report_every_s=0, checkpoint_every_s=0)
    )

    class InterruptedRunError(Exception):
        pass

    def interrupt(progress: Progress) -> None:
        if progress.steps == 3:
            raise InterruptedRunError

    with pytest.raises(InterruptedRunError):
        train(task, photos, output, options, report=interrupt)
    assert output.with_suffix(".checkpoint").exists()
    lines: list[Progress] = []
    train(task, photos, output, options, report=lines.append)
    assert [line.steps for line in lines] == [4, 5, 6]
    assert [line.steps for line in read_log(output.with_suffix(".csv"))] == [1, 2, 3, 4, 5, 6]


def adversary() -> Adversary:
    torch.manual_seed(1)
    return Adversary(AdversaryConfig(widths=(4, 8, 8, 8)), 3, CPU)


def test_the_discriminators_step_changes_the_discriminator_alone() -> None:
    network = TINY["unet_dcgan"].build().train()
    judge = adversary()
    clean = torch.rand(4, 3, 64, 64)
    restored = network(clean)
    own, theirs = snapshot(judge.discriminator), snapshot(network)
    judge.learn(restored, clean, schedule=1.0)
    assert all(not torch.equal(own[name], p) for name, p in judge.discriminator.named_parameters())
    assert all(torch.equal(theirs[name], tensor) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_networks_share_of_the_loss_moves_the_network_alone() -> None:
    network = TINY["unet_dcgan"].build().train()
    judge = adversary()
    judge.loss(network(torch.rand(4, 3, 64, 64))).backward()
    assert all(p.grad is None and p.requires_grad for p in judge.discriminator.parameters())
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_the_discriminator_learns_to_tell_noise_from_a_flat_picture() -> None:
    judge = adversary()
    torch.manual_seed(0)
    losses = [
        judge.learn(torch.rand(4, 3, 64, 64), torch.full((4, 3, 64, 64), 0.5), schedule=1.0)
        for _ in range(40)
    ]
    assert np.mean(losses[-5:]) < 0.7 * losses[0]


def test_a_checkpoint_restores_network_statistics_and_moments() -> None:
    judge, image = adversary(), torch.rand(4, 3, 64, 64)
    judge.learn(1 - image, image, schedule=1.0)
    other = Adversary(judge.config, 3, CPU)
    other.load(judge.tensors())
    assert judge.learn(1 - image, image, 1.0) == other.learn(1 - image, image, 1.0)
    for name, tensor in judge.tensors().items():
        assert torch.equal(tensor, other.tensors()[name]), name
    network = lived_in(TINY["unet_256"])
    fresh = TINY["unet_256"].build()
    load_tensors(fresh, [], tensors_of(network, []))
    assert all(torch.equal(t, fresh.state_dict()[n]) for n, t in network.state_dict().items())


def test_what_cannot_be_trained_is_said_in_one_line(tmp_path: Path, capsys) -> None:
    options = TrainingOptions(minutes=1)
    with pytest.raises(ValueError, match="unet_256, "):
        prepare(TASKS["denoise"], "resnet", options)
    patch = TASKS["deblur"].patch
    task, own = prepare(TASKS["deblur"], "unet_256", options)
    assert (task.name, task.patch, own.muon_learning_rate) == ("deblur", 256, 0)
    assert TASKS["deblur"].patch == patch < 256, "the shared task stays as it was"
    words = ["train", "colorize", "--architecture", "unet_256", "--data", str(tmp_path)]
    assert main([*words, "--minutes", "1", "--output", str(tmp_path / "w.safetensors")]) == 2
    assert "unet_256 cannot be trained for colorize" in capsys.readouterr().err
    words = ["train", "denoise", "--architecture", "unet_dcgan", "--self-supervised"]
    words += ["--data", str(tmp_path), "--minutes", "1", "--output", str(tmp_path / "w.st")]
    assert main(words) == 2
    assert "--self-supervised trains unet only" in capsys.readouterr().err


def test_the_command_trains_a_baseline_and_goes_on_from_its_weights_only(
    tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.setitem(BASELINES, "unet_256", tiny_recipe("unet_256"))
    folder = tmp_path / "clean"
    folder.mkdir()
    for i in range(24):
        Image.fromarray(scene(90, 100, seed=i)).save(folder / f"{i:02}.png")
    output = tmp_path / "w.safetensors"
    words = ["train", "denoise", "--data", folder, "--minutes", "0.005", "--output", output]
    baseline = [*words, "--architecture", "unet_256"]
    assert main([str(word) for word in baseline]) == 0
    assert "denoise, unet_256: 12 photographs" in capsys.readouterr().out
    assert read_network(output).config == TINY["unet_256"]
    assert main([str(word) for word in [*baseline, "--init", output]]) == 0
    assert main([str(word) for word in [*words, "--init", output]]) == 2
    assert "say --architecture unet_256" in capsys.readouterr().err


def test_the_comparison_trains_what_is_missing_and_prints_one_table(
    tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.setitem(BASELINES, "unet_maxpool", tiny_recipe("unet_maxpool"))
    folder = tmp_path / "clean"
    folder.mkdir()
    for i in range(24):
        Image.fromarray(scene(256, 260, seed=i)).save(folder / f"{i:02}.png")
    words = ["--data", folder, "--test", folder, "--limit", 1, "--work", tmp_path / "work"]
    words += ["--architectures", "unet_maxpool", "--seconds", 0.01, "--device", "cpu"]
    compare_architectures.main([str(word) for word in [*words, "--markdown"]])
    printed = capsys.readouterr().out
    assert "unet_maxpool: " in printed
    rows = [line.split(" | ") for line in printed.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows] == ["| architecture", "| ---", "| input", "| unet_maxpool"]
    assert len({len(row) for row in rows}) == 1
    compare_architectures.main([str(word) for word in words])
    printed = capsys.readouterr().out
    assert "step" not in printed, "the weights were there"
    assert "unet_maxpool" in printed
    with pytest.raises(SystemExit):
        compare_architectures.main([str(word) for word in words[2:]])
