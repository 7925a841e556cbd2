"""Photographs to measure with: synthetic ones, or a folder of somebody's own."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tests.scenes import encoded, noisy, scene

SIGMA = 20.0
"""Of the white noise that is added, 8-bit units: what the U-Net is made for, and is found."""
JPEG_QUALITY = 92
_BAND = 512
"""Rows that get their noise at once."""
_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Folder:
    """Photographs.

    Attributes:
        path: where they are.
        count: how many.
        megapixels: of all together, 10^6 pixels.
        gigabytes: of all files, 10^9 bytes.
    """

    path: Path
    count: int
    megapixels: float
    gigabytes: float

    def __str__(self) -> str:
        return (
            f"{self.count} photographs, {self.megapixels:.4g} megapixels, "
            f"{1e3 * self.gigabytes:.4g} MB"
        )


def folder_of(path: Path) -> Folder:
    """Count a folder's photographs; only headers are read.

    Raises:
        SystemExit: there are none.
    """
    files = photo_files(path)
    if not files:
        raise SystemExit(f"no photographs in {path}")
    return Folder(
        path,
        len(files),
        sum(megapixels_of(file) for file in files),
        sum(file.stat().st_size for file in files) / 1e9,
    )


def photo_files(path: Path) -> list[Path]:
    """The photographs of a folder and the folders in it, in order of their names."""
    return sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES)


def megapixels_of(file: Path) -> float:
    Image.MAX_IMAGE_PIXELS = None
    with Image.open(file) as image:
        return image.width * image.height / 1e6


def add_photo_arguments(
    parser: argparse.ArgumentParser, *, photos: int, megapixels: float = 2.0
) -> None:
    """Declare which photographs are taken."""
    parser.add_argument("--photos", type=int, default=photos, help="synthetic ones (%(default)s)")
    parser.add_argument("--megapixels", type=float, default=megapixels, help="of each")
    parser.add_argument("--source", type=Path, metavar="FOLDER", help="your own, in their place")


def chosen_photos(arguments: argparse.Namespace, scratch: Path) -> Folder:
    """The photographs that `add_photo_arguments` asks for; synthetic ones are made in `scratch`."""
    if arguments.source is None:
        make_photos(scratch / "photos", arguments.photos, arguments.megapixels)
    return folder_of(arguments.source or scratch / "photos")


def make_photos(
    folder: Path, count: int, megapixels: float, *, sigma: float = SIGMA, start: int = 0
) -> None:
    """Noisy photographs; each differs from the others.

    Args:
        folder: made where it is not there.
        count: how many.
        megapixels: of each, 10^6 pixels.
        sigma: of the noise, 8-bit units.
        start: number of the first one, by which it is called and seeded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(start, start + count):
        picture = clean_picture(megapixels, seed=number)
        data = encoded(with_noise(picture, sigma, seed=number), "JPEG", quality=JPEG_QUALITY)
        (folder / f"{number:05d}.jpg").write_bytes(data)


def clean_picture(megapixels: float, *, seed: int) -> np.ndarray:
    """A picture (H, W, 3), uint8, three wide and two high."""
    width = int((megapixels * 1.5e6) ** 0.5)
    height = int(megapixels * 1e6 / width)
    return cv2.resize(scene(seed=seed), (width, height), interpolation=cv2.INTER_CUBIC)


def with_noise(picture: np.ndarray, sigma: float, *, seed: int) -> np.ndarray:
    """`tests.scenes.noisy`, band by band: noise in float64 is eight times a picture."""
    bands = range(0, len(picture), _BAND)
    return np.concatenate(
        [noisy(picture[top : top + _BAND], sigma, seed=seed + top) for top in bands]
    )


def pieces(files: Sequence[Path], count: int) -> Iterator[Path]:
    """`count` of the files, evenly from first to last; all where `count` is 0."""
    wanted = min(count, len(files)) or len(files)
    for number in range(wanted):
        yield files[number * len(files) // wanted]
