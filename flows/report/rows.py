"""The data files of a report: the table, its details, the gallery and what columns mean.

The rows of the manifest pass through in chunks. Each file is one call with JSON (`scripts`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from flows.report.aggregates import DEGRADATIONS_OF_ROW, finite, moment
from flows.report.folder import DATA
from flows.report.pictures import Pictures, Shown
from flows.report.scripts import script
from flows.report.summary import CHUNK_ROWS, DETAIL_ROWS
from storage import DestinationStore
from storage.manifest import COLUMNS, LATEST_PATH, DamagedManifest
from storage.manifest.columns import Column
from storage.manifest.database import ManifestDatabase, Result

ROW_COLUMNS: Final = (
    "source",
    "status",
    "needs_review",
    "review_decision",
    "width",
    "height",
    "format",
    "camera",
    "noise_sigma",
    "noise_sigma_after",
    "blur_sigma",
    "blur_sigma_after",
    "change_psnr_db",
    "change_ssim",
    "change_delta_e00",
    "plan",
    "error_class",
    "run_id",
)
"""Of the manifest, that the table sorts, filters and shows.

`degradations` (names joined by `+`) and `thumbnail` are added.
"""

CARDS: Final = 1_000
"""Photos of the gallery whose data are in its own file; the others are in the table."""

_CARD_COLUMNS: Final = (
    "source",
    "run_id",
    "restored_sha256",
    "status",
    "plan",
    "review_decision",
    "review_note",
    "settings",
    "noise_sigma",
    "noise_sigma_after",
    "blur_sigma",
    "blur_sigma_after",
    "change_psnr_db",
    "change_ssim",
    "change_delta_e00",
)

_NUMBERED: Final = "(SELECT *, row_number() OVER () - 1 AS number FROM photos)"
"""SQL of the photos with the numbers that they have in the report.

