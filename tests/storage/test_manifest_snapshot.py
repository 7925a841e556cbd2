"""The index with most of its rows in a file of its own."""

from __future__ import annotations

import io
import random
from contextlib import closing
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from storage import LocalDestination
from storage.manifest import (
    DamagedManifest,
    Decision,
    ManifestIndex,
    ManifestRow,
    encode_rows,
    part_path,
    reviewed,
    write_latest,
)
from storage.manifest import snapshot as snapshots
from storage.manifest.snapshot import SNAPSHOT_PATH

RUNS = [f"2026010{day}T000000Z-000000" for day in range(1, 7)]


@pytest.fixture
def out(tmp_path) -> LocalDestination:
    return LocalDestination(tmp_path / "out")


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "GROUP_ROWS", 7)


def write(out: LocalDestination, run: str, batch: int, widths: dict[str, int]) -> str:
    rows = [
        ManifestRow(source=name, source_size=1, source_mtime_ns=0, width=width, restored_size=width)
        for name, width in widths.items()
    ]
    path = part_path(run, batch)
    out.put(path, encode_rows(rows))
    return path


def saved(out: LocalDestination, held_rows: int = 10**6, new_parts: int = 1) -> bool:
    with closing(ManifestIndex.load(out, held_rows)) as index:
        return index.save(new_parts)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("held_rows", [10, 10**6])
def test_against_a_dictionary(out: LocalDestination, seed: int, held_rows: int) -> None:
    chance = random.Random(seed)
    names = [f"{chance.choice('aé𝄞')}{number % 83:02d}" for number in range(300)]
    expected: dict[str, int] = {}
    for number, run in enumerate(RUNS):
        for batch in range(3):
            part = dict.fromkeys(chance.sample(sorted(set(names)), 12), number * 10 + batch)
            write(out, run, batch, part)
            expected |= part
        if chance.random() < 0.6:
            assert saved(out, held_rows)
    with closing(ManifestIndex.load(out, held_rows)) as index:
        rows = list(index)
        assert [name for name, _ in rows] == sorted(expected)
        assert {name: known.restored_size for name, known in rows} == expected
        asked = [*names, "", "nothing", "𝄞𝄞"]
        chance.shuffle(asked)
        found = index.lookup(asked)
        assert [known and known.restored_size for known in found] == [
            expected.get(name) for name in asked
        ]
        for name in asked[:9]:
            row = index.row(name)
            assert (row and row.width) == expected.get(name)


def test_rows_come_from_the_snapshot_and_its_parts_are_not_read(out: LocalDestination) -> None:
    path = write(out, RUNS[0], 0, {"a": 1, "b": 2})
    assert saved(out)
    assert not saved(out), "there is nothing new"
    size = out.size(path)
    assert size is not None
    out.put(path, bytes(size))  # as many bytes, of no use
    write(out, RUNS[1], 0, {"b": 3, "c": 4})
    with closing(ManifestIndex.load(out)) as index:
        assert {name: known.restored_size for name, known in index} == {"a": 1, "b": 3, "c": 4}
    with closing(ManifestIndex.load(out)) as index, pytest.raises(DamagedManifest):
        index.row("a")


def test_nothing_is_written_for_a_few_parts(out: LocalDestination) -> None:
    with closing(ManifestIndex.load(out)) as index:
        assert not index.save(new_parts=0)
    write(out, RUNS[0], 0, {"a": 1})
    with closing(ManifestIndex.load(out)) as index:
        assert not index.save()
    assert out.size(SNAPSHOT_PATH) is None


def test_parts_count_as_new_until_they_are_in_the_stored_snapshot(out: LocalDestination) -> None:
    for number in range(5):  # each is more than what is held, so all but one go to a file
        write(out, RUNS[0], number, {f"{number} {photo}": 1 for photo in range(10)})
    assert not saved(out, held_rows=10, new_parts=6)
    assert saved(out, held_rows=10, new_parts=5)
    assert not saved(out)
    for number in range(3):
        write(out, RUNS[1], number, {f"{number} {photo}": 2 for photo in range(10)})
    assert not saved(out, held_rows=10, new_parts=4)
    assert saved(out, held_rows=10, new_parts=3)


def stored(out: LocalDestination) -> pq.ParquetFile:
    with out.open(SNAPSHOT_PATH) as file:
        return pq.ParquetFile(io.BytesIO(file.read()))


def test_groups_stay_full_and_hold_no_values_of_others(out: LocalDestination) -> None:
    chance = random.Random(5)
    names = [f"photo {number:03d}" for number in range(200)]
    chance.shuffle(names)
    for number in range(20):
        rows = [
            ManifestRow(source=name, source_size=1, source_mtime_ns=0, error_message=f"no {name}")
            for name in names[number * 10 : number * 10 + 10]
        ]
        out.put(part_path(RUNS[0], number), encode_rows(rows))
        assert saved(out)
    file = stored(out)
    groups = [file.read_row_group(number) for number in range(file.num_row_groups)]
    assert [group.num_rows for group in groups] == [7] * 28 + [4]
    for group in groups:
        (messages,) = group.column("error_message").chunks
        assert sorted(messages.dictionary.to_pylist()) == sorted(
            f"no {name}" for name in group.column("source").to_pylist()
        )


