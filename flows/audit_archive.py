"""The Prefect flow `audit-archive`: what the manifest holds, and whether its files are in place."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated, Final

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from pydantic import Field

from flows.artifacts import as_cell, attempted, tell_of_failure
from flows.audit import Audit, audit
from flows.collector import program_set_aside
from storage import open_results
from storage.manifest import ManifestIndex

AUDIT_KEY: Final = "audit-archive"


@flow(
    name="audit-archive",
    validate_parameters=True,
    on_failure=[tell_of_failure],
    on_crashed=[tell_of_failure],
)
def audit_archive(
    destination: Annotated[str, Field(min_length=1)], notify: str | None = None
) -> Audit:
    """Audit a restored archive: count what its manifest holds, and compare it with its files.

    Args:
        destination: folder with restored/, colorized/ and manifest/; it is only read.
        notify: Prefect notification block that hears of failures, such as slack-webhook/archive.

    Raises:
        StorageError: the destination cannot be listed, or its manifest not be read.
    """
    results = open_results(destination)
    with program_set_aside(), closing(ManifestIndex.load(results)) as index:
        result = audit(results, index)
    attempted(
        create_markdown_artifact,
        key=AUDIT_KEY,
        markdown=audit_markdown(result, destination),
        description=f"{result.photos} photos, {result.findings_in_all} findings",
    )
    return result


def audit_markdown(result: Audit, destination: str) -> str:
    """An audit as Markdown."""
    lines = [
        f"# Audit of {as_cell(destination)}",
        "",
        f"{result.photos:,} photos, {result.outputs:,} files, {result.findings_in_all:,} findings",
        "",
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
