"""Decisions that a page's server keeps: a file for each reviewer, beside the report."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from storage import DestinationStore, NotFound
from storage.manifest import Decision

DECISIONS: Final = "decisions"
"""Folder of the files, in a report's."""
VERSION: Final = 1
"""Of decision files: their member `restore_archive_decisions`."""

_NAMES: Final = re.compile(rf"{DECISIONS}/decisions-[a-z0-9-]{{1,80}}\.json")
_LONGEST_REVIEWER: Final = 200
_KINDS: Final = frozenset(each.value for each in Decision)


class UnusableDecisions(ValueError):  # noqa: N818 - reads as a sentence
    """What a page sent cannot be kept; the message is one line."""


@dataclass(frozen=True)
class Saved:
    """A file that was kept: its name, and how many decisions are in it."""

    saved: str
    decisions: int


@dataclass(frozen=True)
class Applied:
    """What became of a reviewer's decisions: how many count, and a line for each that does not."""

    accepted: int
    rejected: int
    redo: int
    refused: tuple[str, ...]


Apply = Callable[[bytes, str], Applied]
"""Writes a decision file's decisions into the manifest, as those of a reviewer."""


class ReviewDesk:
    """Keeps decision files and has them applied. Safe to use from several threads.

    Args:
        folder: of the report.
        apply: what is called with a file that is to be applied.
    """

    def __init__(self, folder: DestinationStore, apply: Apply) -> None:
        self._folder = folder
        self._apply = apply
        self._lock = threading.Lock()

    def save(self, body: object) -> Saved:
        """Keep a decision file in place of the reviewer's earlier one, whole or not at all.

        Args:
            body: the file's JSON.

        Raises:
            UnusableDecisions: it is no decision file.
            StorageError: it cannot be stored.
        """
        reviewer, decisions = _checked(body)
        name = file_name(reviewer)
        with self._lock:
            self._folder.put(name, json.dumps(body, indent=1).encode("ascii"))
        return Saved(name, len(decisions))

    def files(self) -> list[object]:
        """All decision files, one of each reviewer, in the order of their names.

        Raises:
            StorageError: they cannot be read.
        """
        names = (entry.path for entry in self._folder.list(DECISIONS))
        return [json.loads(self._read(name)) for name in names if _NAMES.fullmatch(name)]

    def apply(self, reviewer: str) -> Applied:
        """Write a reviewer's decisions into the manifest; the file is gone afterwards.

        Raises:
            UnusableDecisions: there are none, or the file makes no sense.
            StorageError: the manifest cannot be written, or a run writes to the destination.
        """
        name = file_name(reviewer)
        with self._lock:
            try:
                data = self._read(name)
            except NotFound as error:
                raise UnusableDecisions(f"{reviewer} has no decisions that are saved") from error
            applied = self._apply(data, reviewer)
            self._folder.delete(name)
        return applied

    def _read(self, name: str) -> bytes:
        with self._folder.open(name) as file:
            return file.read()


def file_name(reviewer: str) -> str:
    """The name of a reviewer's file: letters and digits, and a mark where others were left out."""
    plain = re.sub(r"[^a-z0-9]+", "-", reviewer.lower()).strip("-")[:60]
    if plain != reviewer:
        mark = hashlib.sha256(reviewer.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        plain = f"{plain}-{mark}".lstrip("-")
    return f"{DECISIONS}/decisions-{plain}.json"


def _checked(body: object) -> tuple[str, list[Any]]:
    """The reviewer and the decisions of a file, as far as a page may get them wrong."""
    if not isinstance(body, dict) or body.get("restore_archive_decisions") != VERSION:
        raise UnusableDecisions("this is no decision file")
    reviewer, decisions = body.get("reviewer"), body.get("decisions")
    if not isinstance(reviewer, str) or not reviewer.strip():
        raise UnusableDecisions("say who decides: reviewer is missing")
    if len(reviewer) > _LONGEST_REVIEWER or not reviewer.isprintable():
        raise UnusableDecisions(f"reviewer must be a line of at most {_LONGEST_REVIEWER} letters")
    if not isinstance(decisions, list):
        raise UnusableDecisions("decisions are missing")
    for number, each in enumerate(decisions, 1):
        is_whole = isinstance(each, dict) and isinstance(each.get("source"), str)
        if not is_whole or str(each.get("decision")) not in _KINDS:
            raise UnusableDecisions(
                f"decision {number} needs a source, and one of {', '.join(sorted(_KINDS))}"
            )
    return reviewer, decisions


def apply_to(results: DestinationStore, data: bytes, reviewer: str) -> Applied:
    """Write decisions into the manifest of a destination.

    Raises:
        UnusableDecisions: the file makes no sense.
        StorageError: the manifest cannot be written, or a run writes to the destination.
    """
    raise NotImplementedError
