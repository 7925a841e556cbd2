"""The whole way of a photograph, on one page.

    crawl → decode → assess → plan → restore → encode → put → manifest row

Each photograph is on its own: whatever happens to one becomes its manifest row. Several are on
their way at once, in threads of `flows.crew`; they share the networks, the decoders and the memory.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

from flows.measured import measured_row
from flows.memory_needs import bytes_needed, estimated_bytes
from flows.originals import Original, open_original
from flows.publishing import Publication, with_output
from flows.reviews import REJECTED_REASON, concluded, is_rejected, still_about
from flows.rows import (
    Outcome,
    PlannedPage,
    Prepared,
    Workshop,
    blank_row,
    carried_over,
    changes_pixels,
    described_row,
    failed,
)
from flows.up_to_date import UNKNOWN_SETTINGS
from restoration.allocator import give_back
from restoration.assess import assess
from restoration.codec import Page, Photo
from restoration.errors import DeviceLost
from restoration.plan import Step, make_plan, nothing_planned
from restoration.precision import Precision
from restoration.recipe import Options
from restoration.restore import Restored
from storage import EndsRun, EntryKind, StorageError
from storage.manifest import ManifestRow, Status, WorkItem

LARGE_PIXELS = 20_000_000
"""Of a photo whose memory is given back to the system, not kept for the next one."""

MAX_REDOS = 2
"""How often a photo is done again that was replaced while it was being worked on."""


def process(item: WorkItem, workshop: Workshop, *, redos: int = MAX_REDOS) -> Outcome:
    """Take a photo all the way; several threads may do so with one workshop.

    A photo that is replaced in the archive meanwhile is looked at again and done again.

    Args:
        item: the photo.
        workshop: what it shares with others.
        redos: how often a photo that keeps changing is done again before it fails.

    Raises:
        EndsRun: the destination is full or the credentials expired; every further photo would
            meet the same.
        DeviceLost: so would it of this machine's GPU.
    """
    outcome = _attempt(item, workshop)
    again = _looked_at_again(item, workshop) if outcome.source_changed and redos else None
    if again is not None:
        return process(again, workshop, redos=redos - 1)
    if outcome.was_unchanged:
        return outcome
    if (outcome.row.width or 0) * (outcome.row.height or 0) >= LARGE_PIXELS:
        give_back()
    return replace(outcome, row=concluded(outcome.row))


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


def _attempt(item: WorkItem, workshop: Workshop) -> Outcome:
    with ExitStack() as held:  # files, and memory that is reserved
        prepared = prepare(item, workshop, held)
        if isinstance(prepared, Outcome):
            return prepared
        own = workshop.under(prepared.item)
        started = time.perf_counter()
        results = own.restorer.restore([each.job for each in prepared.pages])
        return finish(prepared, results, own, seconds_restore=time.perf_counter() - started)


def prepare(item: WorkItem, workshop: Workshop, held: ExitStack) -> Prepared | Outcome:
    """Read, decode, assess and plan one photo; an outcome where its way ends here.

    Args:
        item: the photo.
        workshop: what it shares with others.
        held: closes its files, and gives back the memory that it reserved, at the end of its way.

    Raises:
        EndsRun: see `process`.
    """
    row = blank_row(item, workshop)
    if item.problem:
        status = status_of_problem(item)
        return Outcome(
            replace(row, status=status, error_class=item.kind, error_message=item.problem)
        )
    try:
        started = time.perf_counter()
        original = open_original(item, workshop, held)
        seconds_read = time.perf_counter() - started
        item = replace(item, source_version_id=original.version_id)
        row = replace(blank_row(item, workshop), source_sha256=original.sha256)
        if item.previous_sha256 and item.previous_sha256 == row.source_sha256:
            carried = carried_over(item, workshop)
            if carried is not None:
                return Outcome(carried, was_unchanged=True)
        photo, seconds_decode = _decoded(item, original, workshop, held)
        return _planned(item, original, photo, workshop, seconds_read + seconds_decode)
    except EndsRun:
        raise
    except Exception as error:
        return failed(row, error)


def _decoded(
    item: WorkItem, original: Original, workshop: Workshop, held: ExitStack
) -> tuple[Photo, float]:
    """Decode a photo, once there is memory for it; and the seconds without the waiting for that.

    The work-list does not know everything of everybody (`flows.memory_needs`). A photo that turns
    out larger than there is room for gives everything back and waits for its turn again.
    """
    needed, options = estimated_bytes(item), workshop.options
    while True:
        with ExitStack() as reserved:
            reservation = workshop.budget.reserve(needed)
            reserved.callback(reservation.release)
            started = time.perf_counter()
            photo = workshop.decoder.decode(original.file, options.limits, salvage=options.salvage)
            seconds = time.perf_counter() - started
            needed = bytes_needed(photo)
            if reservation.resize(needed):
                held.push(reserved.pop_all())
                return photo, seconds
        del photo


def _planned(
    item: WorkItem, original: Original, photo: Photo, workshop: Workshop, seconds_decode: float
) -> Prepared:
    """Assess a photo and plan what is done to it."""
    started = time.perf_counter()
    item, notes = still_about(item, original.sha256)
    pages = planned_pages(photo, workshop.under(item).options, rejected=is_rejected(item))
    return Prepared(
        item,
        original.sha256,
        photo,
        pages,
        seconds_decode=seconds_decode,
        seconds_assess=time.perf_counter() - started,
        notes=notes,
        original=original.file if original.is_kept else None,
    )


def status_of_problem(item: WorkItem) -> Status:
    """Failed where photos may be lost to us, skipped where something was left alone on purpose."""
    is_loss = item.kind in (EntryKind.UNREADABLE, EntryKind.BAD_NAME, UNKNOWN_SETTINGS)
    return Status.FAILED if is_loss else Status.SKIPPED


def planned_pages(
    photo: Photo, options: Options, *, rejected: bool = False
) -> tuple[PlannedPage, ...]:
    """Assess and plan each page of a photo; the same for a run and for who only asks."""
    return tuple(planned_page(page, options, rejected=rejected) for page in photo.pages)


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
        if isinstance(result, DeviceLost):
            raise result
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
            strength=row.strength if changes_pixels(taken) else None,
            keep_grain=row.keep_grain if Step.DENOISE in taken else None,
            passes=row.passes if changes_pixels(taken) else None,
            models=tuple(used[step].name for step in taken),
            model_sha256=tuple(used[step].sha256 for step in taken),
            precision=_precision(done),
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


def _precision(results: Sequence[Restored]) -> str | None:
    """Of the networks whose work is in the results; that of colour is fp32 beside any other."""
    found = [model.precision.value for each in results for model in each.models]
    return next((each for each in found if each != Precision.FP32), found[0] if found else None)


def _found(results: Sequence[Restored]) -> Iterator[str]:
    """What the steps found out while they ran, page by page where there are several."""
    for number, result in enumerate(results, 1):
        where = f"page {number}: " if len(results) > 1 else ""
        yield from (f"{where}{note}" for note in result.notes)
