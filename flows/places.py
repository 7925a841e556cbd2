"""Where the outputs of a photo lie in the destination."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from restoration.codec.formats import FORMATS

RESTORED: Final = "restored"
COLORIZED: Final = "colorized"
ACCESS: Final = "access"
FOLDERS: Final = (RESTORED, COLORIZED, ACCESS)
"""Everything that `verify` reads back is in one of them."""

_LONGEST_NAME_BYTES: Final = 255
"""Of a file (Linux, limits.h: NAME_MAX)."""


def access_path(source: str, file_format: str) -> str:
    """Of an access copy: the source's path and one more suffix, which no other copy can have."""
    return f"{ACCESS}/{source}{FORMATS[file_format].suffixes[0]}"


def sidecar_path(source: str) -> str:
    """Of a sidecar: beside the restored photo, whatever its format is."""
    return f"{RESTORED}/{source}.json"


def possible_outputs(source: str) -> Iterator[str]:
    """Each path at which an output of a source may lie, whatever the options were.

    One with a suffix more than the source may be another source's: `scan.tif.jpg` of `scan.tif`.
    """
    suffixes = [each.suffixes[0] for each in FORMATS.values()]
    for folder in (RESTORED, COLORIZED):
        yield from (f"{folder}/{source}{suffix}" for suffix in ("", *suffixes))
    yield from (access_path(source, name) for name in FORMATS)
    yield sidecar_path(source)


def source_of(path: str) -> str:
    """The source whose own path an output in `restored/` or `colorized/` has."""
    return path.partition("/")[2]


def has_room_for(path: str) -> bool:
    """Whether a path's last part is short enough to be a file's name."""
    return len(path.rpartition("/")[2].encode("utf-8", "surrogateescape")) <= _LONGEST_NAME_BYTES
