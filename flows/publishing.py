"""From pages, or the original's own bytes, to objects in the destination."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Literal, cast

from flows.outputs import Outputs
from flows.places import (
    COLORIZED,
    RESTORED,
    access_path,
    has_room_for,
    owner_in_run,
    possible_outputs,
    possible_owners,
    sidecar_path,
)
from flows.rows import Prepared, Workshop
from flows.sidecar import sidecar_bytes
from restoration.codec import Page
from restoration.codec.metadata.model import AppliedStep
from restoration.errors import EncodeError
from restoration.restore import Restored
from storage import (
    EndsRun,
    NotFound,
    SourceChanged,
    StorageError,
    StoredObject,
)
from storage.manifest import ManifestRow


@dataclass(frozen=True)
class Encoded:
    """An output that is still to be put in place.

    Attributes:
        path: where it belongs.
        file: temporary, at its start; None stands for the original's own bytes.
        seconds: that encoding it took.
        notes: what it cannot hold.
    """

    path: str
    file: BinaryIO | None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Published:
    """An object that is in place, how long it took, and what it could not hold."""

    stored: StoredObject
    seconds_encode: float
    seconds_put: float
    notes: tuple[str, ...] = ()


def with_output(
    row: ManifestRow,
    kind: Literal["restored", "colorized", "access", "sidecar"],
    published: Published | str | None,
) -> ManifestRow:
    """A row with one more output, or with a note why there is none.

    Args:
        row: of the photo.
        kind: which columns the output has.
        published: the output; why there is none; or None where none was asked for.
    """
    if published is None:
        return row
    if isinstance(published, str):
        return replace(row, notes=(*row.notes, published))
    stored = published.stored
    changes: dict[str, Any] = {
        f"{kind}_path": stored.path,
        f"{kind}_sha256": stored.sha256,
        f"{kind}_size": stored.size,
        "seconds_encode": (row.seconds_encode or 0.0) + published.seconds_encode,
        "seconds_put": (row.seconds_put or 0.0) + published.seconds_put,
        # Each once: several outputs may lose the same.
        "notes": tuple(dict.fromkeys((*row.notes, *published.notes))),
    }
    return replace(row, **changes)


class Publication:
    """Puts what became of a photo into the destination.

    Everything is encoded before the first output is put: where one cannot be, the outputs of the
    last success stay whole.

    Args:
        prepared: the photo.
        results: what became of each of its pages.
        workshop: where the outputs go, and in which form.
        files: closes the temporary files, when everything is in place.
    """

    def __init__(
        self,
        prepared: Prepared,
        results: Sequence[Restored],
        workshop: Workshop,
        files: ExitStack,
    ) -> None:
        self._prepared = prepared
        self._workshop = workshop
        self._files = files
        self._outputs = Outputs(
            prepared.item.path.rpartition("/")[2],
            prepared.sha256,
            prepared.photo,
            prepared.pages,
            results,
            workshop.options,
        )

    def restored(self) -> Encoded:
        """Encode the restored photo; it is the original's own bytes, where nothing was changed.

        Raises:
            EncodeError: the encoder refused, or the format does not hold the photo.
        """
        if self._outputs.are_the_original:
            return Encoded(self._path(RESTORED), None)
        pages, steps = self._outputs.restored_pages(), self._outputs.restored_steps()
        return self._encoded(self._path(RESTORED), pages, steps)

    def colorized(self) -> Encoded | None:
        """Encode the colorized interpretation; None where there is none.

        Raises:
            EncodeError: the encoder refused, or the format does not hold the photo.
        """
        pages = self._outputs.colorized_pages()
        if pages is None:
            return None
        return self._encoded(self._path(COLORIZED), pages, self._outputs.colorized_steps())

    def access(self) -> Encoded | str | None:
        """Encode the access copy of the restored photo; None where nobody asked for it.

        Returns:
            Why there is none, where there can be none: the photo is no worse for it.
        """
        wanted = self._workshop.options.access
        if wanted is None:
            return None
        path = access_path(self._prepared.item.path, wanted.format)
        if not has_room_for(path):
            return "there is no access copy: its name would be too long for a file"
        started = time.perf_counter()
        page, steps = self._outputs.access_page(wanted), self._outputs.restored_steps()
        try:
            encoded = self._encoded(path, [page], steps, wanted.format, wanted.quality)
        except EncodeError as error:
            return f"there is no access copy: {' '.join(str(error).split())}"
        count = len(self._prepared.pages)
        notes = [f"access copy: {note}" for note in encoded.notes]
        if count > 1:
            notes.append(f"the access copy shows the first of {count} pages")
        return replace(encoded, notes=tuple(notes), seconds=time.perf_counter() - started)

    def put(self, encoded: Encoded | str | None) -> Published | str | None:
        """Put an output in place; why there is none, or None, is handed through.

        Raises:
            SourceChanged: it is the original, which was replaced meanwhile.
            StorageError: one of the stores failed.
        """
        if encoded is None or isinstance(encoded, str):
            return encoded
        workshop, prepared = self._workshop, self._prepared
        if encoded.file is None:
            return publish_original(workshop, encoded.path, prepared)
        started = time.perf_counter()
        stored = workshop.destination.put(encoded.path, encoded.file)
        seconds_put = time.perf_counter() - started
        return Published(stored, encoded.seconds, seconds_put, encoded.notes)

    def sidecar(self, row: ManifestRow) -> Published | str | None:
        """Publish a JSON file that says what a row says; None where nobody asked for it.

        Args:
            row: of the photo, all its other outputs named.

        Returns:
            Why there is none, where there can be none.

        Raises:
            StorageError: the destination failed.
        """
        if not self._workshop.options.sidecar:
            return None
        path = sidecar_path(self._prepared.item.path)
        if not has_room_for(path):
            return "there is no sidecar: its name would be too long for a file"
        started = time.perf_counter()
        stored = self._workshop.destination.put(path, sidecar_bytes(row))
        return Published(stored, 0.0, time.perf_counter() - started)

    def remove_stale(self, *kept: str | None) -> None:
        """Remove outputs of earlier runs, except these: other formats, no colour, not asked for.

        What may be another photo's is left alone by what the archive holds and earlier runs did,
        never by what became of that photo just now: the two may be in work at the same time.
        """
        item, destination = self._prepared.item, self._workshop.destination
        stale = set(item.earlier_outputs) - set(kept)
        if item.may_have_others:
            others = set(possible_outputs(item.path)) - stale - set(kept)
            stale |= set(destination.sizes(others))
        for path in sorted(stale):
            if not self._is_of_another(path):
                destination.delete(path)

    def _is_of_another(self, path: str) -> bool:
        """Whether an output may be another photo's: written in this run, or by an earlier one."""
        others = [each for each in possible_owners(path) if each != self._prepared.item.path]
        if not others:
            return False
        owner = owner_in_run(path, self._workshop.options.output_format)
        if owner is not None and owner in others and self._is_in_archive(owner):
            return True
        known = self._workshop.earlier.lookup(others)
        return any(photo is not None and photo.may_have(path) for photo in known)

    def _is_in_archive(self, source: str) -> bool:
        """Whether there is such a photo, as far as can be told."""
        try:
            self._workshop.source.stat(source)
        except NotFound:
            return False
        except EndsRun:
            raise
        except StorageError:
            pass
        return True

    def _path(self, folder: str) -> str:
        return f"{folder}/{self._outputs.name_of(self._prepared.item.path)}"

    def _encoded(
        self,
        path: str,
        pages: Sequence[Page],
        steps: Sequence[AppliedStep],
        file_format: str = "",
        quality: int | None = None,
    ) -> Encoded:
        started = time.perf_counter()
        file, notes = self._files.enter_context(
            self._outputs.encoded(pages, steps, file_format=file_format, quality=quality)
        )
        return Encoded(path, file, time.perf_counter() - started, notes)


def publish_original(workshop: Workshop, path: str, photo: Prepared) -> Published:
    """Store the bytes of an original itself: those that were kept, or those that are there.

    Raises:
        SourceChanged: they are no longer those that were assessed.
        StorageError: one of the stores failed.
    """
    started = time.perf_counter()
    with ExitStack() as opened:
        file = photo.original
        if file is None:
            item = photo.item
            file = opened.enter_context(workshop.source.open(item.path, etag=item.source_etag))
        file.seek(0)
        verified = cast(BinaryIO, VerifyingReader(file, photo.sha256))
        stored = workshop.destination.put(path, verified)
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
