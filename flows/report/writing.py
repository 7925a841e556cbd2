"""A report as a whole: pictures, data, the page's own files, and the page at last."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, TypeAlias

from flows.report.aggregates import figures
from flows.report.folder import (
    ASSETS,
    DATA,
    INDEX,
    PICTURES,
    SUMMARY,
    remove_others,
)
from flows.report.pictures import PictureOptions, Pictures, make_pictures
from flows.report.rows import DataFiles, shown_photos
from flows.report.scripts import script
from flows.report.summary import CHUNK_ROWS, DETAIL_ROWS, Figures, Summary
from flows.version import software_version
from restoration.errors import UsageError
from storage import DestinationStore, LocalDestination, SourceStore
from storage.manifest import LATEST_PATH, DamagedManifest
from storage.manifest.database import ManifestDatabase, QueryError

DATABASE_GB: Final = 0.75
"""Memory of the database, 10^9 bytes; what does not fit goes to temporary files."""
PLOTLY: Final = "plotly.min.js"
SITE_SUFFIXES: Final = (".html", ".js", ".css", ".svg", ".png")
"""Of the files in `site`."""


@dataclass(frozen=True)
class Written:
    """A report that was written.

    Attributes:
        summary: its first page.
        shown: photos that have pictures.
        pictures: files of pictures.
    """

    summary: Summary
    shown: int
    pictures: int


Progress: TypeAlias = Callable[[str, int, int], None]
"""Hears how a report comes along: of what ("rows written"), so many of so many."""


def write_report(
    results: DestinationStore,
    folder: DestinationStore,
    source: SourceStore | None,
    archive: str,
    options: PictureOptions,
    progress: Progress = lambda _what, _done, _all: None,
) -> Written:
    """Write the report of a destination, or renew it.

    The manifest is read as it is when this begins, whatever runs write meanwhile. While the files
    are replaced there is no page: it goes first and comes last, so that none ever shows the data
    of two reports.

    Args:
        results: what runs left; it is only read, but for its report.
        folder: of the report.
        source: where the originals are, for pictures of them; None goes without.
        archive: the destination as it was given, for the page.
        options: which pictures there are.
        progress: hears how it goes.

    Raises:
        UsageError: there is no manifest.
        DamagedManifest: a part of it cannot be read.
        DestinationBusy: this report is being written by somebody else.
        StorageError: it cannot be read or written.
    """
    try:
        with ManifestDatabase.open(results, memory_gb=DATABASE_GB) as database:
            counted = figures(database)
            if not counted.totals.photos:
                raise UsageError(f"{archive} holds no manifest; give the destination of a run")
            summary = _summary(results, source, archive, counted)
            with folder.lock():
                folder.sweep(["", ASSETS, DATA, PICTURES])
                shown = shown_photos(database, options.photos)
                pictures = make_pictures(
                    shown,
                    folder,
                    results,
                    source,
                    options,
                    progress=partial(progress, "photos pictured"),
                )
                return _written(database, folder, summary, pictures, options, progress)
    except QueryError as error:
        raise DamagedManifest(
            f"{LATEST_PATH} cannot be read ({error}); delete it: it is made again"
        ) from error


def _written(
    database: ManifestDatabase,
    folder: DestinationStore,
    summary: Summary,
    pictures: Mapping[int, Pictures],
    options: PictureOptions,
    progress: Progress,
) -> Written:
    """Everything but the pictures, and the old report's files away."""
    folder.delete(INDEX)
    # Each is written twice: for the table and for its details.
    told = _in_all(progress, 2 * summary.rows)
    data = DataFiles(database, folder, summary.report, pictures, told)
    data.write()
    folder.put(SUMMARY, script("summary", summary.as_data()))
    remove_others(folder, DATA, {*data.written, SUMMARY})
    _write_site(folder)
    kept = {file for each in pictures.values() for file in each.files()}
    if options.make:
        remove_others(folder, PICTURES, kept)
    return Written(summary, len(pictures), len(kept))


def _in_all(progress: Progress, of: int) -> Callable[[int], None]:
    """Adds up rows for `progress`."""
    done = 0

    def add(rows: int) -> None:
        nonlocal done
        done += rows
        progress("rows written", done, of)

    return add


def _summary(
    results: DestinationStore, source: SourceStore | None, archive: str, counted: Figures
) -> Summary:
    return Summary(
        report=secrets.token_hex(8),
        title=archive.rstrip("/").rpartition("/")[2] or archive,
        archive=str(results.root) if isinstance(results, LocalDestination) else results.url,
        archive_id=hashlib.sha256(results.url.encode("utf-8", "surrogatepass")).hexdigest()[:16],
        source=source.url if source else None,
        generated=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        software=f"restore-archive {software_version()}",
        rows=counted.totals.photos,
        chunk_rows=CHUNK_ROWS,
        detail_rows=DETAIL_ROWS,
        figures=counted,
    )


def _write_site(folder: DestinationStore) -> None:
    """The page's own files; `INDEX` last."""
    pages = []
    for file in _site_files(files("flows.report") / "site"):
        if file.name.endswith(".html"):
            pages.append(file)
        else:
            folder.put(f"{ASSETS}/{file.name}", file.read_bytes())
    # Plotly's own Python package ships its JavaScript; nothing is loaded from elsewhere.
    folder.put(f"{ASSETS}/{PLOTLY}", (files("plotly") / "package_data" / PLOTLY).read_bytes())
    for page in sorted(pages, key=lambda page: page.name == INDEX):
        folder.put(page.name, page.read_bytes())


def _site_files(folder: Traversable) -> Iterator[Traversable]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _site_files(entry)
        elif entry.name.endswith(SITE_SUFFIXES):
            yield entry
