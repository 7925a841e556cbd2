"""Chroma in bins: colour as a choice among many, instead of one number.

Zhang, Isola and Efros, "Colorful Image Colorization", ECCV 2016: a network that names the
probability of each of some hundred colours need not settle for the mean of all plausible ones,
which is gray-brown. Theirs are cells of the ab plane of CIE Lab; ours are grid points of the
CbCr plane, in which the rest of the pipeline works.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from restoration.colour import CB_SCALE, CR_SCALE

_PRIMARIES = np.array(
    [
        # Cb and Cr of pure red, green and blue.
        (-0.299 * CB_SCALE, (1 - 0.299) * CR_SCALE),
        (-0.587 * CB_SCALE, -0.587 * CR_SCALE),
        ((1 - 0.114) * CB_SCALE, -0.114 * CR_SCALE),
    ]
)


def gamut_grid(step: float) -> NDArray[np.float64]:
    """Grid points of the CbCr plane that colours of the RGB cube lie next to.

    The chroma of the RGB cube fills a hexagon symmetric about gray. A point belongs to the grid
    when the square of twice `step` around it, in which it is one of the four nearest corners,
    overlaps that hexagon (separating axes: the hexagon's normals).

    Args:
        step: distance of neighbouring points.

    Returns:
        (Q, 2), rows sorted by Cb, then Cr; the origin is among them.
    """
    reach = math.ceil(0.5 / step)
    axis = np.arange(-reach, reach + 1) * step
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    normals = _PRIMARIES[:, ::-1] * (1, -1)
    # Along the normal of one primary the hexagon reaches as far as the other two add up to.
    bounds = np.abs(_PRIMARIES @ normals.T).sum(0) / 2
    overlap = np.abs(points @ normals.T) < bounds + step * np.abs(normals).sum(1) - 1e-9
    inside: NDArray[np.float64] = points[overlap.all(1)]
    return inside


class ChromaBins(nn.Module):
    """The grid as a torch module, so that it moves to the network's device. Nothing is trained.

    Args:
        step: distance of neighbouring grid points in Cb and Cr (whole range 1).
    """

    centres: Tensor
    """(Q, 2) float32: Cb and Cr of the bins."""
    table: Tensor
    """(2 r + 1, 2 r + 1) int64: bin at each point of the full grid, the nearest one outside."""

    def __init__(self, step: float) -> None:
        super().__init__()
        self.step = step
        self.reach = math.ceil(0.5 / step)
        grid = gamut_grid(step)
        axis = np.arange(-self.reach, self.reach + 1) * step
        full = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1)
        nearest = np.square(full[:, :, None] - grid).sum(-1).argmin(-1)
        self.register_buffer("centres", torch.from_numpy(grid).float(), persistent=False)
        self.register_buffer("table", torch.from_numpy(nearest), persistent=False)

    @property
    def count(self) -> int:
        """Number of bins, Q."""
        return self.centres.shape[0]

    def encode(self, chroma: Tensor) -> tuple[Tensor, Tensor]:
        """Share chroma among its four nearest bins, bilinearly.

        The mean of the bins is then the chroma itself, which the Gaussian weights of the paper
        only come near to.

        Args:
            chroma: (N, 2, h, w), Cb and Cr in [-0.5, 0.5].

        Returns:
            Indices of bins (N, 4, h, w) int64, and their shares (N, 4, h, w), which sum to 1.
        """
        place = (chroma / self.step).clamp(-self.reach, self.reach) + self.reach
        corner = place.floor().clamp(max=2 * self.reach - 1)
        u, v = (place - corner).unbind(1)
        i, j = corner.long().unbind(1)
        indices = [self.table[i + a, j + b] for a in (0, 1) for b in (0, 1)]
        shares = [(1 - u) * (1 - v), (1 - u) * v, u * (1 - v), u * v]
        return torch.stack(indices, 1), torch.stack(shares, 1)

    def decode(self, logits: Tensor, temperature: float = 1.0) -> Tensor:
        """The annealed mean: between the mean of all bins (1) and the likeliest one (to 0).

        Args:
            logits: (N, Q, h, w), unnormalised log-probabilities.
            temperature: by which they are divided (Zhang et al. take 0.38).

        Returns:
            (N, 2, h, w): Cb and Cr in [-0.5, 0.5] but for half a bin.
        """
        probability = (logits.float() / temperature).softmax(1)
        return torch.einsum("nqhw,qc->nchw", probability, self.centres)