@pytest.mark.parametrize("without", ["_row", "source_etag", "source"])
def test_a_snapshot_of_other_columns_counts_for_nothing(
    out: LocalDestination, without: str
) -> None:
    write(out, RUNS[0], 0, {"a": 1, "b": 2})
    assert saved(out)
    table = stored(out).read()
    buffer = io.BytesIO()
    pq.write_table(table.drop_columns([without]), buffer)
    out.put(SNAPSHOT_PATH, buffer.getvalue())
    with closing(ManifestIndex.load(out)) as index:
        assert {name: known.restored_size for name, known in index} == {"a": 1, "b": 2}
        assert index.lookup(["b", "c"])[1] is None
        assert index.save(new_parts=1), "it is made anew"


@pytest.mark.parametrize("change", ["removed", "replaced", "put before"])
def test_a_manifest_that_was_changed_by_hand_is_read_anew(
    out: LocalDestination, change: str
) -> None:
    write(out, RUNS[1], 0, {"a": 1, "b": 2})
    last = write(out, RUNS[2], 0, {"a": 3})
    assert saved(out)
    if change == "removed":
        out.delete(last)
        expected = {"a": 1, "b": 2}
    elif change == "replaced":
        write(out, RUNS[2], 0, {"a": 5, "a long name": 6})
        expected = {"a": 5, "a long name": 6, "b": 2}
    else:
        write(out, RUNS[0], 0, {"a": 7, "b": 8, "c": 9})
        expected = {"a": 3, "b": 2, "c": 9}
    with closing(ManifestIndex.load(out)) as index:
        assert {name: known.restored_size for name, known in index} == expected


def test_a_damaged_snapshot_is_made_anew_or_told(out: LocalDestination) -> None:
    widths = {f"photo {number}": number for number in range(40)}
    write(out, RUNS[0], 0, widths)
    assert saved(out)
    with out.open(SNAPSHOT_PATH) as file:
        good = file.read()
    for bad in (b"", b"PAR1", good[: len(good) // 2], good[:-1], bytes(len(good))):
        out.put(SNAPSHOT_PATH, bad)
        with closing(ManifestIndex.load(out)) as index:
            assert {name: known.restored_size for name, known in index} == widths
    bad = bytearray(good)
    bad[len(good) // 4] ^= 0xFF
    out.put(SNAPSHOT_PATH, bytes(bad))
    told = pytest.raises(DamagedManifest, match="delete it and start again")
    with closing(ManifestIndex.load(out)) as index, told:
        list(index)
    out.delete(SNAPSHOT_PATH)
    assert saved(out)
    with out.open(SNAPSHOT_PATH) as file:
        assert file.read() == good


def test_a_snapshot_of_an_older_version_is_noticed_and_made_anew(out: LocalDestination) -> None:
    """It lacks the columns of reviews: a rejected photo would seem to be one of no consequence."""
    row = ManifestRow(
        source="a",
        source_size=1,
        source_mtime_ns=0,
        settings="{}",
        review_decision=Decision.REJECTED,
    )
    out.put(part_path(RUNS[0], 0), encode_rows([row]))
    assert saved(out)
    with out.open(SNAPSHOT_PATH) as file:
        table = pq.read_table(file)
    lacking = table.drop_columns(["settings", "review_decision"])
    with out.open(SNAPSHOT_PATH) as file:
        described = pq.read_metadata(file).metadata[snapshots._KEY]
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, lacking.schema) as writer:
        writer.write_table(lacking)
        writer.add_key_value_metadata({snapshots._KEY: described})
    out.put(SNAPSHOT_PATH, sink.getvalue())
    with closing(ManifestIndex.load(out)) as index:
        [known] = index.lookup(["a"])
        assert known is not None
        assert (known.settings, known.review_decision) == ("{}", Decision.REJECTED)
    assert saved(out), "made anew"
    assert not saved(out)


def test_full_rows_read_each_part_once(
    out: LocalDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(out, RUNS[0], 0, {"a": 1, "b": 2, "c": 3})
    write(out, RUNS[0], 1, {"d": 4})
    assert saved(out)
    write(out, RUNS[1], 0, {"b": 5})
    with closing(ManifestIndex.load(out)) as index:
        opened: list[str] = []
        real = LocalDestination.open

        def spy(self: LocalDestination, path: str) -> object:
            opened.append(path)
            return real(self, path)

        monkeypatch.setattr(LocalDestination, "open", spy)
        rows = index.full_rows(["c", "nowhere", "b", "a"])
        assert {name: row.width for name, row in rows.items()} == {"a": 1, "b": 5, "c": 3}
        assert sorted(opened) == [part_path(RUNS[0], 0), part_path(RUNS[1], 0)]


def test_what_is_to_be_reviewed_is_in_the_latest_rows_alone(out: LocalDestination) -> None:
    def put(run: str, batch: int, **columns: object) -> None:
        row = ManifestRow(source="a", source_size=1, source_mtime_ns=0)
        rows = [replace(row, source=name, **values) for name, values in columns.items()]
        out.put(part_path(run, batch), encode_rows(rows))

    flagged = {"needs_review": True, "review_reasons": ("why", "else")}
    put(RUNS[0], 0, a=flagged, b=flagged, c={}, d={"settings": "{}"})
    assert write_latest(out)
    put(RUNS[1], 0, b={}, e={"review_decision": Decision.REDO, "review_note": "n"})
    found = {row.source: row for row in reviewed(out)}
    assert list(found) == ["a", "d", "e"]
    assert found["a"].review_reasons == ("why", "else")
    assert (found["e"].review_decision, found["e"].review_note) == (Decision.REDO, "n")
