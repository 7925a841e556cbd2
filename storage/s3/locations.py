"""From an `s3://` address to a store, checked before a run begins."""

from __future__ import annotations

from storage.errors import AccessDenied, BadLocation, CredentialsRefused
from storage.s3.client import shared_client, shared_lease_client
from storage.s3.destination import S3Destination
from storage.s3.keys import Place, parse_address
from storage.s3.source import S3Source


def open_s3_source(location: str) -> S3Source:
    """Opens an archive in a bucket.

    Raises:
        BadLocation: no such bucket, nothing in the folder, no credentials or permission to list
            it, or a bad address.
        StorageError: the credentials have expired, or the server is not reachable.
    """
    source = S3Source(shared_client(), parse_address(location))
    _check(source)
    return source


def open_s3_destination(location: str, source_url: str) -> S3Destination:
    """Opens a place for results; nothing is written.

    Args:
        location: `s3://bucket/folder`.
        source_url: of the archive that must stay untouched, of any kind.

    Raises:
        BadLocation: as for a source, or equal to, inside or above the source.
        StorageError: as for a source.
    """
    place = parse_address(location)
    if source_url.startswith("s3://"):
        _check_apart(place, parse_address(source_url))
    destination = S3Destination(shared_client(), place, lease_client=shared_lease_client)
    _check(destination)
    return destination


def _check(store: S3Source | S3Destination) -> None:
    try:
        store.check()
    except (AccessDenied, CredentialsRefused) as error:
        raise BadLocation(str(error)) from error


def _check_apart(destination: Place, source: Place) -> None:
    if destination == source:
        raise BadLocation(f"the destination {destination.url} is the source itself; choose another")
    if destination.below(source):
        raise BadLocation(f"the destination {destination.url} is inside the source {source.url}")
    if source.below(destination):
        raise BadLocation(
            f"the destination {destination.url} is above the source {source.url}: results could"
            " overwrite originals; choose a folder beside it"
        )
