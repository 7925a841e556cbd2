"""From pixels, or the original's own bytes, to an object in the destination."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from restoration.codec import Photo, encode
from storage import DestinationStore, SourceChanged, SourceStore, StoredObject
from storage.manifest import WorkItem


@dataclass(frozen=True)
class Published:
    """An object that is in place, and how long it took."""

    stored: StoredObject
    seconds_encode: float
    seconds_put: float


def publish_pixels(
    destination: DestinationStore, path: str, photo: Photo, pixels: NDArray[np.uint8]
) -> Published:
    """Encode (H, W) or (H, W, 3) pixels as `photo` was, and store them.

    Raises:
        EncodeError: the encoder refused.
        StorageError: the destination did.
    """
    started = time.perf_counter()
    data = encode(photo, pixels)
    encoded = time.perf_counter()
    stored = destination.put(path, data)
    return Published(stored, encoded - started, time.perf_counter() - encoded)


def publish_original(
    destination: DestinationStore, path: str, source: SourceStore, original: WorkItem, sha256: str
) -> Published:
    """Store the bytes of `original` itself, if they are still those that were assessed.

    Raises:
        SourceChanged: they are not.
        StorageError: one of the stores failed.
    """
    started = time.perf_counter()
    with source.open(original.path, etag=original.source_etag) as file:
        stored = destination.put(path, cast(BinaryIO, VerifyingReader(file, sha256)))
    return Published(stored, 0.0, time.perf_counter() - started)


class VerifyingReader:
    """Reads a file and raises at its end if it is not the bytes that were assessed.

    The copy is then never published: the error arrives before the store's rename.
    """

    def __init__(self, file: BinaryIO, sha256: str) -> None:
        self._file = file
        self._expected = sha256
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Read as files do.

        Raises:
            SourceChanged: at the end, where the bytes differ from those expected.
        """
        block = self._file.read(size)
        self._digest.update(block)
        if (not block or size < 0) and self._digest.hexdigest() != self._expected:
            raise SourceChanged("the photo changed while it was being worked on; run again")
        return block


def sha256_of(file: BinaryIO) -> str:
    """Hexadecimal SHA-256 of a seekable file, which stands at its start again afterwards."""
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    file.seek(0)
    return digest.hexdigest()
