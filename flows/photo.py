"""The whole way of a photograph, on one page.

    crawl → decode → assess → plan → restore → encode → put → manifest row

Photographs go in small groups, so that the tiles of several share the networks' batches; apart
from that each is on its own: whatever happens to one becomes its manifest row.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from flows.publishing import publish_original, publish_pixels, sha256_of
from flows.rows import (
    Outcome,
    Prepared,
    Workshop,
    blank_row,
    carried_over,
    compared_row,
    described_row,
    failed,
)
from restoration.assess import assess
from restoration.codec import decode
from restoration.plan import make_plan
from restoration.restore import Job, Restored
from storage import EndsRun, EntryKind, StorageError
from storage.manifest import ManifestRow, Status, WorkItem

MAX_REDOS = 2
"""How often a photo is done again that was replaced while it was being worked on."""


def process(
    items: Sequence[WorkItem], workshop: Workshop, *, redos: int = MAX_REDOS
) -> Iterator[Outcome]:
    """Take a group of photos all the way; yields one outcome for each, in order.

    A photo that is replaced in the archive meanwhile is looked at again and done again.

    Args:
        items: the photos.
        workshop: what they share.
        redos: how often a photo that keeps changing is done again before it fails.

    Raises:
        EndsRun: the destination is full or the credentials expired; every further photo would
            meet the same.
    """
    for item, outcome in zip(items, _attempt(items, workshop), strict=True):
        again = _looked_at_again(item, workshop) if outcome.source_changed and redos else None
        if again is None:
            yield outcome
        else:
            yield from process([again], workshop, redos=redos - 1)


def _looked_at_again(item: WorkItem, workshop: Workshop) -> WorkItem | None:
    """The photo as it is in the archive now; None where that cannot be told."""
    try:
        found = workshop.source.stat(item.path)
    except EndsRun:
        raise
    except StorageError:
        return None
    return replace(
        item,
        size=found.size,
        mtime_ns=found.mtime_ns,
        kind=str(found.kind),
        problem=found.problem,
        previous_sha256="",
        source_etag=found.etag,
        source_version_id=found.version_id,
    )


def _attempt(items: Sequence[WorkItem], workshop: Workshop) -> Iterator[Outcome]:
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
        yield finish(entry, next(results), workshop, seconds_restore=share)


def prepare(item: WorkItem, workshop: Workshop) -> Prepared | Outcome:
    """Read, decode, assess and plan one photo; an outcome where its way ends here."""
    row = blank_row(item, workshop)
    if item.problem:
        status = status_of_problem(item)
        return Outcome(
            replace(row, status=status, error_class=item.kind, error_message=item.problem)
        )
    try:
        started = time.perf_counter()
        with workshop.source.open(item.path, etag=item.source_etag) as file:
            item = replace(item, source_version_id=file.entry.version_id)
            row = replace(blank_row(item, workshop), source_sha256=sha256_of(file))
            if item.previous_sha256 and item.previous_sha256 == row.source_sha256:
                carried = carried_over(item, workshop)
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
    except EndsRun:
        raise
    except Exception as error:
        return failed(row, error)


def status_of_problem(item: WorkItem) -> Status:
    """Failed where photos may be lost to us, skipped where something was left alone on purpose."""
    is_loss = item.kind in (EntryKind.UNREADABLE, EntryKind.BAD_NAME)
    return Status.FAILED if is_loss else Status.SKIPPED


def finish(
    prepared: Prepared, result: Restored | Exception, workshop: Workshop, *, seconds_restore: float
) -> Outcome:
    """Encode and publish what was restored, and write down everything about it."""
    row = described_row(prepared, workshop, seconds_restore)
    if isinstance(result, Exception):
        return failed(row, result)
    try:
        row = replace(
            _publish(row, prepared, result, workshop),
            status=Status.RESTORED if prepared.plan.steps else Status.NOTHING_TO_DO,
            models=tuple(model.card.name for model in result.models),
            model_sha256=tuple(model.card.sha256 for model in result.models),
            notes=result.notes,
        )
        return Outcome(compared_row(row, prepared, result))
    except EndsRun:
        raise
    except Exception as error:
        return failed(row, error)


def _publish(
    row: ManifestRow, prepared: Prepared, result: Restored, workshop: Workshop
) -> ManifestRow:
    """Publish the restored photo and its colorized interpretation, or the lack of one."""
    item, destination = prepared.item, workshop.destination
    path = f"restored/{item.path}"
    if result.pixels is None:
        done = publish_original(destination, path, workshop.source, item, prepared.sha256)
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
