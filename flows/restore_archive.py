"""The Prefect flow `restore-archive`: crawl, cut into batches, restore, keep the manifest.

The unit of work is a batch of hundreds of photographs; a task receives the location of its
work-list, never pixels. The destination's manifest is the only state: the flow can be killed at
any moment and started again.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any, Literal

from prefect import flow
from prefect.exceptions import ParameterTypeError, TerminationSignal
from prefect.logging import get_run_logger
from pydantic import Field

from flows.artifacts import progress_artifact, summary_artifact, tell_of_failure
from flows.batch import BatchOrder
from flows.books import keep_books, source_of_earlier_runs
from flows.collector import program_set_aside
from flows.console import is_utf8, printable
from flows.dispatch import dispatched
from flows.embedded_server import server_url
from flows.planning import Request, Survey, batches, finds_photos
from flows.pool import BatchPool, thread_pool
from flows.progress import current_reporter
from flows.records import run_record
from flows.run_ids import latest_run_id, new_run_id
from flows.run_summary import RunSummary
from flows.stopping import StoppedIdle, Terminated, stop_signals_in_force
from flows.sweeping import sweep_after_killed_runs
from flows.worker_devices import check_device
from flows.workers import Workers, check_server_for, parse_workers, shared
from restoration.catalogue import choose_models
from restoration.codec import AccessCopies, Limits, Signing
from restoration.errors import UsageError
from restoration.plan import parse_steps
from restoration.precision import AUTO
from restoration.recipe import Options
from restoration.resources import Resources
from storage import DestinationStore, SourceStore, StorageError, open_destination, open_source
from storage.manifest import LATEST_PATH, WORKLIST_FOLDER, latest_rows

# What Prefect checks before a run starts, and shows in its form. The patterns let through all that
# `parse_steps` and `parse_workers` take.
Place = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
FormatName = Literal["JPEG", "PNG", "TIFF", "WEBP", "JPEG2000", "AVIF", "HEIF"]
Steps = Annotated[
    str,
    Field(
        pattern=r"^\s*(denoise(\s*,\s*deblur)?(\s*,\s*colorize)?"
        r"|deblur(\s*,\s*colorize)?|colorize)\s*$"
    ),
]
Percent = Annotated[int, Field(ge=1, le=100)]
AccessText = Annotated[str, Field(pattern=r"^(jpeg|webp|avif|png):[1-9][0-9]{0,5}$")]
WorkersText = Annotated[
    str, Field(pattern=r"^(local:[1-9][0-9]{0,3}|(tcp|tls)://[^\s/]+:[0-9]{1,5})$")
]


@flow(
    name="restore-archive",
    validate_parameters=True,
    on_failure=[tell_of_failure],
    on_crashed=[tell_of_failure],
)
def restore_archive(
    source: Place,
    destination: Place,
    steps: Steps = "denoise,deblur,colorize",
    strength: Share = 1.0,
    keep_grain: Share = 0.0,
    passes: Literal[1, 2, 4, 8] = 1,
    models: list[str] | None = None,
    even_if_worse: bool = False,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    include: list[str] | None = None,
    exclude: list[str] | None = None,
    limit: Annotated[int, Field(ge=1)] | None = None,
    batch_megapixels: Positive = 200.0,
    max_megapixels: Positive = Limits.max_megapixels,
    max_file_gb: Positive = Limits.max_file_gb,
    max_pages: Annotated[int, Field(ge=1)] = Limits.max_pages,
    max_metadata_mb: Positive = Limits.max_metadata_mb,
    decode_seconds: Positive = Limits.decode_seconds,
    decode_memory_gb: Positive = Limits.decode_memory_gb,
    salvage: bool = False,
    output_format: FormatName | None = None,
    quality: Percent | None = None,
    label: bool = True,
    access: AccessText | None = None,
    access_quality: Percent = AccessCopies.quality,
    sidecar: bool = False,
    c2pa_certificates: Place | None = None,
    c2pa_key: Place | None = None,
    force: bool = False,
    workers: WorkersText | None = None,
    memory_gb: Positive | None = None,
    gpu_memory_gb: Positive | None = None,
    threads: Annotated[int, Field(ge=1)] | None = None,
    precision: Literal["auto", "fp32", "bf16", "fp16"] = AUTO,
    notify: str | None = None,
) -> RunSummary:
    """Restore an archive of photographs.

    Args:
        source: folder of the originals or s3://bucket/folder; it is only ever read.
        destination: folder or s3://bucket/folder for restored/, colorized/ and manifest/.
        steps: steps that may run, in order, separated by commas.
        strength: share of the restoration's change that is applied, 0 to 1.
        keep_grain: share of the luminance that denoising takes away that is given back, 0 to 1.
        passes: how often denoise and deblur do a photo, turned and mirrored, for the mean: 8 is a
            little better than 1, and takes eight times as long.
        models: other models than the device's defaults, each TASK=NAME or NAME.
        even_if_worse: keep restored photos that are no better than their originals by what is
            measured; such photos keep their originals by default.
        device: where the networks run.
        include: only photos whose relative path matches one of these globs.
        exclude: no photo whose relative path matches one of these globs.
        limit: at most this many photos in this run.
        batch_megapixels: size of a batch.
        max_megapixels: refuse photos with more pixels, 10^6.
        max_file_gb: refuse larger files, 10^9 bytes.
        max_pages: refuse files with more pages.
        max_metadata_mb: refuse files with more metadata, 10^6 bytes.
        decode_seconds: processor time for decoding; every 30 megapixels add as much.
        decode_memory_gb: memory that a decoder gets, beside the pixels, 10^9 bytes.
        salvage: restore damaged photos as far as they can be decoded.
        output_format: write all outputs in this format; each photo's own by default.
        quality: of lossy outputs; at least as fine as each source by default.
        label: say in the outputs' XMP that a network has changed them (DigitalSourceType).
        access: a copy of each photo for the web as FORMAT:EDGE, such as jpeg:2048; none by default.
        access_quality: of these copies.
        sidecar: a JSON file beside each restored photo that says what was found and done.
        c2pa_certificates: sign outputs (C2PA) with this chain of certificates, a PEM file that all
            workers find at the same place; the signer's comes first.
        c2pa_key: PEM file of the signer's private key, likewise.
        force: redo photos that are unchanged since an earlier run.
        workers: local:N for as many processes, each with a device of its own, or the address of
            a Dask scheduler; one device of this process by default.
        memory_gb: that the photos in work in one process share, 10^9 bytes; half of what is
            available by default.
        gpu_memory_gb: that one process takes of its GPU, 10^9 bytes; what is free by default.
        threads: photos in work at once in one process; by default some more than it has cores.
        precision: in which networks calculate; auto is fp16 on GPUs, bf16 on processors that are
            made for it, else fp32.
        notify: Prefect notification block that hears of failures, such as slack-webhook/archive.

    Raises:
        StorageError: a location that cannot be used, or a destination in use by another run.
        UsageError: an option that makes no sense.
    """
    options = Options(
        steps=parse_steps(steps),
        limits=Limits(
            max_megapixels=max_megapixels,
            max_file_gb=max_file_gb,
            max_pages=max_pages,
            max_metadata_mb=max_metadata_mb,
            decode_seconds=decode_seconds,
            decode_memory_gb=decode_memory_gb,
        ),
        strength=strength,
        keep_grain=keep_grain,
        passes=passes,
        models=choose_models(models or ()),
        even_if_worse=even_if_worse,
        salvage=salvage,
        output_format=output_format,
        quality=quality,
        label=label,
        access=AccessCopies.parse(access, access_quality) if access else None,
        sidecar=sidecar,
        signing=Signing.asked_for(c2pa_certificates, c2pa_key),
    )
    request = Request(
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        limit=limit,
        force=force,
        batch_megapixels=batch_megapixels,
    )
    where = parse_workers(workers)
    check_server_for(where, server_url())
    resources = Resources(memory_gb, gpu_memory_gb, threads, precision)
    check_device(where, device, resources)
    shares = shared(resources, where)
    order = BatchOrder(source, destination, "", "", 0, options, device, resources=shares)
    with stop_signals_in_force(), program_set_aside(), progress_artifact(source):
        summary = _run(order, request, where)
    summary_artifact(summary, source, destination)
    return summary


def restore_here(**parameters: Any) -> RunSummary:  # noqa: ANN401 - those of the flow
    """Call the flow as a command does: in this process, whose user reads no tracebacks.

    Raises:
        UsageError: parameters that Prefect refused, one line for all of them.
        Terminated: SIGTERM arrived while Prefect began or ended the flow.
        Exception: as of the flow.
    """
    for name, value in parameters.items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and not is_utf8(text):  # Prefect is told of it in JSON
                raise UsageError(f"{name}: {printable(text)} is not valid UTF-8")
    try:
        summary: RunSummary = restore_archive(**parameters)
        return summary
    except ParameterTypeError as error:
        refused = [line.strip(" -") for line in str(error).splitlines()[1:]]
        raise UsageError("; ".join(refused) or str(error)) from error
    except TerminationSignal as error:
        raise Terminated from error


def _run(template: BatchOrder, request: Request, workers: Workers) -> RunSummary:
    """Hold the destination, have everything restored that is to be done, and count."""
    origin = open_source(template.source)
    origin.check()
    target = open_destination(template.destination, origin)
    survey = Survey()
    started = time.monotonic()
    # Where nothing was ever restored and nothing is to be, no destination is made either.
    if target.size(LATEST_PATH) is None and not finds_photos(origin, request, survey):
        total = RunSummary(run_id=new_run_id(), none_chosen=request.chooses)
        return replace(total.with_survey(survey), seconds=time.monotonic() - started)
    survey = Survey()
    with target.lock():
        order = replace(template, run_id=new_run_id(after=latest_run_id(target)))
        sweep_after_killed_runs(target)
        _warn_of_another_source(target, origin)
        total = RunSummary(run_id=order.run_id)
        planned = batches(origin, target, template.options, request, survey)
        try:
            with _pool(workers, template.device) as pool:
                for done in dispatched(planned, target, order, pool):
                    total = total.with_batch(done)
        except StoppedIdle:
            total = replace(total, stopped=True)
        none_chosen = request.chooses and survey.is_whole and not survey.photos
        total = replace(
            total.with_survey(survey), seconds=time.monotonic() - started, none_chosen=none_chosen
        )
        record = run_record(order, request, workers, origin.url, total)
        for problem in keep_books(target, record):
            get_run_logger().warning(problem)
        with suppress(StorageError):  # neither is worth a run that is done
            if survey.is_whole and not (request.chooses or request.limit or total.stopped):
                total = replace(total, gone=max(0, (latest_rows(target) or 0) - total.photos))
            target.sweep([f"{WORKLIST_FOLDER}/{order.run_id}", WORKLIST_FOLDER])
    return replace(total, seconds=time.monotonic() - started)


def _warn_of_another_source(target: DestinationStore, origin: SourceStore) -> None:
    earlier = source_of_earlier_runs(target)
    if earlier is not None and earlier != origin.url:
        current_reporter().warned(
            f"warning: the destination holds what was made of {earlier}; this run adds photos of "
            f"{origin.url}, and replaces those of the same paths"
        )


def _pool(workers: Workers, device: str) -> BatchPool:
    """Where the batches of a run are restored; a context manager.

    Raises:
        UsageError: Dask is needed and not installed.
    """
    if workers.kind == "thread":
        return thread_pool()
    try:
        from flows.cluster import ClusterPool  # Dask takes a second to import
    except ImportError as error:
        raise UsageError(
            f"--workers needs Dask ({error}): pip install 'restore-archive[cluster]'"
        ) from error
    return ClusterPool(workers, device)
