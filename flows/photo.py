"""The whole way of a photograph, on one page.

    crawl → decode → assess → plan → restore → encode → put → manifest row

Photographs go in small groups, so that the tiles of several share the networks' batches; apart
from that each is on its own: whatever happens to one becomes its manifest row.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice

from flows.measured import measured_row
from flows.publishing import Publication, sha256_of, with_output
from flows.reviews import REJECTED_REASON, concluded, is_rejected, still_about
from flows.rows import (
    Outcome,
    PlannedPage,
    Prepared,
    Workshop,
    blank_row,
    carried_over,
    described_row,
    failed,
)
from flows.up_to_date import UNKNOWN_SETTINGS
from restoration.assess import assess
from restoration.codec import Page
from restoration.plan import Step, make_plan, nothing_planned
from restoration.recipe import Options
from restoration.restore import Restored
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
        if again is not None:
            yield from process([again], workshop, redos=redos - 1)
        elif outcome.was_unchanged:
            yield outcome
        else:
            yield replace(outcome, row=concluded(outcome.row))


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
    results = _restored(ready, workshop)
    for entry in prepared:
        if isinstance(entry, Outcome):
            yield entry
            continue
        own, seconds = results.pop(entry.item.path)
        yield finish(entry, own, workshop.under(entry.item), seconds_restore=seconds)


def _restored(
    photos: Sequence[Prepared], workshop: Workshop
) -> dict[str, tuple[list[Restored | Exception], float]]:
    """What became of the pages of each photo, by its path, and the seconds that it took.

    Photos that people chose the same settings for, or none, go through the networks together.
    """
    by_settings: dict[str | None, list[Prepared]] = {}
    for photo in photos:
        by_settings.setdefault(photo.item.settings, []).append(photo)
    done: dict[str, tuple[list[Restored | Exception], float]] = {}
    for alike in by_settings.values():
        planned = [page for photo in alike for page in photo.pages]
        started = time.perf_counter()
        restorer = workshop.under(alike[0].item).restorer
        results = iter(restorer.restore([each.job for each in planned]))
        megapixels = sum(each.page.megapixels for each in planned if each.plan.steps)
        seconds = (time.perf_counter() - started) / max(megapixels, 1e-9)
        for photo in alike:
            share = sum(each.page.megapixels for each in photo.pages if each.plan.steps)
            done[photo.item.path] = list(islice(results, len(photo.pages))), seconds * share
    return done


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
            options = workshop.options
            photo = workshop.decoder.decode(file, options.limits, salvage=options.salvage)
        decoded = time.perf_counter()
        item, notes = still_about(item, row.source_sha256 or "")
        options = workshop.under(item).options
        rejected = is_rejected(item)
        return Prepared(
            item,
            row.source_sha256 or "",
            photo,
            tuple(planned_page(page, options, rejected=rejected) for page in photo.pages),
            seconds_decode=decoded - started,
            seconds_assess=time.perf_counter() - decoded,
            notes=notes,
        )
    except EndsRun:
        raise
    except Exception as error:
        return failed(row, error)


def status_of_problem(item: WorkItem) -> Status:
    """Failed where photos may be lost to us, skipped where something was left alone on purpose."""
    is_loss = item.kind in (EntryKind.UNREADABLE, EntryKind.BAD_NAME, UNKNOWN_SETTINGS)
    return Status.FAILED if is_loss else Status.SKIPPED


def planned_page(page: Page, options: Options, *, rejected: bool = False) -> PlannedPage:
    """Assess a page and decide what is done to it; nothing, where a reviewer rejected the photo."""
    assessment = assess(page.pixels)
    if rejected:
        plan = nothing_planned(REJECTED_REASON)
    elif page.bits == 1:
        plan = nothing_planned("the page has two tones and no more (bilevel)")
    else:
        plan = make_plan(assessment, options.steps, strength=options.strength)
    return PlannedPage(page, assessment, plan)


def finish(
    prepared: Prepared,
    results: Sequence[Restored | Exception],
    workshop: Workshop,
    *,
    seconds_restore: float,
) -> Outcome:
    """Encode and publish what was restored, and write down everything about it."""
    row = described_row(prepared, workshop, seconds_restore)
    done: list[Restored] = []
    for result in results:
        if isinstance(result, Exception):
            return failed(row, result)
        done.append(result)
    try:
        # Not what was planned: a step that was only tried may have come to nothing.
        used = {model.card.task: model.card for each in done for model in each.models}
        taken = [step for step in prepared.steps if step in used]
        came_out = replace(
            row,
            status=Status.RESTORED if taken else Status.NOTHING_TO_DO,
            plan=tuple(step.value for step in taken),
            strength=row.strength if any(step.changes_pixels for step in taken) else None,
            keep_grain=row.keep_grain if Step.DENOISE in taken else None,
            models=tuple(used[step].name for step in taken),
            model_sha256=tuple(used[step].sha256 for step in taken),
            notes=tuple(dict.fromkeys((*row.notes, *_found(done)))),
        )
        measured = measured_row(came_out, prepared, done)
        return Outcome(_publish(measured, prepared, done, workshop))
    except EndsRun:
        raise
    except Exception as error:
        return failed(row, error)


def _publish(
    row: ManifestRow, prepared: Prepared, results: Sequence[Restored], workshop: Workshop
) -> ManifestRow:
    """Publish all outputs of a photo, and remove those of earlier runs that it has no more."""
    with ExitStack() as files:
        publication = Publication(prepared, results, workshop, files)
        restored, colorized = publication.restored(), publication.colorized()
        access = publication.access()
        row = with_output(row, "restored", publication.put(restored))
        row = with_output(row, "colorized", publication.put(colorized))
        row = with_output(row, "access", publication.put(access))
    row = with_output(row, "sidecar", publication.sidecar(row))
    publication.remove_stale(
        row.restored_path, row.colorized_path, row.access_path, row.sidecar_path
    )
    return row


def _found(results: Sequence[Restored]) -> Iterator[str]:
    """What the steps found out while they ran, page by page where there are several."""
    for number, result in enumerate(results, 1):
        where = f"page {number}: " if len(results) > 1 else ""
        yield from (f"{where}{note}" for note in result.notes)
