"""From pages, or the original's own bytes, to objects in the destination."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

from flows.outputs import Outputs
from flows.rows import Prepared, Workshop
from restoration.codec import Page
from restoration.codec.metadata.model import AppliedStep
from restoration.restore import Restored
from storage import DestinationStore, SourceChanged, SourceStore, StoredObject
from storage.manifest import WorkItem


@dataclass(frozen=True)
class Published:
    """An object that is in place, how long it took, and what it could not hold."""

    stored: StoredObject
    seconds_encode: float
    seconds_put: float
    notes: tuple[str, ...] = ()


class Publication:
    """Puts what became of a photo into the destination.

    Args:
        prepared: the photo.
        results: what became of each of its pages.
        workshop: where the outputs go, and in which form.
    """

    def __init__(self, prepared: Prepared, results: Sequence[Restored], workshop: Workshop) -> None:
        self._prepared = prepared
        self._workshop = workshop
        self._outputs = Outputs(
            prepared.item.path.rpartition("/")[2],
            prepared.sha256,
            prepared.photo,
            prepared.pages,
            results,
            workshop.options,
        )

    def restored(self) -> Published:
        """Publish the restored photo; the original's own bytes, where nothing was changed.

        Raises:
            EncodeError: the encoder refused, or the format does not hold the photo.
            SourceChanged: the original was replaced meanwhile.
            StorageError: one of the stores failed.
        """
        if self._outputs.are_the_original:
            return publish_original(
                self._workshop.destination,
                self._path("restored"),
                self._workshop.source,
                self._prepared.item,
                self._prepared.sha256,
            )
        pages, steps = self._outputs.restored_pages(), self._outputs.restored_steps()
        return self._put("restored", pages, steps)

    def colorized(self) -> Published | None:
        """Publish the colorized interpretation; None where there is none.

        Raises:
            EncodeError: the encoder refused, or the format does not hold the photo.
            StorageError: the destination failed.
        """
        pages = self._outputs.colorized_pages()
        if pages is None:
            return None
        return self._put("colorized", pages, self._outputs.colorized_steps())

    def remove_stale(self, *published: Published | None) -> None:
        """Remove outputs of earlier runs that these do not replace: another format, no colour."""
        kept = {each.stored.path for each in published if each is not None}
        item = self._prepared.item
        possible = set(item.earlier_outputs)
        if item.may_be_colorized:
            possible.add(self._path("colorized"))
        for path in sorted(possible - kept):
            self._workshop.destination.delete(path)

    def _put(self, folder: str, pages: Sequence[Page], steps: Sequence[AppliedStep]) -> Published:
        started = time.perf_counter()
        with self._outputs.encoded(pages, steps) as (file, notes):
            encoded = time.perf_counter()
            stored = self._workshop.destination.put(self._path(folder), file)
        return Published(stored, encoded - started, time.perf_counter() - encoded, notes)

    def _path(self, folder: str) -> str:
        return f"{folder}/{self._outputs.name_of(self._prepared.item.path)}"


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
