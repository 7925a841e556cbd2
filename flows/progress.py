"""Live progress: a rich bar on a terminal, plain lines elsewhere, nothing where told so."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from flows.console import LINE_EVERY_S, print_line, printable
from storage.manifest import ManifestRow, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


_SHOWN: Final = (Status.RESTORED, Status.NOTHING_TO_DO, Status.SKIPPED, Status.FAILED)


class Reporter(Protocol):
    """Is told of every photo as it is done."""

    def started(self, photos: Sequence[str]) -> None:
        """These photos, by their paths in the source, are in work now: one of them from now on."""

    def planned(self, photos: int) -> None:
        """`photos` more are waiting to be done."""

    def unchanged(self, photos: int) -> None:
        """`photos` need nothing, being done already."""

    def done(self, row: ManifestRow, *, was_unchanged: bool = False) -> None:
        """One planned photo is done, or turned out to be unchanged."""

    def warned(self, line: str) -> None:
        """Something a person should know before the work begins, in one line."""


class SilentReporter:
    """Reports nothing: the default."""

    def started(self, photos: Sequence[str]) -> None:
        """Ignore."""

    def planned(self, photos: int) -> None:
        """Ignore."""

    def unchanged(self, photos: int) -> None:
        """Ignore."""

    def done(self, row: ManifestRow, *, was_unchanged: bool = False) -> None:
        """Ignore."""

    def warned(self, line: str) -> None:
        """Ignore."""


class Counting:
    """Shared arithmetic of the visible reporters.

    Attributes:
        counts: photos by their status, and "unchanged".
        total: photos that were planned.
        finished: how many of them are done.
        megapixels: of those, 10^6 pixels.
        since: when the first was planned, seconds of the monotonic clock.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.total = 0
        self.finished = 0
        self.megapixels = 0.0
        self.since: float | None = None
        self._counting = threading.Lock()

    def started(self, photos: Sequence[str]) -> None:
        """Photos count when they are done."""

    def planned(self, photos: int) -> None:
        """Count photos that wait; the rate counts from the first."""
        self.since = self.since or time.monotonic()
        self.total += photos

    def unchanged(self, photos: int) -> None:
        """Count photos that need nothing."""
        self.counts["unchanged"] += photos

    def count(self, row: ManifestRow, was_unchanged: bool) -> None:
        """Count a photo that is done: two batches of a process may end one each at a time."""
        with self._counting:
            self.finished += 1
            if was_unchanged:
                self.counts["unchanged"] += 1
                return
            self.counts[row.status] += 1
            self.megapixels += (row.width or 0) * (row.height or 0) / 1e6

    @property
    def megapixels_per_second(self) -> float:
        """Rate since the first photo was planned."""
        if self.since is None:
            return 0.0
        return self.megapixels / max(time.monotonic() - self.since, 1e-9)

    def describe(self) -> str:
        """Counts and rate in one short line: the counts of the run's summary, by its names."""
        counts = "  ".join(f"{kind.replace('_', ' ')} {self.counts[kind]}" for kind in _SHOWN)
        unchanged = self.counts["unchanged"]
        return f"{self.megapixels_per_second:.2f} MP/s  {counts}" + (
            f"  unchanged {unchanged}" if unchanged else ""
        )


class BarReporter(Counting):
    """A rich progress bar: photos, megapixels per second, ETA, counts."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            TextColumn("{task.fields[state]}"),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("restoring", total=None, state="")

    def __enter__(self) -> BarReporter:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def planned(self, photos: int) -> None:
        """Lengthen the bar: crawling goes on while photos are restored."""
        super().planned(photos)
        self._progress.update(self._task, total=self.total)

    def unchanged(self, photos: int) -> None:
        """Count photos that need nothing."""
        super().unchanged(photos)
        self._progress.update(self._task, state=self.describe())

    def done(self, row: ManifestRow, *, was_unchanged: bool = False) -> None:
        """Advance the bar."""
        self.count(row, was_unchanged)
        self._progress.update(self._task, advance=1, state=self.describe())

    def warned(self, line: str) -> None:
        """Print it above the bar."""
        print_line(self._progress.console, line)


class LineReporter(Counting):
    """A plain line every few seconds; with `verbose`, one line per photo."""

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        super().__init__()
        self._console = console
        self._verbose = verbose
        self._said = time.monotonic()

    def __enter__(self) -> LineReporter:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def done(self, row: ManifestRow, *, was_unchanged: bool = False) -> None:
        """Say it at once (verbose), or now and then."""
        self.count(row, was_unchanged)
        if self._verbose:
            print_line(self._console, describe_row(row))
        elif time.monotonic() - self._said >= LINE_EVERY_S:
            self._said = time.monotonic()
            print_line(self._console, f"{self.finished}/{self.total} photos  {self.describe()}")

    def warned(self, line: str) -> None:
        """Print it."""
        print_line(self._console, line)


def describe_row(row: ManifestRow) -> str:
    """One line on what became of a photo."""
    start = f"{row.status.replace('_', ' ')}: {printable(row.source)}"
    if row.status in (Status.FAILED, Status.SKIPPED):
        return f"{start}: {printable(row.error_message or '')}"
    if row.status == Status.WITHDRAWN:
        return f"{start}: its outputs were taken back after a review"
    return f"{start}: {', '.join(row.plan) or 'passed through unchanged'}"


_current: Reporter = SilentReporter()


def current_reporter() -> Reporter:
    """The reporter of this process."""
    return _current


@contextmanager
def reporting_to(reporter: Reporter) -> Iterator[None]:
    """Make `reporter` this process's for a while."""
    global _current
    before, _current = _current, reporter
    try:
        yield
    finally:
        _current = before
