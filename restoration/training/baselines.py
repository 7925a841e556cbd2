"""How the baseline architectures are trained: each as it is usually published.

Data, degradations, budget, schedule (warm-up, cosine to zero) and averaging of the weights are
those of our own networks: what differs is the architecture and its recipe.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from restoration.errors import UsageError
from restoration.networks import (
    DCGANUNetConfig,
    MaxPoolUNetConfig,
    NetworkConfig,
    ReformedUNet256Config,
    UNet256Config,
    UNetConfig,
)
from restoration.training.adversary import AdversaryConfig
from restoration.training.options import TrainingOptions
from restoration.training.task import TrainingTask

WARMUP_STEPS: Final = 50
"""Of the baselines, whose large batches of large patches make few steps in the same seconds."""


@dataclass(frozen=True)
class Recipe:
    """How one architecture is trained, whatever for: by Adam, without weight decay.

    Attributes:
        config: the network's shape.
        patch: side of a training patch in pixels.
        batch: patches of a step.
        loss: mean squared or mean absolute error.
        learning_rate: Adam's, at the peak of the schedule; 1e-3 is Keras's.
        betas: Adam's.
        adversary: a discriminator whose verdict is added to the loss, or None.
    """

    config: NetworkConfig
    patch: int
    batch: int = 8
    loss: Literal["l1", "mse"] = "mse"
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    adversary: AdversaryConfig | None = None

    def task(self, task: TrainingTask) -> TrainingTask:
        """`task` for this architecture.

        Raises:
            UsageError: the task's output is not of the network's shape.
        """
        own, theirs = self.config, task.config
        if (own.in_channels, own.out_channels, own.scale) != (
            theirs.in_channels,
            theirs.out_channels,
            theirs.scale,
        ):
            raise UsageError(f"{own.architecture} cannot be trained for {task.name}")
        return replace(
            task,
            config=self.config,
            patch=self.patch,
            batch=self.batch,
            learning_rate=self.learning_rate,
            loss_kind=self.loss,
            adversary=self.adversary,
        )

    def options(self, options: TrainingOptions) -> TrainingOptions:
        """`options` with this recipe's optimiser."""
        return replace(
            options,
            learning_rate=self.learning_rate,
            muon_learning_rate=0.0,
            betas=self.betas,
            weight_decay=0.0,
            warmup_steps=min(options.warmup_steps, WARMUP_STEPS),
        )


BASELINES: Final[dict[str, Recipe]] = {
    recipe.config.architecture: recipe
    for recipe in (
        Recipe(UNet256Config(), patch=256),
        Recipe(ReformedUNet256Config(), patch=256),
        Recipe(MaxPoolUNetConfig(), patch=128),
        Recipe(
            DCGANUNetConfig(),
            patch=128,
            loss="l1",
            learning_rate=2e-4,
            betas=(0.5, 0.999),
            adversary=AdversaryConfig(),
        ),
    )
}

OURS: Final = UNetConfig.architecture
TRAINABLE: Final = (OURS, *BASELINES)
"""Names of the architectures that can be trained; our own by the task's own recipe."""


def prepare(
    task: TrainingTask, architecture: str, options: TrainingOptions
) -> tuple[TrainingTask, TrainingOptions]:
    """The task and the options with which `architecture` is trained for `task`.

    Args:
        task: with our own network.
        architecture: one of `TRAINABLE`.
        options: those of our own recipe.

    Raises:
        UsageError: an unknown architecture, or one that cannot do the task.
    """
    if architecture == OURS:
        return task, replace(options, learning_rate=task.learning_rate)
    if architecture not in BASELINES:
        known = ", ".join(TRAINABLE)
        raise UsageError(f"unknown architecture {architecture!r}; choose one of {known}")
    recipe = BASELINES[architecture]
    return recipe.task(task), recipe.options(options)
