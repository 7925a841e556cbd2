"""Where a report lies: a store of its own, and which of its files go when it is renewed."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from restoration.errors import UsageError
from storage import DestinationStore, LocalDestination, open_results, overlaps
from storage.paths import PRIVATE_FOLDER

REPORT_FOLDER: Final = "report"
"""In a destination."""
INDEX: Final = "index.html"
"""The page that is opened: it appears last."""
DATA: Final = "data"
PICTURES: Final = "pictures"
ASSETS: Final = "assets"
SUMMARY: Final = f"{DATA}/summary.js"
DECISIONS: Final = "decisions"
"""Folder of the decisions that a page's server keeps."""

_NAMES: Final = frozenset({INDEX, DATA, PICTURES, ASSETS, DECISIONS, PRIVATE_FOLDER})
"""What is in a report's folder, also in that of one that was killed on the way."""

_MARK: Final = b"restoreArchive.summary("
"""How `SUMMARY` begins."""

_OURS: Final = {
    DATA: re.compile(r"(summary|columns|review|(rows|details|pictures)-[0-9]{5,})\.js"),
    PICTURES: re.compile(r"[0-9a-f]{64}-[0-9a-z]{1,12}\.webp"),
}
"""Names that reports give: nothing else is ever removed."""


def report_folder(
    results: DestinationStore, chosen: Path | None, originals: Sequence[str] = ()
) -> DestinationStore:
    """The folder of a destination's report, or the one that somebody chose.

    Args:
        results: the destination that is reported on.
        chosen: made if it is not there; None for the destination's own.
        originals: locations of archives in whose way the chosen one must not be.

    Raises:
        UsageError: it is no folder, is not empty and no report, or is in the way of results or of
            originals.
        StorageError: it cannot be used.
    """
    if chosen is not None:
        return _chosen(results, chosen, originals)
    if isinstance(results, LocalDestination):
        return LocalDestination(results.root / REPORT_FOLDER)
    return open_results(f"{results.url.rstrip('/')}/{REPORT_FOLDER}")


def _chosen(results: DestinationStore, chosen: Path, originals: Sequence[str]) -> DestinationStore:
    store = LocalDestination(chosen.expanduser())
    root = store.root
    if root.exists() and not root.is_dir():
        raise UsageError(f"-o {chosen} is not a folder")
    if isinstance(results, LocalDestination) and _is_in_the_way(root, results.root):
        raise UsageError(
            f"-o {chosen} would be among the results in {results.root}; leave -o out, or choose a "
            "folder beside it"
        )
    archive = next((archive for archive in originals if overlaps(root, archive)), None)
    if archive is not None:
        raise UsageError(
            f"-o {chosen} would be among the originals in {archive}; leave -o out, or choose a "
            "folder beside it"
        )
    foreign = _foreign(root)
    if foreign:
        raise UsageError(
            f"-o {chosen} holds other things than a report ({foreign}); choose a new folder"
        )
    return store


def _is_in_the_way(root: Path, results: Path) -> bool:
    return root != results / REPORT_FOLDER and overlaps(root, str(results))


def _foreign(root: Path) -> str:
    """Something in a folder that is no report's; empty where there is nothing such."""
    names = {path.name for path in root.iterdir()} if root.is_dir() else set()
    # Anybody's website has such names, and so may an archive: it takes a mark of ours, too.
    others = names - _NAMES if _is_marked(root) else names
    return min(others, default="")


def _is_marked(root: Path) -> bool:
    """Whether a report was written into a folder, or begun: the lock comes before all else."""
    if (root / PRIVATE_FOLDER).is_dir():
        return True
    summary = root / SUMMARY
    if not summary.is_file():
        return False
    with summary.open("rb") as file:
        return file.read(len(_MARK)) == _MARK


def location_of(folder: DestinationStore) -> str:
    """Where a report's page is, as a person would open it: a path, or an address."""
    if isinstance(folder, LocalDestination):
        return str(folder.root / INDEX)
    return f"{folder.url.rstrip('/')}/{INDEX}"


def address_of(folder: DestinationStore) -> str:
    """The page's address, as a link holds it: `file://…` or `s3://…`, percent-encoded."""
    url = folder.url.rstrip("/")
    if not url.startswith("file://"):
        url = quote(url, safe=":/")
    return f"{url}/{INDEX}"


def files_of(folder: DestinationStore, part: str) -> set[str]:
    """Files that reports left in `DATA` or `PICTURES`, such as `data/rows-00000.js`.

    Raises:
        StorageError: the folder cannot be listed.
    """
    names = (entry.path.removeprefix(f"{part}/") for entry in folder.list(part))
    return {f"{part}/{name}" for name in names if _OURS[part].fullmatch(name)}


def remove_others(folder: DestinationStore, part: str, wanted: Collection[str]) -> None:
    """Remove what earlier reports left in `DATA` or `PICTURES` and this one has not.

    Raises:
        StorageError: the folder cannot be listed, or a file not be removed.
    """
    for name in sorted(files_of(folder, part).difference(wanted)):
        folder.delete(name)
