"""What the estimator sees of a photograph: one vector of statistics, whatever its size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from restoration.assess import edges, spectrum
from restoration.assess.windows import Windows, measured_windows
from restoration.samples import Samples

Double = NDArray[np.float64]

LENGTH = spectrum.LENGTH + edges.LENGTH
"""Number of statistics."""


@dataclass(frozen=True)
class PhotoStatistics:
    """Statistics of one photograph.

    Attributes:
        values: (`LENGTH`,) float64: those of `spectrum.block_statistics`, then those of
            `edges.edge_statistics` (zeros where there is no edge).
        has_edges: whether blur can be seen at all.
    """

    values: Double
    has_edges: bool


def photo_statistics(image: Samples) -> PhotoStatistics | None:
    """Measure a photograph's blocks and edges on a bounded number of native windows.

    Args:
        image: (H, W) or (H, W, 3) R'G'B', uint8 or uint16, any size from 1x1 up; is not modified.

    Returns:
        The statistics; None where the photograph is too small, or all black or white.
    """
    return statistics_of_windows(measured_windows(image))


def statistics_of_windows(windows: Windows) -> PhotoStatistics | None:
    """`photo_statistics` of a photograph whose windows are at hand."""
    of_blocks = spectrum.block_statistics(windows)
    if of_blocks is None:
        return None
    of_edges = edges.edge_statistics(windows)
    known = np.zeros(edges.LENGTH) if of_edges is None else of_edges
    return PhotoStatistics(np.concatenate([of_blocks, known]), of_edges is not None)
