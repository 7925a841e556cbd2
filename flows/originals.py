"""An original, opened once: what comes over a network is not asked for a second time."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from flows.hashing import sha256_of
from flows.rows import Workshop
from restoration import scratch
from restoration.errors import no_room
from storage import SourceFile
from storage.manifest import WorkItem

_BLOCK_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Original:
    """The file of a photo, open for reading.

    Attributes:
        file: at its start.
        sha256: of its bytes.
        version_id: of the object, where it is known; else empty.
        is_kept: whether `file` is a copy of ours, which nobody else changes.
    """

    file: BinaryIO = field(repr=False)
    sha256: str
    version_id: str
    is_kept: bool


def open_original(item: WorkItem, workshop: Workshop, held: ExitStack) -> Original:
    """Open an original, and read it once for its SHA-256.

    A file of this machine is read where it lies. What has no descriptor comes over a network: it is
    copied to a temporary file meanwhile, from which it is decoded and, where nothing is done to it,
    published.

    Args:
        item: the photo.
        workshop: of the batch.
        held: closes the file.

    Raises:
        StorageError: it cannot be read.
        NoRoom: there is no room for the copy.
    """
    with ExitStack() as opened:
        file = opened.enter_context(workshop.source.open(item.path, etag=item.source_etag))
        version_id = file.entry.version_id
        # Who is over the limit is refused by the decoder, and need not be copied for that.
        is_too_large = file.entry.size > workshop.options.limits.max_file_gb * 1e9
        if is_too_large or _has_descriptor(file):
            sha256 = sha256_of(file)
            held.push(opened.pop_all())
            return Original(file, sha256, version_id, is_kept=False)
        copy, sha256 = _copied(file, held)
        return Original(copy, sha256, version_id, is_kept=True)


def _copied(file: SourceFile, held: ExitStack) -> tuple[BinaryIO, str]:
    """A temporary copy, at its start, and its SHA-256."""
    digest = hashlib.sha256()
    try:
        copy = held.enter_context(scratch.temporary_file())
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            copy.write(block)
        copy.seek(0)  # which writes out what was held back, for others who use the descriptor
    except OSError as error:
        raise no_room(error) or error from error
    return copy, digest.hexdigest()


def _has_descriptor(file: BinaryIO) -> bool:
    try:
        file.fileno()
    except (OSError, AttributeError):
        return False
    return True
