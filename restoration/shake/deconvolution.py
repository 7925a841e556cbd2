"""Undo a known blur: total-variation deconvolution that makes nothing up beyond the frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from restoration.shake.fourier import (
    differences,
    fast_length,
    gathered,
    gradient_functions,
    transfer_function,
)
from restoration.shake.kernel import Kernel
from restoration.tiling import Tiling

DECONVOLUTION_TILING: Final = Tiling(context=64, multiple=1, pixels=1 << 20)
"""Tiles may start anywhere; what a border spoils is gone after twice the longest kernel's reach."""

SMOOTHNESS_PER_VARIANCE: Final = 20.0
"""Weight of the total variation per unit of noise variance: best by PSNR for kernels that are
known up to their shift, and level within a factor of two."""

_ITERATIONS: Final = 20
_COUPLING: Final = 30.0
"""Penalty of the split gradients in units of the smoothness: sets the pace, not the goal."""


@dataclass(frozen=True)
class Deconvolver:
    """A blur to be undone; a callable over tiles, as `restoration.tiling.run_tiled` takes.

    Attributes:
        kernel: what the photograph was convolved with.
        noise_sigma: standard deviation of the noise in units of [0, 1]; positive.
    """

    kernel: Kernel
    noise_sigma: float

    def __call__(self, tiles: Tensor) -> Tensor:
        """Restore (N, C, H, W) in [0, 1]."""
        return self.restore(tiles)[0]

    def restore(self, observed: Tensor) -> tuple[Tensor, Tensor]:
        """Find the picture of least total variation that explains a blurred one.

        Minimises |M(k * x) - y|^2 / 2 + weight sum |grad x| by ADMM. The mask M keeps to the
        pixels that were seen: what lies beyond the frame is an unknown like any other, so that no
        wrong guess of it rings (Almeida and Figueiredo, "Deconvolving images with unknown
        boundaries using the alternating direction method of multipliers", IEEE TIP 2013).
        The anisotropic total variation is that of Wang, Yang, Yin and Zhang, "A new alternating
        minimization algorithm for total variation image reconstruction", SIAM J. Imaging Sci. 2008.

        Args:
            observed: (N, C, H, W) in [0, 1].

        Returns:
            The restored picture, and the same blurred again; of the shape of `observed`.
        """
        height, width = observed.shape[-2:]
        reach = 2 * self.kernel.reach
        shape = (fast_length(height + 2 * reach), fast_length(width + 2 * reach))
        inside = (slice(reach, reach + height), slice(reach, reach + width))
        seen = torch.zeros(shape, dtype=torch.bool, device=observed.device)
        seen[inside] = True
        beyond = (reach, shape[1] - width - reach, reach, shape[0] - height - reach)
        flat = observed.reshape(1, -1, height, width)
        mode = "reflect" if max(beyond) < min(height, width) else "replicate"
        canvas = functional.pad(flat, beyond, mode=mode)[0]
        restored, blurred = self._solve(canvas, seen)
        return (
            restored[:, *inside].reshape(observed.shape),
            blurred[:, *inside].reshape(observed.shape),
        )

    def _solve(self, canvas: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """The iterations, on (C, H, W) that is valid where `seen`."""
        shape = (canvas.shape[1], canvas.shape[2])
        smoothness = SMOOTHNESS_PER_VARIANCE * self.noise_sigma**2
        coupling = _COUPLING * smoothness
        weights = torch.from_numpy(self.kernel.weights).to(canvas.device)
        blur = transfer_function(weights, shape, shift=self.kernel.shift)
        reblur = blur.conj().resolve_conj()
        slope_power = (gradient_functions(shape, canvas.device).abs() ** 2).sum(0)
        damping = 1 / (blur.abs() ** 2 + coupling * slope_power + 1e-8)
        data, data_dual = canvas.clone(), torch.zeros_like(canvas)
        slopes = canvas.new_zeros((2, *canvas.shape))
        slopes_dual = torch.zeros_like(slopes)
        restored = blurred = canvas
        for _iteration in range(_ITERATIONS):
            spectrum = torch.fft.rfft2(data + data_dual).mul_(reblur)
            spectrum += torch.fft.rfft2(gathered(slopes + slopes_dual).mul_(coupling))
            spectrum *= damping
            blurred = torch.fft.irfft2(blur * spectrum, shape)
            restored = torch.fft.irfft2(spectrum, shape)
            found = differences(restored)
            free = blurred - data_dual
            data = torch.where(seen, (canvas + free) / 2, free)
            slopes = functional.softshrink(found - slopes_dual, smoothness / coupling)
            data_dual += data - blurred
            slopes_dual += slopes - found
        return restored, blurred
