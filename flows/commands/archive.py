"""What commands that look at a restored archive share."""

from __future__ import annotations

from restoration.errors import UsageError
from storage import DestinationStore, open_results
from storage.manifest import part_paths


def open_archive(location: str) -> DestinationStore:
    """Open what runs left.

    Args:
        location: as `open_results` takes it.

    Raises:
        BadLocation: there is no such folder or bucket.
        UsageError: no run has left anything there.
        StorageError: it cannot be listed.
    """
    destination = open_results(location)
    check_manifest(destination, location)
    return destination


def check_manifest(destination: DestinationStore, location: str) -> None:
    """Refuse a place that no run has written to.

    Args:
        destination: the place.
        location: of it, as the user wrote it.

    Raises:
        UsageError: there is no manifest.
        StorageError: it cannot be listed.
    """
    if next(part_paths(destination), None) is None:
        raise UsageError(f"{location} holds no manifest; give the destination of a run")
