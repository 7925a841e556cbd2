"""Contact sheets of a restored archive: from manifest rows to pictures on pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flows.hashing import sha256_of
from restoration.codec import shared_decoder
from restoration.contact_sheet import Byte, Cell, Entry, cropped, fitted
from restoration.errors import RestorationError, UsageError
from restoration.samples import Samples, eight_bits
from storage import DestinationStore, EndsRun, SourceStore, StorageError
from storage.manifest.database import ManifestDatabase, QueryError
from storage.manifest.queries import QUERIES

_COLUMNS: Final = (
    "source",
    "source_sha256",
    "status",
    "plan",
    "restored_path",
    "colorized_path",
    "noise_sigma",
    "noise_sigma_after",
    "blur_sigma",
    "blur_sigma_after",
    "change_psnr_db",
    "review_reasons",
    "error_message",
)
"""Of the manifest; the fields of `SheetRow`, in order."""


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A photo of a sheet; each field is the manifest's column of that name."""

    source: str
    source_sha256: str | None
    status: str
    plan: tuple[str, ...]
    restored_path: str | None
    colorized_path: str | None
    noise_sigma: float | None
    noise_sigma_after: float | None
    blur_sigma: float | None
    blur_sigma_after: float | None
    change_psnr_db: float | None
    review_reasons: tuple[str, ...]
    error_message: str | None


@dataclass(frozen=True)
class Pictures:
    """Where the pictures of a sheet are from, and how they are shown.

    Attributes:
        source: the originals; None where nobody knows them.
        destination: what runs left.
        width: of a cell, pixels.
        crop: whether the part with the most detail is shown pixel for pixel, in the place of the
            whole photo reduced.
    """

    source: SourceStore | None
    destination: DestinationStore
    width: int
    crop: bool = False

    def entry(self, row: SheetRow) -> Entry:
        """A row of the sheet.

        Raises:
            EndsRun: the credentials expired.
        """
        original = self._original(row)
        restored = self._output(row.restored_path)
        colorized = self._output(row.colorized_path)
        guide = next((each for each in (original, restored) if not isinstance(each, str)), None)
        return Entry(
            heading=row.source,
            lines=_lines(row),
            flags=row.review_reasons,
            cells=(
                self._cell("original", original, guide),
                self._cell("restored", restored, guide),
                self._cell("colorized", colorized, guide),
            ),
        )

    def _cell(self, label: str, pixels: Samples | str, guide: Samples | None) -> Cell:
        if isinstance(pixels, str):
            return Cell(label, absence=pixels)
        if self.crop and guide is not None and guide.shape[:2] == pixels.shape[:2]:
            return Cell(f"{label}, 100 %", cropped(pixels, _as_bytes(guide), self.width))
        return Cell(label, fitted(pixels, self.width))

    def _original(self, row: SheetRow) -> Samples | str:
        """Pixels of the original, or why there are none."""
        if self.source is None:
            return "say where the originals are: --source"
        try:
            with self.source.open(row.source) as file:
                if row.source_sha256 and sha256_of(file) != row.source_sha256:
                    return "the original has changed since"
                return shared_decoder().decode(file, salvage=True).pixels
        except EndsRun:
            raise
        except (RestorationError, StorageError, OSError) as error:
            return " ".join(str(error).split())

    def _output(self, path: str | None) -> Samples | str:
        if path is None:
            return "none"
        try:
            with self.destination.open(path) as file:
                return shared_decoder().decode(file).pixels
        except EndsRun:
            raise
        except (RestorationError, StorageError, OSError) as error:
            return " ".join(str(error).split())


def _as_bytes(pixels: Samples) -> Byte:
    return eight_bits(pixels)


def _lines(row: SheetRow) -> tuple[str, ...]:
    """What is said of a photo, in one line."""
    said = [" + ".join(row.plan) or row.status.replace("_", " ")]
    for name, before, after in (
        ("noise", row.noise_sigma, row.noise_sigma_after),
        ("blur", row.blur_sigma, row.blur_sigma_after),
    ):
        if before is not None:
            then = "" if after is None or after == before else f" → {after:.1f}"
            said.append(f"{name} {before:.1f}{then}")
    if row.change_psnr_db is not None:
        said.append(f"{row.change_psnr_db:.1f} dB from the original")
    if row.error_message:
        said.append(row.error_message)
    return ("; ".join(said),)


def sheet_rows(
    database: ManifestDatabase, *, folder: str = "", query: str = "", at_most: int
) -> list[SheetRow]:
    """The photos of a sheet.

    Args:
        database: the manifest.
        folder: only photos below it; all by default.
        query: a named query, or SQL whose result has a column `source`; its order is kept.
        at_most: so many.

    Raises:
        UsageError: the query has no column `source`, or is none.
    """
    if query:
        rows = _rows_of(database, _chosen(database, query))
        below = f"{folder.rstrip('/')}/" if folder else ""
        return [row for row in rows if row.source.startswith(below)][:at_most]
    sql = f"""
        SELECT {", ".join(_COLUMNS)} FROM photos
        WHERE starts_with(source, ?) ORDER BY source LIMIT {int(at_most)}
    """
    below = f"{folder.rstrip('/')}/" if folder else ""
    return [_row(values) for values in database.query(sql, (below,)).rows()]


def _chosen(database: ManifestDatabase, query: str) -> list[str]:
    try:
        result = database.query(QUERIES[query].sql if query in QUERIES else query)
        if "source" not in result.names:
            raise UsageError("--query must give a column `source`: SELECT source FROM photos")
        at = result.names.index("source")
        return list(dict.fromkeys(str(row[at]) for row in result.rows()))
    except QueryError as error:
        raise UsageError(f"--query: {error}") from error


def _rows_of(database: ManifestDatabase, sources: Sequence[str]) -> Iterator[SheetRow]:
    """Rows of these photos, in this order."""
    for start in range(0, len(sources), 1_000):
        wanted = sources[start : start + 1_000]
        sql = f"SELECT {', '.join(_COLUMNS)} FROM photos WHERE list_contains(?, source)"
        found = {row.source: row for row in map(_row, database.query(sql, (list(wanted),)).rows())}
        yield from (found[source] for source in wanted if source in found)


def _row(values: tuple[Any, ...]) -> SheetRow:
    named = dict(zip(_COLUMNS, values, strict=True))
    for name in ("plan", "review_reasons"):
        named[name] = tuple(named[name])
    return SheetRow(**named)
