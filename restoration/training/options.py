"""How long, how fast and in what precision to train, and where a run stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from restoration.training.validation import Score, mean_psnr_db


@dataclass(frozen=True)
class TrainingOptions:
    """How long and how fast to train.

    Attributes:
        minutes: wall-clock budget; the learning rate falls to zero over it (cosine).
        steps: budget in optimiser steps instead, for runs that must not depend on the machine.
        learning_rate: peak of the schedule, for what AdamW trains.
        muon_learning_rate: likewise, for what Muon trains; 0 leaves everything to AdamW.
        encoder_rate: learning rate of a pretrained encoder as a share of `learning_rate`; 0 keeps
            the encoder as it is, which makes steps cheaper.
        warmup_steps: steps of linear warm-up.
        ema_decay: decay per step of the averaged weights that are written.
        betas: AdamW's decays of the gradient's moments; a short second one forgets a bad batch in
            a hundred steps.
        weight_decay: AdamW's; with 0 it is Adam.
        clip_factor: a step whose gradient norm exceeds the running mean by this factor is
            scaled down to it, and its gradient counts as zero beyond ten times that: one bad
            batch at a high rate otherwise throws a network without normalisation off for minutes.
        report_every_s: seconds between log lines and validations.
        checkpoint_every_s: seconds between checkpoints.
        seed: of weights and degradations.
        precision: fp32, bf16 (autocast; weights and optimiser stay fp32), or auto: bf16 where the
            device computes it natively.
        compiled: run the network through torch.compile (a minute or two at the start).
    """

    minutes: float
    steps: int | None = None
    learning_rate: float = 1.2e-3
    muon_learning_rate: float = 0.02
    encoder_rate: float = 0.1
    warmup_steps: int = 300
    ema_decay: float = 0.999
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 1e-4
    clip_factor: float = 2.0
    report_every_s: float = 60.0
    checkpoint_every_s: float = 120.0
    seed: int = 0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compiled: bool = False


@dataclass(frozen=True)
class Progress:
    """Where a training run stands after a validation: one line of the log.

    Attributes:
        steps: optimiser steps so far.
        seconds: of the budget spent so far.
        loss: mean over the steps since the last line.
        scores: of the averaged weights on the validation photographs.
        learning_rate: now.
        images_per_second: patches trained on since the last line.
    """

    steps: int
    seconds: float
    loss: float
    scores: tuple[Score, ...]
    learning_rate: float
    images_per_second: float

    @property
    def psnr_db(self) -> float:
        """Mean of the scores that are in dB."""
        return mean_psnr_db(self.scores)


@dataclass(frozen=True)
class Tick:
    """Where a training run stands between two validations.

    Attributes:
        steps: optimiser steps so far.
        share: of the budget that is spent.
        seconds_left: estimated.
        loss: mean over the last seconds.
        images_per_second: likewise.
    """

    steps: int
    share: float
    seconds_left: float
    loss: float
    images_per_second: float


def uses_bf16(precision: str, device: torch.device) -> bool:
    """Whether training on `device` computes in bfloat16.

    On a CPU with native bfloat16 products a step takes 0.4 times as long as in fp32; on one
    without them it takes longer.
    """
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cpu":
        capabilities = (
            torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        )
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return device.type == "cuda"
