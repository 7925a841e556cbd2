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


class OutOfSpace(StorageError):  # noqa: N818
    """The disk (or the quota) of the destination is full: every further put would fail too."""


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
