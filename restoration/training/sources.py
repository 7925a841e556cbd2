"""Where photographs come from: image files in folders, and packs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Byte = NDArray[np.uint8]

SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"})
_GOLDEN: Final = (5**0.5 - 1) / 2
_AT_ONCE: Final = 64
"""Photographs whose decoded pixels may be waiting for their turn."""


@dataclass(frozen=True)
class PhotoSource:
    """A photograph not yet read.

    Attributes:
        name: folder and path in it, for people; the same on every machine.
        encoded: reads its bytes, (n,) uint8.
    """

    name: str
    encoded: Callable[[], Byte]


def photo_files(folders: Iterable[Path]) -> Iterator[Path]:
    """All image files under `folders`, recursively, sorted within each folder."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in SUFFIXES and path.is_file():
                yield path


def file_sources(folder: Path) -> list[PhotoSource]:
    """The image files under `folder`."""
    return [
        PhotoSource(f"{folder.name}/{path.relative_to(folder).as_posix()}", FileBytes(path))
        for path in photo_files([folder])
    ]


@dataclass(frozen=True)
class FileBytes:
    """Reads a file when called."""

    path: Path

    def __call__(self) -> Byte:
        """The file's bytes, (n,) uint8."""
        # fromfile over imread: OpenCV's file opening fails on non-ASCII names on some systems.
        return np.fromfile(self.path, np.uint8)


def decode(encoded: Byte) -> Byte | None:
    """Pixels (H, W, 3) uint8, R'G'B', of an image file's bytes; None where they are no image."""
    if not encoded.size:
        return None
    try:
        image = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    except cv2.error:  # more pixels than OpenCV decodes, for one
        return None
    return None if image is None else np.ascontiguousarray(image[..., ::-1])


def read_photo(path: Path) -> Byte | None:
    """Pixels (H, W, 3) of an image file, R'G'B', uint8; None if it cannot be read."""
    try:
        return decode(FileBytes(path)())
    except OSError:
        return None


def decoded(
    sources: Sequence[PhotoSource], *, prepare: Callable[[Byte], Byte] = lambda photo: photo
) -> Iterator[Byte | None]:
    """Read and decode photographs with as many threads as there are cores.

    Args:
        sources: what to read.
        prepare: what to do with each photograph in the thread that decoded it.

    Yields:
        For each source (H, W, 3) uint8, or None where it cannot be read.
    """

    def read(source: PhotoSource) -> Byte | None:
        try:
            photo = decode(source.encoded())
        except OSError:
            return None
        return None if photo is None else prepare(photo)

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for start in range(0, len(sources), _AT_ONCE):
            yield from pool.map(read, sources[start : start + _AT_ONCE])


def evenly(count: int) -> list[float]:
    """`count` numbers spread evenly over [0, 1), as is every beginning of them.

    Kronecker's sequence with the golden ratio, the most even one.
    """
    return [(i * _GOLDEN) % 1 for i in range(count)]


def reduced(photo: Byte, scale: float) -> Byte:
    """The photograph at `scale` (at most 1) times its size; area averaging."""
    if scale >= 1:
        return photo
    size = (max(1, round(photo.shape[1] * scale)), max(1, round(photo.shape[0] * scale)))
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)
