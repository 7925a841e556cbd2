"""Whether the files of a restored archive are those that its manifest names."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from flows.places import COLORIZED, FOLDERS, RESTORED, possible_outputs
from storage import DestinationStore, StoredEntry
from storage.manifest import KnownPhoto, ManifestIndex, Status

_UNNAMED: Final = "the photo's latest row names no such output"
_WITHDRAWN: Final = "it was to be withdrawn after a review; apply the decisions again, or run"

MAX_NAMED: Final = 100
"""Findings that are named; the others are counted."""


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
        max_named: how many of them are kept.
        unjudged: files in the place of outputs of photos that failed or were skipped: those of
            their last success, if they ever had one.
    """

    photos: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    outputs: int = 0
    findings: list[Finding] = field(default_factory=list)
    findings_in_all: int = 0
    max_named: int = MAX_NAMED
    unjudged: set[str] = field(default_factory=set)

    def count(self, photo: KnownPhoto) -> None:
        """Count a source's latest row."""
        self.photos += 1
        self.statuses[photo.status] += 1
        if photo.status == Status.FAILED:
            self.errors[photo.error_class or "unknown"] += 1

    def find(self, path: str, problem: str) -> None:
        """Take down a finding."""
        self.findings_in_all += 1
        if len(self.findings) < self.max_named:
            self.findings.append(Finding(path, problem))


def audit(
    destination: DestinationStore, index: ManifestIndex, *, max_named: int = MAX_NAMED
) -> Audit:
    """Compare the latest rows with a listing of the outputs.

    Both come in the order of paths, so they are merged: memory is that of the index alone, and a
    listing is one request for a thousand files on object storage.

    Args:
        destination: what runs left.
        index: of its manifest.
        max_named: findings that are kept; the others are counted.
    """
    result = Audit(max_named=max_named)
    for _, photo in index:
        result.count(photo)
    for folder in FOLDERS:
        _compare(_in_order(index, folder), destination.list(folder), result)
    return result


@dataclass(frozen=True, order=True)
class _Output:
    """A file that should be there, of this size; or, without a size, one that may be.

    `is_kept` says of the latter that it may be of a success before the latest row; otherwise
    `problem` is what to say where it is there.
    """

    path: str
    size: int | None = field(default=None, compare=False)
    is_kept: bool = field(default=False, compare=False)
    problem: str = field(default=_UNNAMED, compare=False)


def _in_order(index: ManifestIndex, folder: str) -> Iterator[_Output]:
    """The outputs in a folder in the order of their paths, each path once.

    They come in the order of sources, and a path is its source's with, at most, a suffix more. So
    only those wait in memory whose source the next one begins with: a handful.
    """
    waiting: list[_Output] = []
    for source, photo in index:
        while waiting and waiting[0].path < f"{folder}/{source}":
            yield _next_of(waiting)
        for output in _outputs(source, photo):
            if output.path.startswith(f"{folder}/"):
                heapq.heappush(waiting, output)
    while waiting:
        yield _next_of(waiting)


def _next_of(waiting: list[_Output]) -> _Output:
    """The first path's output: of several photos that may have it, of the one that says it has."""
    first = heapq.heappop(waiting)
    while waiting and waiting[0].path == first.path:
        other = heapq.heappop(waiting)
        if first.size is None and (other.size is not None or other.is_kept):
            first = other
    return first


def _outputs(source: str, photo: KnownPhoto) -> Iterator[_Output]:
    if photo.status.keeps_outputs:
        yield from (_Output(path, is_kept=True) for path in possible_outputs(source))
        return
    if photo.status is Status.WITHDRAWN:
        yield from (_Output(path, problem=_WITHDRAWN) for path in possible_outputs(source))
        return
    named = dict(photo.outputs)
    yield from (_Output(path, size) for path, size in named.items())
    for folder in (RESTORED, COLORIZED):
        if f"{folder}/{source}" not in named:
            yield _Output(f"{folder}/{source}")


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
        elif is_there and output.is_kept:
            result.unjudged.add(output.path)
        elif is_there:
            result.find(output.path, output.problem)
        if is_there:
            there = next(listing, None)
    while there is not None:
        result.find(there.path, "no photo of the manifest has this output")
        there = next(listing, None)
