"""The photographs that methods are measured on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from restoration.colour import is_neutral, luma8
from restoration.errors import UsageError
from restoration.training.sources import photo_files, read_photo

Byte = NDArray[np.uint8]


@dataclass(frozen=True)
class NamedPhoto:
    """A clean photograph.

    Attributes:
        name: path below the folder it was read from, with forward slashes.
        pixels: (H, W, 3) R'G'B' or (H, W) gray, uint8.
    """

    name: str
    pixels: Byte = field(repr=False)

    @property
    def megapixels(self) -> float:
        """Size in 10^6 pixels."""
        return float(self.pixels.shape[0] * self.pixels.shape[1] / 1e6)


def read_photos(
    folder: Path, *, limit: int | None = None, gray: bool = False
) -> tuple[list[NamedPhoto], list[str]]:
    """Read the photographs of a folder, recursively, in the order of their names.

    Args:
        folder: where they are.
        limit: only the first so many.
        gray: reduce them to their luma. A set that holds only gray photographs comes back as
            (H, W) in any case, so that it is measured as gray sets are.

    Returns:
        The photographs, and the names of the files that could not be read.

    Raises:
        UsageError: no such folder, or no photograph in it.
    """
    if not folder.is_dir():
        raise UsageError(f"--data {folder}: no such folder")
    photos: list[NamedPhoto] = []
    unreadable: list[str] = []
    for path in photo_files([folder]):
        name = path.relative_to(folder).as_posix()
        pixels = read_photo(path)
        if pixels is None:
            unreadable.append(name)
        else:
            photos.append(NamedPhoto(name, pixels))
        if limit is not None and len(photos) == limit:
            break
    if not photos:
        raise UsageError(f"--data {folder}: no photographs")
    if gray or all(is_neutral(photo.pixels) for photo in photos):
        photos = [NamedPhoto(photo.name, luma8(photo.pixels)) for photo in photos]
    return photos, unreadable


def are_gray(photos: list[NamedPhoto]) -> bool:
    """Whether the set is measured as a gray one."""
    return photos[0].pixels.ndim == 2
