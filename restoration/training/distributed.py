"""Several processes that train one network, started by torchrun; without it there is one.

Every process draws its own batches; gradients are averaged before each step, so that all take
the same one. Only the first process validates and writes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

SYNC_EVERY_STEPS = 16
"""Steps between agreements on time and stopping, which wait for the device."""


@dataclass(frozen=True)
class Ranks:
    """This process among all that train.

    Attributes:
        rank: its number.
        count: how many there are.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process validates and writes."""
        return self.rank == 0

    def average(self, gradients: list[Tensor]) -> None:
        """Replace gradients by their mean over all processes."""
        if self.count == 1:
            return
        # One message instead of one for each tensor.
        flat = torch.cat([gradient.flatten() for gradient in gradients]) / self.count
        distributed.all_reduce(flat)
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def agree(self, seconds: float, stopping: bool, device: torch.device) -> tuple[float, bool]:
        """Seconds spent and whether to stop: the largest of all processes' answers."""
        if self.count == 1:
            return seconds, stopping
        answer = torch.tensor([seconds, float(stopping)], dtype=torch.float64, device=device)
        distributed.all_reduce(answer, distributed.ReduceOp.MAX)
        latest, stop = answer.tolist()
        return latest, bool(stop)

    def leave(self) -> None:
        """Wait until all processes are here, and end their connection."""
        if self.count > 1:
            distributed.barrier()
            distributed.destroy_process_group()


def join(device: torch.device) -> Ranks:
    """Take part in training with the processes that torchrun started.

    Args:
        device: on CUDA the process uses the device of its own number, and NCCL; else gloo.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Ranks()
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Ranks(distributed.get_rank(), distributed.get_world_size())


def own_device(name: str) -> torch.device:
    """The device of this process: with torchrun and `cuda`, the one of its local number."""
    device = torch.device(name)
    if device.type == "cuda" and device.index is None and "LOCAL_RANK" in os.environ:
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    return device
