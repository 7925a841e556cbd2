"""The manifest as others see it: its page, its metadata, and parts of every version of its schema.

`manifests/` holds a part of each generation of the schema, as the program wrote it at the time:
`<number>-<commit>.parquet`, of a run over three photos of the sample archive.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import polars
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from storage import LocalDestination
from storage.manifest import (
    COLUMNS,
    LATEST_PATH,
    SCHEMA,
    SCHEMA_VERSION,
    ManifestIndex,
    ManifestRow,
    Status,
    decode_rows,
    encode_rows,
    part_path,
    read_manifest,
    rows_of,
    write_latest,
)
from storage.manifest.database import ManifestDatabase
from storage.manifest.page import VERSIONS, manifest_page
from storage.manifest.runs import RUN_COLUMNS

PAGE = Path(__file__).parents[2] / "storage/manifest/README.md"
GENERATIONS = sorted((Path(__file__).parent / "manifests").glob("*.parquet"))
EXAMPLES = re.findall(r"```python\n(.*?)```", manifest_page(), re.DOTALL)

NULLABLE = pa.schema([field.with_nullable(True) for field in SCHEMA])

TODAY = ManifestRow(
    source="today.png", source_size=1, source_mtime_ns=0, status=Status.FAILED, run_id="today"
)


@pytest.fixture
def restored(tmp_path: Path) -> Path:
    """A destination where every version of the program has run, one after the other."""
    out = LocalDestination(tmp_path / "restored")
    for number, path in enumerate(GENERATIONS):
        out.put(part_path(f"2026010{number}T000000Z-000000", 0), path.read_bytes())
    out.put(part_path("20260201T000000Z-000000", 0), encode_rows([TODAY]))
    out.put("manifest/20260201T000000Z-000000/_run.json", b'{"not": "Parquet"}')
    return out.root


class TestPage:
    def test_it_is_what_the_code_says(self) -> None:
        assert PAGE.read_text("utf-8") == manifest_page(), (
            "python -m storage.manifest > storage/manifest/README.md"
        )

    def test_it_is_printed(self) -> None:
        command = [sys.executable, "-m", "storage.manifest"]
        root = Path(__file__).parents[2]
        printed = subprocess.run(command, capture_output=True, check=True, cwd=root).stdout
        assert printed.decode("utf-8") == manifest_page()

    def test_every_column_and_version_is_there(self) -> None:
        for column in (*COLUMNS, *RUN_COLUMNS):
            assert column.description
            assert f"| `{column.name}` | " in manifest_page()
        for column in COLUMNS:
            assert f"`{column.name}` " in manifest_page().partition("EXTERNAL TABLE")[2]
        assert list(VERSIONS) == list(range(1, SCHEMA_VERSION + 1))

    @pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.split()[1])
    def test_its_examples_find_something(self, restored: Path, example: str) -> None:
        write_latest(LocalDestination(restored))
        (restored / "manifest/20260201T000000Z-000000/_run.json").write_text("{}")
        tree = ast.parse(example.replace("RESTORED", str(restored)))
        names: dict[str, object] = {}
        for statement in tree.body[:-1]:
            exec(compile(ast.Module([statement], []), "example", "exec"), names)
        assert isinstance(tree.body[-1], ast.Expr)
        found = eval(compile(ast.Expression(tree.body[-1].value), "example", "eval"), names)
        assert len(found) > 0


class TestMetadata:
    def expected(self) -> list[dict[str, str]]:
        return [
            {
                "name": field.name,
                "type": str(field.type).replace("list<item: string>", "list of string"),
                "unit": field.metadata[b"unit"].decode(),
                "description": field.metadata[b"description"].decode(),
            }
            for field in SCHEMA
        ]

    def test_readers_without_arrow_find_it(self, restored: Path) -> None:
        write_latest(LocalDestination(restored))
        part = restored / part_path("20260201T000000Z-000000", 0)
        for path in (restored / LATEST_PATH, part):
            found = duckdb.execute(
                "SELECT decode(key), decode(value) FROM parquet_kv_metadata(?)", [str(path)]
            ).fetchall()
            metadata = dict(found)
            assert metadata["restore_archive.schema_version"] == str(SCHEMA_VERSION)
            assert json.loads(metadata["restore_archive.columns"]) == self.expected()
        made_of = json.loads(pq.read_metadata(restored / LATEST_PATH).metadata[
            b"restore_archive.latest"
        ])  # fmt: skip
        assert len(made_of["parts"]) == len(GENERATIONS) + 1


class TestGenerations:
    def test_there_is_one_of_each(self) -> None:
        assert len(GENERATIONS) >= 6
        widths = [len(pq.read_schema(path).names) for path in GENERATIONS]
        assert widths == sorted(set(widths)), "each has more columns than the one before"
        versions = [
            int(pq.read_schema(path).metadata[b"restore_archive.schema_version"])
            for path in GENERATIONS
        ]
        assert set(versions) == set(VERSIONS)
        assert sum(path.stat().st_size for path in GENERATIONS) < 300_000

    @pytest.mark.parametrize("path", GENERATIONS, ids=lambda path: path.stem)
    def test_its_columns_are_todays(self, path: Path) -> None:
        for field in pq.read_schema(path):
            assert SCHEMA.field(field.name).type == field.type
            assert SCHEMA.field(field.name).metadata[b"unit"] == field.metadata[b"unit"]

    @pytest.mark.parametrize("path", GENERATIONS, ids=lambda path: path.stem)
    def test_its_rows_are_read(self, path: Path) -> None:
        with path.open("rb") as file:
            rows = decode_rows(file)
        plain = pq.read_table(path)
        assert [row.source for row in rows] == plain.column("source").to_pylist()
        for name in plain.column_names:
            values = [getattr(row, name) for row in rows]
            told = [list(value) if isinstance(value, tuple) else value for value in values]
            assert told == plain.column(name).to_pylist(), name
        blank = ManifestRow(source="", source_size=0, source_mtime_ns=0)
        for column in COLUMNS:
            if column.name not in plain.column_names:
                assert {getattr(row, column.name) for row in rows} == {getattr(blank, column.name)}

    def test_all_of_them_by_our_readers(self, restored: Path) -> None:
        out = LocalDestination(restored)
        (restored / "manifest/20260201T000000Z-000000/_run.json").unlink()
        rows = rows_of(read_manifest(out))
        sources = {row.source for row in rows}
        assert len(rows) == 3 * len(GENERATIONS) + 1
        assert {name for name, _ in ManifestIndex.load(out)} == sources
        assert write_latest(out)
        last = {row.source: row for row in rows}
        assert rows_of(pq.read_table(restored / LATEST_PATH)) == [last[s] for s in sorted(last)]
        with ManifestDatabase.open(out) as database:
            names = ", ".join(column.name for column in COLUMNS)
            found = database.query(f"SELECT {names} FROM rows ORDER BY run_id, source")
            told = [
                tuple(
                    list(value) if isinstance(value, tuple) else value
                    for value in (getattr(row, column.name) for column in COLUMNS)
                )
                for row in sorted(rows, key=lambda row: (row.run_id, row.source))
            ]
            assert list(found.rows()) == told
            assert len(list(database.query("FROM runs").rows())) == len(GENERATIONS) + 1


class TestReaders:
    """The same rows, columns and types for each of them, parts of all versions together."""

    def test_pyarrow(self, restored: Path) -> None:
        table = ds.dataset(restored / "manifest", schema=SCHEMA).to_table()
        assert table.num_rows == 3 * len(GENERATIONS) + 1
        assert table.schema.types == SCHEMA.types

    def test_duckdb(self, restored: Path) -> None:
        parts = str(restored / "manifest/*/*.parquet")
        found = duckdb.sql(f"SELECT * FROM read_parquet('{parts}', union_by_name = true)")
        table = found.to_arrow_table()
        assert sorted(table.column_names) == sorted(SCHEMA.names)
        ours = ds.dataset(restored / "manifest", schema=SCHEMA).to_table()
        self.compare(table.select(SCHEMA.names), ours)

    def test_pandas(self, restored: Path) -> None:
        frame = pd.read_parquet(restored / "manifest", schema=SCHEMA)
        ours = ds.dataset(restored / "manifest", schema=SCHEMA).to_table()
        self.compare(pa.Table.from_pandas(frame, NULLABLE, preserve_index=False), ours)
        assert str(frame["time"].dtype) == "datetime64[us, UTC]"
        assert str(frame["change_ssim"].dtype) == "float64"

    def test_polars(self, restored: Path) -> None:
        write_latest(LocalDestination(restored))
        frame = polars.read_parquet(
            str(restored / "manifest/*/*.parquet"),
            schema=polars.read_parquet_schema(restored / LATEST_PATH),
            missing_columns="insert",
        )
        ours = ds.dataset(restored / "manifest", schema=SCHEMA).to_table()
        self.compare(frame.to_arrow().select(SCHEMA.names), ours)

    def compare(self, table: pa.Table, ours: pa.Table) -> None:
        """Values and types; how strings' offsets are counted is the reader's own matter."""
        order = [("run_id", "ascending"), ("source", "ascending")]
        found, wanted = (each.cast(NULLABLE).sort_by(order).to_pydict() for each in (table, ours))
        assert found == wanted

    def test_the_latest_rows(self, restored: Path) -> None:
        write_latest(LocalDestination(restored))
        path = restored / LATEST_PATH
        ours = pq.read_table(path)
        assert ours.num_rows == 4
        counts = duckdb.execute("SELECT count(*) FROM read_parquet(?)", [str(path)]).fetchall()
        assert counts == [(4,)]
        self.compare(duckdb.read_parquet(str(path)).to_arrow_table(), ours)
        self.compare(pa.Table.from_pandas(pd.read_parquet(path), NULLABLE), ours)
        self.compare(polars.read_parquet(path).to_arrow(), ours)


def test_a_reader_of_the_first_version_reads_todays_parts_by_name(tmp_path: Path) -> None:
    """What is new is more columns; the old ones are where a reader looks for them."""
    old = pq.read_schema(GENERATIONS[0])
    today = tmp_path / "part.parquet"
    today.write_bytes(encode_rows([TODAY]))
    shutil.copy(GENERATIONS[0], tmp_path / "old.parquet")
    table = ds.dataset(tmp_path, schema=old).to_table()
    assert table.num_rows == 4
    assert table.schema.names == old.names
