"""Reading a restored archive back: is every byte what the manifest says was written?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, Final

from flows.ahead import ahead
from flows.audit import Finding, audit
from flows.publishing import sha256_of
from storage import DestinationStore, EndsRun, NotFound, SourceStore, StorageError
from storage.manifest import ManifestIndex, Recorded, recorded

READS: Final = 4
"""Files that are read at once: of a bucket's, each may hold 72 MiB."""

Checked = tuple[bool, Finding | None]
"""Whether a file is an output, and what is wrong with it."""


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
    found = audit(destination, max_named=sys.maxsize)
    for finding in found.findings:
        tell(finding)
    result = Verified(photos=found.photos, findings=found.findings_in_all)
    # A file of another size is another file: it need not be read to know.
    known = {finding.path for finding in found.findings}
    in_all = found.outputs * (1 if source is None else 2)
    with closing(ManifestIndex.load(destination)) as index:
        rows = (row for part in recorded(index, destination) for row in part)
        for is_output, problem in ahead(_checks(rows, destination, source, known), READS):
            result.files += is_output
            result.originals += not is_output
            if problem is not None:
                result.findings += 1
                tell(problem)
            done = result.files + result.originals
            progress(done, max(in_all, done))
    return result


def _checks(
    rows: Iterator[Recorded],
    destination: DestinationStore,
    source: SourceStore | None,
    known: set[str],
) -> Iterator[Callable[[], Checked]]:
    for row in rows:
        outputs = (
            (row.restored_path, row.restored_sha256),
            (row.colorized_path, row.colorized_sha256),
        )
        for path, sha256 in outputs:
            if path and sha256 and path not in known:
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
        return is_output, Finding(path, f"{what}missing")
    except (StorageError, OSError) as error:
        return is_output, Finding(path, f"{what}cannot be read: {error}")
    if now == sha256:
        return is_output, None
    return is_output, Finding(path, f"{what}other bytes: sha256 {now}, {sha256} {then}")