They come sorted by their sources, as they are stored, and DuckDB keeps that order: sorting rows of
70 columns again would take more memory and time than all else. `_in_order` makes sure.
"""

_NEED: Final = """review_decision IS NOT NULL, len(review_reasons) DESC,
    change_psnr_db ASC NULLS LAST, colour_uncertainty DESC NULLS LAST, source"""
"""SQL of an order: undecided ones first, then by the number of reasons and the amount of change."""

_THUMBNAILS_FOR_EACH: Final = 5
"""Photos that have at least a thumbnail, for each that is shown in full."""
_CHEAP_MEGAPIXELS: Final = 16
"""Of photos that are decoded for a thumbnail alone."""

_TYPES: Final = {"timestamp[us, tz=UTC]": "timestamp", "list<item: string>": "list of string"}
_BY_NAME: Final = {column.name: column for column in COLUMNS}


def shown_photos(database: ManifestDatabase, photos: int) -> list[Shown]:
    """The photos that have pictures: those that need review, then those that changed most.

    Args:
        database: of the manifest.
        photos: that are shown in full; five times as many have a thumbnail.
    """
    result = database.query(
        f"""SELECT number, source, source_sha256, width, height, restored_path, restored_sha256,
                   colorized_path, colorized_sha256, in_full
            FROM (SELECT *, row_number() OVER (ORDER BY NOT needs_review, {_NEED}) <= $1 AS in_full
                  FROM {_NUMBERED} WHERE width > 0 AND height > 0
                  ORDER BY NOT needs_review, {_NEED} LIMIT $2)
            WHERE in_full OR megapixels <= {_CHEAP_MEGAPIXELS}""",
        (photos, photos * _THUMBNAILS_FOR_EACH),
    )
    return [Shown(*row) for row in result.rows()]


class DataFiles:
    """Writes the data files of one report.

    Args:
        database: of the manifest.
        folder: of the report.
        report: its id.
        pictures: that there are, by the number of the row.
        progress: hears how many rows were written.

    Attributes:
        written: paths of what was written.
    """

    def __init__(
        self,
        database: ManifestDatabase,
        folder: DestinationStore,
        report: str,
        pictures: Mapping[int, Pictures],
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._folder = folder
        self._report = report
        self._pictures = pictures
        self._progress = progress
        self.written: Final[set[str]] = set()

    def write(self) -> None:
        """Write all but the summary.

        Raises:
            QueryError: the manifest cannot be read.
            StorageError: a file cannot be stored.
        """
        self._put("columns", script("columns", column_data()))
        self._write_review()
        self._write_rows()
        self._write_details()

    def _write_rows(self) -> None:
        thumbnails = {row: pictures.thumbnail for row, pictures in self._pictures.items()}
        for number, first, columns in self._chunks(
            ROW_COLUMNS, CHUNK_ROWS, f"{DEGRADATIONS_OF_ROW} AS degradations"
        ):
            last = first + len(columns["source"])
            columns["thumbnail"] = [thumbnails.get(row) for row in range(first, last)]
            self._put_chunk("rows", number, first, columns=columns)
            shown = {
                str(row): self._pictures[row] for row in range(first, last) if row in self._pictures
            }
            self._put_chunk("pictures", number, first, pictures=shown)
            self._progress(last - first)

    def _write_details(self) -> None:
        names = tuple(name for name in _BY_NAME if name not in ROW_COLUMNS)
        for number, first, columns in self._chunks(("source", *names), DETAIL_ROWS):
            rows = len(columns.pop("source"))
            self._put_chunk("details", number, first, columns=columns)
            self._progress(rows)

    def _chunks(
        self, names: tuple[str, ...], rows: int, added: str = ""
    ) -> Iterator[tuple[int, int, dict[str, list[Any]]]]:
        """Number, first row and columns of each chunk of the table; `source` is among the names."""
        before = ""
        result = _selected(self._database, names, "photos", added)
        for number, columns in enumerate(result.columns(rows)):
            before = _in_order(before, columns["source"])
            yield number, number * rows, columns

    def _write_review(self) -> None:
        needing = f"{_NUMBERED} WHERE needs_review ORDER BY {_NEED}"
        rows = [row for (row,) in self._database.query(f"SELECT number FROM {needing}").rows()]
        cards = _selected(
            self._database,
            _CARD_COLUMNS,
            f"{needing} LIMIT {CARDS}",
            'number AS "row", review_reasons AS reasons',
        )
        made = [
            {**dict(zip(cards.names, values, strict=True)), **self._thumbnails(values[0])}
            for values in cards.rows()
        ]
        data = {"report": self._report, "rows": rows, "cards": made}
        self._put("review", script("review", data))

    def _thumbnails(self, row: int) -> dict[str, str | None]:
        pictures = self._pictures.get(row, Pictures())
        kinds = {
            "before": pictures.before,
            "after": pictures.after,
            "colorized": pictures.colorized,
        }
        return {
            f"thumbnail_{kind}": picture.thumbnail if picture else None
            for kind, picture in kinds.items()
        }

    def _put_chunk(self, kind: str, number: int, first: int, **data: object) -> None:
        content = {"report": self._report, "first": first, **data}
        self._put(f"{kind}-{number:05d}", script(kind, number, content))

    def _put(self, name: str, data: bytes) -> None:
        path = f"{DATA}/{name}.js"
        self._folder.put(path, data)
        self.written.add(path)


def column_data() -> list[dict[str, str]]:
    """What the page says of the manifest's columns."""
    return [
        {
            "name": column.name,
            "description": column.description,
            "unit": column.unit,
            "type": _TYPES.get(str(column.arrow_type), str(column.arrow_type)),
        }
        for column in COLUMNS
    ]


def _in_order(before: str, sources: Sequence[str]) -> str:
    """Make sure that rows come in the order of their sources; returns the last of them.

    Raises:
        DamagedManifest: they do not: somebody has written the file anew.
    """
    if any(one >= other for one, other in pairwise((before, *sources))):
        raise DamagedManifest(
            f"{LATEST_PATH} is not in the order of its photos; delete it: it is made again"
        )
    return sources[-1]


def _selected(
    database: ManifestDatabase, names: tuple[str, ...], tail: str, first: str = ""
) -> Result:
    """Columns of the manifest as the page gets them, after others that are given as SQL."""
    selected = [*filter(None, [first]), *(_expression(_BY_NAME[name]) for name in names)]
    return database.query(f"SELECT {', '.join(selected)} FROM {tail}")


def _expression(column: Column) -> str:
    """SQL of a column as JSON can hold it, under its own name."""
    name = column.name
    kind = str(column.arrow_type)
    if name == "plan":
        value = f"array_to_string({name}, '+')"
    elif name == "source_mtime_ns":
        # Beyond 2^53, where JavaScript's numbers skip some (ECMA-262, Number.MAX_SAFE_INTEGER).
        value = f"{name}::VARCHAR"
    elif kind == "double":
        value = finite(name)
    elif kind.startswith("timestamp"):
        value = moment(name)
    else:
        value = name
    return f"{value} AS {name}"
