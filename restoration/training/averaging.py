"""The averaged weights (EMA) that a training run validates and writes."""

from __future__ import annotations

from torch import Tensor, nn, no_grad
from torch import _foreach_lerp_ as lerp_all


def snapshot(network: nn.Module) -> dict[str, Tensor]:
    """A copy of all that a weights file holds: parameters, and buffers such as batch norm's."""
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


@no_grad()
def update_average(average: dict[str, Tensor], network: nn.Module, decay: float) -> None:
    """Move `average`, a `snapshot`, towards the network as it is now.

    Parameters keep a share of `decay` of their average. Buffers are copied: batch norm's running
    statistics are averages already, and its count of batches is none.
    """
    parameters = dict(network.named_parameters())
    lerp_all([average[name] for name in parameters], list(parameters.values()), 1 - decay)
    for name, buffer in network.named_buffers():
        if name in average:
            average[name].copy_(buffer)
