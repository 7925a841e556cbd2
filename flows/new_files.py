"""Files that a user asked for by name: each appears whole or not at all."""

from __future__ import annotations

import errno
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from storage import OutOfSpace, StorageError
from storage.errors import reason

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file to be written; at the end it takes the place of `path`, after an error it is gone.

    It lies beside `path` under a name that nobody else has, so that no file of others is touched.

    Raises:
        OutOfSpace: the disk is full.
        StorageError: it cannot be made, not be written, or not take its place.
    """
    unfinished = path.with_name(f".{path.stem[:100]}-{secrets.token_hex(8)}.part{path.suffix}")
    try:
        file = unfinished.open("xb")
        try:
            yield file
            file.close()
            unfinished.replace(path)
        finally:
            with suppress(OSError):  # what is left in its buffer may have no room, either
                file.close()
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise not_written(path, error) from error


def not_written(path: Path, error: OSError) -> StorageError:
    """What to raise where a file (or folder) that a user asked for cannot be written.

    Args:
        path: as the user knows it, not the name that it has until it is whole.
        error: what the system said.
    """
    if error.errno in _NO_ROOM:
        return OutOfSpace(
            f"{path} was not written: {reason(error)}; make room, or choose a place that has some"
        )
    return StorageError(
        f"{path} was not written: {reason(error)}; choose a place where you may write"
    )
