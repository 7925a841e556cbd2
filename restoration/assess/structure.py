"""Whether what is left in even blocks has a direction: twigs, grass and fur do, grain does not.

The coherence of the structure tensor (Bigün and Granlund, "Optimal Orientation Detection of
Linear Symmetry", ICCV 1987): 0 where gradients point everywhere alike, 1 where they share one
axis.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from restoration.assess.gradients import Slopes, block_means
from restoration.assess.quantiles import quantile, quantiles

Float = NDArray[np.float32]
Double = NDArray[np.float64]

BLOCK_SIDE = 16
"""Side in pixels of the blocks over which gradients are averaged: some forty grains of film."""

COHERENCE_QUANTILES = (0.1, 0.3, 0.5, 0.8)
"""Of the coherence over the blocks."""

EVEN_SHARE = 0.2
"""The blocks with the weakest gradients, whose mean coherence is kept too."""

LENGTH = 2 * (len(COHERENCE_QUANTILES) + 1)
"""Number of values: at full and at half resolution."""


def structure_statistics(full: Slopes, half: Slopes | None) -> Double:
    """Coherence of a photograph's windows.

    Args:
        full: gradients, 8-bit units per pixel.
        half: the same at half resolution; None where the windows have none.

    Returns:
        (`LENGTH`,) float64: for each resolution the quantiles and the mean of the even blocks;
        zeros at a resolution without a block.
    """
    return np.concatenate([_values(full), _values(half)])


def _values(slopes: Slopes | None) -> Double:
    tensors = [] if slopes is None else _tensors(slopes)
    if not tensors or len(tensors[0]) == 0:
        return np.zeros(len(COHERENCE_QUANTILES) + 1)
    across, down, crossed = tensors
    energy = across + down
    length = np.hypot(across - down, 2 * crossed)
    # Rounding to 8 bits is noise of variance 1/12: without it an even block would count.
    coherence = length / (energy + np.float32(1 / 12))
    even = coherence[energy <= quantile(energy, EVEN_SHARE)]
    return np.append(quantiles(coherence, COHERENCE_QUANTILES), even.mean())


def _tensors(slopes: Slopes) -> list[Float]:
    """Means (N,) of gx^2, gy^2 and gx gy of each block."""
    products = (
        slopes.across * slopes.across,
        slopes.down * slopes.down,
        slopes.across * slopes.down,
    )
    return [block_means(product, slopes.width, BLOCK_SIDE) for product in products]
