"""Rows as CSV and Parquet files: the only part of `restoration` that needs Arrow.

The summary goes into a file of its own beside the rows (`scores.csv`, `scores-summary.csv`), so
that every file holds one kind of row.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_type_hints

from restoration.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Tables: TypeAlias = "Mapping[str, Sequence[DataclassInstance]]"
"""Rows of one dataclass each, by the name of the table."""

CSV: Final = ".csv"
PARQUET: Final = ".parquet"


def table_path(path: Path, part: str) -> Path:
    """Where one of several tables goes: `scores.csv`, `scores-summary.csv`."""
    return path.with_name(f"{path.stem}-{part}{path.suffix}") if part else path


def check_target(option: str, path: Path, suffixes: Sequence[str]) -> None:
    """Refuse a file that could not be written in the end, before hours of measuring.

    Raises:
        UsageError: another suffix, or a folder that does not exist.
    """
    if path.suffix.lower() not in suffixes:
        raise UsageError(f"{option} {path}: the name must end in {' or '.join(suffixes)}")
    if not path.parent.is_dir():
        raise UsageError(f"{option} {path}: folder {path.parent} does not exist")
    if path.is_dir():
        raise UsageError(f"{option} {path}: is a folder")


def write_tables(path: Path, tables: Tables) -> list[Path]:
    """Write rows of dataclasses as CSV or Parquet, by the suffix of `path`.

    Args:
        path: of the table named ""; the others go beside it, see `table_path`.
        tables: rows of one dataclass each, by name; its fields become the columns. None becomes
            an empty cell (CSV) or null (Parquet).

    Returns:
        The files written.
    """
    write = _write_csv if path.suffix.lower() == CSV else _write_parquet
    written = []
    for part, rows in tables.items():
        if rows:
            target = table_path(path, part)
            temporary = target.with_name(target.name + ".part")
            write(temporary, rows)
            temporary.replace(target)
            written.append(target)
    return written


def _write_csv(path: Path, rows: Sequence[DataclassInstance]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(rows[0])])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def _write_parquet(path: Path, rows: Sequence[DataclassInstance]) -> None:
    # Here and not above: a GPU machine that has what training needs can evaluate too.
    import pyarrow as pa
    import pyarrow.parquet as pq

    types: dict[type, pa.DataType] = {
        str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()
    }  # fmt: skip
    hints: dict[str, Any] = get_type_hints(type(rows[0]))
    columns = [
        (field.name, next(t for key, t in types.items() if _holds(hints[field.name], key)))
        for field in fields(rows[0])
    ]
    pq.write_table(pa.Table.from_pylist([asdict(row) for row in rows], pa.schema(columns)), path)


def _holds(hint: Any, kind: type) -> bool:  # noqa: ANN401 - a type annotation is anything
    """Whether a field's annotation is `kind` or `kind | None`."""
    return hint is kind or hint == kind | None
