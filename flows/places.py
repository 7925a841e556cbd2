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


def in_format(source: str, file_format: str) -> str:
    """A source's path with the suffix of another format.

    `scan.tif` becomes `scan.tif.jpg`, and a photo without a suffix, `scan`, becomes `scan..jpg`: a
    `scan.jpg` may lie beside it, and keep its name.
    """
    dot = "" if splitext(source)[1] else "."
    return source + dot + FORMATS[file_format].suffixes[0]


def may_be_in_format(path: str) -> bool:
    """Whether a source's path is one that another source's may become by `in_format`."""
    suffix = splitext(splitext(path)[0])[1].lower()
    return suffix == "." or suffix in SUFFIX_FORMATS


def possible_outputs(source: str) -> Iterator[str]:
    """Each path at which an output of a source may lie, whatever the options were.

    One with a suffix more than the source may be another source's: `scan.tif.jpg` of `scan.tif`.
    """
    for folder in (RESTORED, COLORIZED):
        yield f"{folder}/{source}"
        yield from (f"{folder}/{in_format(source, name)}" for name in FORMATS)
    yield from (access_path(source, name) for name in FORMATS)
    yield sidecar_path(source)


def possible_owners(path: str) -> Iterator[str]:
    """Each photo that may have an output at a path, whatever the options were.

    The reverse of `possible_outputs`: mostly one, but `restored/scan.tif.jpg` may be that of
    `scan.tif.jpg` or, in another format, that of `scan.tif`.
    """
    name = path.partition("/")[2]
    given = [each.suffixes[0] for each in FORMATS.values()]
    suffixes = ("", *given, *(f".{suffix}" for suffix in given), _SIDECAR)
    for source in (name.removesuffix(suffix) for suffix in suffixes if name.endswith(suffix)):
        suffix = splitext(source)[1].lower()
        may_be_photo = not suffix or suffix in SUFFIX_FORMATS
        if may_be_photo and path in possible_outputs(source):
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
    if name.endswith(f".{suffix}"):
        return name.removesuffix(f".{suffix}")
    return name.removesuffix(suffix) if name.endswith(suffix) else None


def has_room_for(path: str) -> bool:
    """Whether a path's last part is short enough to be a file's name."""
    return len(path.rpartition("/")[2].encode("utf-8", "surrogateescape")) <= _LONGEST_NAME_BYTES
