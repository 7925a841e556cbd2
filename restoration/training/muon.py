"""The Muon optimiser, for convolutions.

Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; the orthogonal
update is steepest descent under the spectral norm (Bernstein and Newhouse, "Old Optimizer, New
Norm", 2024). `torch.optim.Muon` takes matrices only; a convolution's kernel is one of
(out, in x height x width).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn


class Muon(torch.optim.Optimizer):
    """Momentum whose step is made orthogonal: every direction of a kernel learns alike.

    Args:
        parameters: convolution kernels or matrices; not biases.
        lr: learning rate; the step's spectral norm for a square kernel.
        momentum: of the gradient's running mean.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float = 0.02, momentum: float = 0.95
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take one step; parameters without a gradient stay."""
        assert closure is None
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, self.state[parameter], group)

    def _update(
        self, parameter: nn.Parameter, state: dict[str, Tensor], group: dict[str, Any]
    ) -> None:
        gradient = parameter.grad
        assert gradient is not None
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(gradient)
        mean = state["momentum"].lerp_(gradient, 1 - group["momentum"])
        ahead = gradient.lerp(mean, group["momentum"])  # Nesterov's look-ahead
        matrix = ahead.reshape(ahead.shape[0], -1)
        # A tall matrix has fewer directions than rows: the factor keeps the outputs' change alike.
        factor = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
        step = orthogonalise(matrix).reshape(parameter.shape)
        parameter.add_(step.to(parameter.dtype), alpha=-group["lr"] * factor)


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """Nearest semi-orthogonal matrix, roughly: singular values fall in about [0.7, 1.2].

    Newton-Schulz iteration of a quintic polynomial, coefficients by Jordan et al.; bfloat16 is
    exact enough, since the result is only roughly orthogonal anyway.

    Args:
        matrix: (rows, columns).
        steps: of the iteration.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    is_tall = matrix.shape[0] > matrix.shape[1]
    x: Tensor = (matrix.mT if is_tall else matrix).bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if is_tall else x
