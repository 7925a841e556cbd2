"""Photographs that must not be trained on, found again under other names, sizes and qualities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from restoration.colour import luma
from restoration.training.sources import PhotoSource, decoded

Byte = NDArray[np.uint8]
Float = NDArray[np.float32]

THUMBNAIL_SIDE: Final = 16
SAME_PHOTO: Final = 0.965
"""Correlation of two thumbnails above which they show the same photograph.

Copies reach 0.99; of 2,334 photographs and 136 others the two that were most alike 0.935.
"""


@dataclass(frozen=True)
class Excluded:
    """Thumbnails of photographs that must not be trained on.

    Attributes:
        names: of the photographs.
        thumbnails: (n, 256), see `thumbnail`.
    """

    names: tuple[str, ...]
    thumbnails: Float

    def twin_of(self, photo: Byte) -> str | None:
        """Name of the excluded photograph that `photo` (H, W, 3) shows, or None."""
        if not self.names:
            return None
        correlations = self.thumbnails @ thumbnail(photo)
        nearest = int(correlations.argmax())
        return self.names[nearest] if correlations[nearest] > SAME_PHOTO else None


def excluded(sources: Sequence[PhotoSource]) -> Excluded:
    """Read the photographs that must not be trained on; unreadable files are passed over."""
    names, thumbnails = [], []
    for source, photo in zip(sources, decoded(sources, prepare=_shrunk), strict=True):
        if photo is not None:
            names.append(source.name)
            thumbnails.append(_normalised(photo))
    rows = np.stack(thumbnails) if thumbnails else np.zeros((0, THUMBNAIL_SIDE**2))
    return Excluded(tuple(names), np.asarray(rows, np.float32))


def thumbnail(photo: Byte) -> Float:
    """The luma of a photograph's 16 x 16 thumbnail less its mean, with unit norm, (256,).

    The dot product of two of them is their correlation. Of luma, since a test set may hold
    photographs in gray.
    """
    return _normalised(_shrunk(photo))


def _shrunk(photo: Byte) -> Byte:
    size = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)


def _normalised(small: Byte) -> Float:
    vector = luma(small).ravel()
    vector -= vector.mean()
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-6), np.float32)
