"""Decisions that a page's server keeps: a file for each reviewer, beside the report."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from dataclasses import dataclass
from typing import Final

from flows.decisions import parse_decisions, reviewer_name
from flows.report.folder import DECISIONS
from flows.reviewing import Refused, apply_decisions
from restoration.errors import UsageError
from storage import DestinationStore, NotFound, StorageError
from storage.manifest import Decision

_NAMES: Final = re.compile(rf"{DECISIONS}/decisions-[a-z0-9-]{{1,80}}\.json")


class UnusableDecisions(ValueError):  # noqa: N818 - reads as a sentence
    """What a page sent cannot be kept; the message is one line."""


@dataclass(frozen=True)
class Saved:
    """A file that was kept: its name, and how many decisions are in it."""

    saved: str
    decisions: int


@dataclass(frozen=True)
class Applied:
    """What became of a reviewer's decisions: how many count, and which do not.

    Attributes:
        note: why the report does not show them yet; empty where it does.
    """

    accepted: int
    rejected: int
    redo: int
    refused: tuple[Refused, ...]
    note: str = ""


@dataclass(frozen=True)
class Kept:
    """Decision files that are kept, one of each reviewer, and a line for each that is damaged."""

    files: tuple[object, ...]
    problems: tuple[str, ...]


class ReviewDesk:
    """Keeps decision files and has them applied. Safe to use from several threads.

    Args:
        folder: of the report.
        results: the destination that is reported on, whose manifest decisions go to.
    """

    def __init__(self, folder: DestinationStore, results: DestinationStore) -> None:
        self._folder = folder
        self._results = results
        self._lock = threading.Lock()

    def save(self, body: object) -> Saved:
        """Keep a decision file in place of the reviewer's earlier one, whole or not at all.

        Args:
            body: the file's JSON.

        Raises:
            UnusableDecisions: it is no decision file.
            StorageError: it cannot be stored.
        """
        data = json.dumps(body, indent=1).encode("ascii")
        try:
            file = parse_decisions(data)
        except UsageError as error:
            raise UnusableDecisions(str(error)) from error
        if not file.reviewer:
            raise UnusableDecisions("say who decides: reviewer is missing")
        name = file_name(file.reviewer)
        with self._lock:
            self._folder.put(name, data)
        return Saved(name, len(file.decisions))

    def files(self) -> Kept:
        """All decision files in the order of their names; those that are damaged stay as they are.

        Raises:
            StorageError: they cannot be listed.
        """
        found: list[object] = []
        problems: list[str] = []
        for name in (entry.path for entry in self._folder.list(DECISIONS)):
            if not _NAMES.fullmatch(name):
                continue
            try:
                found.append(self._content(name))
            except NotFound:
                continue  # applied meanwhile
            except (UnusableDecisions, StorageError, OSError) as error:
                problems.append(str(error))
        return Kept(tuple(found), tuple(problems))

    def apply(self, reviewer: str) -> Applied:
        """Write a reviewer's decisions into the manifest; the file is gone afterwards.

        Raises:
            UnusableDecisions: there are none, or the file makes no sense.
            DestinationBusy: a run writes to the destination.
            StorageError: the manifest cannot be written; the same can be tried again.
        """
        try:
            who = reviewer_name(reviewer)
        except UsageError as error:
            raise UnusableDecisions(str(error)) from error
        name = file_name(who)
        with self._lock:
            try:
                data = self._read(name)
            except NotFound as error:
                raise UnusableDecisions(f"{who or 'nobody'} has no decisions to apply") from error
            applied = _applied(self._results, data, who)
            self._folder.delete(name)
        return applied

    def _content(self, name: str) -> object:
        data = self._read(name)
        try:
            parse_decisions(data)
        except UsageError as error:
            raise UnusableDecisions(f"{name} is damaged: {error}") from error
        content: object = json.loads(data)
        return content

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


def _applied(results: DestinationStore, data: bytes, reviewer: str) -> Applied:
    try:
        decided = apply_decisions(results, parse_decisions(data).decisions, reviewer)
    except UsageError as error:
        raise UnusableDecisions(str(error)) from error
    return Applied(
        accepted=decided.decisions[Decision.ACCEPTED],
        rejected=decided.decisions[Decision.REJECTED],
        redo=decided.decisions[Decision.REDO],
        refused=tuple(decided.refused),
    )
