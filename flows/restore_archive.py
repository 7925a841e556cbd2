"""The Prefect flow `restore-archive`: crawl, cut into batches, restore, keep the manifest.

The unit of work is a batch of hundreds of photographs; a task receives the location of its
work-list, never pixels. The destination's manifest is the only state: the flow can be killed at
any moment and started again.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from flows.batch import MAX_NAMED_FAILURES, BatchOrder, BatchSummary, run_batch
from flows.planning import Request, Survey, batches
from flows.progress import current_reporter
from flows.stopping import stop_requested
from restoration.codec import DEFAULT_MAX_MEGAPIXELS
from restoration.models import resolve_device
from restoration.plan import parse_steps
from restoration.recipe import Options
from storage import DestinationStore, open_destination, open_source
from storage.manifest import MANIFEST_FOLDER, WORKLIST_FOLDER, WorkItem, write_worklist

BATCHES_AHEAD = 2
"""Batches whose work-lists exist at a time: one in work, one waiting while the crawl goes on."""


@dataclass(frozen=True)
class RunSummary:
    """What became of a whole run.

    Attributes:
        run_id: names the run's manifest parts.
        photos: files that look like photographs.
        other_files: files that do not.
        unchanged: photos that an earlier run had finished.
        unchanged_failures: those of them that had failed, for a reason that still holds.
        restored: photos with at least one step taken.
        nothing_to_do: photos passed through byte for byte.
        skipped: photos left alone with a reason.
        failed: photos that could not be done.
        megapixels: done in this run, 10^6 pixels.
        seconds: wall-clock time.
        failures: the first failures, one line each.
        stopped: whether the run was asked to stop before its end.
    """

    run_id: str
    photos: int = 0
    other_files: int = 0
    unchanged: int = 0
    unchanged_failures: int = 0
    restored: int = 0
    nothing_to_do: int = 0
    skipped: int = 0
    failed: int = 0
    megapixels: float = 0.0
    seconds: float = 0.0
    failures: tuple[str, ...] = field(default=())
    stopped: bool = False

    @property
    def all_well(self) -> bool:
        """Whether no photo failed, now or earlier for a reason that still holds."""
        return self.failed == 0 and self.unchanged_failures == 0


@task(name="restore-batch", task_run_name="batch-{order.number}", cache_policy=NO_CACHE)
def restore_batch(order: BatchOrder) -> BatchSummary:
    """Restore one batch; see `flows.batch.run_batch`."""
    return run_batch(order)


@flow(
    name="restore-archive",
    validate_parameters=True,
    # One batch at a time: on one machine a batch keeps the device busy by itself.
    task_runner=ThreadPoolTaskRunner(max_workers=1),  # type: ignore[arg-type]
)
def restore_archive(
    source: str,
    destination: str,
    steps: str = "denoise,deblur,colorize",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    include: list[str] | None = None,
    exclude: list[str] | None = None,
    limit: int | None = None,
    batch_megapixels: float = 200.0,
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS,
    force: bool = False,
) -> RunSummary:
    """Restore an archive of photographs.

    Args:
        source: folder of the originals; it is only ever read.
        destination: folder for restored/, colorized/ and manifest/.
        steps: steps that may run, in order, separated by commas.
        device: where the networks run.
        include: only photos whose relative path matches one of these globs.
        exclude: no photo whose relative path matches one of these globs.
        limit: at most this many photos in this run.
        batch_megapixels: size of a batch.
        max_megapixels: refuse larger photos.
        force: redo photos that are unchanged since an earlier run.

    Raises:
        StorageError: a location that cannot be used, or a destination in use by another run.
        ValueError: an option that makes no sense.
    """
    options = Options(steps=parse_steps(steps), max_megapixels=max_megapixels)
    request = Request(
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        limit=limit,
        force=force,
        batch_megapixels=batch_megapixels,
    )
    resolve_device(device)
    origin = open_source(source)
    target = open_destination(destination, origin)
    survey = Survey()
    run_id = new_run_id()
    started = time.monotonic()
    with target.lock():
        sweep_after_killed_runs(target)
        planned = batches(origin, target, options, request, survey)
        done: list[BatchSummary] = []
        waiting: deque[PrefectFuture[BatchSummary]] = deque()
        for number, items in enumerate(_until_stopped(planned)):
            current_reporter().planned(len(items))
            worklist = write_worklist(target, run_id, number, items)
            order = BatchOrder(source, destination, worklist, run_id, number, options, device)
            waiting.append(restore_batch.submit(order))
            if len(waiting) >= BATCHES_AHEAD:
                done.append(waiting.popleft().result())
        done += [future.result() for future in waiting]
    return _total(run_id, survey, done, time.monotonic() - started)


def new_run_id() -> str:
    """A name for a run that sorts by time: 20261122T023355Z-1f2e3d."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}Z-{secrets.token_hex(3)}"


def sweep_after_killed_runs(target: DestinationStore) -> None:
    """Remove what a killed run left: its work-lists, and temporary files beside its outputs.

    A work-list still there names the photos whose batch was not finished, so only their folders
    need a look, however large the archive.
    """
    from storage.manifest import read_worklist

    folders: set[str] = {MANIFEST_FOLDER}
    leftovers = [entry.path for entry in target.list(WORKLIST_FOLDER)]
    for path in leftovers:
        folders.add(path.rpartition("/")[0])
        for item in read_worklist(target, path):
            folder = item.path.rpartition("/")[0]
            folders |= {f"restored/{folder}".rstrip("/"), f"colorized/{folder}".rstrip("/")}
    folders |= {entry.path.rpartition("/")[0] for entry in target.list(MANIFEST_FOLDER)}
    target.sweep(sorted(folders))
    for path in leftovers:
        target.delete(path)


def _until_stopped(planned: Iterator[list[WorkItem]]) -> Iterator[list[WorkItem]]:
    for items in planned:
        if stop_requested():
            return
        yield items


def _total(run_id: str, survey: Survey, done: list[BatchSummary], seconds: float) -> RunSummary:
    failures = [line for batch in done for line in batch.failures]
    return RunSummary(
        run_id=run_id,
        photos=survey.photos,
        other_files=survey.other_files,
        unchanged=survey.unchanged,
        unchanged_failures=survey.unchanged_failures,
        restored=sum(batch.restored for batch in done),
        nothing_to_do=sum(batch.nothing_to_do for batch in done),
        skipped=sum(batch.skipped for batch in done),
        failed=sum(batch.failed for batch in done),
        megapixels=sum(batch.megapixels for batch in done),
        seconds=seconds,
        failures=tuple(failures[:MAX_NAMED_FAILURES]),
        stopped=stop_requested() or any(batch.stopped for batch in done),
    )
