"""Which files of a crawl are photographs: by their suffixes, or by content where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from posixpath import splitext
from typing import Final

from restoration.codec import OTHER_PHOTO_SUFFIXES, SUFFIX_FORMATS
from restoration.codec.formats import HEAD_LENGTH, sniff
from restoration.errors import RestorationError
from storage import EndsRun, EntryKind, NotFound, SourceEntry, SourceStore, StorageError
from storage.ahead import ahead

CHUNK: Final = 1_000
"""Files of which those without a suffix are looked into together, several at a time."""


def told_apart(
    source: SourceStore, entries: Iterator[SourceEntry]
) -> Iterator[tuple[SourceEntry, bool]]:
    """Say of each file whether it is a photograph, as far as can be told without decoding it.

    Classic Mac scans, for instance, have no suffix: the first bytes of such files are read.

    Args:
        source: the archive.
        entries: of its crawl.

    Yields:
        The entries as they come, with True for a photo, or what may hold photos that are out of
        reach.
    """
    while chunk := list(islice(entries, CHUNK)):
        unnamed = [e for e in chunk if e.kind is EntryKind.FILE and not suffix_of(e)]
        answers = ahead(partial(_begins_like_a_photo, source, entry) for entry in unnamed)
        sniffed = dict(zip((entry.path for entry in unnamed), answers, strict=True))
        for entry in chunk:
            yield entry, sniffed.get(entry.path, _is_photo_by_name(entry))


def suffix_of(entry: SourceEntry) -> str:
    """The suffix of its name, lower case, with its dot; empty where there is none."""
    return splitext(entry.path)[1].lower()


def _is_photo_by_name(entry: SourceEntry) -> bool:
    suffix = suffix_of(entry)
    is_photo = suffix in SUFFIX_FORMATS or suffix in OTHER_PHOTO_SUFFIXES
    # Folders that cannot be looked into may hold photos: they must not vanish either.
    is_closed_folder = entry.path.endswith("/") or entry.kind is EntryKind.LINKED_FOLDER
    return is_photo or is_closed_folder or entry.kind is EntryKind.UNREADABLE


def _begins_like_a_photo(source: SourceStore, entry: SourceEntry) -> bool:
    """Whether a file begins as one of a format that is read; one that cannot be read may be one."""
    if not entry.size:
        return False
    try:
        sniff(source.head(entry.path, HEAD_LENGTH))
    except RestorationError:
        return False
    except EndsRun:
        raise
    except NotFound:  # gone since it was listed
        return False
    except StorageError:
        return True  # its row will say what is the matter
    return True
