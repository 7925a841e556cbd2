"""Which relative paths are accepted, and which names belong to the store itself."""

from __future__ import annotations

import re
import uuid
from typing import Final

from storage.errors import UnsafePath

PRIVATE_FOLDER: Final = ".restore-archive"
"""Folder of the destination for what is not a result: the lock and the work lists."""

LOCK_PATH: Final = f"{PRIVATE_FOLDER}/lock"

_TEMP_NAME: Final = re.compile(rb"\.restore-archive-[0-9a-f]{32}\.part")


def check_relative(path: str) -> bytes:
    """Refuses every path that is not plain.

    Args:
        path: relative POSIX path of an object.

    Returns:
        The path in UTF-8: the system gets the same bytes whatever the locale is.

    Raises:
        UnsafePath: empty, absolute, with `.`, `..`, an empty part, NUL or text that UTF-8
            cannot hold.
    """
    slashed = f"/{path}/"
    # A listing of millions comes through here: what is wrong is looked for only where something is.
    if not ("//" in slashed or "/./" in slashed or "/../" in slashed or "\0" in path):
        try:
            return path.encode()
        except UnicodeEncodeError:
            pass
    shown = path.encode("utf-8", "backslashreplace").decode()
    if not path:
        raise UnsafePath("an empty path names no file")
    if "\0" in path:
        raise UnsafePath(f"the path {shown!r} has a NUL character")
    if path.startswith("/"):
        raise UnsafePath(f"{shown} is absolute; a path inside the archive is needed")
    for part in path.split("/"):
        if part == "..":
            raise UnsafePath(f"{shown} would lead outside the archive")
        if part in ("", "."):
            raise UnsafePath(f"{shown} has an empty part or '.'; write the path without it")
    raise UnsafePath(f"{shown} is not valid UTF-8; rename the file")


def check_folder(prefix: str) -> str:
    """Like `check_relative` for a folder: "" is the root and one slash at the end is fine.

    Returns:
        The folder without the slash at its end.
    """
    folder = prefix.removesuffix("/")
    if prefix and not folder:
        raise UnsafePath(f"{prefix} is absolute; a path inside the archive is needed")
    if folder:
        check_relative(folder)
    return folder


def check_writable(path: str) -> bytes:
    """Like `check_relative`, and refuses the names that the store keeps for itself."""
    raw = check_relative(path)
    if path == LOCK_PATH or is_temp_name(raw.rpartition(b"/")[2]):
        raise UnsafePath(f"{path} is a name that the store keeps for itself")
    return raw


def temp_name() -> bytes:
    """A fresh hidden name of 54 bytes, whatever the length of the final name."""
    return f".restore-archive-{uuid.uuid4().hex}.part".encode()


def is_temp_name(name: bytes) -> bool:
    """Whether a file name (not a path) is one that `temp_name` makes."""
    return _TEMP_NAME.fullmatch(name) is not None
