"""Weights carried over to another shape compute what they did, as far as the shape allows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from restoration.errors import UsageError
from restoration.models import read_network
from restoration.networks import UNet, UNetConfig
from restoration.training import reshape
from restoration.training.tasks import TASKS, Denoise
from restoration.training.weights import save_weights

SMALL = UNetConfig(widths=(8, 12, 16))


def trained_like(config: UNetConfig) -> UNet:
    """A network whose every layer does something, as a trained one's does."""
    torch.manual_seed(0)
    network = config.build()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0, 0.1)
    return network.eval()


def load(config: UNetConfig, weights: dict[str, torch.Tensor]) -> UNet:
    network = config.build()
    network.load_state_dict(weights)
    return network.eval()


def test_a_new_level_starts_as_the_identity() -> None:
    network = trained_like(SMALL)
    deeper = UNetConfig(widths=(8, 12, 16, 20))
    image = torch.rand(1, 3, 32, 48)
    grown = load(deeper, reshape.reshaped(network, deeper))
    with torch.inference_mode():
        torch.testing.assert_close(grown(image), network(image))


def test_pruning_takes_the_inner_channels_that_matter_least() -> None:
    network = trained_like(SMALL)
    block = network.bottom[0]
    with torch.no_grad():
        block.first.weight[[3, 7, 11]] = 0
        block.first.bias[[3, 7, 11]] = 0
        network.bottom[1].second.weight[:, [0, 1, 2]] = 0
    narrower = UNetConfig(widths=(8, 12, 16), hidden=(8, 12, 13))
    image = torch.rand(1, 3, 32, 32)
    pruned = load(narrower, reshape.reshaped(network, narrower))
    with torch.inference_mode():
        torch.testing.assert_close(pruned(image), network(image))


@pytest.mark.parametrize(
    "config", [UNetConfig(widths=(8, 12, 20)), UNetConfig(widths=(8, 12, 16), hidden=(8, 12, 40)),
               UNetConfig(widths=(8, 12, 16), blocks=(2, 1))]
)  # fmt: skip
def test_what_cannot_be_carried_over_is_refused(config: UNetConfig) -> None:
    with pytest.raises(UsageError):
        reshape.reshaped(trained_like(SMALL), config)


def test_the_command_writes_what_a_task_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = UNetConfig(widths=(8, 12, 16), hidden=(8, 10, 14))
    monkeypatch.setitem(TASKS, "denoise", Denoise(config=narrow))
    old, new = tmp_path / "old.safetensors", tmp_path / "new.safetensors"
    save_weights(trained_like(SMALL).state_dict(), SMALL, old, task="denoise")
    monkeypatch.setattr(
        "sys.argv", ["reshape", str(old), "--task", "denoise", "--output", str(new)]
    )
    reshape.main()
    assert read_network(new).config == narrow
