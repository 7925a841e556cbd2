"""The flow called as a function, and what it left."""

from __future__ import annotations

import hashlib
from pathlib import Path

from flows.restore_archive import restore_archive
from flows.run_summary import RunSummary
from restoration.catalogue import card_for
from storage import open_destination, open_source
from storage.manifest import ManifestRow, read_manifest, rows_of

DENOISE, COLORIZE = (card_for(task).name for task in ("denoise", "colorize"))


def run(archive: Path, target: Path, **options: object) -> RunSummary:
    return restore_archive(str(archive), str(target), device="cpu", **options)


def latest(archive: Path, target: Path) -> dict[str, ManifestRow]:
    store = open_destination(str(target), open_source(str(archive)))
    return {row.source: row for row in rows_of(read_manifest(store))}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
