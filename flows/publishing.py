"""From pages, or the original's own bytes, to objects in the destination."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

from flows.rows import Prepared, Workshop
from flows.version import software_version
from restoration.codec import FORMATS, Page, colorized_page, encode, restored_page
from restoration.codec.metadata.model import AppliedStep, Provenance
from restoration.plan import Step
from restoration.restore import Restored
from storage import DestinationStore, SourceChanged, SourceStore, StoredObject
from storage.manifest import WorkItem

DIGITAL_SOURCE_TYPES = {
    False: "algorithmicallyEnhanced",
    True: "compositeWithTrainedAlgorithmicMedia",
}
"""IPTC's NewsCode (Digital Source Type vocabulary) of a restored and of a colorized photo."""


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

    def __init__(
        self, prepared: Prepared, results: Sequence[Restored], workshop: Workshop
    ) -> None:
        self._prepared = prepared
        self._results = results
        self._workshop = workshop
        self._format = workshop.options.output_format or prepared.photo.format

    def restored(self) -> Published:
        """Publish the restored photo; the original's own bytes, where nothing was changed.

        Raises:
            EncodeError: the encoder refused, or the format does not hold the photo.
            SourceChanged: the original was replaced meanwhile.
            StorageError: one of the stores failed.
        """
        photo, item = self._prepared.photo, self._prepared.item
        is_unchanged = all(result.pixels is None for result in self._results)
        if is_unchanged and self._format == photo.format and not photo.is_salvaged:
            return publish_original(
                self._workshop.destination,
                self._path("restored"),
                self._workshop.source,
                item,
                self._prepared.sha256,
            )
        pages = [
            restored_page(planned.page, result.pixels)
            for planned, result in zip(self._prepared.pages, self._results, strict=True)
        ]
        steps = [] if is_unchanged else self._steps(changing_pixels=True)
        return self._put("restored", pages, steps)

    def colorized(self) -> Published | None:
        """Publish the colorized interpretation; None where there is none.

        Pages that are not colorized are in it as they were restored.

        Raises:
            EncodeError: the encoder refused, or the format does not hold the photo.
            StorageError: the destination failed.
        """
        if all(result.colorized is None for result in self._results):
            return None
        pages = [
            restored_page(planned.page, result.pixels)
            if result.colorized is None
            else colorized_page(planned.page, result.colorized)
            for planned, result in zip(self._prepared.pages, self._results, strict=True)
        ]
        return self._put("colorized", pages, self._steps(changing_pixels=False))

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
        with tempfile.TemporaryFile(prefix="restore-archive-") as file:
            notes = encode(
                pages,
                cast(BinaryIO, file),
                self._format,
                quality=self._workshop.options.quality,
                provenance=self._provenance(steps),
            )
            encoded = time.perf_counter()
            stored = self._workshop.destination.put(self._path(folder), cast(BinaryIO, file))
        return Published(stored, encoded - started, time.perf_counter() - encoded, notes)

    def _path(self, folder: str) -> str:
        return f"{folder}/{output_name(self._prepared, self._format)}"

    def _steps(self, *, changing_pixels: bool) -> list[AppliedStep]:
        """What was done; of a restored photo without the colour, which is not in it."""
        cards = {
            model.task: model.card for result in self._results for model in result.models
        }
        return [
            AppliedStep(step.value, cards[step.value].name, cards[step.value].sha256)
            for step in self._prepared.steps
            if step.changes_pixels or not changing_pixels
        ]

    def _provenance(self, steps: Sequence[AppliedStep]) -> Provenance:
        options = self._workshop.options
        names = {step.name for step in steps}
        source_type = DIGITAL_SOURCE_TYPES[Step.COLORIZE in names] if names else None
        return Provenance(
            software=f"restore-archive {software_version()}",
            source_name=self._prepared.item.path.rpartition("/")[2],
            source_sha256=self._prepared.sha256,
            steps=tuple(steps),
            strength=options.strength,
            keep_grain=options.keep_grain if Step.DENOISE in names else 0.0,
            digital_source_type=source_type if options.label else None,
        )


def output_name(prepared: Prepared, file_format: str) -> str:
    """Path of an output below its folder: the source's, and a suffix where the format is another.

    `scan.tif` becomes `scan.tif.jpg`: a `scan.jpg` may lie beside it in the archive.
    """
    path = prepared.item.path
    is_same = file_format == prepared.photo.format
    return path if is_same else path + FORMATS[file_format].suffixes[0]


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
