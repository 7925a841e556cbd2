"""The Prefect flow `audit-archive`: what the manifest holds, and whether its files are in place."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated, Final

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.logging import get_run_logger
from pydantic import Field

from flows.artifacts import as_cell, attempted, tell_of_failure
from flows.audit import Audit, audit
from flows.collector import program_set_aside
from flows.report.folder import address_of, location_of, report_folder
from flows.report.originals import find_originals
from flows.report.pictures import PictureOptions
from flows.report.writing import write_report
from restoration.errors import RestorationError
from storage import DestinationStore, StorageError, open_results
from storage.manifest import ManifestIndex

AUDIT_KEY: Final = "audit-archive"


@flow(
    name="audit-archive",
    validate_parameters=True,
    on_failure=[tell_of_failure],
    on_crashed=[tell_of_failure],
)
def audit_archive(
    destination: Annotated[str, Field(min_length=1)],
    notify: str | None = None,
    report: bool = True,
) -> Audit:
    """Audit a restored archive: count what its manifest holds, and compare it with its files.

    Args:
        destination: folder with restored/, colorized/ and manifest/; they are only read.
        notify: Prefect notification block that hears of failures, such as slack-webhook/archive.
        report: whether the page in report/ is written anew. That it cannot be is told, and does
            not cost the audit.

    Raises:
        StorageError: the destination cannot be listed, or its manifest not be read.
    """
    results = open_results(destination)
    with program_set_aside(), closing(ManifestIndex.load(results)) as index:
        result = audit(results, index)
        page = _report(results, destination) if report and result.photos else ""
    attempted(
        create_markdown_artifact,
        key=AUDIT_KEY,
        markdown=audit_markdown(result, destination, page),
        description=f"{result.photos} photos, {result.findings_in_all} findings",
    )
    return result


def _report(results: DestinationStore, destination: str) -> str:
    """Write the report; returns what is said of it, as Markdown."""
    try:
        folder = report_folder(results, None)
        originals = find_originals(results, None)
        written = write_report(results, folder, originals.store, destination, PictureOptions())
    except (RestorationError, StorageError, OSError) as error:
        get_run_logger().warning("no report: %s", error)
        return f"There is no new report: {as_cell(str(error))}."
    totals = written.summary.figures.totals
    needing = f"{totals.needs_review:,} photos need review"
    return f"[Report]({address_of(folder)}): {needing}; it is {as_cell(location_of(folder))}."


def audit_markdown(result: Audit, destination: str, page: str = "") -> str:
    """An audit as Markdown.

    Args:
        result: of the audit.
        destination: that was audited.
        page: a line on its report, as Markdown; empty where there is none.
    """
    lines = [
        f"# Audit of {as_cell(destination)}",
        "",
        f"{result.photos:,} photos, {result.outputs:,} files, {result.findings_in_all:,} findings",
        "",
        *([page, ""] if page else []),
        "| status | photos |",
        "| --- | ---: |",
        *(f"| {as_cell(name)} | {count:,} |" for name, count in result.statuses.most_common()),
    ]
    if result.errors:
        lines += ["", "| kind of failure | photos |", "| --- | ---: |"]
        lines += [f"| {as_cell(name)} | {count:,} |" for name, count in result.errors.most_common()]
    if result.findings:
        lines += ["", "| file | finding |", "| --- | --- |"]
        lines += [f"| {as_cell(f.path)} | {as_cell(f.problem)} |" for f in result.findings]
        if result.findings_in_all > len(result.findings):
            lines.append(f"\n{result.findings_in_all - len(result.findings):,} more are not shown.")
    return "\n".join(lines) + "\n"
