"""What a run says of itself."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flows.batch import BatchOrder
from flows.planning import Request
from flows.version import software_version
from flows.workers import Workers
from restoration.device import resolve_device
from restoration.recipe import Options
from storage.manifest import RunRecord

if TYPE_CHECKING:  # that module imports this one
    from flows.run_summary import RunSummary


def run_record(
    order: BatchOrder, request: Request, workers: Workers, source: str, counts: RunSummary
) -> RunRecord:
    """The record of a run that has just ended.

    Args:
        order: what its batches were told.
        request: what it was to look at.
        workers: where it ran.
        source: address of the originals.
        counts: what became of it.
    """
    ended = datetime.now(UTC)
    # A cluster's devices are its workers' own matter.
    device = order.device if workers.kind == "cluster" else resolve_device(order.device).type
    return RunRecord(
        run_id=order.run_id,
        source=source,
        options=options_json(order.options, request),
        started=datetime.fromtimestamp(ended.timestamp() - counts.seconds, UTC),
        ended=ended,
        seconds=counts.seconds,
        device=device,
        workers=_workers_text(workers),
        software_version=software_version(),
        photos=counts.photos,
        restored=counts.restored,
        nothing_to_do=counts.nothing_to_do,
        skipped=counts.skipped,
        failed=counts.failed,
        unchanged=counts.unchanged,
        megapixels=counts.megapixels,
        stopped=counts.stopped,
    )


def _workers_text(workers: Workers) -> str | None:
    """What `--workers` was."""
    if workers.kind == "cluster":
        return workers.address
    return f"local:{workers.count}" if workers.kind == "local" else None


def options_json(options: Options, request: Request) -> str:
    """What a run was asked for, as a JSON object; whatever is null is left out.

    A signer is named by the hash of the certificates: where they and the key lie is nobody else's
    business.
    """
    asked = asdict(options) | asdict(request)
    asked["signing"] = options.signing and options.signing.sha256
    wanted = {name: value for name, value in asked.items() if value is not None}
    return json.dumps(wanted, ensure_ascii=False, sort_keys=True)
