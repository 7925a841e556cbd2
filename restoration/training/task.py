"""What a trainable task is: the network's shape, its samples and its loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, Self

import torch
from torch import Tensor
from torch.nn import functional

from restoration.networks import NetworkConfig
from restoration.training.adversary import AdversaryConfig
from restoration.training.batched import Draws, PhotoBuffer
from restoration.training.data import Byte, PhotoSet
from restoration.training.validation import Validator, validator_for

LossKind = Literal["l1", "mse", "psnr"]
LOSSES: Final[tuple[LossKind, ...]] = ("l1", "mse", "psnr")

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
        loss_kind: mean absolute or mean squared error, or decibels that samples lack.
        adversary: a discriminator whose verdict is added to the loss, or None.
    """

    name: ClassVar[str]

    config: NetworkConfig
    patch: int
    batch: int = 16
    learning_rate: float = 1.2e-3
    loss_kind: LossKind = "l1"
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
        """How far the output is from the target.

        `l1`, the mean absolute error: sharper than squared error at the same PSNR (Zhao et al.
        2017). `mse`, for the baselines that are trained so. `psnr`: decibels that a sample lacks
        to 50 on average, as Chen et al., "HINet", CVPRW 2021, so that weak and strong noise weigh
        alike; where nothing is wrong there is nothing to win.
        """
        if self.loss_kind == "l1":
            return functional.l1_loss(output, target)
        if self.loss_kind == "mse":
            return functional.mse_loss(output, target)
        error = (output - target).square().mean((1, 2, 3))
        return 50 + 10 * (error + 1e-5).log10().mean()

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
