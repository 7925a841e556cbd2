"""Networks of the shipped models, loaded once per process.

Weights are safetensors beside a JSON card; a file whose sha256 is not the card's is refused.
No pickle is ever read.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from restoration.cards import ModelCard
from restoration.catalogue import WEIGHTS_FOLDER, card_for, file_sha256
from restoration.device import calculating_in
from restoration.errors import WeightsError
from restoration.networks import (
    Network,
    NetworkConfig,
    config_from_header,
    gmac_per_megapixel,
    parameter_count,
)
from restoration.precision import Precision

_LONGEST_REASON: Final = 300
"""Characters of what a library says against a file."""
_loading = threading.Lock()


@dataclass(frozen=True)
class Model:
    """A network ready to run.

    Attributes:
        card: where it came from.
        network: in evaluation mode, on `device`.
        device: a torch device.
        precision: in which it calculates.
    """

    card: ModelCard
    network: Network
    device: torch.device
    precision: Precision = Precision.FP32

    def __call__(self, image: Tensor) -> Tensor:
        """Run the network on (N, C, H, W) in [0, 1]; returns float32."""
        with calculating_in(self.precision, self.device):
            output: Tensor = self.network(image)
        return output.float()


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


def load_model(
    task: str,
    device: torch.device,
    folder: Path = WEIGHTS_FOLDER,
    *,
    chosen: Sequence[str] = (),
    precision: Precision = Precision.FP32,
) -> Model:
    """Load the model that does `task`, once per process and device; see `card_for`.

    The same object for the same model, device and precision.

    Raises:
        WeightsError: no such model, altered or malformed weights.
    """
    card = card_for(task, folder, device=device.type, chosen=chosen)
    with _loading:  # lru_cache alone would let two threads load the same model twice
        return _calculating_in(_load(card, str(device), folder), precision)


@lru_cache(maxsize=16)
def _calculating_in(model: Model, precision: Precision) -> Model:
    return replace(model, precision=precision)


@lru_cache(maxsize=16)
def _load(card: ModelCard, device: str, folder: Path) -> Model:
    network = read_network(folder / card.file, sha256=card.sha256)
    # Put in order here, not on a GPU: there it would still be under way when this returns, and the
    # engine's streams do not wait for it. A copy to a GPU is waited for.
    ordered = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Model(card, ordered.to(device=torch.device(device)), torch.device(device))


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
        _check_shapes(config, tensors)
        network = config.build()
        network.load_state_dict(tensors)
    except FileNotFoundError as error:
        raise WeightsError(f"weights file {path} is missing") from error
    except (OSError, SafetensorError, ValueError, RuntimeError, MemoryError) as error:
        reason = " ".join(str(error).split())[:_LONGEST_REASON] or type(error).__name__
        raise WeightsError(f"{path.name} holds no usable weights: {reason}") from error
    return network.eval().requires_grad_(False)


def _check_shapes(config: NetworkConfig, tensors: Mapping[str, Tensor]) -> None:
    """Compare tensors with the network that the header names, before it is given any memory.

    Raises:
        ValueError: they are those of another network.
    """
    with torch.device("meta"):
        wanted = {name: tensor.shape for name, tensor in config.build().state_dict().items()}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise ValueError(
                f"tensor {name!r} has the shape {_text(found.get(name))}, "
                f"the network in the header wants {_text(wanted.get(name))}"
            )


def _text(shape: torch.Size | None) -> str:
    return "none" if shape is None else " x ".join(map(str, shape)) or "of a number"
