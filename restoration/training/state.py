"""What a training run must remember to go on: kept in memory and in its checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from restoration.errors import UsageError
from restoration.networks import Network
from restoration.training.adversary import Adversary
from restoration.training.averaging import snapshot
from restoration.training.checkpoint import load_tensors, tensors_of, under
from restoration.training.optimization import Optimizers, new_optimizers
from restoration.training.options import TrainingOptions, uses_bf16
from restoration.training.task import TrainingTask


@dataclass
class State:
    """What a checkpoint holds.

    Attributes:
        network: as trained.
        average: its averaged weights.
        optimizers: with their moments.
        usual_norm: running mean of the gradient's norm, a number on the network's device.
        steps: so far.
        seconds: of the budget spent so far.
        adversary: a discriminator that learns beside the network, or None.
    """

    network: Network
    average: dict[str, Tensor]
    optimizers: Optimizers
    usual_norm: Tensor
    steps: int = 0
    seconds: float = 0.0
    adversary: Adversary | None = None

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.usual_norm.device

    def averaged(self) -> Network:
        """A network with the averaged weights, in evaluation mode."""
        network = self.network.config.build().to(self.device)
        network.load_state_dict(self.average)
        return network.eval()


def new_state(
    task: TrainingTask,
    options: TrainingOptions,
    device: torch.device,
    initial: dict[str, Tensor] | None,
) -> State:
    """The state before the first step.

    Args:
        task: whose network to build.
        options: seed and optimisers.
        device: where to train.
        initial: weights to start from; those that are missing start at random.
    """
    torch.manual_seed(options.seed)
    network = task.config.build()
    if initial is not None:
        floats = {name: tensor.float() for name, tensor in initial.items()}
        network.load_state_dict(floats, strict=False)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizers = new_optimizers(network, options)
    adversary = None
    if task.adversary is not None:
        bf16 = uses_bf16(options.precision, device)
        adversary = Adversary(task.adversary, task.config.out_channels, device, bf16=bf16)
    usual_norm = torch.zeros((), device=device)
    return State(network, snapshot(network), optimizers, usual_norm, adversary=adversary)


def save_checkpoint(state: State, path: Path) -> None:
    """Write weights, averages, optimiser moments and the adversary."""
    tensors = tensors_of(state.network, state.optimizers)
    tensors |= {f"average.{name}": tensor for name, tensor in state.average.items()}
    if state.adversary is not None:
        own = state.adversary.tensors()
        tensors |= {f"adversary.{name}": tensor for name, tensor in own.items()}
    tensors["usual_norm"] = state.usual_norm
    contiguous = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    temporary = path.with_name(path.name + ".part")
    metadata = {"steps": str(state.steps), "seconds": str(state.seconds)}
    save_file(contiguous, temporary, metadata=metadata)
    temporary.replace(path)


def load_checkpoint(state: State, path: Path) -> None:
    """Go back to where `save_checkpoint` was called.

    Raises:
        UsageError: the checkpoint is damaged or another network's.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        load_tensors(state.network, state.optimizers, tensors)
        for name, tensor in under(tensors, "average.").items():
            state.average[name].copy_(tensor)
        if state.adversary is not None:
            state.adversary.load(under(tensors, "adversary."))
        state.usual_norm.copy_(tensors["usual_norm"])
        state.steps, state.seconds = int(metadata["steps"]), float(metadata["seconds"])
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{path} is damaged or another network's checkpoint: remove it to start anew"
        ) from error
