"""What every store offers, whatever keeps the bytes: a folder today, object storage tomorrow.

A path is always relative to the store's root, in POSIX form (`1923/box 4/portrait.jpg`): no
leading slash, no `.` or `..`, no empty part. Nothing here shows how a store gets an object in
place, so that a store that renames and one that uploads keep the same contract.
"""

from __future__ import annotations

import enum
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol


class EntryKind(enum.StrEnum):
    """What the crawl found at a path."""

    FILE = "file"
    SYMLINK = "symlink"
    LINKED_FOLDER = "linked_folder"
    SPECIAL = "special"
    UNREADABLE = "unreadable"
    BAD_NAME = "bad_name"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class SourceEntry:
    r"""One thing found in the source.

    Attributes:
        path: relative POSIX path. A folder (one that cannot be listed, or whose name cannot be
            kept) ends in `/`. Bytes of a name that are not UTF-8 are shown as `\xe9`.
        size: bytes; 0 for anything but a file.
        mtime_ns: time of the last change, nanoseconds since 1970 UTC; 0 where it is not known.
        kind: only a `FILE` can be opened.
        problem: plain words for a person when the kind is not `FILE`, else empty.
        etag: object storage's mark of the content, without its quotes; empty where there is none.
            Equal ones say equal content; different ones may too (uploads in other parts).
        version_id: of a bucket that keeps versions; empty where it is not known.
    """

    path: str
    size: int
    mtime_ns: int
    kind: EntryKind = EntryKind.FILE
    problem: str = ""
    etag: str = ""
    version_id: str = ""


class SourceFile(io.BufferedReader):
    """An original, open for reading: seekable, a context manager.

    Attributes:
        entry: what is being read, as it was when it was opened.
    """

    def __init__(self, raw: io.RawIOBase, entry: SourceEntry) -> None:
        super().__init__(raw, 128 * 1024)
        self.entry = entry


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What a `put` left behind.

    Attributes:
        path: relative POSIX path.
        size: bytes.
        sha256: of those bytes, 64 lower-case hexadecimal digits.
        etag: as in `SourceEntry`; empty for a file.
    """

    path: str
    size: int
    sha256: str
    etag: str = ""


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One object of a listing: relative POSIX path and size in bytes."""

    path: str
    size: int


class SourceStore(Protocol):
    """An archive of originals. There is no method that could change it."""

    @property
    def url(self) -> str:
        """Where the archive is, such as `file:///mnt/photos`."""

    def check(self) -> None:
        """Makes sure that there is something to crawl: an empty folder may be a lost mount.

        Raises:
            BadLocation: there is nothing.
            StorageError: a bucket cannot be listed.
        """

    def crawl(
        self, *, include: Sequence[str] = (), exclude: Sequence[str] = (), start_after: str = ""
    ) -> Iterator[SourceEntry]:
        """Streams what is there in the code-point order of the full path, in bounded memory.

        Hidden files and folders (leading dot) and system litter are left out. What cannot be
        read is an entry with a problem, not an exception.

        Args:
            include: globs (`storage.globs`); when given, only files that match one are yielded.
            exclude: globs of what is left out, also of what `include` names.
            start_after: goes on behind this path, with what a whole crawl would yield after it.

        Raises:
            BadLocation: the root itself cannot be listed.
            StorageError: no room for the temporary file of a very large folder.
        """

    def open(self, path: str, *, etag: str = "") -> SourceFile:
        """Opens a file for reading: seekable, a context manager.

        Args:
            path: which one.
            etag: of the content that is wanted; empty for whatever is there.

        Raises:
            UnsafePath: the path is not plain or leads outside the store.
            NotFound: no such file.
            SourceChanged: it is not the content that is wanted. On object storage, reading raises
                it, too, when the object is replaced meanwhile.
            Archived: it must be brought back from an archive tier first.
            StorageError: not a regular file, or it cannot be read.
        """

    def head(self, path: str, length: int) -> bytes:
        """The first `length` bytes (fewer where the file is shorter); raises as `open` does."""

    def stat(self, path: str) -> SourceEntry:
        """What the crawl would say of this path; raises as `open` does for a missing file."""


class DestinationStore(Protocol):
    """Where results go. An object is either wholly there or not at all."""

    @property
    def url(self) -> str:
        """Where results go, such as `file:///mnt/restored`."""

    def put(
        self, path: str, data: bytes | memoryview | BinaryIO, *, overwrite: bool = True
    ) -> StoredObject:
        """Stores an object atomically and durably; a reader sees the old or the new, never half.

        Args:
            path: where to.
            data: all the bytes, or a reader that is read from where it stands to its end.
            overwrite: False refuses to replace an object that is there.

        Raises:
            AlreadyExists: `overwrite` is False and the object is there.
            UnsafePath: the path is not plain, leads outside, or is reserved for the store.
            EndsRun: the disk or the quota is full, the credentials have expired, or the lock was
                lost to another run.
            StorageError: anything else, with the path and the reason.
        """

    def open(self, path: str) -> BinaryIO:
        """Opens an object for reading: seekable, a context manager.

        Raises:
            UnsafePath: the path is not plain or leads outside the store.
            NotFound: no such object.
            StorageError: it cannot be read.
        """

    def size(self, path: str) -> int | None:
        """Bytes of the object; None where there is none."""

    def sizes(self, paths: Iterable[str]) -> Mapping[str, int]:
        """Bytes of each of these objects that is there; cheaper than `size` for neighbours.

        Raises:
            StorageError: a bucket cannot be listed. What cannot be looked at in a folder is left
                out like what is not there.
        """

    def delete(self, path: str) -> None:
        """Removes an object; one that is not there is fine."""

    def list(self, prefix: str) -> Iterator[StoredEntry]:
        """Streams the objects in the folder `prefix` ("" for all) and below, sorted by path.

        What killed runs left half-written is not shown, nor is the lock.

        Raises:
            StorageError: a folder cannot be listed: a listing is whole or fails.
        """

    def lock(self) -> AbstractContextManager[None]:
        """Holds the destination for one writer; free again some time after the holder died.

        Raises:
            DestinationBusy: another live holder, also one in this process.
            LeaseLost: on leaving the block, when another run took the destination over meanwhile.
        """

    def sweep(self, prefixes: Iterable[str]) -> int:
        """Removes what killed runs left half-written directly in these folders.

        The caller holds the lock. Folders of the store's own that are empty then go, too.

        Args:
            prefixes: relative folders, "" for the root; missing ones are fine.

        Returns:
            How many leftovers were removed.
        """
