"""Photographs in memory: what is trained on, and what is held out to validate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from restoration.errors import UsageError
from restoration.training.duplicates import Excluded
from restoration.training.pack import is_pack, pack_sources
from restoration.training.sources import PhotoSource, decoded, file_sources, reduced

Byte = NDArray[np.uint8]

HELD_OUT: Final = 12
"""Photographs that are not trained on unless a caller says otherwise."""


@dataclass(frozen=True)
class PairSet:
    """Registered pairs of clean and degraded photographs.

    Attributes:
        train: arrays of shape (H, W, 6), uint8: clean R'G'B', then degraded R'G'B'.
        validation: likewise, never trained on.
        notes: what a person should know about single pairs, such as a shift that was undone.
    """

    train: Sequence[Byte]
    validation: Sequence[Byte]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PhotoSet:
    """Photographs held in memory, split in a training and a validation part.

    Attributes:
        train: arrays of shape (H, W, 3), uint8, R'G'B'; empty where there are only pairs.
        validation: likewise, never trained on.
        left_out: names of photographs that must not be trained on and were met.
        pairs: true examples of the degradation, to train on as well.
    """

    train: Sequence[Byte]
    validation: Sequence[Byte]
    left_out: tuple[str, ...] = ()
    pairs: PairSet | None = None

    @property
    def megapixels(self) -> float:
        """Size of the training part in 10^6 pixels."""
        return float(sum(photo.shape[0] * photo.shape[1] for photo in self.train) / 1e6)


def photo_sources(folders: Sequence[Path]) -> list[PhotoSource]:
    """The photographs of packs and of folders of image files.

    Raises:
        UsageError: a pack cannot be read.
    """
    return [
        source
        for folder in folders
        for source in (pack_sources(folder) if is_pack(folder) else file_sources(folder))
    ]


def load_photos(
    folders: Sequence[Path],
    *,
    minimum_side: int,
    validation: int = HELD_OUT,
    limit: int | None = None,
    largest_short_side: int | None = None,
    excluded: Excluded | None = None,
) -> PhotoSet:
    """Read colour photographs for training.

    Args:
        folders: packs, or folders that are searched recursively. Unreadable files are left out.
        minimum_side: photographs whose short side is smaller (pixels) are left out.
        validation: how many photographs, evenly spread, are held out for validation.
        limit: at most this many files, evenly spread.
        largest_short_side: photographs whose short side is larger (pixels) are reduced to it.
        excluded: photographs that must not be trained on.

    Raises:
        UsageError: too few usable photographs, or a pack that cannot be read.
    """
    sources = photo_sources(folders)
    if limit is not None and len(sources) > limit:
        sources = [sources[i * len(sources) // limit] for i in range(limit)]

    def prepare(photo: Byte) -> Byte:
        if excluded is not None and excluded.twin_of(photo) is not None:
            return np.zeros((0, 0, 3), np.uint8)
        scale = largest_short_side / min(photo.shape[:2]) if largest_short_side else 1.0
        return reduced(photo, scale)

    photos: list[Byte] = []
    left_out: list[str] = []
    for source, photo in zip(sources, decoded(sources, prepare=prepare), strict=True):
        if photo is not None and not photo.size:
            left_out.append(source.name)
        elif photo is not None and min(photo.shape[:2]) >= minimum_side:
            photos.append(photo)
    if len(photos) < max(2, 2 * validation):
        where = ", ".join(map(str, folders))
        raise UsageError(
            f"{len(photos)} usable photographs under {where}: at least {max(2, 2 * validation)} "
            f"with a short side of {minimum_side} pixels are needed"
        )
    train, held_out = held_out_evenly(photos, validation)
    return PhotoSet(train, held_out, tuple(left_out))


def held_out_evenly(photos: Sequence[Byte], count: int) -> tuple[list[Byte], list[Byte]]:
    """Split into what is trained on and `count` photographs, evenly spread, that are not."""
    chosen = {i * len(photos) // count for i in range(count)} if count else set()
    return (
        [photo for i, photo in enumerate(photos) if i not in chosen],
        [photo for i, photo in enumerate(photos) if i in chosen],
    )


def centre_crop(photo: Byte, side: int) -> Byte:
    """The central square of at most `side` pixels."""
    height, width = photo.shape[:2]
    side = min(side, height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(photo[top : top + side, left : left + side])
