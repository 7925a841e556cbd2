"""From a crawl to batches: which photos are still to be done, grouped by megapixels."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice

from flows.photo_files import suffix_of, told_apart
from flows.progress import current_reporter
from flows.reviews import with_review
from flows.stopping import stop_requested
from flows.up_to_date import UNKNOWN_SETTINGS, Recipes, Verdict, compare
from restoration.codec import FORMATS, OTHER_PHOTO_SUFFIXES, read_header
from restoration.errors import RestorationError, UsageError
from restoration.recipe import Options
from storage import (
    DestinationStore,
    EndsRun,
    SourceEntry,
    SourceStore,
    StorageError,
)
from storage.ahead import ahead
from storage.globs import PathFilter
from storage.manifest import KnownPhoto, ManifestIndex, Status, WorkItem

LOOKUP_CHUNK = 20_000
"""Photos compared with the manifest at a time."""

MAX_BATCH_PHOTOS = 1_000
"""A batch of thumbnails stays small enough to be lost without regret."""

_BYTES_PER_PIXEL_GUESS = 0.5


@dataclass(frozen=True)
class Request:
    """What a run is asked to look at.

    Attributes:
        include: globs; a photo must match one of them if there are any.
        exclude: globs; a photo must match none.
        limit: at most this many photos are done in this run.
        force: also redo what is unchanged.
        batch_megapixels: size of a batch, 10^6 pixels.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    limit: int | None = None
    force: bool = False
    batch_megapixels: float = 200.0

    @property
    def chooses(self) -> bool:
        """Whether globs choose among the photos."""
        return bool(self.include or self.exclude)

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            UsageError: a limit or a batch size that is not positive, or a glob that is none.
        """
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"--limit must be at least 1, not {self.limit}")
        if not 0 < self.batch_megapixels < math.inf:
            raise UsageError(f"--batch-megapixels must be positive, not {self.batch_megapixels:g}")
        try:
            PathFilter(self.include, self.exclude)
        except ValueError as error:
            raise UsageError(f"--include or --exclude: {error}") from error


@dataclass
class Survey:
    """What the crawl met, counted as it goes.

    Attributes:
        photos: files that look like photographs, by their name or, without a suffix, by content.
        other_files: files that do not.
        unchanged: photos that an earlier run finished, with its failures among them.
        unchanged_failures: those that failed then and would fail again.
        cut_short: whether photos were left because the run was asked to stop.
        waiting: photos that are to be done, as far as the crawl has come.
        is_whole: whether the crawl has come to its end.
        left: photos that the limit left; None where there are some, and not all are counted.
    """

    photos: int = 0
    other_files: int = 0
    unchanged: int = 0
    unchanged_failures: int = 0
    cut_short: bool = False
    waiting: int = 0
    is_whole: bool = False
    left: int | None = 0


def batches(
    source: SourceStore,
    destination: DestinationStore,
    options: Options,
    request: Request,
    survey: Survey,
) -> Iterator[list[WorkItem]]:
    """Crawl the source and yield batches of photos that are to be done.

    Streams: holds one batch and one chunk of the listing at a time, beside the index of the
    manifest (Arrow columns).

    Args:
        source: the archive.
        destination: whose manifest says what earlier runs finished.
        options: today's; photos made with others are redone.
        request: globs, limit and batch size.
        survey: counted up on the way.
    """
    batch: list[WorkItem] = []
    megapixels = 0.0
    pending = pending_items(source, destination, options, request, survey)
    for item in islice(pending, request.limit):
        if stop_requested():
            survey.cut_short = True
            return
        is_full = megapixels + item.megapixels > request.batch_megapixels
        if batch and (is_full or len(batch) == MAX_BATCH_PHOTOS):
            yield batch
            batch, megapixels = [], 0.0
        batch.append(item)
        megapixels += item.megapixels
    if batch and stop_requested():
        survey.cut_short = True
    elif batch:
        yield batch
    if request.limit is not None and next(pending, None) is not None:
        survey.left = survey.waiting - request.limit if survey.is_whole else None


def finds_photos(source: SourceStore, request: Request, survey: Survey) -> bool:
    """Whether there is a photo that a run would look at: the crawl as far as the first.

    Args:
        source: the archive.
        request: with globs.
        survey: counted up; whole where there is none.
    """
    crawl = source.crawl(include=request.include, exclude=request.exclude)
    with closing(_photos(source, crawl, survey)) as photos:
        return next(photos, None) is not None


def pending_items(
    source: SourceStore,
    destination: DestinationStore,
    options: Options,
    request: Request,
    survey: Survey,
) -> Iterator[WorkItem]:
    """The photos that are to be done, in the order of the crawl."""
    with closing(ManifestIndex.load(destination)) as index:
        yield from _pending_items(source, destination, options, request, survey, index)


def _pending_items(
    source: SourceStore,
    destination: DestinationStore,
    options: Options,
    request: Request,
    survey: Survey,
    index: ManifestIndex,
) -> Iterator[WorkItem]:
    recipes = Recipes(options)
    crawl = source.crawl(include=request.include, exclude=request.exclude)
    entries = _photos(source, crawl, survey)
    while chunk := list(islice(entries, LOOKUP_CHUNK)):
        survey.is_whole = len(chunk) < LOOKUP_CHUNK
        if stop_requested():  # of a million unchanged photos none is yielded to our caller
            survey.cut_short = True
            return
        known = index.lookup([entry.path for entry in chunk])
        sizes: Mapping[str, int] = {} if request.force else _output_sizes(destination, known)
        to_do = []
        for entry, earlier in zip(chunk, known, strict=True):
            verdict = Verdict.TO_DO
            current = recipes.of(earlier)
            obstacle = current if isinstance(current, str) else ""
            if not request.force and earlier is not None and not isinstance(current, str):
                verdict = compare(entry, earlier, current, sizes)
                if verdict is Verdict.DONE:
                    survey.unchanged += 1
                    survey.unchanged_failures += earlier.status == Status.FAILED
                    current_reporter().unchanged(1)
                    continue
            is_touched = verdict is Verdict.TOUCHED
            item = partial(_work_item, source, entry, earlier, obstacle, is_touched=is_touched)
            to_do.append(item)
        survey.waiting += len(to_do)
        yield from ahead(to_do)
    survey.is_whole = not survey.cut_short


def _output_sizes(
    destination: DestinationStore, known: Sequence[KnownPhoto | None]
) -> Mapping[str, int]:
    """Bytes of the outputs that earlier runs left of these photos."""
    return destination.sizes(path for row in known if row for path, _ in row.outputs)


def _photos(
    source: SourceStore, entries: Iterator[SourceEntry], survey: Survey
) -> Generator[SourceEntry, None, None]:
    for entry, is_photo in told_apart(source, entries):
        if is_photo:
            survey.photos += 1
            yield entry
        else:
            survey.other_files += 1


def _work_item(
    source: SourceStore,
    entry: SourceEntry,
    earlier: KnownPhoto | None,
    obstacle: str,
    *,
    is_touched: bool,
) -> WorkItem:
    """A photo to be worked on; `obstacle` says why its settings are not understood, if so."""
    problem, kind = entry.problem, str(entry.kind)
    suffix = suffix_of(entry)
    if obstacle and not problem:
        problem, kind = obstacle, UNKNOWN_SETTINGS
    if not problem and suffix in OTHER_PHOTO_SUFFIXES:
        kind = "UnsupportedPhoto"
        problem = f"{suffix[1:].upper()} files are not read ({', '.join(FORMATS)} are)"
    item = WorkItem(
        path=entry.path,
        size=entry.size,
        mtime_ns=entry.mtime_ns,
        kind=kind,
        problem=problem,
        megapixels=0.0 if problem else _megapixels(source, entry),
        previous_sha256=(earlier.source_sha256 or "") if earlier and is_touched else "",
        source_etag=entry.etag,
        source_version_id=entry.version_id,
        earlier_outputs=tuple(path for path, _ in earlier.outputs) if earlier else (),
        may_have_others=earlier is not None and _may_have_others(earlier.status),
    )
    return item if earlier is None else with_review(item, earlier)


def _may_have_others(status: Status) -> bool:
    # Who withdrew a photo may have been stopped before its outputs were gone.
    return status.keeps_outputs or status is Status.WITHDRAWN


def _megapixels(source: SourceStore, entry: SourceEntry) -> float:
    """Size from the header; only the balance of batches hangs on it, so a guess will do."""
    try:
        with source.open(entry.path) as file:  # a TIFF's header may be at its end
            return read_header(file).megapixels
    except EndsRun:
        raise
    except (RestorationError, StorageError, OSError):
        return entry.size / _BYTES_PER_PIXEL_GUESS / 1e6
