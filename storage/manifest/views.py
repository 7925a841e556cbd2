"""The views of a manifest in SQL: `photos`, `rows` and `runs`."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Final

from storage.manifest.columns import Column
from storage.manifest.database_files import COLUMNS_PATH, RUNS_PATH, SCHEME
from storage.manifest.latest import LATEST_PATH
from storage.manifest.row import COLUMNS, Status
from storage.manifest.runs import RUN_COLUMNS

_DERIVED: Final = """
    parse_dirpath(source, 'forward_slash') AS folder,
    parse_filename(source, false, 'forward_slash') AS name,
    width * height / 1e6 AS megapixels
"""


@dataclass(frozen=True)
class View:
    """A view, and what makes it.

    Attributes:
        name: of the view.
        sql: a statement that creates it.
        is_cheap: whether that takes no time; else it looks into every part.
    """

    name: str
    sql: str
    is_cheap: bool


def views(parts: Sequence[str], recorded_runs: Set[str]) -> tuple[View, ...]:
    """The views of a manifest.

    Args:
        parts: paths of its parts.
        recorded_runs: ids of the runs that left a record.
    """
    photos = f"SELECT *, {_DERIVED} FROM read_parquet('{SCHEME}://{LATEST_PATH}')"
    columns = ", ".join(map(_with_default, COLUMNS))
    rows = f"SELECT {columns}, {_DERIVED} FROM {_together(parts)}"
    recorded = f"SELECT * FROM read_parquet('{SCHEME}://{RUNS_PATH}')"
    unrecorded = [path for path in parts if path.split("/")[1] not in recorded_runs]
    derived = f"UNION ALL BY NAME {_runs_of(_together(unrecorded))}" if unrecorded else ""
    runs = f"{recorded} {derived} ORDER BY run_id"
    return (
        View("photos", f"CREATE VIEW photos AS {photos}", is_cheap=True),
        View("rows", f"CREATE VIEW rows AS {rows}", is_cheap=not parts),
        View("runs", f"CREATE VIEW runs AS {runs}", is_cheap=not unrecorded),
    )


def _together(parts: Sequence[str]) -> str:
    """Parts of any version; the first file has all columns of this one, and no rows."""
    files = ", ".join(_quoted(f"{SCHEME}://{path}") for path in (COLUMNS_PATH, *parts))
    return f"read_parquet([{files}], union_by_name = true)"


def _runs_of(rows: str) -> str:
    """What the rows of runs say of them; a run's id begins with its start."""
    counts = ", ".join(
        f"count(*) FILTER (status = '{status}') AS {status}"
        for status in Status
        if status in {column.name for column in RUN_COLUMNS}
    )
    begun = "try_strptime(left(run_id, 16), '%Y%m%dT%H%M%SZ')::TIMESTAMP AT TIME ZONE 'UTC'"
    return f"""
        SELECT run_id, 'restore' AS kind, '{{}}' AS options,
            coalesce({begun}, min(time)) AS started, max(time) AS ended,
            epoch(max(time)) - epoch(coalesce({begun}, min(time))) AS seconds,
            max(device) AS device, max(software_version) AS software_version,
            count(*) AS photos, {counts},
            coalesce(sum(width * height), 0) / 1e6 AS megapixels, false AS stopped
        FROM {rows} GROUP BY run_id"""


def _with_default(column: Column) -> str:
    """A column as `conform` reads it: with its default where a part is from before it was."""
    if column.nullable or column.default is None:
        return column.name
    default = column.default
    if isinstance(default, tuple):
        literal = "[]"
    else:
        literal = _quoted(default) if isinstance(default, str) else str(default).lower()
    return f"coalesce({column.name}, {literal}) AS {column.name}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
