"""How a file appears whole: written beside its place, synced, then given its name."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from typing import BinaryIO, Final

from storage.base import StoredObject

# Paths are UTF-8 bytes; pathlib has only text.
# ruff: noqa: PTH102, PTH105, PTH108, PTH112, PTH120

_CHUNK: Final = 1 << 20
_NO_HARD_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


def make_folders(folder: bytes) -> None:
    """Makes the folder and its parents, each one durably known to its own parent."""
    missing: list[bytes] = []
    while not os.path.isdir(folder or b"/"):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for path in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(path)
        sync_folder(os.path.dirname(path))


def write_new(temporary: bytes, path: str, data: bytes | memoryview | BinaryIO) -> StoredObject:
    """Writes a file that is not there yet, to the disk itself.

    Args:
        temporary: absolute path of the new file; the caller removes it when this raises.
        path: what the result is to be called.
        data: all the bytes, or a reader.

    Raises:
        OSError: from the disk or from the reader.
    """
    digest = hashlib.sha256()
    size = 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    # 0o666 less the umask: the mode that the user's own files get.
    with os.fdopen(os.open(temporary, flags, 0o666), "wb") as file:
        for chunk in _chunks(data):
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
        file.flush()
        os.fsync(file.fileno())
    return StoredObject(path, size, digest.hexdigest())


def _chunks(data: bytes | memoryview | BinaryIO) -> Iterator[bytes | memoryview]:
    if isinstance(data, (bytes, bytearray, memoryview)):
        view = memoryview(data).cast("B")
        for start in range(0, len(view), _CHUNK):
            yield view[start : start + _CHUNK]
    else:
        while chunk := data.read(_CHUNK):
            yield chunk


def publish(temporary: bytes, full: bytes, overwrite: bool) -> None:
    """Gives a finished file its final name, at once.

    Raises:
        FileExistsError: `overwrite` is False and the name is taken.
        OSError: anything else.
    """
    if not overwrite:
        try:
            # A rename would replace silently; a second name is only given where there is none.
            os.link(temporary, full)
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            # exFAT and some network shares: look, then rename; the lock keeps other runs out.
            if os.path.lexists(full):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from error
        else:
            os.unlink(temporary)
            return
    os.replace(temporary, full)


def sync_folder(folder: bytes) -> None:
    """Makes what was named in a folder survive a power cut."""
    descriptor = os.open(folder or b"/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder; they order renames themselves.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
