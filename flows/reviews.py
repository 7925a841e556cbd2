"""What a review has to say about a photo, on its way from one manifest row to the next.

A rejection, and settings of a photo's own, hold for the bytes of the original that a person saw,
in every later run. A request to do a photo again is met once. That a photo was accepted is said of
one result: it stays with its row, and is no part of what is handed on here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from restoration.errors import UsageError
from restoration.settings import PhotoSettings
from storage.manifest import Decision, KnownPhoto, ManifestRow, WorkItem

REJECTED_REASON: Final = "a reviewer rejected it"
REDONE_REASON: Final = "redone as a reviewer asked"
NOT_REDONE_REASON: Final = "a reviewer asked for it to be redone, which failed"
OTHER_BYTES_NOTE: Final = (
    "the original is not the one that a reviewer decided on: that decision and its settings no "
    "longer apply"
)


def with_review(item: WorkItem, earlier: KnownPhoto) -> WorkItem:
    """A photo to be worked on, with what its latest row says that still has to be followed."""
    is_accepted = earlier.review_decision == Decision.ACCEPTED
    decision = None if is_accepted else earlier.review_decision
    if decision is None and earlier.settings is None:
        return item
    item = replace(item, settings=earlier.settings, decided_sha256=earlier.decided_sha256)
    if is_accepted:
        return item
    return replace(
        item,
        review_decision=decision,
        reviewer=earlier.reviewer,
        review_time=earlier.review_time,
        review_note=earlier.review_note,
    )


def still_about(item: WorkItem, sha256: str) -> tuple[WorkItem, tuple[str, ...]]:
    """A photo whose bytes are known now: its review, if any, must be about them.

    Args:
        item: the photo.
        sha256: of its original.

    Returns:
        The photo, without a review that was about other bytes, and a note if there was one.
    """
    if item.settings is None and item.review_decision is None:
        return item, ()
    if item.decided_sha256 in (None, sha256):
        return replace(item, decided_sha256=sha256), ()
    bare = replace(
        item,
        settings=None,
        decided_sha256=None,
        review_decision=None,
        reviewer=None,
        review_time=None,
        review_note=None,
    )
    return bare, (OTHER_BYTES_NOTE,)


def is_rejected(item: WorkItem) -> bool:
    """Whether the photo is to be passed through, because a person rejected what was made of it."""
    return item.review_decision == Decision.REJECTED


def settings_reasons(item: WorkItem) -> tuple[str, ...]:
    """What to say in the plan's reasons of settings that a person chose for this photo."""
    if item.settings is None or is_rejected(item):
        return ()
    return (f"a reviewer's settings apply: {PhotoSettings.parse(item.settings)}",)


def settings_in_words(settings: str | None) -> str:
    """A photo's own settings for a person; those of a newer version as they are."""
    try:
        return str(PhotoSettings.parse(settings or "{}"))
    except UsageError:
        return settings or ""


def listed_with_review(row: ManifestRow, item: WorkItem) -> ManifestRow:
    """A new row with the review that its photo came with."""
    return replace(
        row,
        settings=item.settings,
        decided_sha256=item.decided_sha256,
        review_decision=item.review_decision,
        reviewer=item.reviewer,
        review_time=item.review_time,
        review_note=item.review_note,
    )


def concluded(row: ManifestRow) -> ManifestRow:
    """A photo's last row: a request to do it again has been met, a rejection needs no more review.

    A request that failed for now stays; one that would fail again is at its end, too.
    """
    if row.review_decision == Decision.REJECTED:
        return replace(row, needs_review=False, review_reasons=())
    if row.review_decision != Decision.REDO:
        return row
    if row.status.keeps_outputs and not row.error_is_permanent:
        return row
    reason = NOT_REDONE_REASON if row.status.keeps_outputs else REDONE_REASON
    return replace(
        row,
        review_decision=None,
        needs_review=True,
        review_reasons=(*row.review_reasons, reason),
    )
