"""A listed photo beside its manifest row: is it done, was it only touched, is it to be done?"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

from restoration.errors import ReaderMissing, UsageError
from restoration.recipe import Options, current_recipe_ids
from restoration.settings import options_under
from storage import Archived, EntryKind, SourceEntry
from storage.manifest import Decision, KnownPhoto, Status

_WAS_OUT_OF_REACH: Final = frozenset(
    {EntryKind.ARCHIVED.value, Archived.__name__, ReaderMissing.__name__}
)
"""Reasons to skip that go without a trace in size, time or ETag."""
UNKNOWN_SETTINGS: Final = "UnknownSettings"
"""Kind of a photo whose own settings are not understood: it is left as it is, and told."""


class Recipes:
    """The recipes that are up to date: those of a run's options, or of a photo's own settings.

    Args:
        options: of the run.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._known: dict[str | None, frozenset[str] | str] = {None: current_recipe_ids(options)}

    def of(self, earlier: KnownPhoto | None) -> frozenset[str] | str:
        """Those of a photo; or why its settings are not understood.

        Args:
            earlier: its latest row, if there is one.
        """
        settings = None if earlier is None else earlier.settings
        if settings not in self._known:
            self._known[settings] = self._under(settings)
        return self._known[settings]

    def _under(self, settings: str | None) -> frozenset[str] | str:
        try:
            return current_recipe_ids(options_under(self._options, settings))
        except UsageError as error:
            return (
                f"what the manifest has as the photo's settings is not understood ({error}); did a "
                "newer restore-archive write it?"
            )


class Verdict(enum.Enum):
    """How a listed photo compares with its manifest row."""

    DONE = enum.auto()
    """Same size and time (or ETag), today's recipe, outputs in place."""
    TOUCHED = enum.auto()
    """As DONE but for its time or ETag: its bytes decide."""
    TO_DO = enum.auto()


def compare(
    entry: SourceEntry,
    earlier: KnownPhoto,
    recipes: frozenset[str],
    sizes: Mapping[str, int],
) -> Verdict:
    """Compare a photo with its row.

    Args:
        entry: as it is listed.
        earlier: its latest row.
        recipes: that are up to date for it.
        sizes: bytes of the outputs that are there.
    """
    if earlier.recipe_id not in recipes or earlier.source_size != entry.size:
        return Verdict.TO_DO
    if earlier.status == Status.WITHDRAWN:
        return Verdict.TO_DO
    # What is no file now cannot be done again, however much somebody wants it.
    if earlier.review_decision == Decision.REDO and entry.kind is EntryKind.FILE:
        return Verdict.TO_DO
    if earlier.status == Status.FAILED and not earlier.error_is_permanent:
        return Verdict.TO_DO
    if earlier.error_class in _WAS_OUT_OF_REACH and entry.kind is EntryKind.FILE:
        return Verdict.TO_DO
    if any(sizes.get(path) != size for path, size in earlier.outputs):
        return Verdict.TO_DO
    if is_same_content(entry, earlier):
        return Verdict.DONE
    return Verdict.TOUCHED if earlier.source_sha256 else Verdict.TO_DO


def is_same_content(entry: SourceEntry, earlier: KnownPhoto) -> bool:
    """Whether a photo of unchanged size is the one that the earlier row is about.

    An ETag says it for sure, whatever the time: a copy to another bucket has a new time, and two
    uploads within a second have the same.
    """
    if entry.etag and earlier.source_etag:
        return entry.etag == earlier.source_etag
    return entry.mtime_ns == earlier.source_mtime_ns
