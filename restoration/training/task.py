"""What a trainable task is: the network's shape, its samples and its loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor
from torch.nn import functional

from restoration.networks import NetworkConfig
from restoration.training.adversary import AdversaryConfig
from restoration.training.batched import Draws, PhotoBuffer
from restoration.training.data import Byte, PhotoSet
from restoration.training.validation import Validator, validator_for

Forward = Callable[[Tensor], Tensor]
"""A network in the precision in which it is trained: (N, C, H, W) in, float32 out."""


@dataclass(frozen=True)
class TrainingTask(ABC):
    """One trainable task.

    Attributes:
        config: shape of the network.
        patch: side of a training patch in pixels.
        batch: patches per step.
        learning_rate: peak rate at which training was found stable.
        loss_kind: mean absolute or mean squared error.
        adversary: a discriminator whose verdict is added to the loss, or None.
    """

    name: ClassVar[str]

    config: NetworkConfig
    patch: int
    batch: int = 16
    learning_rate: float = 1.2e-3
    loss_kind: Literal["l1", "mse"] = "l1"
    adversary: AdversaryConfig | None = None

    @property
    def minimum_side(self) -> int:
        """Short side in pixels that a photograph must have to be of use."""
        return self.patch

    @property
    def largest_short_side(self) -> int | None:
        """Short side in pixels to which photographs are reduced when they are read."""
        return None

    def informed(self, photos: Sequence[Byte]) -> Self:
        """The task with what it must know of all photographs, each (H, W, 3) uint8."""
        return self

    def prepared(self, photos: Sequence[Byte]) -> Sequence[Byte]:
        """The photographs as patches are cut from them."""
        return photos

    @abstractmethod
    def draw_batch(self, photos: PhotoBuffer, draws: Draws) -> tuple[Tensor, Tensor]:
        """Draw (inputs, targets), each (N, C, H, W) in [0, 1] (chroma in [-0.5, 0.5])."""

    def validator(self, photos: PhotoSet, device: torch.device) -> Validator:
        """What measures the network on photographs that are held out."""
        return validator_for(self.name, photos, device)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean absolute error: sharper than squared error at the same PSNR (Zhao et al. 2017).

        Squared error for the baselines that are trained so.
        """
        error = functional.mse_loss if self.loss_kind == "mse" else functional.l1_loss
        return error(output, target)

    def objective(self, forward: Forward, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """What a step minimises.

        Args:
            forward: runs the network.
            inputs: as `draw_batch` draws them.
            targets: likewise.

        Returns:
            The network's output (N, C, H, W), and the loss.
        """
        output = forward(inputs)
        return output, self.loss(output, targets)
