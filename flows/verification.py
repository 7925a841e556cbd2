"""Reading a restored archive back: is every byte what the manifest says was written?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, Final

from flows.audit import Audit, Finding, audit
from flows.hashing import sha256_of
from storage import DestinationStore, EndsRun, NotFound, SourceStore, StorageError
from storage.ahead import ahead
from storage.manifest import ManifestIndex, Recorded, recorded

READS: Final = 4
"""Files that are read at once: of a bucket's, each may hold 72 MiB."""

Checked = tuple[str, bool, str]
"""A file's path, whether it is an output, and what is wrong with it."""


@dataclass
class Verified:
    """What was read back.

    Attributes:
        photos: sources in the manifest.
        files: outputs that were read to their ends.
        originals: originals that were.
        findings: what is not as the manifest says.
    """

    photos: int = 0
    files: int = 0
    originals: int = 0
    findings: int = 0


def verify(
    destination: DestinationStore,
    source: SourceStore | None = None,
    *,
    tell: Callable[[Finding], None] = lambda _: None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Verified:
    """Compare outputs, and originals if a source is given, with the SHA-256 in the manifest.

    Nothing is written, and no run is kept out: what one replaces meanwhile is a finding.

    Args:
        destination: what runs left.
        source: the archive that they read.
        tell: hears of each finding as it is made.
        progress: hears how many files of how many were read.

    Raises:
        DamagedManifest: a part of the manifest cannot be read.
        EndsRun: the credentials expired.
        StorageError: the destination cannot be listed.
    """
    result = Verified()

    def find(finding: Finding) -> None:
        result.findings += 1
        tell(finding)

    with closing(ManifestIndex.load(destination)) as index:
        listed = audit(destination, index, max_named=sys.maxsize)
        result.photos = listed.photos
        for finding in listed.findings:
            find(finding)
        in_all = listed.outputs * (1 if source is None else 2)
        rows = (row for part in recorded(index, destination) for row in part)
        for path, is_output, problem in ahead(_checks(rows, destination, source, listed), READS):
            result.files += is_output
            result.originals += not is_output
            if is_output:
                listed.unjudged.discard(path)
            if problem:
                find(Finding(path, problem))
            done = result.files + result.originals
            progress(done, max(in_all, done))
    for path in sorted(listed.unjudged):
        find(Finding(path, "the photo was never restored: no row has this output"))
    return result


def _checks(
    rows: Iterator[Recorded],
    destination: DestinationStore,
    source: SourceStore | None,
    listed: Audit,
) -> Iterator[Callable[[], Checked]]:
    # A file of another size is another file: it need not be read to know.
    known = {finding.path for finding in listed.findings}
    for row in rows:
        for path, sha256 in row.outputs:
            if path not in known:
                yield partial(_check, partial(destination.open, path), path, sha256, is_output=True)
        if source is not None and row.source_sha256:
            opened = partial(source.open, row.source)
            yield partial(_check, opened, row.source, row.source_sha256, is_output=False)


def _check(opened: Callable[[], BinaryIO], path: str, sha256: str, *, is_output: bool) -> Checked:
    what, then = ("", "was written") if is_output else ("original: ", "was restored")
    try:
        with opened() as file:
            now = sha256_of(file)
    except EndsRun:
        raise
    except NotFound:
        return path, is_output, f"{what}missing"
    except (StorageError, OSError) as error:
        return path, is_output, f"{what}cannot be read: {error}"
    if now == sha256:
        return path, is_output, ""
    return path, is_output, f"{what}other bytes: sha256 {now}, {sha256} {then}"
