"""Photographs encoded for a pack, or left out of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from restoration.training.duplicates import Excluded
from restoration.training.sources import PhotoSource, decode, reduced

Byte = NDArray[np.uint8]

_AT_ONCE: Final = 32
_WEBP_LONGEST_SIDE: Final = 16383


@dataclass(frozen=True)
class PackOptions:
    """How photographs are packed.

    Attributes:
        quality: of JPEG (4:4:4), 1-100; None packs without loss (WebP, or PNG where too long).
        long_edge: larger photographs are reduced to this long edge in pixels.
        max_megabytes: bound of the whole pack, 10^6 bytes; photographs spread evenly over all
            of them are packed until it is reached.
        shard_megabytes: size at which a shard is closed, 10^6 bytes.
    """

    quality: int | None = 92
    long_edge: int | None = None
    max_megabytes: float | None = None
    shard_megabytes: float = 16.0


@dataclass(frozen=True)
class LeftOut:
    """A photograph that is not in the pack, and why."""

    source: str
    reason: str


@dataclass(frozen=True)
class EncodedPhoto:
    """A photograph ready to be packed; attributes as those of `PackedPhoto`."""

    source: str
    sha256: str
    source_bytes: int
    encoded: Byte
    width: int
    height: int
    as_it_was: bool


def encoded_photos(
    sources: Sequence[PhotoSource], options: PackOptions, excluded: Excluded
) -> Iterator[EncodedPhoto | LeftOut]:
    """Read, check and encode photographs, with as many threads as there are cores."""

    def work(source: PhotoSource) -> EncodedPhoto | LeftOut:
        return _encode(source, options, excluded)

    with ThreadPoolExecutor(cpu_count() or 1) as pool:
        for start in range(0, len(sources), _AT_ONCE):
            yield from pool.map(work, sources[start : start + _AT_ONCE])


def _encode(
    source: PhotoSource, options: PackOptions, excluded: Excluded
) -> EncodedPhoto | LeftOut:
    try:
        original = source.encoded()
    except OSError as error:
        return LeftOut(source.name, error.strerror or "cannot be read")
    photo = decode(original)
    if photo is None:
        return LeftOut(source.name, "not an image that can be decoded")
    twin = excluded.twin_of(photo)
    if twin is not None:
        return LeftOut(source.name, f"shows the same as {twin}, which is excluded")
    scale = options.long_edge / max(photo.shape[:2]) if options.long_edge else 1.0
    small = reduced(photo, scale)
    encoded = _compressed(small, options.quality)
    is_jpeg = bytes(original[:3]) == b"\xff\xd8\xff"
    as_it_was = is_jpeg and small is photo and original.size <= encoded.size
    return EncodedPhoto(
        source.name,
        hashlib.sha256(original.tobytes()).hexdigest(),
        original.size,
        original if as_it_was else encoded,
        small.shape[1],
        small.shape[0],
        as_it_was,
    )


def _compressed(photo: Byte, quality: int | None) -> Byte:
    pixels = photo[..., ::-1]
    if quality is None:
        if max(photo.shape[:2]) > _WEBP_LONGEST_SIDE:
            return np.asarray(cv2.imencode(".png", pixels)[1], np.uint8)
        lossless = [cv2.IMWRITE_WEBP_QUALITY, 101]
        return np.asarray(cv2.imencode(".webp", pixels, lossless)[1], np.uint8)
    settings = [
        cv2.IMWRITE_JPEG_QUALITY, quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]  # fmt: skip
    return np.asarray(cv2.imencode(".jpg", pixels, settings)[1], np.uint8)
