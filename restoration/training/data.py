"""Photographs in memory, and random patches of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from restoration.errors import UsageError
from restoration.training.degradations import Byte

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"})


@dataclass(frozen=True)
class PhotoSet:
    """Clean photographs held in memory, split in a training and a validation part.

    Attributes:
        train: arrays of shape (H, W, 3), uint8, R'G'B'.
        validation: likewise, never trained on.
    """

    train: Sequence[Byte]
    validation: Sequence[Byte]

    @property
    def megapixels(self) -> float:
        """Size of the training part in 10^6 pixels."""
        return float(sum(photo.shape[0] * photo.shape[1] for photo in self.train) / 1e6)


def photo_files(folders: Iterable[Path]) -> Iterator[Path]:
    """All image files under `folders`, recursively, sorted within each folder."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in SUFFIXES and path.is_file():
                yield path


def read_photo(path: Path) -> Byte | None:
    """Pixels (H, W, 3) of an image file, R'G'B', uint8; None if it cannot be read."""
    # imdecode over imread: OpenCV's file opening fails on non-ASCII names on some systems.
    data = np.fromfile(path, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    return None if image is None else np.ascontiguousarray(image[..., ::-1])


def load_photos(
    folders: Sequence[Path], *, minimum_side: int, validation: int = 12, limit: int | None = None
) -> PhotoSet:
    """Read colour photographs for training.

    Args:
        folders: searched recursively. Unreadable files are left out.
        minimum_side: photographs whose short side is smaller (pixels) are left out.
        validation: how many photographs, evenly spread, are held out for validation.
        limit: at most this many files, evenly spread.

    Raises:
        UsageError: too few usable photographs.
    """
    files = list(photo_files(folders))
    if limit is not None and len(files) > limit:
        files = [files[i * len(files) // limit] for i in range(limit)]
    photos = [photo for photo in map(read_photo, files) if photo is not None]
    photos = [photo for photo in photos if min(photo.shape[:2]) >= minimum_side]
    if len(photos) < max(2, 2 * validation):
        where = ", ".join(map(str, folders))
        raise UsageError(
            f"{len(photos)} usable photographs under {where}: at least {max(2, 2 * validation)} "
            f"with a short side of {minimum_side} pixels are needed"
        )
    held_out = {i * len(photos) // validation for i in range(validation)} if validation else set()
    return PhotoSet(
        train=[photo for i, photo in enumerate(photos) if i not in held_out],
        validation=[photo for i, photo in enumerate(photos) if i in held_out],
    )


def random_patch(photo: Byte, side: int, rng: np.random.Generator) -> Byte:
    """A random square of `side` pixels, randomly mirrored and turned by quarter turns."""
    top = int(rng.integers(photo.shape[0] - side + 1))
    left = int(rng.integers(photo.shape[1] - side + 1))
    patch: NDArray[np.uint8] = photo[top : top + side, left : left + side]
    patch = np.rot90(patch, int(rng.integers(4)))
    return np.ascontiguousarray(patch[:, ::-1] if rng.random() < 0.5 else patch)


def centre_crop(photo: Byte, side: int) -> Byte:
    """The central square of at most `side` pixels."""
    height, width = photo.shape[:2]
    side = min(side, height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(photo[top : top + side, left : left + side])
