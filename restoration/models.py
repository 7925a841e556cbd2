"""Shipped models: their cards, and networks loaded once per process.

Weights are safetensors beside a JSON card; a file whose sha256 is not the card's is refused.
No pickle is ever read.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from restoration.errors import UsageError, WeightsError
from restoration.networks import Network, config_from_header

WEIGHTS_FOLDER: Final = Path(__file__).parent / "weights"
_loading = threading.Lock()


@dataclass(frozen=True)
class ModelCard:
    """What is known of one weights file.

    Attributes:
        name: of the model, such as denoise-48.
        task: denoise, deblur or colorize.
        file: name of the weights file in the weights folder.
        sha256: of the weights file.
        parameters: number of trained numbers.
        gmac_per_megapixel: 10^9 multiply-accumulates per 10^6 input pixels.
        trained_on: data sets with their licences.
        recipe: degradations, schedule, device and time of training.
        metrics: measured results, each with the data it was measured on.
        known_failures: what it does badly.
    """

    name: str
    task: str
    file: str
    sha256: str
    parameters: int
    gmac_per_megapixel: float
    trained_on: tuple[str, ...]
    recipe: str
    metrics: tuple[str, ...]
    known_failures: tuple[str, ...]


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
    cards = [_read_card(path) for path in sorted(folder.glob("*.json"))]
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


def _read_card(path: Path) -> ModelCard:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        for key in ("trained_on", "metrics", "known_failures"):
            values[key] = tuple(values[key])
        return ModelCard(**values)
    except (OSError, TypeError, KeyError, ValueError) as error:
        raise WeightsError(f"model card {path.name} cannot be read: {error}") from error
