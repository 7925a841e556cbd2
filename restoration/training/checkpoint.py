"""A network and its optimisers as named tensors: safetensors hold them, no pickle is ever read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

Optimizers = Iterable[torch.optim.Optimizer]
_MOMENTS = ("step", "exp_avg", "exp_avg_sq", "momentum")
"""What Adam and Muon remember of a parameter."""


def tensors_of(network: nn.Module, optimizers: Optimizers) -> dict[str, Tensor]:
    """Parameters, buffers and optimiser moments under names that `load_tensors` knows."""
    tensors = {f"network.{name}": value.detach() for name, value in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        for optimizer in optimizers:
            for key, value in optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{key}.{name}"] = torch.as_tensor(value)
    return tensors


def load_tensors(network: nn.Module, optimizers: Optimizers, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `tensors_of` took.

    Raises:
        RuntimeError: the tensors are another network's.
    """
    network.load_state_dict(under(tensors, "network."))
    names = {parameter: name for name, parameter in network.named_parameters()}
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                for key in _MOMENTS:
                    tensor = tensors.get(f"optimizer.{key}.{names[parameter]}")
                    if tensor is not None:
                        on_host = key == "step" and not group.get("fused")
                        device = "cpu" if on_host else parameter.device
                        optimizer.state[parameter][key] = tensor.to(device, copy=True)


def under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names start with `prefix`, without it."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
