"""What is written down about a photo: its manifest row, from blank to final."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, BinaryIO

from flows.budget import UNLIMITED, MemoryBudget
from flows.reviews import listed_with_review, settings_reasons
from flows.version import software_version
from restoration.assess import Assessment
from restoration.codec import DecoderPool, Page, Photo, shared_decoder
from restoration.errors import RestorationError, UnsupportedPhoto
from restoration.plan import Plan, Step
from restoration.recipe import Options, recipe_id
from restoration.restore import Job, Restorer
from restoration.settings import options_under
from storage import Archived, DestinationStore, SourceChanged, SourceStore, StorageError
from storage.manifest import KnownPhoto, ManifestIndex, ManifestRow, Status, WorkItem


@dataclass(frozen=True)
class Workshop:
    """What every photo of a batch shares: stores, networks, options, identity.

    Options are a run's, or those of photos that have settings of their own: see `under`. Several
    threads use one at once.

    Attributes:
        source: where the originals are.
        destination: where outputs go.
        restorer: the networks.
        options: what is done.
        run_id: of the run.
        decoder: decodes originals.
        budget: memory that the photos in work share.
    """

    source: SourceStore
    destination: DestinationStore
    restorer: Restorer
    options: Options
    run_id: str
    decoder: DecoderPool = field(default_factory=shared_decoder)
    budget: MemoryBudget = UNLIMITED

    @property
    def earlier(self) -> EarlierRuns:
        """What earlier runs did; loaded when the first touched photo of a run asks."""
        return EarlierRuns(self.destination, self.run_id)

    def under(self, item: WorkItem) -> Workshop:
        """This workshop, or one with the options of a photo that has settings of its own.

        Networks are loaded once per process, whichever of them asks.
        """
        options = options_under(self.options, item.settings)
        if options == self.options:
            return self
        restorer = self.restorer.under(options)
        return replace(self, options=options, restorer=restorer)

    def recipe_id(self, used: Sequence[Step]) -> str:
        """The recipe of a photo whose plan has these steps."""
        return recipe_id(self.options, used, device=self.restorer.device.type)


@dataclass(frozen=True)
class EarlierRuns:
    """What the runs before a run did. Safe to be asked from several threads, which take turns."""

    destination: DestinationStore
    run_id: str

    def row(self, source: str) -> ManifestRow | None:
        """See `ManifestIndex.row`."""
        with _index_of.turn:
            return _index_of.run(self.destination, self.run_id).row(source)

    def lookup(self, sources: Sequence[str]) -> list[KnownPhoto | None]:
        """See `ManifestIndex.lookup`."""
        with _index_of.turn:
            return _index_of.run(self.destination, self.run_id).lookup(sources)


class _IndexOf:
    """The manifest's index, read once for all batches of a run that this process does.

    Rows of the run itself, which it may lack, are never asked for.

    Attributes:
        turn: held by whoever uses the index: it reads from one open file.
    """

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self._of = ("", "")
        self._index: ManifestIndex | None = None

    def run(self, destination: DestinationStore, run_id: str) -> ManifestIndex:
        """The index as it was when the run first asked; that of the run before is closed."""
        if self._index is not None and self._of == (destination.url, run_id):
            return self._index
        if self._index is not None:
            self._index.close()
            self._index = None
        self._index = ManifestIndex.load(destination)
        self._of = (destination.url, run_id)
        return self._index


_index_of = _IndexOf()


@dataclass(frozen=True)
class Outcome:
    """What became of a photo.

    Attributes:
        row: its manifest row.
        was_unchanged: whether the row is an earlier one carried over, nothing having been done.
        source_changed: whether it failed because the original was replaced meanwhile.
    """

    row: ManifestRow
    was_unchanged: bool = False
    source_changed: bool = False


@dataclass(frozen=True)
class PlannedPage:
    """A page with what was measured and what is to be done."""

    page: Page = field(repr=False)
    assessment: Assessment
    plan: Plan

    @property
    def job(self) -> Job:
        """What the networks are to do."""
        found = self.assessment
        return Job(self.page.pixels, self.plan, found.noise_sigma, found)


@dataclass(frozen=True)
class Prepared:
    """A photo that is decoded, assessed and planned, on its way to the networks.

    Attributes:
        item: the photo; its settings are those that apply to these bytes.
        sha256: of the original.
        photo: decoded.
        pages: with their plans.
        seconds_decode: that reading and decoding took.
        seconds_assess: that measuring took.
        notes: what was found before it was decoded.
        original: its bytes, where they came over a network and were kept; open, closed by others.
    """

    item: WorkItem
    sha256: str
    photo: Photo = field(repr=False)
    pages: tuple[PlannedPage, ...]
    seconds_decode: float
    seconds_assess: float
    notes: tuple[str, ...] = ()
    original: BinaryIO | None = field(default=None, repr=False)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps that any page needs, in order."""
        return steps_of(self.pages)

    @property
    def main(self) -> int:
        """Index of the largest page, which the manifest's measurements are about."""
        return main_of(self.pages)


