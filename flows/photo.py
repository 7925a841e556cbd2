"""The whole way of a photograph, on one page.

    crawl → decode → assess → plan → restore → encode → put → manifest row

Photographs go in small groups, so that the tiles of several share the networks' batches; apart
from that each is on its own: whatever happens to one becomes its manifest row.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from flows.publishing import publish_original, publish_pixels, sha256_of
from flows.version import software_version
from restoration.assess import Assessment, assess, estimate_noise
from restoration.codec import Photo, decode
from restoration.errors import RestorationError, UnsupportedPhoto
from restoration.plan import Plan, Step, make_plan
from restoration.quality import measure, psnr_db, ssim
from restoration.recipe import Options, recipe_id
from restoration.restore import Job, Restored, Restorer
from storage import DestinationStore, EntryKind, OutOfSpace, SourceStore, StorageError
from storage.manifest import ManifestIndex, ManifestRow, Status, WorkItem


@dataclass(frozen=True)
class Workshop:
    """What every photo of a batch shares: stores, networks, options, identity."""

    source: SourceStore
    destination: DestinationStore
    restorer: Restorer
    options: Options
    run_id: str

    @cached_property
    def earlier(self) -> ManifestIndex:
        """What earlier runs did; loaded when the first touched photo asks, once per batch."""
        return ManifestIndex.load(self.destination)

    def recipe_id(self, used: Sequence[Step]) -> str:
        """The recipe of a photo whose plan has these steps."""
        return recipe_id(self.options, used, device=self.restorer.device.type)


@dataclass(frozen=True)
class Outcome:
    """What became of a photo.

    Attributes:
        row: its manifest row.
        was_unchanged: whether the row is an earlier one carried over, nothing having been done.
    """

    row: ManifestRow
    was_unchanged: bool = False


@dataclass(frozen=True)
class Prepared:
    """A photo that is decoded, assessed and planned, on its way to the networks."""

    item: WorkItem
    sha256: str
    photo: Photo = field(repr=False)
    assessment: Assessment
    plan: Plan
    seconds_decode: float
    seconds_assess: float


def process(items: Sequence[WorkItem], workshop: Workshop) -> Iterator[Outcome]:
    """Take a group of photos all the way; yields one outcome for each, in order.

    Raises:
        OutOfSpace: the destination is full; every further photo would meet the same.
    """
    prepared = [prepare(item, workshop) for item in items]
    ready = [entry for entry in prepared if isinstance(entry, Prepared)]
    jobs = [Job(p.photo.pixels, p.plan, p.assessment.noise_sigma) for p in ready]
    started = time.perf_counter()
    results = iter(workshop.restorer.restore(jobs) if jobs else [])
    megapixels = sum(p.photo.megapixels for p in ready if p.plan.steps)
    seconds = (time.perf_counter() - started) / max(megapixels, 1e-9)
    for entry in prepared:
        if isinstance(entry, Outcome):
            yield entry
            continue
        share = seconds * entry.photo.megapixels if entry.plan.steps else 0.0
        yield Outcome(finish(entry, next(results), workshop, seconds_restore=share))


def prepare(item: WorkItem, workshop: Workshop) -> Prepared | Outcome:
    """Read, decode, assess and plan one photo; an outcome where its way ends here."""
    row = _blank_row(item, workshop)
    if item.problem:
        status = status_of_problem(item)
        return Outcome(
            replace(row, status=status, error_class=item.kind, error_message=item.problem)
        )
    try:
        started = time.perf_counter()
        with workshop.source.open(item.path) as file:
            row = replace(row, source_sha256=sha256_of(file))
            if item.previous_sha256 and item.previous_sha256 == row.source_sha256:
                carried = _carry_over(item, workshop)
                if carried is not None:
                    return Outcome(carried, was_unchanged=True)
            photo = decode(file, max_megapixels=workshop.options.max_megapixels)
        decoded = time.perf_counter()
        assessment = assess(photo.pixels)
        options = workshop.options
        plan = make_plan(assessment, options.steps, strength=options.strength)
        return Prepared(
            item,
            row.source_sha256 or "",
            photo,
            assessment,
            plan,
            seconds_decode=decoded - started,
            seconds_assess=time.perf_counter() - decoded,
        )
    except Exception as error:
        return Outcome(_failed(row, error))


def status_of_problem(item: WorkItem) -> Status:
    """Failed where photos may be lost to us, skipped where something was left alone on purpose."""
    is_loss = item.kind in (EntryKind.UNREADABLE, EntryKind.BAD_NAME)
    return Status.FAILED if is_loss else Status.SKIPPED


def status_of_error(error: Exception) -> Status:
    """Skipped for a sound file of a kind that is not supported, else failed."""
    return Status.SKIPPED if isinstance(error, UnsupportedPhoto) else Status.FAILED


def finish(
    prepared: Prepared, result: Restored | Exception, workshop: Workshop, *, seconds_restore: float
) -> ManifestRow:
    """Encode and publish what was restored, and write down everything about it."""
    row = _described(prepared, workshop, seconds_restore)
    if isinstance(result, Exception):
        return _failed(row, result)
    try:
        row = replace(
            _publish(row, prepared, result, workshop),
            status=Status.RESTORED if prepared.plan.steps else Status.NOTHING_TO_DO,
            models=tuple(model.card.name for model in result.models),
            model_sha256=tuple(model.card.sha256 for model in result.models),
        )
        return _compared(row, prepared, result)
    except OutOfSpace:
        raise
    except Exception as error:
        return _failed(row, error)


def _publish(
    row: ManifestRow, prepared: Prepared, result: Restored, workshop: Workshop
) -> ManifestRow:
    """Publish the restored photo and its colorized interpretation, or the lack of one."""
    item, destination = prepared.item, workshop.destination
    path = f"restored/{item.path}"
    if result.pixels is None:
        done = publish_original(destination, path, workshop.source, item.path, prepared.sha256)
    else:
        done = publish_pixels(destination, path, prepared.photo, result.pixels)
    row = replace(
        row,
        restored_path=done.stored.path,
        restored_sha256=done.stored.sha256,
        restored_size=done.stored.size,
        seconds_encode=done.seconds_encode,
        seconds_put=done.seconds_put,
    )
    path = f"colorized/{item.path}"
    if result.colorized is None:
        if item.may_be_colorized:
            # What was made of an earlier picture or with other options is no longer true.
            destination.delete(path)
        return row
    colour = publish_pixels(destination, path, prepared.photo, result.colorized)
    return replace(
        row,
        colorized_path=colour.stored.path,
        colorized_sha256=colour.stored.sha256,
        colorized_size=colour.stored.size,
        seconds_encode=done.seconds_encode + colour.seconds_encode,
        seconds_put=done.seconds_put + colour.seconds_put,
    )


def _blank_row(item: WorkItem, workshop: Workshop) -> ManifestRow:
    return ManifestRow(
        source=item.path,
        source_size=item.size,
        source_mtime_ns=item.mtime_ns,
        device=str(workshop.restorer.device),
        status=Status.FAILED,
        run_id=workshop.run_id,
        recipe_id=workshop.recipe_id(()),
        software_version=software_version(),
        time=datetime.now(UTC),
    )


def _described(prepared: Prepared, workshop: Workshop, seconds_restore: float) -> ManifestRow:
    assessment, photo = prepared.assessment, prepared.photo
    return replace(
        _blank_row(prepared.item, workshop),
        source_sha256=prepared.sha256,
        width=photo.pixels.shape[1],
        height=photo.pixels.shape[0],
        mode=photo.mode,
        format=photo.format,
        noise_sigma=assessment.noise_sigma,
        noise_confidence=assessment.noise_confidence,
        blur_sigma=assessment.blur_sigma,
        blur_confidence=assessment.blur_confidence,
        is_monochrome=assessment.is_monochrome,
        monochrome_confidence=assessment.monochrome_confidence,
        plan=tuple(step.value for step in prepared.plan.steps),
        plan_reasons=prepared.plan.reasons,
        strength=workshop.options.strength if prepared.plan.changes_pixels else None,
        keep_grain=workshop.options.keep_grain if Step.DENOISE in prepared.plan.steps else None,
        recipe_id=workshop.recipe_id(prepared.plan.steps),
        seconds_decode=prepared.seconds_decode,
        seconds_assess=prepared.seconds_assess,
        seconds_restore=seconds_restore,
    )


def _compared(row: ManifestRow, prepared: Prepared, result: Restored) -> ManifestRow:
    """Add quality before and after, and the amount of change."""
    before = prepared.photo.pixels
    after = before if result.pixels is None else result.pixels
    sigma = prepared.assessment.noise_sigma
    quality = measure(before)
    row = replace(
        row,
        sharpness_before=quality.sharpness,
        colourfulness_before=quality.colourfulness,
        contrast_before=quality.contrast,
    )
    if result.pixels is not None:
        quality, sigma = measure(after), estimate_noise(after).sigma
    if prepared.plan.changes_pixels:
        row = replace(row, change_psnr_db=psnr_db(before, after), change_ssim=ssim(before, after))
    return replace(
        row,
        sharpness_after=quality.sharpness,
        colourfulness_after=quality.colourfulness,
        contrast_after=quality.contrast,
        noise_sigma_after=sigma,
    )


def _failed(row: ManifestRow, error: Exception) -> ManifestRow:
    known = isinstance(error, RestorationError | StorageError)
    message = " ".join(str(error).split()) or type(error).__name__
    return replace(
        row,
        status=status_of_error(error),
        error_class=type(error).__name__,
        error_message=message if known else f"unexpected: {message}",
        error_is_permanent=isinstance(error, RestorationError) and error.is_permanent,
    )


def _carry_over(item: WorkItem, workshop: Workshop) -> ManifestRow | None:
    """The earlier row of a photo that was touched (new mtime) but holds the same bytes."""
    earlier = workshop.earlier.row(item.path)
    if earlier is None:
        return None
    changes: dict[str, Any] = {
        "source_mtime_ns": item.mtime_ns,
        "run_id": workshop.run_id,
        "time": datetime.now(UTC),
    }
    return replace(earlier, **changes)
