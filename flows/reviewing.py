"""What people decided in review becomes part of the manifest, and rejected outputs go.

The rows are written first, the outputs are deleted then. Whoever is killed between the two leaves
an archive whose audit names the outputs that are still there; applying the same decisions again, or
the next run, finishes the job.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from flows.books import keep_books
from flows.decisions import PhotoDecision
from flows.places import possible_outputs
from flows.run_ids import latest_run_id, new_run_id
from flows.sweeping import owned, sweep_after_killed_runs
from flows.version import software_version
from restoration.errors import UsageError
from restoration.settings import LEFT_ALONE, PhotoSettings
from storage import DestinationStore, StorageError
from storage.ahead import ahead
from storage.manifest import (
    Decision,
    ManifestIndex,
    ManifestRow,
    RunKind,
    RunRecord,
    Status,
    encode_rows,
    part_path,
    part_paths,
    write_run,
)

PART_DECISIONS: Final = 2_000
"""Decisions whose rows are in memory, and in one part, at a time."""

_OUTPUT_COLUMNS: Final = tuple(
    f"{kind}_{column}"
    for kind in ("restored", "colorized", "access", "sidecar")
    for column in ("path", "sha256", "size")
)


@dataclass(frozen=True)
class Refused:
    """A decision that was not followed: about which photo, and why."""

    source: str
    reason: str


@dataclass
class Applied:
    """What became of decisions.

    Attributes:
        run_id: of the manifest parts with the new rows; empty where there are none.
        decisions: how many of each kind were recorded.
        already: those that had been applied before.
        refused: those that were not followed.
        outputs_deleted: files of rejected photos.
        problems: with what is made of the manifest at the end; its parts say it all.
    """

    run_id: str = ""
    decisions: Counter[Decision] = field(default_factory=Counter)
    already: int = 0
    refused: list[Refused] = field(default_factory=list)
    outputs_deleted: int = 0
    problems: list[str] = field(default_factory=list)


def apply_decisions(
    destination: DestinationStore,
    decisions: Sequence[PhotoDecision],
    reviewer: str,
    *,
    dry_run: bool = False,
) -> Applied:
    """Record decisions in the manifest, and delete the outputs of rejected photos.

    A decision is about the row that the reviewer saw: where it is not the photo's latest any
    more, the decision is refused, and the others count. One that was applied before changes
    nothing, so that the same decisions can be applied again.

    Args:
        destination: a restored archive; it is locked meanwhile.
        decisions: at most one for each photo.
        reviewer: who decided.
        dry_run: only find out what would become of them; nothing is locked or written.

    Raises:
        UsageError: the destination holds no manifest.
        DestinationBusy: a run is at work there.
        DamagedManifest: the manifest cannot be read.
        StorageError: the destination failed; the same decisions, applied again, go on from there.
    """
    if next(part_paths(destination), None) is None:
        raise UsageError("there is no manifest; give the destination of a run")
    if dry_run:
        with closing(ManifestIndex.load(destination)) as index:
            return _Application(destination, index, reviewer).apply(decisions, dry_run=True)
    started = datetime.now(UTC)
    with destination.lock():
        run_id = new_run_id(after=latest_run_id(destination))
        # Workers that outlived their run stop when their work-lists are gone, as for a next run.
        sweep_after_killed_runs(destination)
        with closing(ManifestIndex.load(destination)) as index:
            application = _Application(destination, index, reviewer, run_id, started)
            result = application.result
            try:
                application.apply(decisions)
            except BaseException:
                if result.run_id:
                    with suppress(StorageError, OSError):
                        _write_stopped(destination, result, started)
                raise
        if result.run_id:
            result.problems += keep_books(destination, _record(result, started))
    return result


def _record(result: Applied, started: datetime) -> RunRecord:
    """The record of a run that wrote down decisions."""
    ended = datetime.now(UTC)
    return RunRecord(
        run_id=result.run_id,
        kind=RunKind.REVIEW,
        started=started,
        ended=ended,
        seconds=(ended - started).total_seconds(),
        software_version=software_version(),
        photos=result.decisions.total() + result.already + len(result.refused),
        unchanged=result.already,
        withdrawn=result.decisions[Decision.REJECTED],
    )


def _write_stopped(destination: DestinationStore, result: Applied, started: datetime) -> None:
    """Leave the record of a review that came to no end, so far as it is known now."""
    write_run(destination, replace(_record(result, started), stopped=True))


class _Application:
    """Applies decisions, some at a time.

    Args:
        destination: the restored archive.
        index: of its manifest, as it was before.
        reviewer: who decided.
        run_id: of the parts to be written; empty where none are.
        started: when this began; None where nothing is written.
    """

    def __init__(
        self,
        destination: DestinationStore,
        index: ManifestIndex,
        reviewer: str,
        run_id: str = "",
        started: datetime | None = None,
    ) -> None:
        self._destination = destination
        self._index = index
        self._reviewer = reviewer
        self._run_id = run_id
        self._started = started or datetime.now(UTC)
        self._withdrawn: set[str] = set()
        self._parts = 0
        self.result = Applied()

    def apply(self, decisions: Sequence[PhotoDecision], *, dry_run: bool = False) -> Applied:
        """Apply them all; with `dry_run`, only count."""
        for start in range(0, len(decisions), PART_DECISIONS):
            rows, withdrawn = self._judge(decisions[start : start + PART_DECISIONS])
            if dry_run:
                continue
            if rows:
                if not self.result.run_id:
                    self.result.run_id = self._run_id
                    # Before any rows: after a kill, without it, they would be a restoration's.
                    _write_stopped(self._destination, self.result, self._started)
                path = part_path(self._run_id, self._parts)
                self._destination.put(path, encode_rows(rows), overwrite=False)
                self._parts += 1
            self._take_back(withdrawn)
        return self.result

    def _judge(self, decisions: Sequence[PhotoDecision]) -> tuple[list[ManifestRow], list[str]]:
        """The rows that follow from decisions, and the photos whose outputs have to go."""
        latest = self._index.full_rows(each.source for each in decisions)
        rows: list[ManifestRow] = []
        withdrawn: list[str] = []
        for decision in decisions:
            row = latest.get(decision.source)
            if row is not None and _is_applied(decision, row):
                self.result.already += 1
            elif row is None or (reason := _objection(decision, row)):
                reason = "the manifest has no such photo" if row is None else reason
                self.result.refused.append(Refused(decision.source, reason))
                continue
            else:
                row = decided_row(decision, row, self._reviewer, self._run_id)
                rows.append(row)
                self.result.decisions[decision.decision] += 1
            if row.status is Status.WITHDRAWN:
                withdrawn.append(row.source)
        return rows, withdrawn

    def _take_back(self, photos: Sequence[str]) -> None:
        """Delete what is there of photos' outputs, unless it may be another photo's."""
        self._withdrawn |= set(photos)
        there = self._destination.sizes(path for name in photos for path in possible_outputs(name))
        kept = owned(there, self._index, apart_from=self._withdrawn)
        gone = [path for path in there if path not in kept]
        for _ in ahead(partial(self._destination.delete, path) for path in gone):
            self.result.outputs_deleted += 1


def decided_row(
    decision: PhotoDecision, row: ManifestRow, reviewer: str, run_id: str
) -> ManifestRow:
    """A photo's row after a decision.

    Args:
        decision: about the photo.
        row: its latest.
        reviewer: who decided.
        run_id: of the new row.
    """
    row = replace(
        row,
        decided_sha256=row.source_sha256,
        review_decision=decision.decision,
        reviewer=reviewer,
        review_time=decision.time,
        review_note=decision.note or None,
        run_id=run_id,
        time=datetime.now(UTC),
    )
    if decision.decision is Decision.ACCEPTED:
        return replace(row, needs_review=False)
    if decision.decision is Decision.REDO:
        return replace(row, settings=_text(decision.settings))
    changes: dict[str, Any] = dict.fromkeys(_OUTPUT_COLUMNS)
    changes |= {"status": Status.WITHDRAWN, "needs_review": False, "settings": LEFT_ALONE.text}
    return replace(row, **changes)


def _text(settings: PhotoSettings | None) -> str | None:
    return None if settings is None else settings.text


def _is_applied(decision: PhotoDecision, row: ManifestRow) -> bool:
    """Whether a row comes from a decision, perhaps by way of the run that followed it."""
    if row.review_time != decision.time or (row.review_note or "") != decision.note:
        return False
    if decision.decision is Decision.REDO:
        was_met = row.review_decision in (Decision.REDO, None)
        return was_met and row.settings == _text(decision.settings)
    return row.review_decision is decision.decision


def _objection(decision: PhotoDecision, row: ManifestRow) -> str:
    """Why a decision cannot be followed; empty where it can."""
    if (decision.run_id, decision.restored_sha256) != (row.run_id, row.restored_sha256):
        if row.review_decision is not None:
            return f"{row.reviewer} decided on it meanwhile ({row.review_decision}): look again"
        return f"its row is another one meanwhile (run {row.run_id}): look again"
    if decision.decision is Decision.REJECTED and row.status.keeps_outputs:
        return f"it was {row.status}: there is nothing to reject"
    if decision.decision is Decision.ACCEPTED and row.status is Status.WITHDRAWN:
        return "it was withdrawn: there is nothing to accept"
    if decision.decision is Decision.REDO and row.status is Status.SKIPPED:
        return f"it was skipped and would be again: {row.error_message}"
    return ""
