"""Carry trained weights over to a U-Net of another shape, so that training need not start anew.

    python -m restoration.training.reshape WEIGHTS --task denoise --output FILE

Narrower inside its blocks: the inner channels with the largest weights stay (Li et al., "Pruning
Filters for Efficient ConvNets", ICLR 2017). One level deeper: the new level starts as the
identity (Chen et al., "Net2Net", ICLR 2016), the old bottom's two blocks become the sides of the
level above it. Pruned networks need some minutes of training to be what they were; deepened ones
compute the same from the start.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from torch import Tensor

from restoration.errors import UsageError
from restoration.models import read_network
from restoration.networks import UNet, UNetConfig
from restoration.training.tasks import TASKS
from restoration.training.weights import save_weights

Weights = dict[str, Tensor]


def reshaped(network: UNet, config: UNetConfig) -> Weights:
    """Weights for `config` that compute what `network` does, as far as they can.

    Raises:
        UsageError: the shapes are too different.
    """
    old = network.config
    weights: Weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    if len(config.widths) == len(old.widths) + 1:
        weights = _deepened(weights, config)
    target = config.build().state_dict()
    for name, tensor in target.items():
        if name not in weights:
            raise UsageError(f"nothing to make {name} from: the networks are too different")
        if weights[name].shape != tensor.shape and name.endswith("first.weight"):
            _prune(weights, name.removesuffix("first.weight"), tensor.shape[0])
    wrong = [name for name, tensor in target.items() if weights[name].shape != tensor.shape]
    if wrong:
        raise UsageError(f"{wrong[0]} does not fit: only blocks' inner widths may shrink")
    return {name: weights[name].contiguous() for name in target}


def _deepened(weights: Weights, config: UNetConfig) -> Weights:
    """Add a level below; its way up starts at zero, so that it adds nothing yet."""
    new = config.build().state_dict()
    level = len(config.widths) - 2
    result = {name: t for name, t in weights.items() if not name.startswith("bottom.")}
    for part in ("first", "second"):
        for kind in ("weight", "bias"):
            result[f"down_blocks.{level}.0.{part}.{kind}"] = weights[f"bottom.0.{part}.{kind}"]
            result[f"up_blocks.{level}.0.{part}.{kind}"] = weights[f"bottom.1.{part}.{kind}"]
    for name, tensor in new.items():
        if name.startswith((f"downs.{level}.", f"ups.{level}.", "bottom.")):
            result[name] = tensor * 0 if name.startswith("ups.") else tensor
    return result


def _prune(weights: Weights, block: str, count: int) -> None:
    """Keep the `count` inner channels of a residual block whose weights are largest."""
    first, second = weights[f"{block}first.weight"], weights[f"{block}second.weight"]
    if count > first.shape[0]:
        raise UsageError(f"{block[:-1]} cannot grow from {first.shape[0]} to {count} channels")
    size = first.flatten(1).norm(dim=1) * second.transpose(0, 1).flatten(1).norm(dim=1)
    kept = size.topk(count).indices.sort().values
    weights[f"{block}first.weight"] = first[kept]
    weights[f"{block}first.bias"] = weights[f"{block}first.bias"][kept]
    weights[f"{block}second.weight"] = second[:, kept]


def main() -> None:
    """Read weights, write them in the shape that a task is trained in today."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--task", choices=sorted(TASKS), required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    network, config = read_network(arguments.weights), TASKS[arguments.task].config
    if not isinstance(network, UNet) or not isinstance(config, UNetConfig):
        parser.error("only U-Nets can be reshaped")
    try:
        weights = reshaped(network, config)
    except UsageError as error:
        parser.error(str(error))
    save_weights(weights, config, arguments.output, task=arguments.task)


if __name__ == "__main__":
    main()
