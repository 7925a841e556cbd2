"""From what a user writes on the command line to a store."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from storage.base import DestinationStore, SourceStore
from storage.errors import BadLocation, reason
from storage.local import LocalDestination, LocalSource

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


def open_source(location: str) -> SourceStore:
    """Opens an archive of originals.

    Args:
        location: a path, a `file://` address or `s3://bucket/folder`.

    Raises:
        BadLocation: not a folder, or a kind of place that is not supported.
        StorageError: a bucket that cannot be listed.
    """
    if _scheme(location) == "s3":
        # Imported where it is needed: boto3 takes its time.
        from storage.s3 import open_s3_source

        return open_s3_source(location)
    return LocalSource(_local_path(location))


def open_destination(location: str, source: SourceStore) -> DestinationStore:
    """Opens the place for results. Nothing is made there before the first `put` or lock.

    Args:
        location: a path, there or not, a `file://` address or `s3://bucket/folder`.
        source: the archive that must stay untouched.

    Raises:
        BadLocation: equal to, inside or above the source, not writable, or not supported.
        StorageError: a bucket that cannot be listed.
    """
    if _scheme(location) == "s3":
        from storage.s3 import open_s3_destination

        return open_s3_destination(location, source.url)
    destination = LocalDestination(_local_path(location))
    root = destination.root
    if source.url.startswith("file://"):
        _check_apart(root, _local_path(source.url))
    try:
        _check_usable(root)
    except OSError as error:
        raise BadLocation(f"the destination {root} cannot be used: {reason(error)}") from error
    return destination


def open_results(location: str) -> DestinationStore:
    """Opens what an earlier run left, to be read.

    Raises:
        BadLocation: there is no such folder, or it is of a kind that is not supported.
        StorageError: a bucket that cannot be listed.
    """
    if _scheme(location) == "s3":
        from storage.s3 import open_s3_destination

        return open_s3_destination(location, source_url="")
    root = _local_path(location)
    if not root.is_dir():
        raise BadLocation(f"there is no folder {root}")
    return LocalDestination(root)


def overlaps(folder: Path, location: str) -> bool:
    """Whether a local folder is the same as a location, inside of it or above it.

    Args:
        folder: there or not, absolute, without symbolic links.
        location: of an archive, as `open_source` takes it; a bucket overlaps no folder.

    Raises:
        BadLocation: a kind of place that is not supported.
    """
    if _scheme(location) == "s3":
        return False
    place = _local_path(location).resolve()
    try:
        _check_apart(folder, place)
    except BadLocation:
        return True
    return False


def is_within(folder: Path, location: str) -> bool:
    """Whether a local folder is the same as a location or inside of it.

    Args and Raises: as of `overlaps`.
    """
    if _scheme(location) == "s3":
        return False
    place = _local_path(location).resolve()
    return any(_same(each, place) for each in (folder, *folder.parents))


def _local_path(location: str) -> Path:
    if not location or "\0" in location:
        raise BadLocation("a folder is needed; the location is empty or has a NUL character")
    scheme = _scheme(location)
    if not scheme:
        return Path(location).expanduser()
    if scheme != "file":
        raise BadLocation(f"{scheme}:// archives are not supported; give a folder or s3://bucket")
    # "?" and "#" are parts of a file's name here, not of an address.
    parts = urlsplit(location.replace("?", "%3F").replace("#", "%23"))
    if parts.netloc not in ("", "localhost") or not parts.path:
        raise BadLocation(f"{location} names no folder here; write file:///folder")
    # Not unquote(): a path that is not UTF-8 must come back as the very same bytes.
    return Path(os.fsdecode(unquote_to_bytes(parts.path)))


def _scheme(location: str) -> str:
    """What stands before `://`, in small letters; empty for a path."""
    match = _SCHEME.match(location)
    return match[1].lower() if match else ""


def _check_usable(root: Path) -> None:
    nearest = next(folder for folder in (root, *root.parents) if folder.exists())
    if not nearest.is_dir():
        raise BadLocation(f"the destination {root} cannot be made: {nearest} is not a folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise BadLocation(f"the destination {root} is not writable: no permission in {nearest}")


def _check_apart(destination: Path, source: Path) -> None:
    """Compares the folders themselves, not their names: names may differ by case or mount."""
    if _same(destination, source):
        raise BadLocation(f"the destination {destination} is the source itself; choose another")
    if any(_same(parent, source) for parent in destination.parents):
        raise BadLocation(f"the destination {destination} is inside the source {source}")
    if any(_same(parent, destination) for parent in source.parents):
        raise BadLocation(
            f"the destination {destination} is above the source {source}: results could"
            " overwrite originals; choose a folder beside it"
        )


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return one == other
