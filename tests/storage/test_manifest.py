"""The manifest: round trip, schema, index and damage."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import random
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import LocalDestination, NotFound, UnsafePath
from storage.ahead import THREADS
from storage.manifest import (
    COLUMNS,
    SCHEMA,
    DamagedManifest,
    ManifestIndex,
    ManifestRow,
    Status,
    WorkItem,
    decode_rows,
    encode_rows,
    part_path,
    part_paths,
    read_manifest,
    read_worklist,
    rows_of,
    write_worklist,
)
from storage.manifest.parts import read_parts

RUNS = ["20261120T080000Z-ff0000", "20261121T080000Z-aa0000", "20261122T023355Z-ab12cd"]

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
INT64 = st.integers(-(2**63), 2**63 - 1)
VALUES = {
    "string": TEXT,
    "int64": INT64,
    "double": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "list<item: string>": st.lists(TEXT, max_size=3).map(tuple),
    "timestamp[us, tz=UTC]": st.datetimes(timezones=st.just(UTC)),
}


def column_values(column) -> st.SearchStrategy:
    if column.enumeration is not None:
        chosen = st.sampled_from(column.enumeration)
        return st.one_of(st.none(), chosen) if column.nullable else chosen
    if column.name == "model_sha256":
        return st.just(())
    plain = st.just(()) if column.name == "models" else VALUES[str(column.arrow_type)]
    return st.one_of(st.none(), plain) if column.nullable else plain


ROWS = st.builds(
    ManifestRow, **{column.name: column_values(column) for column in COLUMNS if column.is_input}
)


def row(source: str, **values) -> ManifestRow:
    basis = {
        "source_size": len(source),
        "source_mtime_ns": 5,
        "time": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return ManifestRow(source=source, **{**basis, **values})


@pytest.fixture
def out(tmp_path: Path) -> LocalDestination:
    return LocalDestination(tmp_path / "out")


def write(out: LocalDestination, run: str, batch: int, rows: list[ManifestRow]) -> str:
    path = part_path(run, batch)
    out.put(path, encode_rows(rows))
    return path


class TestRows:
    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(rows=st.lists(ROWS, max_size=4))
    def test_round_trip(self, rows):
        assert decode_rows(io.BytesIO(encode_rows(rows))) == rows

    def test_a_failed_row_is_short_to_build(self):
        made = ManifestRow(source="a", source_size=1, source_mtime_ns=1_999_999_999)
        assert made.status is Status.FAILED
        assert made.source_mtime == datetime(1970, 1, 1, 0, 0, 1, 999_999, tzinfo=UTC)
        assert made.time.tzinfo is UTC
        moved = dataclasses.replace(made, source_mtime_ns=-1)
        assert moved.source_mtime == datetime(1970, 1, 1, tzinfo=UTC) - timedelta(microseconds=1)

    def test_inconsistent_rows_are_refused(self):
        with pytest.raises(ValueError, match="time zone"):
            row("a", time=datetime(2026, 1, 1))
        with pytest.raises(ValueError, match="same length"):
            row("a", models=("denoise",))

    def test_text_that_is_not_unicode_does_not_cost_the_batch(self):
        bad = row("a", error_message="caf\udce9", plan_reasons=("\udce9", "ok"))
        [back, other] = decode_rows(io.BytesIO(encode_rows([bad, row("b", error_message="ü")])))
        assert back.error_message == "caf\\udce9"
        assert back.plan_reasons == ("\\udce9", "ok")
        assert other.error_message == "ü"

    def test_every_column_is_described(self):
        assert SCHEMA.metadata == {b"restore_archive.schema_version": b"2"}
        for field in SCHEMA:
            assert field.metadata[b"description"], field.name
            assert b"unit" in field.metadata
        assert SCHEMA.names == [field.name for field in dataclasses.fields(ManifestRow)]
        written = pq.read_schema(io.BytesIO(encode_rows([])))
        assert written.equals(SCHEMA)
        assert written.metadata == SCHEMA.metadata
        for field in SCHEMA:
            assert written.field(field.name).metadata[b"unit"] == field.metadata[b"unit"]


class TestParts:
    def test_paths(self):
        assert part_path(RUNS[0], 123) == f"manifest/{RUNS[0]}/part-000123.parquet"
        for bad in ("", "..", "a/b", ".hidden", "a b"):
            with pytest.raises(UnsafePath):
                part_path(bad, 0)
        for batch in (-1, 1_000_000):
            with pytest.raises(ValueError, match="out of range"):
                part_path(RUNS[0], batch)

    def test_read_manifest_in_the_order_of_the_parts(self, out):
        assert read_manifest(out).num_rows == 0
        write(out, RUNS[1], 0, [row("c")])
        write(out, RUNS[0], 1, [row("b")])
        write(out, RUNS[0], 0, [row("a"), row("z")])
        (out.root / "manifest/notes.txt").write_text("not a part")
        table = read_manifest(out)
        assert table.schema.equals(SCHEMA, check_metadata=True)
        assert table.column("source").to_pylist() == ["a", "z", "b", "c"]
        assert rows_of(table) == [row("a"), row("z"), row("b"), row("c")]
        few = read_manifest(out, ["status", "source"])
        assert few.column_names == ["status", "source"]
        with pytest.raises(KeyError):
            read_manifest(out, ["no_such_column"])

    def test_other_tools_read_the_folder(self, out):
        write(out, RUNS[0], 0, [row("a", plan=("denoise",), noise_sigma=None)])
        write(out, RUNS[1], 0, [row("b", noise_sigma=2.5)])
        (out.root / "manifest" / f".restore-archive-{'0' * 32}.part").write_bytes(b"half")
        table = ds.dataset(out.root / "manifest", format="parquet").to_table()
        assert sorted(rows_of(table), key=lambda r: r.source) == [
            row("a", plan=("denoise",)),
            row("b", noise_sigma=2.5),
        ]
        filtered = ds.dataset(out.root / "manifest").to_table(filter=ds.field("noise_sigma") > 1)
        assert filtered.column("source").to_pylist() == ["b"]

    def test_a_part_of_an_earlier_version(self, out):
        table = pa.table({"source": ["a"], "source_size": [1], "source_mtime_ns": [5_000],
                          "status": ["restored"], "time": pa.array([0], pa.timestamp("us", "UTC")),
                          "source_mtime": pa.array([5], pa.timestamp("us", "UTC")),
                          "a_column_of_the_future": [1]})  # fmt: skip
        sink = io.BytesIO()
        pq.write_table(table, sink)
        out.put(part_path(RUNS[0], 0), sink.getvalue())
        [back] = rows_of(read_manifest(out))
        assert (back.status, back.plan, back.error_is_permanent) == (Status.RESTORED, (), False)
        assert ManifestIndex.load(out).row("a") == back


class TestWorklist:
    def test_round_trip(self, out):
        items = [
            WorkItem("a/é.jpg", 10, 2**62, "file", "", 12.5, "ab" * 32),
            WorkItem("l", 0, 0, "symlink", "symbolic link, not followed", 0.0, ""),
        ]
        path = write_worklist(out, RUNS[0], 7, items)
        assert path == f".restore-archive/worklists/{RUNS[0]}/batch-000007.parquet"
        assert read_worklist(out, path) == items
        assert read_worklist(out, write_worklist(out, RUNS[0], 8, [])) == []
        with pytest.raises(NotFound):
            read_worklist(out, path.replace("7", "9"))
        out.put(path, b"PAR1 is not enough")
        with pytest.raises(DamagedManifest, match="batch-000007"):
            read_worklist(out, path)


class TestIndex:
    def test_empty(self, out):
        index = ManifestIndex.load(out)
        assert len(list(index)) == 0
        assert index.lookup(["a"]) == [None]
        assert index.lookup([]) == []
        assert index.row("a") is None

    def test_the_latest_row_counts(self, out):
        write(out, RUNS[2], 0, [row("b", recipe_id="third")])
        write(out, RUNS[0], 0, [row("a", recipe_id="first"), row("b", recipe_id="first")])
        write(out, RUNS[1], 1, [row("a", recipe_id="later part", status=Status.RESTORED)])
        write(out, RUNS[1], 0, [row("a", recipe_id="earlier part"), row("c"), row("c", width=3)])
        write(out, RUNS[2], 5, [])
        index = ManifestIndex.load(out)
        assert len(list(index)) == 3
        a, none, b, again = index.lookup(["a", "missing", "b", "a"])
        assert none is None
        assert again == a
        assert (a.recipe_id, a.status) == ("later part", Status.RESTORED)
        assert b.recipe_id == "third"
        assert index.row("c").width == 3
        assert index.row("b").recipe_id == "third"
        assert index.row("bb") is None
        assert index.row("zz") is None

    def test_all_fields_come_back(self, out):
        full = row(
            "é/1.jpg",
            source_sha256="ab" * 32,
            recipe_id="r1",
            status=Status.SKIPPED,
            error_class="UnsupportedPhoto",
            error_message="16 bits",
            error_is_permanent=True,
            restored_path="restored/é/1.jpg",
            restored_size=7,
            colorized_path="colorized/é/1.jpg",
            colorized_size=8,
        )
        write(out, RUNS[0], 0, [full])
        index = ManifestIndex.load(out)
        [known] = index.lookup(["é/1.jpg"])
        for field in dataclasses.fields(known):
            assert getattr(known, field.name) == getattr(full, field.name), field.name
        assert index.row("é/1.jpg") == full

    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_against_a_dictionary(self, out, seed):
        chance = random.Random(seed)
        names = [f"{chance.choice('abé/𝄞'.replace('/', ''))}{n % 97}" for n in range(400)]
        expected: dict[str, int] = {}
        for number, run in enumerate(RUNS):
            for batch in range(4):
                chosen = chance.sample(names, 40)
                width = number * 10 + batch
                write(out, run, batch, [row(name, restored_size=width) for name in chosen])
                expected.update(dict.fromkeys(chosen, width))
        index = ManifestIndex.load(out)
        assert len(list(index)) == len(expected)
        asked = [*names, "nothing", ""]
        chance.shuffle(asked)
        for start in range(0, len(asked), 50):
            chunk = asked[start : start + 50]
            sizes = [known and known.restored_size for known in index.lookup(chunk)]
            assert sizes == [expected.get(name) for name in chunk]
        for name in names[:5]:
            found = index.row(name)
            assert (found and found.restored_size) == expected.get(name)

    def test_parts_are_read_ahead_in_order_and_not_without_bound(self, out):
        class Store(LocalDestination):
            """Its first reads wait for each other: one after another they would never end."""

            together = threading.Barrier(THREADS)
            opened: Final[list[str]] = []

            def open(self, path):
                self.opened.append(path)
                if len(self.opened) <= THREADS:
                    self.together.wait(timeout=60)
                return super().open(path)

        for batch in range(3 * THREADS):
            write(out, RUNS[0], batch, [row("a", restored_size=batch)])
        store = Store(out.root)
        parts = read_parts(store, part_paths(store), pa.schema([SCHEMA.field("restored_size")]))
        sizes = []
        for number, (path, table) in enumerate(parts):
            assert path == part_path(RUNS[0], number)
            assert len(store.opened) <= number + THREADS
            sizes.append(table.column("restored_size")[0].as_py())
        assert sizes == list(range(3 * THREADS))
        assert ManifestIndex.load(store).lookup(["a"])[0].restored_size == sizes[-1]

    def test_a_damaged_part_is_named_with_what_to_do(self, out):
        path = write(out, RUNS[0], 0, [row("a"), row("b")])
        good = (out.root / path).read_bytes()
        middle = len(good) // 2
        for bad in (b"", good[:-9], good[middle:], b"\0" * len(good)):
            out.put(path, bad)
            for load in (ManifestIndex.load, read_manifest):
                with pytest.raises(DamagedManifest, match=f"{path} cannot be read.*move it out"):
                    load(out)
        assert list(part_paths(out)) == [path]
        out.delete(path)
        assert len(list(ManifestIndex.load(out))) == 0

    def test_a_part_on_a_bad_disk_is_damaged(self, out):
        class BadDisk(io.BytesIO):
            def read(self, size=-1, /):
                raise OSError(5, "Input/output error")

        class Store(LocalDestination):
            def open(self, path):
                return BadDisk()

        path = write(out, RUNS[0], 0, [row("a")])
        with pytest.raises(DamagedManifest, match=f"{path} cannot be read.*output error"):
            ManifestIndex.load(Store(out.root))

    def test_a_foreign_table_is_a_damaged_part(self, out):
        sink = io.BytesIO()
        pq.write_table(pa.table({"other": [1]}), sink)
        out.put(part_path(RUNS[0], 0), sink.getvalue())
        with pytest.raises(DamagedManifest, match="no column source"):
            ManifestIndex.load(out)

    def test_a_changed_byte_is_noticed_or_harmless(self):
        rows = [row("a" * 40), row("b" * 40, error_message="m" * 40)]
        good = encode_rows(rows)
        chance = random.Random(7)
        for _ in range(150):
            bad = bytearray(good)
            bad[chance.randrange(4, len(bad) * 3 // 5)] ^= 1 << chance.randrange(8)
            with contextlib.suppress(DamagedManifest):
                assert decode_rows(io.BytesIO(bytes(bad))) == rows
