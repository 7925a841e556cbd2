"""Cross-entropy against a few classes per sample, each with a share."""

from __future__ import annotations

from typing import Protocol, cast

import torch
from torch import Tensor


def soft_cross_entropy(logits: Tensor, indices: Tensor, shares: Tensor) -> Tensor:
    """Sum over all samples of -shares x log softmax(logits)[indices].

    Torch's own log_softmax and gather do the same, but their gradients go over all classes four
    times, one of them to fill an array with zeros: a tenth of a colorize step on a CPU.

    Args:
        logits: (..., Q) float32; Q classes.
        indices: (..., k) int64, the classes that have a share; others have none.
        shares: (..., k), at least 0; constants for the gradient.

    Returns:
        A number.
    """
    return cast(Tensor, _SoftCrossEntropy.apply(logits, indices, shares))  # type: ignore[no-untyped-call]


class _Context(Protocol):
    """What autograd keeps between forward and backward."""

    saved_tensors: tuple[Tensor, ...]

    def save_for_backward(self, *tensors: Tensor) -> None: ...


class _SoftCrossEntropy(torch.autograd.Function):
    """The gradient is softmax(logits) x the sum of a sample's shares, less the shares."""

    @staticmethod
    def forward(ctx: _Context, logits: Tensor, indices: Tensor, shares: Tensor) -> Tensor:
        total = shares.sum(-1, keepdim=True)
        shifted = logits - logits.amax(-1, keepdim=True)
        chosen = shifted.gather(-1, indices)
        gradient = shifted.exp_()
        scale = gradient.sum(-1, keepdim=True)
        loss = (total * scale.log()).sum() - (shares * chosen).sum()
        gradient.mul_(total / scale).scatter_add_(-1, indices, -shares)
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    def backward(ctx: _Context, *outer: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * outer[0], None, None
