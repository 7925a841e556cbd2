"""Shipped models: their cards, and networks loaded once per process.

Weights are safetensors beside a JSON card; a file whose sha256 is not the card's is refused.
No pickle is ever read.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from restoration.cards import ModelCard, read_card
from restoration.errors import UsageError, WeightsError
from restoration.networks import (
    Network,
    config_from_header,
    gmac_per_megapixel,
    parameter_count,
)

WEIGHTS_FOLDER: Final = Path(__file__).parent / "weights"
_loading = threading.Lock()


@dataclass(frozen=True)
class Model:
    """A network ready to run.

    Attributes:
        card: where it came from.
        network: in evaluation mode, on `device`.
        device: a torch device.
    """

    card: ModelCard
    network: Network
    device: torch.device

    def __call__(self, image: Tensor) -> Tensor:
        """Run the network on (N, C, H, W) in [0, 1]."""
        output: Tensor = self.network(image)
        return output


def available_models(folder: Path = WEIGHTS_FOLDER) -> tuple[ModelCard, ...]:
    """The cards of all models in `folder`, by task in the order in which steps run.

    Raises:
        WeightsError: a card cannot be read.
    """
    order = {"denoise": 0, "deblur": 1, "colorize": 2}
    cards = [read_card(path) for path in sorted(folder.glob("*.json"))]
    return tuple(sorted(cards, key=lambda card: (order.get(card.task, 9), card.name)))


def card_for(task: str, folder: Path = WEIGHTS_FOLDER) -> ModelCard:
    """The card of the model that does `task`.

    Raises:
        WeightsError: there is none.
    """
    for card in available_models(folder):
        if card.task == task:
            return card
    raise WeightsError(f"no model for {task} in {folder}")


def without_card(network: Network, task: str, name: str, device: torch.device) -> Model:
    """A model that is not shipped, such as a candidate in training, placed on `device`."""
    card = ModelCard(
        name=name,
        task=task,
        file="",
        sha256="",
        parameters=parameter_count(network),
        gmac_per_megapixel=gmac_per_megapixel(network.config),
        licence="",
        trained_on=(),
        recipe="",
        training_seconds=0.0,
        training_device="",
        metrics=(),
        known_failures=(),
        failures_picture="",
    )
    return Model(card, network.to(device), device)


def resolve_device(name: str) -> torch.device:
    """Turn auto, cpu or cuda into a torch device.

    Raises:
        UsageError: an unknown name, or cuda where there is none.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"unknown device {name!r}; choose auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("there is no CUDA device on this machine; use --device cpu or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def load_model(task: str, device: torch.device, folder: Path = WEIGHTS_FOLDER) -> Model:
    """Load a model, once per process and device.

    Raises:
        WeightsError: no such model, altered or malformed weights.
    """
    with _loading:  # lru_cache alone would let two threads load the same model twice
        return _load(task, str(device), folder)


@lru_cache(maxsize=16)
def _load(task: str, device: str, folder: Path) -> Model:
    card = card_for(task, folder)
    network = read_network(folder / card.file, sha256=card.sha256)
    placed = network.to(device=torch.device(device))
    placed = placed.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Model(card, placed, torch.device(device))


def read_network(path: Path, *, sha256: str | None = None) -> Network:
    """Read a weights file written by `restore-archive train`.

    Args:
        path: a safetensors file whose header names the network's shape.
        sha256: refuse the file unless it has this hash.

    Returns:
        The network on the CPU, fp32, in evaluation mode.

    Raises:
        WeightsError: missing, altered or malformed.
    """
    try:
        if sha256 is not None and file_sha256(path) != sha256:
            raise WeightsError(f"{path.name} is not the file that its card describes (sha256)")
        with safe_open(path, framework="pt") as file:
            config = config_from_header(file.metadata() or {})
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        network = config.build()
        network.load_state_dict(tensors)
    except FileNotFoundError as error:
        raise WeightsError(f"weights file {path} is missing") from error
    except (OSError, SafetensorError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{path.name} holds no usable weights: {error}") from error
    return network.eval().requires_grad_(False)


def file_sha256(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
