"""The Prefect flow `audit-archive`: what the manifest holds, and whether its files are in place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Annotated, Final

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from pydantic import Field

from flows.artifacts import as_cell, attempted, tell_of_failure
from flows.collector import program_set_aside
from storage import DestinationStore, StoredEntry, open_results
from storage.manifest import KnownPhoto, ManifestIndex, Status

AUDIT_KEY: Final = "audit-archive"
MAX_NAMED: Final = 100
"""Findings that are named; the others are counted."""

_KEEPING: Final = frozenset({Status.FAILED, Status.SKIPPED})
"""A photo that failed or was skipped keeps the outputs of its last success."""


@dataclass(frozen=True)
class Finding:
    """Something that is not as the manifest says: an output's path, and what is wrong with it."""

    path: str
    problem: str


@dataclass
class Audit:
    """What an audit found.

    Attributes:
        photos: sources in the manifest.
        statuses: how many of them have which status, by their latest row.
        errors: how many failures are of which kind.
        outputs: files that the manifest names.
        findings: the first files that are missing, of another size, or named by no row.
        findings_in_all: how many there are.
    """

    photos: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    outputs: int = 0
    findings: list[Finding] = field(default_factory=list)
    findings_in_all: int = 0

    def count(self, photo: KnownPhoto) -> None:
        """Count a source's latest row."""
        self.photos += 1
        self.statuses[photo.status] += 1
        if photo.status == Status.FAILED:
            self.errors[photo.error_class or "unknown"] += 1

    def find(self, path: str, problem: str) -> None:
        """Take down a finding."""
        self.findings_in_all += 1
        if len(self.findings) < MAX_NAMED:
            self.findings.append(Finding(path, problem))


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
    with program_set_aside():
        result = audit(open_results(destination))
    attempted(
        create_markdown_artifact,
        key=AUDIT_KEY,
        markdown=audit_markdown(result, destination),
        description=f"{result.photos} photos, {result.findings_in_all} findings",
    )
    return result


def audit(destination: DestinationStore) -> Audit:
    """Compare the latest rows with a listing of the outputs.

    Both come in the order of paths, so they are merged: memory is that of the index alone, and a
    listing is one request for a thousand files on object storage.
    """
    result = Audit()
    with closing(ManifestIndex.load(destination)) as index:
        for _, photo in index:
            result.count(photo)
        for folder in ("restored", "colorized"):
            _compare(_outputs(index, folder), destination.list(folder), result)
    return result


@dataclass(frozen=True)
class _Output:
    path: str
    size: int | None
    status: Status


def _outputs(index: ManifestIndex, folder: str) -> Iterator[_Output]:
    for source, photo in index:
        size = photo.restored_size if folder == "restored" else photo.colorized_size
        yield _Output(f"{folder}/{source}", size, photo.status)


def _compare(
    outputs: Iterable[_Output],
    listing: Iterator[StoredEntry],
    result: Audit,
) -> None:
    """Merge what should be there with what is there."""
    there = next(listing, None)
    for output in outputs:
        while there is not None and there.path < output.path:
            result.find(there.path, "no photo of the manifest has this output")
            there = next(listing, None)
        is_there = there is not None and there.path == output.path
        if output.size is not None:
            result.outputs += 1
            if not is_there or there is None:
                result.find(output.path, "missing")
            elif there.size != output.size:
                result.find(output.path, f"{there.size} bytes, {output.size} were written")
        elif is_there and output.status not in _KEEPING:
            result.find(output.path, "the photo's latest row names no such output")
        if is_there:
            there = next(listing, None)
    while there is not None:
        result.find(there.path, "no photo of the manifest has this output")
        there = next(listing, None)


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
