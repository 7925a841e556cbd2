"""The path of a shaken camera, read from the photograph that it blurred."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restoration.shake.fourier import fast_length, gradients
from restoration.shake.latent import cartoon, edge_threshold, strong_edges

Float = NDArray[np.float32]

LONGEST_SIDE: Final = 31
"""Kernels are looked for within this many pixels: photographs shaken by more keep too little of
what lay along the path."""

_COARSEST_SIDE: Final = 5
_SCALE: Final = math.sqrt(0.5)
_ROUNDS: Final = 5
_MOST_SOLUTIONS: Final = 5
_SPARSITY: Final = 4e-3
_SPARSITY_DECAY: Final = 1.1
_LEAST_SPARSITY: Final = 1e-4
"""Schedule of Pan et al., CVPR 2014: from bold edges to finer ones."""

_RIDGE: Final = 2.0
"""Penalty of the squared kernel against gradients of pictures in [0, 1] (the same source)."""

_FAINTEST: Final = 0.05
"""Share of the peak below which a kernel's values, and share of the whole below which its
separate pieces, are taken for noise (Cho and Lee, ACM TOG 2009)."""


@dataclass(frozen=True)
class Kernel:
    """What a photograph was convolved with.

    Attributes:
        weights: (side, side) float32, side odd, none below 0, adding up to 1.
    """

    weights: Float = field(repr=False)

    @property
    def reach(self) -> int:
        """Pixels from the centre to the border."""
        return int(self.weights.shape[0]) // 2

    @property
    def extent(self) -> tuple[int, int]:
        """Height and width of what is not zero, in pixels."""
        rows, columns = np.nonzero(self.weights)
        return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1

    @property
    def shift(self) -> tuple[float, float]:
        """Pixels down and right that bring the middle of its extent to the centre.

        How far a photograph was moved as a whole cannot be seen in it. Kernels are published as
        they are cropped, centred on their extent; the restored photo lies where such a kernel
        puts it.
        """
        rows, columns = np.nonzero(self.weights)
        down = self.reach - (int(rows.min()) + int(rows.max())) / 2
        right = self.reach - (int(columns.min()) + int(columns.max())) / 2
        return down, right

    @property
    def spread(self) -> float:
        """Standard deviation along the axis in which it is longest, in pixels."""
        rows, columns = np.mgrid[: self.weights.shape[0], : self.weights.shape[1]]
        covariance = np.cov(rows.ravel(), columns.ravel(), aweights=self.weights.ravel(), ddof=0)
        return math.sqrt(max(float(np.linalg.eigvalsh(covariance)[-1]), 0.0))


def estimate_kernel(blurred: Tensor) -> Kernel:
    """Find one kernel for a whole picture, from coarse to fine.

    In turns, a cartoon of the sharp picture for the kernel so far, and the kernel that blurs the
    cartoon's edges into the picture's: the scheme of Cho and Lee, "Fast motion deblurring", ACM
    TOG 2009, with the L0 prior of Xu, Zheng and Jia, CVPR 2013. Deterministic.

    Args:
        blurred: (H, W) in [0, 1], each side at least 2 * LONGEST_SIDE.
    """
    kernel = np.zeros((_COARSEST_SIDE, _COARSEST_SIDE), np.float32)
    kernel[_COARSEST_SIDE // 2, _COARSEST_SIDE // 2 - 1 : _COARSEST_SIDE // 2 + 1] = 0.5
    sparsity = _SPARSITY
    picture = blurred.cpu().numpy()
    for scale, side in _levels():
        smaller = picture
        if scale < 1:
            smaller = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        level = torch.from_numpy(smaller).to(blurred.device)
        observed, threshold = gradients(level), math.inf
        kernel = _resized(kernel, side)
        for _round in range(_ROUNDS):
            sharp = cartoon(level, torch.from_numpy(kernel).to(blurred.device), sparsity)
            threshold = min(threshold / 1.1, edge_threshold(gradients(sharp), side))
            edges = strong_edges(sharp, threshold)
            found = fitting_kernel(edges, observed, side, ridge=_RIDGE)
            kernel = _centred(cleaned(found, faintest=_FAINTEST))
            sparsity = max(sparsity / _SPARSITY_DECAY, _LEAST_SPARSITY)
    return Kernel(kernel)


def fitting_kernel(sharp: Tensor, blurred: Tensor, side: int, *, ridge: float) -> Float:
    """The kernel that best blurs one set of pictures into another.

    Least squares with k >= 0: the normal equations hold the autocorrelation of `sharp`, and are
    solved anew without what came out negative, until nothing does.

    Args:
        sharp: (N, H, W), such as gradients.
        blurred: of that shape.
        side: of the kernel, odd.
        ridge: weight of the squared kernel; positive.

    Returns:
        (side, side), not normalised.
    """
    shape = (fast_length(sharp.shape[1] + 2 * side), fast_length(sharp.shape[2] + 2 * side))
    spectrum = torch.fft.rfft2(sharp, shape)
    own = torch.fft.irfft2((spectrum.abs() ** 2).sum(0), shape).cpu().numpy()
    crossed = (spectrum.conj() * torch.fft.rfft2(blurred, shape)).sum(0)
    offsets = np.arange(side) - side // 2
    rows, columns = (grid.ravel() for grid in np.meshgrid(offsets, offsets, indexing="ij"))
    target = torch.fft.irfft2(crossed, shape).cpu().numpy()[rows, columns].astype(np.float64)
    matrix = own[rows[:, None] - rows, columns[:, None] - columns].astype(np.float64)
    matrix[np.diag_indices_from(matrix)] += ridge
    kept = np.arange(len(target))
    kernel = np.zeros(len(target))
    for _attempt in range(_MOST_SOLUTIONS):
        kernel[:] = 0
        kernel[kept] = np.linalg.solve(matrix[np.ix_(kept, kept)], target[kept])
        if (kernel >= 0).all():
            break
        kept = np.flatnonzero(kernel > 0)
    return np.maximum(kernel, 0).reshape(side, side).astype(np.float32)


def cleaned(kernel: Float, *, faintest: float) -> Float:
    """Drop faint values and small separate pieces; make it add up to 1.

    Args:
        kernel: (side, side), none below 0.
        faintest: share of the peak, and of the whole for a piece, that is kept at least.

    Returns:
        Of that shape; a single 1 in the middle where nothing was above 0.
    """
    kept = np.where(kernel < kernel.max() * faintest, 0, kernel).astype(np.float32)
    if kept.sum() <= 0:
        kept[kernel.shape[0] // 2, kernel.shape[1] // 2] = 1
        return kept
    count, labels = cv2.connectedComponents((kept > 0).astype(np.uint8), connectivity=8)
    masses = np.bincount(labels.ravel(), weights=kept.ravel(), minlength=count)
    kept[(masses < faintest * masses.sum())[labels]] = 0
    return np.asarray(kept / kept.sum(), np.float32)


def _levels() -> Iterator[tuple[float, int]]:
    """Scales of the pyramid and the kernel's odd side at each, coarsest first."""
    levels = [(1.0, LONGEST_SIDE)]
    while levels[-1][1] > _COARSEST_SIDE:
        scale = levels[-1][0] * _SCALE
        levels.append((scale, math.ceil(LONGEST_SIDE * scale) // 2 * 2 + 1))
    return reversed(levels)


def _resized(kernel: Float, side: int) -> Float:
    if kernel.shape[0] == side:
        return kernel
    larger = cv2.resize(kernel, (side, side), interpolation=cv2.INTER_CUBIC)
    centred = _centred(np.maximum(larger, 0).astype(np.float32))
    return cleaned(centred, faintest=_FAINTEST)


def _centred(kernel: Float) -> Float:
    """Move the centre of mass to the middle, by whole pixels."""
    middle = kernel.shape[0] // 2
    rows, columns = np.mgrid[: kernel.shape[0], : kernel.shape[1]] - middle
    total = float(kernel.sum())
    down = round(float((kernel * rows).sum()) / total)
    right = round(float((kernel * columns).sum()) / total)
    return np.roll(kernel, (-down, -right), (0, 1))
