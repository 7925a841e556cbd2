"""An archive in a folder: originals that are only ever read, results that appear whole."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Final

from storage.base import EntryKind, SourceEntry, SourceFile, StoredEntry, StoredObject
from storage.crawl import RUN_LENGTH, describe, describe_open, holds_anything, walk
from storage.errors import (
    AlreadyExists,
    BadLocation,
    NotFound,
    SourceChanged,
    StorageError,
    UnsafePath,
    from_os_error,
    reason,
)
from storage.globs import PathFilter
from storage.locks import hold_lock
from storage.paths import (
    LOCK_PATH,
    PRIVATE_FOLDER,
    check_folder,
    check_relative,
    check_writable,
    is_temp_name,
    temp_name,
)
from storage.publish import make_folders, publish, sync_folder, write_new

# Paths go to the system as UTF-8 bytes, the same whatever the locale; pathlib has only text.
# ruff: noqa: PTH106, PTH108, PTH112, PTH116, PTH120


class _Folder:
    """What source and destination share: a root, and getting safely from there to a file."""

    def __init__(self, root: Path) -> None:
        self.root: Final = root
        self._base = os.fsencode(root).rstrip(b"/")

    @property
    def url(self) -> str:
        """Where the folder is, as a `file://` address."""
        return self.root.as_uri()

    def _open(self, path: str) -> io.FileIO:
        """Opens a regular file; symbolic links and special files are refused."""
        full = self._full(path, check_relative(path))
        # O_NONBLOCK: a named pipe without a writer would block for ever before it can be refused.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(full, flags)
        except NotADirectoryError as error:
            raise NotFound(f"cannot read {path}: there is no such file") from error
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise StorageError(f"cannot read {path}: symbolic link, not followed") from error
            raise from_os_error("cannot read", path, error) from error
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise StorageError(f"cannot read {path}: not a regular file")
            return io.FileIO(descriptor, "rb")
        except BaseException:
            os.close(descriptor)
            raise

    def _full(self, path: str, raw: bytes) -> bytes:
        """The absolute path, after making sure that no link on the way leads out of the root."""
        full = self._base + b"/" + raw
        try:
            parent = os.path.realpath(os.path.dirname(full)).rstrip(b"/")
        except OSError as error:
            raise from_os_error("cannot reach", path, error) from error
        if parent != self._base and not parent.startswith(self._base + b"/"):
            raise UnsafePath(f"{path} leads out of {self.root} through a symbolic link")
        return full

    def _folder(self, folder: str) -> bytes:
        """The absolute path of a folder that `check_folder` accepted, checked as files are."""
        return os.path.dirname(self._full(folder, f"{folder}/-".encode())).rstrip(b"/")


class LocalSource(_Folder):
    """A folder of originals; nothing in it is ever written.

    Args:
        root: an existing folder; symbolic links in its own path are resolved.
        run_length: names of one folder that the crawl sorts in memory.

    Raises:
        BadLocation: there is no such folder.
    """

    def __init__(self, root: Path, *, run_length: int = RUN_LENGTH) -> None:
        try:
            resolved = root.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            text = reason(error) if isinstance(error, OSError) else "its links lead in a circle"
            raise BadLocation(f"the source {root} cannot be used: {text}") from error
        if not resolved.is_dir():
            raise BadLocation(f"the source {root} is not a folder")
        super().__init__(resolved)
        self._run_length = run_length

    def crawl(
        self, *, include: Sequence[str] = (), exclude: Sequence[str] = (), start_after: str = ""
    ) -> Iterator[SourceEntry]:
        """See `SourceStore.crawl`; links are not followed and special files never opened."""
        return walk(
            self._base,
            PathFilter(include, exclude),
            run_length=self._run_length,
            start_after=start_after,
        )

    def check(self) -> None:
        """See `SourceStore.check`: looks no further than the first file."""
        if not holds_anything(self._base):
            raise BadLocation(
                f"there is nothing in {self.root}: is it mounted, and written as it is?"
            )

    def open(self, path: str, *, etag: str = "") -> SourceFile:
        """See `SourceStore.open`; a file has no ETag, so none can be asked for."""
        if etag:
            raise SourceChanged(f"{path} is a file and cannot be the object that was listed")
        file = self._open(path)
        return SourceFile(file, describe_open(path, os.fstat(file.fileno())))

    def head(self, path: str, length: int) -> bytes:
        """See `SourceStore.head`."""
        with self.open(path) as file:
            try:
                return file.read(length)
            except OSError as error:
                raise from_os_error("cannot read", path, error) from error

    def stat(self, path: str) -> SourceEntry:
        """See `SourceStore.stat`."""
        raw = check_relative(path)
        full = self._full(path, raw)
        entry = describe(self._base, raw)
        if entry is None or (entry.kind is EntryKind.UNREADABLE and os.path.isdir(full)):
            raise NotFound(f"there is no file {path} in {self.root}")
        return entry


class LocalDestination(_Folder):
    """A folder of results. It is made by the first `put` (or lock), not before.

    Args:
        root: the folder, there or not; symbolic links in its own path are resolved.
    """

    def __init__(self, root: Path) -> None:
        try:
            super().__init__(root.resolve())
        except (OSError, RuntimeError) as error:
            raise BadLocation(f"the destination {root} cannot be used: {error}") from error

    def put(
        self, path: str, data: bytes | memoryview | BinaryIO, *, overwrite: bool = True
    ) -> StoredObject:
        """See `DestinationStore.put`: a hidden file beside the target, synced, then renamed."""
        full = self._full(path, check_writable(path))
        folder = os.path.dirname(full)
        temporary = folder + b"/" + temp_name()
        try:
            make_folders(folder)
            try:
                stored = write_new(temporary, path, data)
                publish(temporary, full, overwrite)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise
            sync_folder(folder)
        except FileExistsError as error:
            if overwrite:
                raise from_os_error("cannot write", path, error) from error
            raise AlreadyExists(f"{path} exists already in {self.root}") from error
        except OSError as error:
            raise from_os_error("cannot write", path, error) from error
        return stored

    def open(self, path: str) -> BinaryIO:
        """See `DestinationStore.open`; symbolic links and special files are refused."""
        return io.BufferedReader(self._open(path))

    def size(self, path: str) -> int | None:
        """See `DestinationStore.size`."""
        full = self._full(path, check_relative(path))
        try:
            found = os.lstat(full)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise from_os_error("cannot look at", path, error) from error
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def sizes(self, paths: Iterable[str]) -> Mapping[str, int]:
        """See `DestinationStore.sizes`."""
        found = {}
        for path in paths:
            with contextlib.suppress(StorageError):
                if (size := self.size(path)) is not None:
                    found[path] = size
        return found

    def delete(self, path: str) -> None:
        """See `DestinationStore.delete`."""
        full = self._full(path, check_writable(path))
        try:
            os.unlink(full)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise from_os_error("cannot delete", path, error) from error

    def list(self, prefix: str) -> Iterator[StoredEntry]:
        """See `DestinationStore.list`; symbolic links and special files are no objects."""
        folder = check_folder(prefix)
        full = self._folder(folder)
        try:
            if not stat.S_ISDIR(os.stat(full or b"/").st_mode):
                return
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise from_os_error("cannot list", folder or str(self.root), error) from error
        start = f"{folder}/" if folder else ""
        for entry in walk(full, PathFilter(), left_out=is_temp_name):
            path = start + entry.path
            if entry.kind is EntryKind.UNREADABLE:
                raise StorageError(f"cannot list {path}: {entry.problem}")
            if entry.kind is EntryKind.FILE and path != LOCK_PATH:
                yield StoredEntry(path, entry.size)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        full = self._full(LOCK_PATH, LOCK_PATH.encode())
        try:
            make_folders(os.path.dirname(full))
        except OSError as error:
            raise from_os_error("cannot lock", str(self.root), error) from error
        with hold_lock(full, str(self.root)):
            yield

    def lock(self) -> AbstractContextManager[None]:
        """See `DestinationStore.lock`: taken on entering the block."""
        return self._locked()

    def sweep(self, prefixes: Iterable[str]) -> int:
        """See `DestinationStore.sweep`."""
        return sum(self._sweep_folder(check_folder(prefix)) for prefix in prefixes)

    def _sweep_folder(self, folder: str) -> int:
        full = self._folder(folder) or b"/"
        removed = 0
        try:
            with os.scandir(full) as entries:
                for entry in entries:
                    if is_temp_name(entry.name) and entry.is_file(follow_symlinks=False):
                        os.unlink(entry.path)
                        removed += 1
            if folder.startswith(f"{PRIVATE_FOLDER}/"):
                with contextlib.suppress(OSError):  # there is something in it
                    os.rmdir(full)
        except (FileNotFoundError, NotADirectoryError):
            return removed
        except OSError as error:
            raise from_os_error("cannot tidy", folder or str(self.root), error) from error
        return removed
