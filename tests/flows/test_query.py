"""`restore-archive query`: what is printed, written and refused."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flows.cli import main
from storage import LocalDestination
from storage.manifest import ManifestRow, Status, encode_rows, part_path
from storage.manifest.queries import QUERIES

RUN = "20260101T080000Z-000000"
ODD = 'a,"b"\tc\n<b>[red]\x1b[31m.jpg'


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    rows = [
        ManifestRow(
            source=ODD,
            source_size=1,
            source_mtime_ns=0,
            plan=("denoise", "colorize"),
            noise_sigma=12.3456,
            status=Status.RESTORED,
            run_id=RUN,
            time=datetime(2026, 1, 1, tzinfo=UTC),
        ),
        ManifestRow(source="b.jpg", source_size=2, source_mtime_ns=0, run_id=RUN),
    ]
    out = LocalDestination(tmp_path / "out")
    out.put(part_path(RUN, 0), encode_rows(rows))
    return out.root


COLUMNS = "SELECT source, source_size, plan, noise_sigma, needs_review FROM photos"


def test_names_are_listed(archive: Path, capsys) -> None:
    assert main(["query", str(archive)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(QUERIES)


def test_a_ready_made_one(archive: Path, capsys) -> None:
    assert main(["query", str(archive), "totals"]) == 0
    assert capsys.readouterr().out == ("status\tphotos\tmegapixels\nfailed\t1\t\nrestored\t1\t\n")


def test_lines_for_other_programs(archive: Path, capsys) -> None:
    assert main(["query", str(archive), COLUMNS]) == 0
    [header, first, second] = capsys.readouterr().out.split("\n")[:-1]
    assert header.split("\t") == ["source", "source_size", "plan", "noise_sigma", "needs_review"]
    assert first.split("\t") == [
        'a,"b"\\tc\\n<b>[red]\\x1b[31m.jpg', "1", '["denoise", "colorize"]', "12.3456", "false",
    ]  # fmt: skip
    assert second.split("\t") == ["b.jpg", "2", "[]", "", "false"]


def test_numbers_are_rounded_for_people_alone(archive: Path, capsys) -> None:
    sql = (
        "SELECT 0.1::DOUBLE + 0.2::DOUBLE AS a, 1234567.891234::DOUBLE AS b, 1e-9::DOUBLE / 3 AS c"
    )
    assert main(["query", str(archive), sql]) == 0
    assert capsys.readouterr().out == "a\tb\tc\n0.3\t1234567.8912\t3.333e-10\n"
    assert main(["query", str(archive), sql, "--csv"]) == 0
    assert "0.30000000000000004,1234567.891234," in capsys.readouterr().out


def test_csv(archive: Path, capsys) -> None:
    assert main(["query", str(archive), COLUMNS, "--csv"]) == 0
    [header, first, second] = csv.reader(io.StringIO(capsys.readouterr().out, newline=""))
    assert header[0] == "source"
    assert first == [ODD, "1", '["denoise", "colorize"]', "12.3456", "false"]
    assert second == ["b.jpg", "2", "[]", "", "false"]


def test_json(archive: Path, capsys) -> None:
    sql = (
        "SELECT source, plan, noise_sigma, error_class, time, 'nan'::DOUBLE AS n, 1.5::DECIMAL(3,1)"
        " AS d, {'a': [1]} AS s FROM photos WHERE noise_sigma > 1"
    )
    assert main(["query", str(archive), sql, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "source": ODD,
            "plan": ["denoise", "colorize"],
            "noise_sigma": 12.3456,
            "error_class": None,
            "time": "2026-01-01T00:00:00+00:00",
            "n": None,
            "d": 1.5,
            "s": {"a": [1]},
        }
    ]
    assert main(["query", str(archive), "SELECT 1 WHERE false", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_parquet(archive: Path, tmp_path: Path, capsys) -> None:
    target = tmp_path / "answer.parquet"
    words = ["query", str(archive), "SELECT * FROM rows", "--parquet", str(target)]
    assert main(words) == 0
    assert capsys.readouterr().out == f"{target}: 2 rows\n"
    assert pq.read_table(target).column("source").to_pylist() == [ODD, "b.jpg"]
    before = target.read_bytes()
    assert main(words) == 2
    assert "exists already" in capsys.readouterr().err
    assert target.read_bytes() == before
    one = tmp_path / "one.parquet"
    assert main([*words[:2], "SELECT 1", "--parquet", str(one)]) == 0
    assert capsys.readouterr().out == f"{one}: 1 row\n"
    one.unlink()
    words[-1] = str(tmp_path / "none" / "answer.parquet")
    assert main(words) == 2
    words[-1] = str(tmp_path / "failed.parquet")
    assert main([*words[:2], "SELECT source::INTEGER FROM photos", *words[3:]]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answer.parquet", "out"]


def test_a_table_on_a_terminal(archive: Path) -> None:
    """In a process of its own, whose standard output is a terminal."""
    master, terminal = os.openpty()
    sql = f"{COLUMNS} UNION ALL BY NAME SELECT range AS source_size FROM range(300)"
    command = [sys.executable, "-m", "flows.cli", "query", str(archive), sql]
    environment = {**os.environ, "COLUMNS": "240", "TERM": "xterm", "NO_COLOR": "1"}
    process = subprocess.Popen(command, stdout=terminal, env=environment)
    os.close(terminal)
    shown = b""
    while True:
        try:
            shown += (more := os.read(master, 65536))
        except OSError:  # Linux's way to say that the other end is closed
            break
        if not more:
            break
    assert process.wait() == 0
    os.close(master)
    text = shown.decode()
    assert "denoise, colorize" in text
    assert "12.35" in text
    assert "[red]" in text
    assert "\x1b[31m.jpg" not in text
    assert "the first 200 rows; --csv, --json or --parquet give all" in text


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["SELEC 1"], "syntax error"),
        (["SELECT nothing FROM photos"], 'column "nothing" not found'),
        (["SELECT source::INTEGER FROM photos"], "Could not convert"),
        (["DROP VIEW photos"], "only SELECT is allowed, not DROP"),
        (["COPY photos TO 'x.csv'"], "only SELECT is allowed, not COPY"),
        (["SELECT * FROM read_csv('/etc/passwd')"], "Permission Error"),
        (["SELECT 1; SELECT 2"], "one statement at a time"),
        (["; --nothing"], "one statement at a time"),
        ([" "], "the query is empty"),
        (["most-chnged"], "there is no query 'most-chnged'; there are totals, failures"),
        (["totals", "--csv", "--json"], "not allowed with"),
        (["totals", "--price-per-hour", "1"], "--price-per-hour is for the queries cost and runs"),
        (["cost", "--price-per-hour", "-1"], "--price-per-hour must be 0 or more"),
        (["cost", "--price-per-hour", "nan"], "--price-per-hour must be 0 or more"),
    ],
)
def test_bad_arguments_are_one_line(archive: Path, capsys, words, complaint) -> None:
    assert main(["query", str(archive), *words]) == 2
    captured = capsys.readouterr()
    assert complaint in captured.err
    assert captured.err.count("\n") == 1


def test_no_manifest(tmp_path: Path, capsys) -> None:
    assert main(["query", str(tmp_path), "totals"]) == 2
    assert "holds no manifest" in capsys.readouterr().err
