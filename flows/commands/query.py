"""`restore-archive query`: ask about a restored archive, in SQL or by a ready-made name."""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from rich.table import Table
from rich.text import Text

from flows.commands.archive import open_archive
from flows.commands.as_json import jsonable, plain
from flows.console import QuietlyClosedConsole, print_line, printable
from flows.new_files import new_file
from restoration.errors import UsageError
from storage.manifest.queries import QUERIES

if TYPE_CHECKING:  # importing DuckDB takes a while
    from storage.manifest.database import ManifestDatabase, Result

SHOWN_ROWS: Final = 200
"""Rows that a terminal gets; files and other programs get all of them."""

_NUMBERS: Final = frozenset(
    {"BIGINT", "HUGEINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "DOUBLE", "FLOAT", "DECIMAL"}
)

_EPILOG: Final = (
    "Tables: photos (the latest row of each photo), rows (every row of every run), runs. Their "
    "columns: DESCRIBE photos. On a terminal a table is drawn; otherwise, rows are lines with tabs "
    "between values. Without a query, the ready-made ones are listed."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments on `parser`."""
    parser.epilog = _EPILOG
    parser.add_argument("destination", metavar="RESTORED", help="what runs wrote; it is only read")
    parser.add_argument(
        "query", nargs="?", metavar="SQL|NAME", help="one SELECT in DuckDB's dialect, or a name"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print comma-separated values")
    form.add_argument("--json", action="store_true", help="print a list of objects")
    form.add_argument("--parquet", type=Path, metavar="FILE", help="write a Parquet file")
    parser.add_argument(
        "--price-per-hour", type=float, metavar="X", help="of a machine: for `cost` and `runs`"
    )


def run(arguments: argparse.Namespace) -> int:
    """Answer the query, or list what can be asked; returns the exit code.

    Raises:
        UsageError: no manifest, a query that is not answered, or a file that is there already.
        StorageError: the manifest cannot be read.
    """
    destination = open_archive(arguments.destination)
    if arguments.query is None:
        _list_names()
        return 0
    sql, parameters = _sql(arguments)
    from storage.manifest.database import ManifestDatabase, QueryError  # see top

    try:
        with ManifestDatabase.open(destination) as database:
            if arguments.parquet is not None:
                _write_parquet(database, sql, parameters, arguments.parquet)
            else:
                _form(arguments)(database.query(sql, parameters))
    except QueryError as error:
        raise UsageError(str(error)) from error
    return 0


def _sql(arguments: argparse.Namespace) -> tuple[str, list[float | None]]:
    """The query to run, and its parameters."""
    price = arguments.price_per_hour
    if price is not None and not 0 <= price < math.inf:
        raise UsageError(f"--price-per-hour must be 0 or more, not {price:g}")
    text = arguments.query.strip()
    if not text:
        raise UsageError("the query is empty; leave it out, and those with a name are listed")
    named = QUERIES.get(text)
    if price is not None and not (named and named.is_priced):
        priced = " and ".join(name for name, query in QUERIES.items() if query.is_priced)
        raise UsageError(f"--price-per-hour is for the queries {priced}")
    if named is not None:
        return named.sql, [price] if named.is_priced else []
    if text and " " not in text and text.replace("-", "").isalpha():
        raise UsageError(f"there is no query {text!r}; there are {', '.join(QUERIES)}")
    return text, []


def _form(arguments: argparse.Namespace) -> Callable[[Result], None]:
    if arguments.csv:
        return _print_csv
    if arguments.json:
        return _print_json
    return _draw if sys.stdout.isatty() else _print_lines


def _list_names() -> None:
    console = QuietlyClosedConsole()
    width = max(map(len, QUERIES))
    for name, query in QUERIES.items():
        print_line(console, f"{name:{width}}  {query.summary}")


def _write_parquet(
    database: ManifestDatabase, sql: str, parameters: Sequence[object], path: Path
) -> None:
    """Write the answer to a new file, which appears whole."""
    if path.exists() or path.is_symlink():
        raise UsageError(f"--parquet {path}: exists already")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"--parquet {path}: folder {path.parent} does not exist")
    with new_file(path) as file:
        rows = database.write_parquet(sql, file, parameters)
    print_line(QuietlyClosedConsole(), f"{path}: {rows:,} row{'' if rows == 1 else 's'}")


def _draw(result: Result) -> None:
    """A table for a person: short numbers, and no more rows than are looked at."""
    table = Table()
    for name, kind in zip(result.names, result.types, strict=True):
        is_number = kind.partition("(")[0] in _NUMBERS
        side: Literal["left", "right"] = "right" if is_number else "left"
        table.add_column(Text(printable(name)), justify=side, overflow="fold")
    rows = result.rows()
    for row in islice(rows, SHOWN_ROWS):
        table.add_row(*(Text(_short(value)) for value in row))
    console = QuietlyClosedConsole()
    console.print(table)
    if next(rows, None) is not None:
        more = f"the first {SHOWN_ROWS} rows; --csv, --json or --parquet give all"
        console.print(more, highlight=False)


def _short(value: object) -> str:
    """A value as a person reads it."""
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, list):
        return printable(", ".join(map(plain, value)))
    return printable(plain(value))


def _print_lines(result: Result) -> None:
    """Lines with tabs between values and none within; --csv and --json do not round."""
    print("\t".join(map(printable, result.names)))
    for row in result.rows():
        print("\t".join(printable(plain(_rounded(value))) for value in row))


def _rounded(value: object) -> object:
    """A number without the digits that only arithmetic on a computer gives it."""
    if not isinstance(value, float) or not math.isfinite(value):
        return value
    return round(value, 4) if abs(value) >= 1 else float(f"{value:.4g}")


def _print_csv(result: Result) -> None:
    """Comma-separated values (RFC 4180) with a header; lists as JSON."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(result.names)
    writer.writerows([plain(value) for value in row] for row in result.rows())


def _print_json(result: Result) -> None:
    """A list of objects, one on each line."""
    before = "["
    for row in result.rows():
        fields = {name: jsonable(value) for name, value in zip(result.names, row, strict=True)}
        print(f"{before}\n{json.dumps(fields, allow_nan=False)}", end="")
        before = ","
    print("[]" if before == "[" else "\n]")
