"""Weights files: writing them, and starting from those of another run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from restoration.catalogue import WEIGHTS_FOLDER, card_for
from restoration.errors import UsageError, WeightsError
from restoration.models import read_network
from restoration.networks import Network, NetworkConfig, header_of

SHIPPED = "shipped"


@dataclass(frozen=True)
class Initial:
    """Weights to start from.

    Attributes:
        config: shape of the network to train.
        weights: those that fit it.
        misfits: for each tensor that does not fit, or is missing, what is the matter.
    """

    config: NetworkConfig
    weights: dict[str, Tensor]
    misfits: tuple[str, ...] = ()


def save_weights(
    weights: Mapping[str, Tensor], config: NetworkConfig, path: Path, *, task: str
) -> None:
    """Write safetensors whose header names the task and the network's shape.

    Fractions are written as fp16; batch normalisation's count of batches stays whole.
    """
    stored = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).cpu().contiguous()
        for name, tensor in weights.items()
    }
    temporary = path.with_name(path.name + ".part")
    save_file(stored, temporary, metadata=header_of(config, task))
    temporary.chmod(0o644)  # safetensors writes 0600: an installed model is for every user
    temporary.replace(path)


def read_initial(source: str, task: str, config: NetworkConfig, *, keep_shape: bool) -> Initial:
    """Read the weights that training starts from.

    Args:
        source: a weights file, or `shipped` for the model in this package.
        task: for which a shipped model is looked up.
        config: the network that the task would train without them.
        keep_shape: train `config` and take what fits it, instead of the file's own network.

    Raises:
        UsageError: no such file, no weights, of a network for another kind of picture, or
            nothing that fits.
    """
    path = WEIGHTS_FOLDER / card_for(task).file if source == SHIPPED else Path(source)
    try:
        network = read_network(path)
    except WeightsError as error:
        raise UsageError(f"--init: {error}") from error
    theirs = network.config
    channels = (config.in_channels, config.out_channels)
    # Chroma may be said at any resolution; what restores must do so at the photograph's own.
    is_too_coarse = config.scale == 1 and theirs.scale != 1
    if (theirs.in_channels, theirs.out_channels) != channels or is_too_coarse:
        raise UsageError(
            f"--init {source}: a network from {theirs.in_channels} to {theirs.out_channels} "
            f"channels; {task} needs one from {config.in_channels} to {config.out_channels}"
        )
    if not keep_shape:
        return Initial(theirs, network.state_dict())
    initial = fitted(network, config)
    if not initial.weights:
        raise UsageError(f"--init {source}: none of its weights fit the {task} network")
    return initial


def fitted(network: Network, config: NetworkConfig) -> Initial:
    """What of a network's weights fits a network of another shape."""
    theirs = network.state_dict()
    ours = config.build().state_dict()
    fitting = {
        name: tensor
        for name, tensor in theirs.items()
        if name in ours and ours[name].shape == tensor.shape
    }
    misfits = [
        f"{name} starts untrained: "
        + (f"{_shape(theirs[name])} instead of {_shape(ours[name])}" if name in theirs else "new")
        for name in ours
        if name not in fitting
    ]
    misfits += [f"{name} has no place" for name in theirs if name not in ours]
    return Initial(config, fitting, tuple(misfits))


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"
