"""Where photographs come from and where results go.

`open_source` and `open_destination` turn what a user wrote into a store; the protocols
`SourceStore` and `DestinationStore` say what a store offers. Nothing here knows about images.
The record of what was done is in `storage.manifest`, which is not imported here because it needs
Arrow.
"""

from __future__ import annotations

from storage.base import (
    DestinationStore,
    EntryKind,
    SourceEntry,
    SourceFile,
    SourceStore,
    StoredEntry,
    StoredObject,
)
from storage.errors import (
    AccessDenied,
    AlreadyExists,
    Archived,
    BadLocation,
    CredentialsExpired,
    CredentialsRefused,
    DestinationBusy,
    EndsRun,
    LeaseLost,
    NotFound,
    OutOfSpace,
    SourceChanged,
    StorageError,
    UnsafePath,
)
from storage.local import LocalDestination, LocalSource
from storage.locations import is_within, open_destination, open_results, open_source, overlaps

__all__ = [
    "AccessDenied",
    "AlreadyExists",
    "Archived",
    "BadLocation",
    "CredentialsExpired",
    "CredentialsRefused",
    "DestinationBusy",
    "DestinationStore",
    "EndsRun",
    "EntryKind",
    "LeaseLost",
    "LocalDestination",
    "LocalSource",
    "NotFound",
    "OutOfSpace",
    "SourceChanged",
    "SourceEntry",
    "SourceFile",
    "SourceStore",
    "StorageError",
    "StoredEntry",
    "StoredObject",
    "UnsafePath",
    "is_within",
    "open_destination",
    "open_results",
    "open_source",
    "overlaps",
]
