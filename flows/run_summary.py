"""What became of a whole run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from flows.batch import MAX_NAMED_FAILURES, BatchSummary
from flows.planning import Survey

NONE_CHOSEN: Final = "no photo was chosen: --include and --exclude leave none"


@dataclass(frozen=True)
class RunSummary(BatchSummary):
    """What became of a whole run: the counts of its batches, and of what needed nothing.

    Attributes:
        run_id: names the run's manifest parts.
        photos: files that look like photographs.
        other_files: files that do not.
        seconds: wall-clock time.
        limit_reached: whether photos are left because of the limit.
        left: how many of them; None where the crawl did not come so far.
        gone: photos of the manifest that are no longer in the source, where all of it was crawled.
        none_chosen: whether globs were given that no photo passed.
    """

    run_id: str = ""
    photos: int = 0
    other_files: int = 0
    seconds: float = 0.0
    limit_reached: bool = False
    left: int | None = None
    gone: int = 0
    none_chosen: bool = False

    def counts(self) -> tuple[tuple[str, int], ...]:
        """What a person is told: names and numbers of photos."""
        return (
            ("photos found", self.photos),
            ("restored", self.restored),
            ("nothing to do", self.nothing_to_do),
            ("skipped", self.skipped),
            ("failed", self.failed),
            ("unchanged since earlier runs", self.unchanged),
            ("other files", self.other_files),
        )

    def remarks(self) -> tuple[str, ...]:
        """What a person is told beside the counts, a line each."""
        left = "more photos" if self.left is None else _counted(self.left, "photo")
        return tuple(
            line
            for line, holds in (
                (NONE_CHOSEN, self.none_chosen),
                (f"{left} left by --limit; the same command goes on", self.limit_reached),
                (
                    f"{_counted(self.gone, 'photo')} of the manifest no longer in the source; "
                    "outputs stay",
                    self.gone > 0,
                ),
                (
                    f"{_counted(self.unchanged_failures, 'unchanged photo')} failed in an earlier "
                    "run and would again; --force tries them",
                    self.unchanged_failures > 0,
                ),
                ("stopped as asked; the same command goes on from here", self.stopped),
            )
            if holds
        )

    def with_survey(self, survey: Survey) -> RunSummary:
        """This summary with what the crawl met."""
        return replace(
            self,
            photos=survey.photos,
            other_files=survey.other_files,
            unchanged=survey.unchanged + self.unchanged,
            unchanged_failures=survey.unchanged_failures + self.unchanged_failures,
            stopped=survey.cut_short or self.stopped,
            limit_reached=survey.left != 0,
            left=survey.left,
        )

    def with_batch(self, batch: BatchSummary) -> RunSummary:
        """This summary with a batch's counts added; keeps the first failures only."""
        return replace(
            self,
            restored=self.restored + batch.restored,
            nothing_to_do=self.nothing_to_do + batch.nothing_to_do,
            skipped=self.skipped + batch.skipped,
            failed=self.failed + batch.failed,
            unchanged=self.unchanged + batch.unchanged,
            unchanged_failures=self.unchanged_failures + batch.unchanged_failures,
            megapixels=self.megapixels + batch.megapixels,
            failures=(self.failures + batch.failures)[:MAX_NAMED_FAILURES],
            stopped=self.stopped or batch.stopped,
        )


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")
