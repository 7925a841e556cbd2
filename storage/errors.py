"""What can go wrong with a store.

Every message is one plain line for the person who looks after the archive: it ends up on the
screen or in the manifest's `error_message`.
"""

from __future__ import annotations

import errno
from typing import ClassVar

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


class StorageError(Exception):
    """A store could not do what was asked.

    `is_permanent` says that trying again cannot help as long as the archive stays as it is.
    """

    is_permanent: ClassVar[bool] = False


class NotFound(StorageError):  # noqa: N818 - reads as a sentence in the manifest
    """There is no object of this name."""


class AlreadyExists(StorageError):  # noqa: N818
    """The object is there already and was not to be overwritten."""


class DestinationBusy(StorageError):  # noqa: N818
    """Another live process writes to this destination."""


class UnsafePath(StorageError):  # noqa: N818
    """A relative path that is not plain, or that would lead outside the store."""

    is_permanent = True


class BadLocation(StorageError):  # noqa: N818
    """A source or destination that cannot be used: missing, not writable, or overlapping."""


class AccessDenied(StorageError):  # noqa: N818
    """The policy of a bucket does not allow it; the message names the permission."""


class SourceChanged(StorageError):  # noqa: N818
    """The original was replaced while it was being read; what was read of it is of no use."""


class Archived(StorageError):  # noqa: N818
    """The original lies in an archive tier and must be restored from there before it is read."""


class QueryError(StorageError):
    """A query of the manifest that cannot be answered."""

    is_permanent = True


class EndsRun(StorageError):  # noqa: N818
    """Every further call would fail the same way, so that a run is better ended than gone on."""


class OutOfSpace(EndsRun):
    """The disk (or the quota) of the destination is full."""


class CredentialsExpired(EndsRun):
    """The credentials were good and are no longer: log in again and give the same command."""


class CredentialsRefused(EndsRun):
    """There are no credentials, or they are not those of this place."""


class LeaseLost(EndsRun):
    """Another run took the destination over, or nobody can tell that it did not."""


def from_os_error(doing: str, path: str, error: OSError) -> StorageError:
    """Turns the system's error into one plain line.

    Args:
        doing: what was tried, such as "cannot write".
        path: the relative path it was tried on.
        error: what the system said.

    Returns:
        `NotFound`, `OutOfSpace` or a plain `StorageError`, to be raised from `error`.
    """
    message = f"{doing} {path}: {reason(error)}"
    if error.errno in _NO_ROOM:
        return OutOfSpace(message)
    if isinstance(error, FileNotFoundError):
        return NotFound(message)
    return StorageError(message)


def reason(error: OSError) -> str:
    """What the system says went wrong, in lower case and without the path."""
    text = error.strerror or str(error) or type(error).__name__
    return text[:1].lower() + text[1:]
