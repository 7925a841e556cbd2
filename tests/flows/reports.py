"""Reports as the page reads them, and photos that need review."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from flows.report.folder import report_folder
from flows.report.pictures import PictureOptions
from flows.report.writing import Written, write_report
from storage import LocalDestination, open_results, open_source
from storage.manifest import ManifestRow, encode_rows, part_path, read_manifest, rows_of

REVIEW_RUN = "29990101T000000Z-000000"
REASONS = {
    "a/Gräy noisy.JPG": ("the change is strong (PSNR 21.5 dB)", "low confidence in the noise"),
    "a/b/noisy.png": ("the change is strong (PSNR 19.0 dB)",),
    "a/clean.png": ("low confidence in the noise",),
}
"""Why photos need review, the neediest first."""


def latest_rows(restored: Path) -> dict[str, ManifestRow]:
    rows = sorted(rows_of(read_manifest(open_results(str(restored)))), key=lambda row: row.run_id)
    return {row.source: row for row in rows}


def append(restored: Path, rows: list[ManifestRow], run_id: str = REVIEW_RUN) -> None:
    rows = [replace(row, run_id=run_id) for row in rows]
    LocalDestination(restored).put(part_path(run_id, 0), encode_rows(rows))


def mark_for_review(restored: Path) -> None:
    """Have those of `REASONS` need review for these, and no others, whatever was found."""
    marked = []
    for source, row in latest_rows(restored).items():
        reasons = REASONS.get(source, ())
        if reasons or row.needs_review:
            marked.append(replace(row, needs_review=bool(reasons), review_reasons=reasons))
    append(restored, marked)


def report(folder: Path, *, source: bool = True, **options: Any) -> Written:
    """Write the report of `folder/restored`, the originals being in `folder/photos`."""
    results = open_results(str(folder / "restored"))
    originals = open_source(str(folder / "photos")) if source else None
    return write_report(
        results, report_folder(results, None), originals, "restored", PictureOptions(**options)
    )


def called(script: bytes) -> tuple[str, list[Any]]:
    """What a data file calls the page with: the function's name, and its arguments."""
    match = re.fullmatch(r"restoreArchive\.([a-z]+)\((.*)\);\n", script.decode("ascii"))
    assert match is not None
    return match[1], json.loads(f"[{match[2]}]")


def data(folder: Path, name: str) -> Any:
    """The last argument of a data file of the report in a folder."""
    function, arguments = called((folder / "data" / f"{name}.js").read_bytes())
    kind, _, number = name.partition("-")
    assert function == kind
    assert arguments[:-1] == ([int(number)] if number else [])
    return arguments[-1]
