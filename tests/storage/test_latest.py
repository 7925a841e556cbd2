"""`latest.parquet`: one row per photo, however often it is brought up to date."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage import LocalDestination
from storage.base import DestinationStore
from storage.manifest import (
    COLUMNS,
    LATEST_PATH,
    SCHEMA,
    DamagedManifest,
    ManifestRow,
    Status,
    encode_rows,
    open_latest,
    part_path,
    rows_of,
    write_latest,
)
from storage.manifest import latest as latest_module
from storage.manifest.columns import table_of
from storage.manifest.parts import encode_table

RUNS = [f"2026010{day}T000000Z-000000" for day in range(1, 7)]


@pytest.fixture
def out(tmp_path: Path) -> LocalDestination:
    return LocalDestination(tmp_path / "out")


def row(source: str, run: str = "", **values) -> ManifestRow:
    return ManifestRow(source=source, source_size=1, source_mtime_ns=0, run_id=run, **values)


def write(out: DestinationStore, run: str, batch: int, rows: list[ManifestRow]) -> str:
    path = part_path(run, batch)
    out.put(path, encode_rows(rows))
    return path


def stored(out: DestinationStore) -> pq.ParquetFile:
    with out.open(LATEST_PATH) as file:
        return pq.ParquetFile(pa.BufferReader(file.read()))


def opened(out: DestinationStore) -> list[ManifestRow]:
    with open_latest(out) as file:
        return rows_of(pq.read_table(file))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("merged_rows", [0, 20, 10**6])
def test_against_a_dictionary(
    out: LocalDestination, monkeypatch: pytest.MonkeyPatch, seed: int, merged_rows: int
) -> None:
    monkeypatch.setattr(latest_module, "GROUP_ROWS", 7)
    monkeypatch.setattr(latest_module, "HELD_ROWS", 15)
    monkeypatch.setattr(latest_module, "MERGED_ROWS", merged_rows)
    chance = random.Random(seed)
    names = sorted({f"{chance.choice('aé𝄞')}{number % 83:02d}" for number in range(300)})
    expected: dict[str, ManifestRow] = {}
    for run in RUNS[:4]:
        for batch in range(3):
            chosen = chance.sample(names, chance.randrange(12))
            part = {name: row(name, run, plan=("denoise",), width=batch) for name in chosen}
            write(out, run, batch, list(part.values()))
            expected |= part
        before = opened(out)
        assert before == [expected[name] for name in sorted(expected)]
        if chance.random() < 0.7:
            assert write_latest(out)
            assert not write_latest(out), "it is up to date"
            assert opened(out) == before
    write_latest(out)
    file = stored(out)
    assert file.schema_arrow.equals(SCHEMA)
    groups = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    assert groups == [7] * (len(expected) // 7) + [len(expected) % 7] * (len(expected) % 7 > 0)


def test_in_every_store(destination: DestinationStore) -> None:
    assert not write_latest(destination)
    assert opened(destination) == []
    write(destination, RUNS[0], 0, [row("b"), row("a")])
    assert write_latest(destination)
    write(destination, RUNS[1], 0, [row("b", status=Status.RESTORED)])
    found = {each.source: each.status for each in opened(destination)}
    assert found == {"a": Status.FAILED, "b": Status.RESTORED}
    assert stored(destination).metadata.num_rows == 2


def test_opening_changes_nothing(out: LocalDestination) -> None:
    write(out, RUNS[0], 0, [row("a")])
    assert [each.source for each in opened(out)] == ["a"]
    assert [entry.path for entry in out.list("")] == [part_path(RUNS[0], 0)]


def test_an_older_version_lacks_columns_and_gets_their_defaults(out: LocalDestination) -> None:
    columns = [column.name for column in COLUMNS if column.name not in ("needs_review", "faces")]
    old = table_of(SCHEMA, [row("a"), row("c")]).select(columns)
    out.put(part_path(RUNS[0], 0), encode_table(old))
    assert write_latest(out)
    table = stored(out).read()
    assert table.column("needs_review").to_pylist() == [False, False]
    assert table.column("faces").to_pylist() == [None, None]


def test_one_of_other_columns_is_made_anew(out: LocalDestination) -> None:
    write(out, RUNS[0], 0, [row("a")])
    write_latest(out)
    file = stored(out)
    table = file.read().drop_columns(["faces"])
    out.put(LATEST_PATH, encode_table(table.replace_schema_metadata(file.metadata.metadata)))
    assert [each.source for each in opened(out)] == ["a"]
    assert write_latest(out)
    assert stored(out).schema_arrow.names == SCHEMA.names


@pytest.mark.parametrize("change", ["removed", "replaced", "put before"])
def test_a_manifest_that_was_changed_by_hand_is_read_anew(
    out: LocalDestination, change: str
) -> None:
    write(out, RUNS[1], 0, [row("a", width=1), row("b")])
    last = write(out, RUNS[2], 0, [row("a", width=2)])
    assert write_latest(out)
    if change == "removed":
        out.delete(last)
        expected = {"a": 1, "b": None}
    elif change == "replaced":
        write(out, RUNS[2], 0, [row("a", width=5), row("a long name")])
        expected = {"a": 5, "a long name": None, "b": None}
    else:
        write(out, RUNS[0], 0, [row("c", width=9)])
        expected = {"a": 2, "b": None, "c": 9}
    assert {each.source: each.width for each in opened(out)} == expected
    assert write_latest(out)
    assert {each.source: each.width for each in opened(out)} == expected


def test_a_damaged_one_is_made_anew(out: LocalDestination) -> None:
    write(out, RUNS[0], 0, [row(f"photo {number}") for number in range(40)])
    assert write_latest(out)
    with out.open(LATEST_PATH) as file:
        good = file.read()
    flipped = bytearray(good)
    flipped[len(good) // 20] ^= 0xFF
    write(out, RUNS[1], 0, [row("new")])
    for bad in (b"", b"PAR1", good[:-1], bytes(len(good)), bytes(flipped)):
        out.put(LATEST_PATH, bad)
        assert len(opened(out)) == 41
        assert write_latest(out)
        assert stored(out).metadata.num_rows == 41


def test_a_damaged_part_is_told(out: LocalDestination) -> None:
    path = write(out, RUNS[0], 0, [row("a")])
    out.put(path, b"nothing")
    with pytest.raises(DamagedManifest, match=path):
        write_latest(out)
    with pytest.raises(DamagedManifest, match=path):
        open_latest(out)