def steps_of(pages: Sequence[PlannedPage]) -> tuple[Step, ...]:
    """The steps that any of a photo's pages needs, in order."""
    return tuple(step for step in Step if any(step in each.plan.steps for each in pages))


def main_of(pages: Sequence[PlannedPage]) -> int:
    """Index of the largest page."""
    return max(range(len(pages)), key=lambda index: pages[index].page.megapixels)


def status_of_error(error: Exception) -> Status:
    """Skipped for a sound file of a kind that is not supported or out of reach, else failed."""
    return Status.SKIPPED if isinstance(error, UnsupportedPhoto | Archived) else Status.FAILED


def blank_row(item: WorkItem, workshop: Workshop) -> ManifestRow:
    """The row of a photo of which nothing is known but its listing."""
    device = workshop.restorer.device
    row = _listed_row(item, workshop.run_id, workshop.options, device.type)
    return replace(row, device=str(device))


def _listed_row(item: WorkItem, run_id: str, options: Options, device: str) -> ManifestRow:
    if not item.problem:  # which may be that its settings are not understood
        options = options_under(options, item.settings)
    row = ManifestRow(
        source=item.path,
        source_size=item.size,
        source_mtime_ns=item.mtime_ns,
        source_etag=item.source_etag or None,
        source_version_id=item.source_version_id or None,
        device=device,
        status=Status.FAILED,
        run_id=run_id,
        recipe_id=recipe_id(options, (), device=device),
        software_version=software_version(),
        time=datetime.now(UTC),
    )
    return listed_with_review(row, item)


def described_row(prepared: Prepared, workshop: Workshop, seconds_restore: float) -> ManifestRow:
    """The row of a photo that was assessed and planned."""
    main, steps = prepared.pages[prepared.main], prepared.steps
    assessment = main.assessment
    return replace(
        blank_row(prepared.item, workshop),
        source_sha256=prepared.sha256,
        width=main.page.pixels.shape[1],
        height=main.page.pixels.shape[0],
        mode=main.page.mode,
        pages=len(prepared.pages),
        format=prepared.photo.format,
        camera=prepared.photo.camera,
        noise_sigma=assessment.noise_sigma,
        noise_confidence=assessment.noise_confidence,
        blur_sigma=assessment.blur_sigma,
        blur_confidence=assessment.blur_confidence,
        is_monochrome=assessment.is_monochrome,
        monochrome_confidence=assessment.monochrome_confidence,
        plan=tuple(step.value for step in steps),
        plan_reasons=(*settings_reasons(prepared.item), *reasons(prepared.pages)),
        notes=(*prepared.notes, *prepared.photo.notes),
        strength=workshop.options.strength if changes_pixels(steps) else None,
        keep_grain=workshop.options.keep_grain if Step.DENOISE in steps else None,
        passes=workshop.options.passes if changes_pixels(steps) else None,
        recipe_id=workshop.recipe_id(steps),
        seconds_decode=prepared.seconds_decode,
        seconds_assess=prepared.seconds_assess,
        seconds_restore=seconds_restore,
    )


def reasons(pages: Sequence[PlannedPage]) -> tuple[str, ...]:
    """Why each step is taken or left out, page by page where there are several."""
    if len(pages) == 1:
        return pages[0].plan.reasons
    return tuple(
        f"page {number}: {reason}"
        for number, each in enumerate(pages, 1)
        for reason in each.plan.reasons
    )


def changes_pixels(steps: Sequence[Step]) -> bool:
    """Whether any of these steps writes over the photo; colour is an output of its own."""
    return any(step.changes_pixels for step in steps)


def failed(row: ManifestRow, error: Exception) -> Outcome:
    """What to write down when a photo's way ends in an error."""
    known = isinstance(error, RestorationError | StorageError)
    message = " ".join(str(error).split()) or type(error).__name__
    failed = replace(
        row,
        status=status_of_error(error),
        error_class=type(error).__name__,
        error_message=message if known else f"unexpected: {message}",
        error_is_permanent=isinstance(error, RestorationError) and error.is_permanent,
    )
    return Outcome(failed, source_changed=isinstance(error, SourceChanged))


def carried_over(item: WorkItem, workshop: Workshop) -> ManifestRow | None:
    """The earlier row of a photo that was touched (new mtime) but holds the same bytes."""
    earlier = workshop.earlier.row(item.path)
    if earlier is None:
        return None
    changes: dict[str, Any] = {
        "source_mtime_ns": item.mtime_ns,
        "source_etag": item.source_etag or None,
        "source_version_id": item.source_version_id or None,
        "run_id": workshop.run_id,
        "time": datetime.now(UTC),
    }
    return replace(earlier, **changes)


def lost_row(item: WorkItem, *, run_id: str, options: Options, device: str) -> ManifestRow:
    """The row of a photo with which each worker died: nobody else can write it."""
    return replace(
        _listed_row(item, run_id, options, device),
        error_class="WorkerDied",
        error_message="every worker that took this photo died, most likely out of memory; look "
        "at the workers' logs, try a smaller --max-megapixels or a larger machine",
    )
