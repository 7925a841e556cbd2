"""The whole way of a photograph, on one page.

    crawl → decode → assess → plan → restore → encode → put → manifest row

Photographs go in small groups, so that the tiles of several share the networks' batches; apart
from that each is on its own: whatever happens to one becomes its manifest row.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from flows.version import software_version
from restoration.assess import Assessment, assess
from restoration.assess.noise import estimate_noise
from restoration.codec import Photo, decode, encode
from restoration.errors import RestorationError, UnsupportedPhoto
from restoration.plan import Plan, make_plan
from restoration.quality import measure, psnr_db, ssim
from restoration.recipe import Options, recipe_id
from restoration.restore import Job, Restored, Restorer
from storage import DestinationStore, EntryKind, SourceStore, StorageError, StoredObject
from storage.manifest import ManifestIndex, ManifestRow, Status, WorkItem


@dataclass(frozen=True)
class Workshop:
    """What every photo of a run shares: stores, networks, options, identity."""

    source: SourceStore
    destination: DestinationStore
    restorer: Restorer
    options: Options
    run_id: str


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


def process(items: Sequence[WorkItem], workshop: Workshop) -> Iterator[ManifestRow]:
    """Take a group of photos all the way; yields one row for each, in order."""
    prepared = [prepare(item, workshop) for item in items]
    ready = [entry for entry in prepared if isinstance(entry, Prepared)]
    jobs = [Job(p.photo.pixels, p.plan, p.assessment.noise_sigma) for p in ready]
    started = time.perf_counter()
    results = iter(workshop.restorer.restore(jobs) if jobs else [])
    megapixels = sum(p.photo.megapixels for p in ready if p.plan.steps)
    seconds = (time.perf_counter() - started) / max(megapixels, 1e-9)
    for entry in prepared:
        if isinstance(entry, ManifestRow):
            yield entry
            continue
        share = seconds * entry.photo.megapixels if entry.plan.steps else 0.0
        yield finish(entry, next(results), workshop, seconds_restore=share)


def prepare(item: WorkItem, workshop: Workshop) -> Prepared | ManifestRow:
    """Read, decode, assess and plan one photo; a row where its way ends here."""
    row = _blank_row(item, workshop)
    if item.problem:
        is_loss = item.kind in (EntryKind.UNREADABLE, EntryKind.BAD_NAME)
        return replace(
            row,
            status=Status.FAILED if is_loss else Status.SKIPPED,
            error_class=item.kind,
            error_message=item.problem,
        )
    try:
        started = time.perf_counter()
        with workshop.source.open(item.path) as file:
            row = replace(row, source_sha256=_sha256(file))
            if item.previous_sha256 and item.previous_sha256 == row.source_sha256:
                carried = _carry_over(item, workshop)
                if carried is not None:
                    return carried
            photo = decode(file, max_megapixels=workshop.options.max_megapixels)
        decoded = time.perf_counter()
        assessment = assess(photo.pixels)
        plan = make_plan(assessment, workshop.options.steps)
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
        return _failed(row, error)


def finish(
    prepared: Prepared, result: Restored | Exception, workshop: Workshop, *, seconds_restore: float
) -> ManifestRow:
    """Encode and publish what was restored, and write down everything about it."""
    row = _described(prepared, workshop, seconds_restore)
    if isinstance(result, Exception):
        return _failed(row, result)
    try:
        row = _published(row, prepared, result, workshop)
        row = replace(
            row,
            status=Status.RESTORED if prepared.plan.steps else Status.NOTHING_TO_DO,
            models=tuple(model.card.name for model in result.models),
            model_sha256=tuple(model.card.sha256 for model in result.models),
        )
        return _compared(row, prepared, result)
    except Exception as error:
        return _failed(row, error)


def _published(
    row: ManifestRow, prepared: Prepared, result: Restored, workshop: Workshop
) -> ManifestRow:
    """Encode and put one output after the other: of a large scan only one fits in memory."""
    path, destination = prepared.item.path, workshop.destination
    encoding = putting = 0.0

    def publish(folder: str, pixels: NDArray[np.uint8]) -> StoredObject:
        nonlocal encoding, putting
        started = time.perf_counter()
        data = encode(prepared.photo, pixels)
        encoded = time.perf_counter()
        stored = destination.put(f"{folder}/{path}", data)
        encoding += encoded - started
        putting += time.perf_counter() - encoded
        return stored

    if result.pixels is not None:
        stored = publish("restored", result.pixels)
    else:
        # Nothing was done to the pixels: the original's own bytes are the restored file.
        started = time.perf_counter()
        with workshop.source.open(path) as original:
            stored = destination.put(f"restored/{path}", original)
        _check_copy(stored, row)
        putting += time.perf_counter() - started
    row = replace(
        row,
        restored_path=stored.path,
        restored_sha256=stored.sha256,
        restored_size=stored.size,
    )
    if result.colorized is not None:
        stored = publish("colorized", result.colorized)
        row = replace(
            row,
            colorized_path=stored.path,
            colorized_sha256=stored.sha256,
            colorized_size=stored.size,
        )
    return replace(row, seconds_encode=encoding, seconds_put=putting)


def _check_copy(stored: StoredObject, row: ManifestRow) -> None:
    if stored.sha256 != row.source_sha256:
        raise StorageError(f"{row.source} changed while it was being processed; run again")


def _blank_row(item: WorkItem, workshop: Workshop) -> ManifestRow:
    return ManifestRow(
        source=item.path,
        source_size=item.size,
        source_mtime_ns=item.mtime_ns,
        device=str(workshop.restorer.device),
        status=Status.FAILED,
        run_id=workshop.run_id,
        recipe_id=recipe_id(workshop.options, ()),
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
        recipe_id=recipe_id(workshop.options, prepared.plan.steps),
        seconds_decode=prepared.seconds_decode,
        seconds_assess=prepared.seconds_assess,
        seconds_restore=seconds_restore,
    )


def _compared(row: ManifestRow, prepared: Prepared, result: Restored) -> ManifestRow:
    """Add quality before and after, and the amount of change."""
    before = prepared.photo.pixels
    sigma = prepared.assessment.noise_sigma
    quality = measure(before)
    after, sigma_after = quality, sigma
    if result.pixels is not None:
        sigma_after = estimate_noise(result.pixels).sigma
        after = measure(result.pixels)
        row = replace(
            row,
            change_psnr_db=psnr_db(before, result.pixels),
            change_ssim=ssim(before, result.pixels),
        )
    return replace(
        row,
        sharpness_before=quality.sharpness,
        sharpness_after=after.sharpness,
        colourfulness_before=quality.colourfulness,
        colourfulness_after=after.colourfulness,
        contrast_before=quality.contrast,
        contrast_after=after.contrast,
        noise_sigma_after=sigma_after,
    )


def _failed(row: ManifestRow, error: Exception) -> ManifestRow:
    known = isinstance(error, RestorationError | StorageError)
    message = str(error) or type(error).__name__
    return replace(
        row,
        status=Status.SKIPPED if isinstance(error, UnsupportedPhoto) else Status.FAILED,
        error_class=type(error).__name__,
        error_message=message if known else f"unexpected: {message}",
        error_is_permanent=isinstance(error, RestorationError) and error.is_permanent,
    )


def _carry_over(item: WorkItem, workshop: Workshop) -> ManifestRow | None:
    """The earlier row of a photo that was touched (new mtime) but holds the same bytes."""
    earlier = ManifestIndex.load(workshop.destination).row(item.path)
    if earlier is None:
        return None
    changes: dict[str, Any] = {
        "source_mtime_ns": item.mtime_ns,
        "run_id": workshop.run_id,
        "time": datetime.now(UTC),
    }
    return replace(earlier, **changes)


def _sha256(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    file.seek(0)
    return digest.hexdigest()
