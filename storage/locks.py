"""A lock on a folder that the kernel frees when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from typing import Final

from storage.errors import DestinationBusy, StorageError, reason

_held: Final[set[int]] = set()


def _let_go_in_child() -> None:
    # A flock belongs to the open file, which a forked worker shares: an orphaned worker would
    # keep the lock of a run that was killed.
    for descriptor in _held:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go_in_child)


@contextlib.contextmanager
def hold_lock(path: bytes, place: str) -> Iterator[None]:
    """Holds the lock file at `path`, made where it is missing, until the block is left.

    The file stays: removing it would let two processes hold two files of the same name.

    Args:
        path: of the lock file; its folder exists.
        place: what is locked, for the message.

    Raises:
        DestinationBusy: another live process, or another block in this one, holds it.
        StorageError: the file cannot be made or the file system has no locks.
    """
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        raise StorageError(f"cannot lock {place}: {reason(error)}") from error
    try:
        _take(descriptor, place)
        _held.add(descriptor)
        yield
    finally:
        _held.discard(descriptor)
        os.close(descriptor)


def _take(descriptor: int, place: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise StorageError(f"cannot lock {place}: {reason(error)}") from error
        holder = os.pread(descriptor, 200, 0).decode("utf-8", "replace").strip()
        raise DestinationBusy(
            f"another run writes to {place} ({holder or 'holder unknown'});"
            " wait until it ends, or stop it"
        ) from error
