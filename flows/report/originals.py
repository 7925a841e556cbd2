"""Where the originals of an archive are, for pictures of them."""

from __future__ import annotations

from dataclasses import dataclass

from storage import DestinationStore, SourceStore, StorageError, open_source
from storage.manifest import read_runs


@dataclass(frozen=True)
class Originals:
    """The archive that runs read.

    Attributes:
        store: None where it is not known or cannot be reached.
        problem: why not, one line; empty where there is one.
    """

    store: SourceStore | None
    problem: str = ""


def known_originals(results: DestinationStore, chosen: str | None) -> tuple[str, ...]:
    """Locations of all archives that runs read, and of the one that somebody chose.

    Args:
        results: what runs left.
        chosen: a source, or None.

    Raises:
        StorageError: the runs cannot be read.
    """
    known = [run.source for run in read_runs(results) if run.source]
    return tuple(dict.fromkeys([*([chosen] if chosen is not None else []), *known]))


def find_originals(results: DestinationStore, chosen: str | None) -> Originals:
    """Open the source that somebody chose, or else the one that the last run read.

    Args:
        results: what runs left.
        chosen: a source, or None.

    Raises:
        StorageError: the chosen one cannot be opened, or the runs not be read.
    """
    if chosen is not None:
        return Originals(open_source(chosen))
    known = [run.source for run in read_runs(results) if run.source]
    if not known:
        return Originals(None, "no run says where they are; give --source")
    try:
        return Originals(open_source(known[-1]))
    except StorageError as error:
        return Originals(None, str(error))
