"""A restored archive as a bag (BagIt, RFC 8493): its files with checksums, to be handed on."""

from __future__ import annotations

import errno
import logging
import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import bagit

from flows.new_files import not_written
from flows.places import FOLDERS
from flows.version import software_version
from storage import LocalDestination, StorageError, StoredEntry
from storage.manifest import (
    LATEST_PATH,
    MANIFEST_FOLDER,
    ManifestIndex,
    latest_is_current,
    recorded,
)

_NO_LINK: Final = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS}
)
"""Why a file system may refuse a hard link to a file that can be read."""

# What it logs as errors comes here as exceptions.
logging.getLogger("bagit").setLevel(logging.CRITICAL)


class NotAsRecorded(StorageError):  # noqa: N818 - reads as a sentence
    """The archive's files are not those of its manifest: a bag would certify the damage."""


@dataclass(frozen=True)
class Bagged:
    """What is in a bag: files of payload, and their bytes."""

    files: int
    size: int


def make_bag(results: LocalDestination, bag: Path, info: Mapping[str, str]) -> Bagged:
    """Make a bag of an archive's outputs and manifest; the archive stays as it is.

    The records of runs and `latest.parquet` are the manifest's and go along, the latter unless a
    run was killed before it had brought it up to date. Reports do not: they are made of the rest.

    Files are linked where the file system can, else copied: nothing writes into a file of a
    destination, neither a run, which replaces them, nor this. The bag is made in a hidden folder
    beside its place and appears whole.

    Args:
        results: the archive.
        bag: where the bag goes; there must be nothing, in a folder that is there.
        info: of bag-info.txt (RFC 8493, 2.2.2).

    Raises:
        NotAsRecorded: files are missing, altered or not the manifest's.
        StorageError: the manifest cannot be read, a name has no place in a bag, or the bag cannot
            be written.
    """
    wanted = _outputs(results)
    payload = [entry for folder in FOLDERS for entry in results.list(folder)]
    _compare(set(wanted), {entry.path for entry in payload})
    payload += results.list(MANIFEST_FOLDER)
    if (size := results.size(LATEST_PATH)) is not None and latest_is_current(results):
        payload.append(StoredEntry(LATEST_PATH, size))
    unfinished = bag.with_name(f".restore-archive-{secrets.token_hex(8)}.part")
    try:
        unfinished.mkdir()
        for entry in payload:
            _link(results.root / entry.path, unfinished / entry.path)
        _finish(unfinished, wanted, info)
        unfinished.rename(bag)
    except OSError as error:
        raise not_written(bag, error) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return Bagged(len(payload), sum(entry.size for entry in payload))


def _outputs(results: LocalDestination) -> dict[str, str]:
    """Path and SHA-256 of every output that the manifest names."""
    with closing(ManifestIndex.load(results)) as index:
        return {
            path: sha256
            for part in recorded(index, results)
            for row in part
            for path, sha256 in row.outputs
        }


def _compare(wanted: set[str], found: set[str]) -> None:
    """Refuse names that are not those recorded; the files' bytes are not read for it."""
    if wanted == found:
        return
    first = min(wanted ^ found)
    problem = "is missing" if first in wanted else "is in no row of the manifest"
    _refuse(first, problem, len(wanted ^ found) - 1, at_least="at least ")


def _refuse(path: str, problem: str, others: int, at_least: str = "") -> None:
    files = "file is" if others == 1 else "files are"
    more = f", and {at_least}{others:,} more {files} not as recorded" if others else ""
    raise NotAsRecorded(f"{path} {problem}{more}; `restore-archive verify` lists all")


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        shutil.copy2(source, target, follow_symlinks=False)


def _finish(folder: Path, wanted: Mapping[str, str], info: Mapping[str, str]) -> None:
    """Make a bag of a folder, and compare its checksums with those in the manifest."""
    agent = f"restore-archive {software_version()} with bagit.py {bagit.VERSION}"
    try:
        made = bagit.make_bag(
            str(folder), {**info, "Bag-Software-Agent": agent}, checksums=["sha256"]
        )
        made.validate(completeness_only=True)
    except bagit.BagError as error:
        reason = " ".join(str(error).split())
        raise StorageError(f"no bag can be made of it: {reason}") from error
    sums = {path: held["sha256"] for path, held in made.payload_entries().items()}
    altered = [path for path, sha256 in wanted.items() if sums.get(f"data/{path}") != sha256]
    if altered:
        _refuse(min(altered), "has other bytes than were written", len(altered) - 1)
