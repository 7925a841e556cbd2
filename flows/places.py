"""Where the outputs of a photo lie in the destination."""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import splitext
from typing import Final

from restoration.codec.formats import FORMATS, SUFFIX_FORMATS

RESTORED: Final = "restored"
COLORIZED: Final = "colorized"
ACCESS: Final = "access"
FOLDERS: Final = (RESTORED, COLORIZED, ACCESS)
"""Everything that `verify` reads back is in one of them."""

_SIDECAR: Final = ".json"

_LONGEST_NAME_BYTES: Final = 255
"""Of a file (Linux, limits.h: NAME_MAX)."""


def access_path(source: str, file_format: str) -> str:
    """Of an access copy: the source's path and one more suffix, which no other copy can have."""
    return f"{ACCESS}/{source}{FORMATS[file_format].suffixes[0]}"


def sidecar_path(source: str) -> str:
    """Of a sidecar: beside the restored photo, whatever its format is."""
    return f"{RESTORED}/{source}{_SIDECAR}"


def possible_outputs(source: str) -> Iterator[str]:
    """Each path at which an output of a source may lie, whatever the options were.

    One with a suffix more than the source may be another source's: `scan.tif.jpg` of `scan.tif`.
    """
    suffixes = [each.suffixes[0] for each in FORMATS.values()]
    for folder in (RESTORED, COLORIZED):
        yield from (f"{folder}/{source}{suffix}" for suffix in ("", *suffixes))
    yield from (access_path(source, name) for name in FORMATS)
    yield sidecar_path(source)


def possible_owners(path: str) -> Iterator[str]:
    """Each photo that may have an output at a path, whatever the options were.

    The reverse of `possible_outputs`: mostly one, but `restored/scan.tif.jpg` may be that of
    `scan.tif.jpg` or, in another format, that of `scan.tif`.
    """
    name = path.partition("/")[2]
    suffixes = ("", *(each.suffixes[0] for each in FORMATS.values()), _SIDECAR)
    for source in (name.removesuffix(suffix) for suffix in suffixes if name.endswith(suffix)):
        is_photo = splitext(source)[1].lower() in SUFFIX_FORMATS
        if is_photo and path in possible_outputs(source):
            yield source


def owner_in_run(path: str, output_format: str | None) -> str | None:
    """Of several possible owners, the only one that a run with this option may write there.

    Args:
        path: in `restored/` or `colorized/`, with more than one possible owner.
        output_format: that was asked for: each of the owners then gets its suffix, or none does.
    """
    name = path.partition("/")[2]
    if output_format is None:
        return name
    suffix = FORMATS[output_format].suffixes[0]
    return name.removesuffix(suffix) if name.endswith(suffix) else None


def has_room_for(path: str) -> bool:
    """Whether a path's last part is short enough to be a file's name."""
    return len(path.rpartition("/")[2].encode("utf-8", "surrogateescape")) <= _LONGEST_NAME_BYTES
