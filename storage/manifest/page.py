"""The page about the manifest for those who read it: `storage/manifest/README.md`.

It is made of the schema, so that it cannot say anything else: `python -m storage.manifest` prints
it, and a test compares the two and runs its examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from storage.manifest.columns import Column
from storage.manifest.row import COLUMNS, SCHEMA_VERSION, columns_markdown
from storage.manifest.runs import RUN_COLUMNS

VERSIONS: Final = {
    1: "The first. Columns that were added meanwhile are null, or have their default, in its parts",
    2: "`status` may be `withdrawn`; columns for review and quality were added",
}
"""What each version of the schema brought, the latest last."""

_ATHENA: Final = {
    "string": "string",
    "int64": "bigint",
    "double": "double",
    "bool": "boolean",
    "timestamp[us, tz=UTC]": "timestamp",
    "list<item: string>": "array<string>",
}


def manifest_page() -> str:
    """The page as Markdown, ending in a newline."""
    versions = "\n".join(f"| {number} | {text} |" for number, text in VERSIONS.items())
    return _PAGE.format(
        version=SCHEMA_VERSION,
        versions=versions,
        columns=columns_markdown(COLUMNS),
        runs=columns_markdown(RUN_COLUMNS),
        athena=_athena(COLUMNS),
    )


def _athena(columns: Sequence[Column]) -> str:
    """Columns as in a Hive table, four to a line."""
    declared = [f"`{column.name}` {_ATHENA[str(column.arrow_type)]}" for column in columns]
    lines = [", ".join(declared[at : at + 4]) for at in range(0, len(declared), 4)]
    return ",\n  ".join(lines)


_PAGE: Final = """\
# The manifest

What was found about each photograph, what was done and how it went: Parquet that any table reader
can open. This page is made by `python -m storage.manifest`; a test compares it with the code.

    RESTORED/latest.parquet                       one row per photo: the latest, sorted by source
    RESTORED/manifest/<run_id>/part-000000.parquet   every row of every run, a part per batch
    RESTORED/manifest/<run_id>/_run.json          the record of the run as a whole

- A part is never changed once it is written. A photo that several runs met has a row in each of
  them; the row of the latest run counts, and run ids sort by time.
- `latest.parquet` is brought up to date at the end of every run that wrote rows. It is a copy:
  whoever deletes it loses time only. The key `restore_archive.latest` of its metadata lists the
  parts that it was made of; `restore-archive query` and our other readers make up what is missing
  where a run was killed.
- Readers of Parquet data sets leave `_run.json` out, as all names that begin with `_`. A run that
  was killed left none.

## Schema

This is version {version}. Every file has, beside Arrow's, the keys `restore_archive.schema_version`
and `restore_archive.columns` (JSON: name, type, unit and description of each column) in its
Parquet key-value metadata, where readers without Arrow find them:

```python
import duckdb

duckdb.sql(
    "SELECT decode(value) FROM parquet_kv_metadata('RESTORED/latest.parquet')"
    " WHERE decode(key) = 'restore_archive.columns'"
).fetchall()
```

The rules by which it evolves:

1. A column never changes its name, its type or its unit, and none is removed: what is given up
   stays null.
2. A new column is null, or has a default, in the rows of earlier parts. It does not raise the
   version, and readers find columns by name, never by number.
3. The version is raised when a column changes its meaning, or has values that readers must know.
4. Types are those that every reader of Parquet knows: strings (UTF-8), 64-bit integers, doubles,
   booleans, instants in UTC (microseconds) and lists of strings.
5. Parts of every version are read, by our own readers and by the examples below: tests hold parts
   of each, as they were written at the time.

| Version | |
| --- | --- |
{versions}

## Columns

{columns}
## Runs

`_run.json` has these fields (`options` as an object), and `restore-archive query` the table `runs`:

{runs}
## Reading it

With nothing but this program (`photos`, `rows` and `runs` are its tables; without a query it
lists those that are ready made; `--csv`, `--json` and `--parquet FILE` write):

    restore-archive query RESTORED "SELECT folder, count(*) FROM photos GROUP BY folder"
    restore-archive query RESTORED most-changed

The query sees the manifest and nothing else: no other file, no network, and it can only select.

pyarrow:

```python
import pyarrow.dataset as ds
import pyarrow.parquet as pq

schema = pq.read_schema("RESTORED/latest.parquet")  # parts of all versions, with all columns
ds.dataset("RESTORED/manifest", schema=schema).to_table(filter=ds.field("status") == "failed")
```

pandas:

```python
import pandas as pd

pd.read_parquet("RESTORED/latest.parquet")
```

polars:

```python
import polars as pl

schema = pl.read_parquet_schema("RESTORED/latest.parquet")
rows = pl.scan_parquet(
    "RESTORED/manifest/*/*.parquet",
    schema=schema,
    missing_columns="insert",
    extra_columns="ignore",
)
rows.filter(pl.col("status") == "failed").collect()
```

DuckDB, in its own shell or in Python (`s3://` with its extension httpfs):

```python
import duckdb

duckdb.sql("SELECT status, count(*) FROM 'RESTORED/latest.parquet' GROUP BY status").fetchall()
duckdb.sql(
    "SELECT source, error_message FROM read_parquet('RESTORED/manifest/*/*.parquet',"
    " union_by_name = true) WHERE status = 'failed'"
).fetchall()
```

Spark (not part of the tests):

    spark.read.option("mergeSchema", "true").parquet("RESTORED/manifest/*/*.parquet")

Athena, Trino or Hive (not part of the tests); put `latest.parquet` into a folder of its own to have
it as a table, too:

```sql
CREATE EXTERNAL TABLE manifest (
  {athena}
) STORED AS PARQUET LOCATION 's3://BUCKET/RESTORED/manifest/'
```
"""
