"""SQL over the manifest, and what it must not be able to do."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage import LocalDestination, NotFound
from storage.base import DestinationStore
from storage.manifest import (
    COLUMNS,
    DamagedManifest,
    ManifestRow,
    RunKind,
    RunRecord,
    Status,
    encode_rows,
    open_latest,
    part_path,
    read_runs,
    write_latest,
    write_run,
)
from storage.manifest.database import ManifestDatabase, QueryError
from storage.manifest.database_files import ManifestFiles
from storage.manifest.runs import RUN_COLUMNS

RUNS = ["20260101T080000Z-000000", "20260102T080000Z-000000", "20260103T080000Z-000000"]


def row(source: str, run: str, **values) -> ManifestRow:
    values = {"time": datetime(2026, 1, 1, 9, tzinfo=UTC), **values}
    return ManifestRow(source=source, source_size=1, source_mtime_ns=0, run_id=run, **values)


def fill(out: DestinationStore) -> None:
    first = [
        row("1923/box 4/a.jpg", RUNS[0], width=2000, height=1000, status=Status.RESTORED),
        row("b.tif", RUNS[0], status=Status.SKIPPED, plan=("denoise", "colorize")),
    ]
    out.put(part_path(RUNS[0], 0), encode_rows(first))
    again = [row("b.tif", RUNS[1], status=Status.WITHDRAWN, error_message='it\'s "quoted"\n')]
    out.put(part_path(RUNS[1], 0), encode_rows(again))
    write_run(
        out,
        RunRecord(
            run_id=RUNS[1],
            kind=RunKind.REVIEW,
            options='{"steps": "denoise"}',
            started=datetime(2026, 1, 2, 8, tzinfo=UTC),
            seconds=1.5,
            withdrawn=1,
        ),
    )


@pytest.fixture
def out(tmp_path: Path) -> LocalDestination:
    destination = LocalDestination(tmp_path / "it's [1]*?")
    fill(destination)
    return destination


@pytest.fixture
def database(out: LocalDestination) -> Iterator[ManifestDatabase]:
    with ManifestDatabase.open(out, threads=1, memory_gb=0.2) as opened:
        yield opened


def answer(database: ManifestDatabase, sql: str, *parameters: object) -> list[tuple]:
    return list(database.query(sql, parameters).rows())


def test_photos_are_the_latest_rows(database: ManifestDatabase) -> None:
    found = answer(database, "SELECT source, folder, name, megapixels, status FROM photos")
    assert found == [
        ("1923/box 4/a.jpg", "1923/box 4", "a.jpg", 2.0, "restored"),
        ("b.tif", "", "b.tif", None, "withdrawn"),
    ]


def test_rows_are_those_of_all_runs(database: ManifestDatabase) -> None:
    found = answer(database, "SELECT source, plan, run_id, folder FROM rows ORDER BY ALL")
    assert found == [
        ("1923/box 4/a.jpg", [], RUNS[0], "1923/box 4"),
        ("b.tif", [], RUNS[1], ""),
        ("b.tif", ["denoise", "colorize"], RUNS[0], ""),
    ]


@pytest.mark.parametrize("view", ["photos", "rows"])
def test_views_have_every_column(database: ManifestDatabase, view: str) -> None:
    derived = ("folder", "name", "megapixels")
    result = database.query(f"SELECT * FROM {view}")
    assert result.names == (*(column.name for column in COLUMNS), *derived)
    types = dict(zip(result.names, result.types, strict=True))
    assert types["time"] == "TIMESTAMP WITH TIME ZONE"
    assert types["plan"] == "VARCHAR[]"
    assert types["needs_review"] == "BOOLEAN"
    assert {len(each) for each in result.rows()} == {len(result.names)}


def test_runs_are_the_records_and_what_the_rows_of_others_say(database: ManifestDatabase) -> None:
    result = database.query("FROM runs")
    assert result.names == tuple(column.name for column in RUN_COLUMNS)
    [killed, review] = [dict(zip(result.names, each, strict=True)) for each in result.rows()]
    assert killed["run_id"] == RUNS[0]
    assert killed["kind"] == "restore"
    assert killed["started"] == datetime(2026, 1, 1, 8, tzinfo=UTC)
    assert killed["seconds"] == 3600
    assert (killed["photos"], killed["restored"], killed["skipped"]) == (2, 1, 1)
    assert killed["unchanged"] is None
    assert killed["megapixels"] == 2.0
    assert review["kind"] == "review"
    assert review["withdrawn"] == 1
    assert review["options"] == '{"steps": "denoise"}'


@pytest.mark.parametrize("compacted", [True, False])
def test_in_every_store(destination: DestinationStore, compacted: bool) -> None:
    fill(destination)
    if compacted:
        write_latest(destination)
    with ManifestDatabase.open(destination) as database:
        assert answer(database, "SELECT count(*) FROM photos") == [(2,)]
        assert answer(database, "SELECT count(*) FROM rows") == [(3,)]
        assert answer(database, "SELECT count(*) FROM runs") == [(2,)]


def test_without_a_manifest_there_are_no_rows(tmp_path: Path) -> None:
    out = LocalDestination(tmp_path / "out")
    with ManifestDatabase.open(out) as database:
        for view in ("photos", "rows", "runs"):
            result = database.query(f"SELECT * FROM {view}")
            assert list(result.rows()) == []
            assert len(result.names) > 10
    assert not out.root.exists()


def test_the_catalogue_has_every_table(database: ManifestDatabase) -> None:
    assert answer(database, "SHOW TABLES") == [("photos",), ("rows",), ("runs",)]
    names = {name for name, *_ in answer(database, "DESCRIBE rows")}
    assert names == {column.name for column in COLUMNS} | {"folder", "name", "megapixels"}


def test_parameters_and_several_results_at_once(database: ManifestDatabase) -> None:
    numbers = database.query("SELECT range AS n FROM range(?)", [5000])
    chunks = numbers.columns(2_000)
    first = next(chunks)
    assert answer(database, "SELECT source FROM photos WHERE status = ?", "restored") == [
        ("1923/box 4/a.jpg",)
    ]
    rest = list(chunks)
    assert [len(chunk["n"]) for chunk in [first, *rest]] == [2000, 2000, 1000]
    assert [n for chunk in [first, *rest] for n in chunk["n"]] == list(range(5000))


def test_names_are_told_apart(database: ManifestDatabase) -> None:
    result = database.query("SELECT 1 AS a, 2 AS a, 3 AS a_1")
    assert result.names == ("a", "a_1", "a_1_1")
    assert list(result.columns()) == [{"a": [1], "a_1": [2], "a_1_1": [3]}]


def test_what_does_not_fit_in_memory_goes_to_a_folder_that_goes(
    out: LocalDestination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spill = tmp_path / "spill"
    spill.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spill))
    with ManifestDatabase.open(out, threads=1, memory_gb=0.05) as database:
        sql = "SELECT range, md5(range::VARCHAR) AS h FROM range(1500000) ORDER BY h"
        rows = database.query(sql).rows()
        next(rows)
        [folder] = [path for path in spill.iterdir() if path.is_dir()]
        assert any(folder.iterdir())
        assert sum(1 for _ in rows) == 1_499_999
    assert not list(spill.iterdir())


def test_answers_are_in_utc_wherever_one_is(
    out: LocalDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    with ManifestDatabase.open(out) as database:
        [(moment, text)] = answer(database, "SELECT min(time), min(time)::VARCHAR FROM rows")
    assert moment == datetime(2026, 1, 1, 9, tzinfo=UTC)
    assert moment.utcoffset().total_seconds() == 0
    assert text == "2026-01-01 09:00:00+00"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT nothing FROM photos", 'column "nothing" not found'),
        ("SELECT * FROM photo", "photo does not exist"),
        ("", "one statement at a time, not 0"),
        ("-- nothing", "one statement at a time, not 0"),
        ("SELECT 1; SELECT 2", "one statement at a time, not 2"),
        ("SELECT 'x'::INTEGER", "Could not convert"),
        ("SELECT ?", "parameter"),
    ],
)
def test_bad_sql_is_one_line(database: ManifestDatabase, sql: str, said: str) -> None:
    with pytest.raises(QueryError, match=re.escape(said)) as caught:
        answer(database, sql)
    assert "\n" not in str(caught.value)
    assert "LINE" not in str(caught.value)


HOSTILE = [
    "COPY photos TO '{secret}.csv'",
    "COPY (SELECT 1) TO 'manifest://latest.parquet' (FORMAT parquet)",
    "EXPORT DATABASE '{secret}.d'",
    "ATTACH '{secret}.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "FORCE INSTALL httpfs FROM community",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "RESET memory_limit",
    "PRAGMA enable_profiling",
    "CALL enable_logging()",
    "CREATE TABLE t AS SELECT 1",
    "CREATE SECRET (TYPE s3)",
    "DROP VIEW photos",
    "INSERT INTO photos SELECT * FROM photos",
    "EXPLAIN ANALYZE COPY photos TO '{secret}.csv'",
    "PREPARE p AS COPY photos TO '{secret}.csv'",
    "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM read_blob('{secret}')",
    "SELECT * FROM read_json('{secret}')",
    "SELECT * FROM read_parquet('{secret}')",
    "SELECT * FROM parquet_metadata('{secret}')",
    "SELECT * FROM sniff_csv('{secret}')",
    "SELECT * FROM '{secret}'",
    "SELECT * FROM 'file://{secret}'",
    "SELECT * FROM read_csv('/dev/stdin')",
    "SELECT * FROM read_parquet('https://127.0.0.1:9/x.parquet')",
    "SELECT * FROM read_parquet('s3://bucket/x.parquet')",
    "SELECT * FROM query('COPY photos TO ''{secret}.csv''')",
    "SELECT getenv('HOME')",
]
UNKNOWN_NAMES = [
    "SELECT * FROM read_text('manifest://../../{secret}')",
    "SELECT * FROM read_text('manifest://{secret}')",
    "SELECT * FROM read_text('manifest://restored/a.jpg')",
]


@pytest.mark.parametrize("sql", HOSTILE + UNKNOWN_NAMES)
def test_it_reaches_nothing_but_the_manifest(
    out: LocalDestination, database: ManifestDatabase, tmp_path: Path, sql: str
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("a,b\nhidden,treasure\n")
    (out.root / "restored").mkdir()
    (out.root / "restored/a.jpg").write_bytes(b"no part of the manifest")
    before = sorted(tmp_path.rglob("*"))
    if sql in UNKNOWN_NAMES:
        assert answer(database, sql.format(secret=secret)) == []
    else:
        with pytest.raises(QueryError) as caught:
            answer(database, sql.format(secret=secret))
        assert "treasure" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before
    assert answer(database, "SELECT count(*) FROM photos") == [(2,)]


def test_no_pattern_finds_files_outside(database: ManifestDatabase) -> None:
    for pattern in ("/etc/*", "/**", "manifest://*", "manifest://**/*.parquet"):
        try:
            found = answer(database, f"SELECT * FROM glob('{pattern}')")
        except QueryError:
            continue
        assert found == []


def test_python_variables_are_no_tables(database: ManifestDatabase) -> None:
    hidden = [{"a": 1}]
    with pytest.raises(QueryError, match="hidden does not exist"):
        answer(database, "SELECT * FROM hidden")
    assert hidden


def test_a_record_that_cannot_be_read_is_told(out: LocalDestination) -> None:
    path = f"manifest/{RUNS[1]}/_run.json"
    for bad in (b"", b"[]", b"{}", b'{"run_id": "x", "started": "yesterday"}', b"\xff"):
        out.put(path, bad)
        with pytest.raises(DamagedManifest, match=f"{path} cannot be read .*delete it"):
            ManifestDatabase.open(out)
    out.delete(path)
    with ManifestDatabase.open(out) as database:
        assert answer(database, "SELECT count(*) FROM runs") == [(2,)]


class TestRecords:
    def test_round_trip(self, tmp_path: Path) -> None:
        out = LocalDestination(tmp_path / "out")
        assert read_runs(out) == []
        records = [
            RunRecord(
                run_id=run,
                source="s3://archive/fotos ü",
                options='{"steps": "denoise", "include": ["a*"], "limit": null}',
                started=datetime(2026, 1, 1, tzinfo=UTC),
                ended=datetime(2026, 1, 1, 2, tzinfo=UTC),
                seconds=7200.5,
                workers="local:2",
                photos=10,
                restored=3,
                unchanged=6,
                failed=1,
                megapixels=21.5,
                stopped=True,
            )
            for run in RUNS
        ]
        for record in reversed(records):
            write_run(out, record)
        assert read_runs(out) == records

    def test_of_another_version(self, tmp_path: Path) -> None:
        out = LocalDestination(tmp_path / "out")
        text = b'{"run_id": "r", "started": "2026-01-01T00:00:00+00:00", "new": 1}'
        out.put("manifest/r/_run.json", text)
        [record] = read_runs(out)
        assert record == RunRecord(run_id="r", started=datetime(2026, 1, 1, tzinfo=UTC))

    def test_inconsistent_ones_are_refused(self) -> None:
        with pytest.raises(ValueError, match="time zone"):
            RunRecord(run_id="r", started=datetime(2026, 1, 1))
        with pytest.raises(ValueError, match="JSON object"):
            RunRecord(run_id="r", started=datetime(2026, 1, 1, tzinfo=UTC), options="[]")


def test_a_part_that_is_gone_or_damaged_is_told(out: LocalDestination) -> None:
    with ManifestDatabase.open(out) as database:
        path = part_path(RUNS[0], 0)
        whole = out.open(path).read()
        out.delete(path)
        with pytest.raises(NotFound, match=f"cannot read {path}"):
            answer(database, "SELECT * FROM rows")
        out.put(path, whole[:-100])
        with pytest.raises(DamagedManifest, match=f"{path} was changed"):
            answer(database, "SELECT * FROM rows")
        out.put(path, bytes(len(whole)))
        with pytest.raises(QueryError, match=path):
            answer(database, "SELECT * FROM rows")
        out.put(path, whole)
        assert answer(database, "SELECT count(*) FROM rows") == [(3,)]


def test_threads_that_share_a_handle_do_not_read_each_others_bytes(out: LocalDestination) -> None:
    with open_latest(out) as latest:
        files = ManifestFiles(latest, out)
        for path in ("latest.parquet", "columns.parquet", files.parts[0]):
            handle = files.open(f"manifest://{path}")
            whole = handle.read()
            handle.seek(8)
            with ThreadPoolExecutor(1) as other:  # which comes between our seek and our read
                assert other.submit(handle.read, 4).result() == b"PAR1"
            assert handle.read(4) == whole[8:12]
            assert (handle.tell(), handle.seek(-4, os.SEEK_END)) == (12, len(whole) - 4)
            assert handle.read() == b"PAR1"
            handle.close()
        assert not latest.closed
