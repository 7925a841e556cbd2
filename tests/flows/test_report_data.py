"""The data files of a report: what the page gets is what the manifest says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.report import aggregates, rows
from flows.report.scripts import script
from flows.report.summary import PlanCount, Summary
from restoration.errors import UsageError
from storage import DestinationBusy, LocalDestination, StorageError
from storage.manifest import (
    COLUMNS,
    LATEST_PATH,
    DamagedManifest,
    ManifestRow,
    RunRecord,
    Status,
    write_latest,
    write_run,
)
from tests.flows.reports import REASONS, REVIEW_RUN, append, called, data, latest_rows, report

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip
HOSTILE = [
    "</script><script>alert(1)</script>.jpg",
    "\"');alert(1)//.jpg",
    "<img src=x onerror=alert(1)>.jpg",
    "new\nline\r\u2028\u2029\x00tab\t.jpg",
    "__proto__/constructor.jpg",
    "long" * 1000 + ".jpg",
    "&lt;\\u003c${x}`.jpg",
]


@given(JSON)
def test_what_a_script_says_is_what_it_was_given(value: object) -> None:
    made = script("rows", 7, value)
    assert called(made) == ("rows", [7, value])
    assert not set(made[len(b"restoreArchive.rows(7,") :]) & set(b"<>&\n\r"[:3])
    assert all(32 <= byte < 127 for byte in made[:-1])


def test_numbers_that_json_has_not_are_refused() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        script("rows", float("nan"))
    with pytest.raises(TypeError, match="no place in a report"):
        script("rows", object())


def test_rows_and_details_are_the_manifests(reported: Path) -> None:
    written = report(reported)
    folder = reported / "restored" / "report"
    expected = latest_rows(reported / "restored")
    table, details = data(folder, "rows-00000"), data(folder, "details-00000")
    assert table["report"] == details["report"] == written.summary.report
    assert table["first"] == details["first"] == 0
    names = {column.name for column in COLUMNS}
    assert set(table["columns"]) == {*rows.ROW_COLUMNS, "degradations", "thumbnail"}
    assert set(details["columns"]) == names - set(rows.ROW_COLUMNS)
    assert table["columns"]["source"] == sorted(expected)
    for name, values in {**table["columns"], **details["columns"]}.items():
        if name not in ("degradations", "thumbnail"):
            wanted = [as_data(name, getattr(expected[source], name)) for source in sorted(expected)]
            assert values == wanted, name

    counted = Counter("+".join(table["columns"]["degradations"]).split("+"))
    assert counted == {
        each.name: each.photos for each in written.summary.figures.degradations if each.photos
    }


def as_data(name: str, value: object) -> object:
    if name == "plan":
        return "+".join(value)
    if name == "source_mtime_ns":
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, tuple):
        return list(value)
    return pytest.approx(value, abs=1e-4) if isinstance(value, float) else value


def test_chunks_follow_each_other_and_old_ones_go(
    reported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "CHUNK_ROWS", 4)
    monkeypatch.setattr(rows, "DETAIL_ROWS", 2)
    report(reported)
    folder = reported / "restored" / "report"
    assert [data(folder, f"rows-0000{n}")["first"] for n in range(2)] == [0, 4]
    sizes = [len(data(folder, f"details-0000{n}")["columns"]["mode"]) for n in range(3)]
    assert sizes == [2, 2, 2]
    second = data(folder, "pictures-00001")["pictures"]
    assert set(second) <= {"4", "5"}
    (folder / "data" / "notes.txt").write_text("mine")
    monkeypatch.undo()
    report(reported)
    assert {path.name for path in (folder / "data").iterdir()} == {
        "columns.js", "details-00000.js", "notes.txt", "pictures-00000.js", "review.js",
        "rows-00000.js", "summary.js",
    }  # fmt: skip


def test_the_gallery_is_of_those_that_need_review(reported: Path) -> None:
    written = report(reported)
    folder = reported / "restored" / "report"
    review = data(folder, "review")
    sources = data(folder, "rows-00000")["columns"]["source"]
    assert review["report"] == written.summary.report
    assert [sources[row] for row in review["rows"]] == list(REASONS)
    assert [card["source"] for card in review["cards"]] == list(REASONS)
    first = review["cards"][0]
    row = latest_rows(reported / "restored")["a/Gräy noisy.JPG"]
    assert first["row"] == review["rows"][0]
    assert (first["run_id"], first["restored_sha256"]) == (REVIEW_RUN, row.restored_sha256)
    assert first["reasons"] == list(row.review_reasons)
    assert first["plan"] == "denoise+colorize"
    for kind in ("before", "after", "colorized"):
        assert (folder / first[f"thumbnail_{kind}"]).is_file()
    assert [each.reason for each in written.summary.figures.reasons] == [
        "low confidence in the noise",
        "the change is strong (PSNR … dB)",
    ]


def test_the_summary_counts(reported: Path) -> None:
    written = report(reported)
    summary = data(reported / "restored" / "report", "summary")
    totals = summary["totals"]
    assert totals.items() >= {
        "photos": 6, "restored": 3, "nothing_to_do": 1, "skipped": 1, "failed": 1,
        "withdrawn": 0, "colorized": 2, "needs_review": 3, "accepted": 0,
    }.items()  # fmt: skip
    expected = latest_rows(reported / "restored").values()
    assert totals["bytes"] == sum(row.source_size for row in expected)
    measured = [row for row in expected if row.noise_sigma is not None]
    for histogram in ("noise_sigma", "blur_sigma"):
        counts = summary["histograms"][histogram]
        assert sum(counts["before"]) == sum(counts["after"]) == len(measured)
        assert len(counts["edges"]) == len(counts["before"]) + 1
    [failure] = summary["failures"]
    assert failure["error_class"] == "DecodeError"
    assert failure["example_source"] == "broken.jpg"
    assert "damaged" in failure["example_message"]
    folders = {each["folder"]: each["photos"] for each in summary["folders"]}
    assert folders == {"": 3, "a": 2, "a/b": 1}
    assert {each["name"]: each["photos"] for each in summary["degradations"]} == {
        "noise": 2, "blur": 0, "monochrome": 2, "none": 1, "not measured": 2,
    }  # fmt: skip
    assert PlanCount("denoise+colorize", 1) in written.summary.figures.plans
    assert [run["run_id"] for run in summary["runs"]][-1] == REVIEW_RUN
    assert {model["name"] for model in summary["models"]} == {
        name for row in expected for name in row.models
    }
    assert summary["serve"] is None
    assert set(summary) == set(written.summary.as_data())


def row(source: str, **values: object) -> ManifestRow:
    return ManifestRow(source=source, source_size=1, source_mtime_ns=0, **values)


def reported_rows(tmp_path: Path, made: list[ManifestRow]) -> tuple[Path, Summary]:
    append(tmp_path / "restored", made)
    written = report(tmp_path, source=False)
    return tmp_path / "restored" / "report", written.summary


def test_hostile_names_come_through_as_data(tmp_path: Path) -> None:
    made = [
        row(name, status=Status.FAILED, error_class=name, error_message=name, camera=name,
            needs_review=True, review_reasons=(name,), review_note=name, run_id=name)
        for name in HOSTILE
    ]  # fmt: skip
    folder, summary = reported_rows(tmp_path, made)
    assert data(folder, "rows-00000")["columns"]["source"] == sorted(HOSTILE)
    assert data(folder, "details-00000")["columns"]["error_message"] == sorted(HOSTILE)
    notes = [card["review_note"] for card in data(folder, "review")["cards"]]
    assert sorted(notes) == sorted(HOSTILE)
    assert {each.error_class for each in summary.figures.failures} == set(HOSTILE)
    assert {each.camera for each in summary.figures.cameras} == set(HOSTILE)
    for path in (folder / "data").iterdir():
        text = path.read_bytes()
        assert not {"<", ">", "&"} & set(text.decode("ascii"))
        assert text.count(b"\n") == 1


def test_figures_without_a_number_are_null(tmp_path: Path) -> None:
    made = [
        row("a.jpg", change_psnr_db=float("inf"), noise_sigma=float("nan"), width=10, height=10),
        row("b.jpg", noise_sigma=1e9, noise_sigma_after=-1.0, blur_sigma=0.123456),
    ]
    folder, summary = reported_rows(tmp_path, made)
    columns = data(folder, "rows-00000")["columns"]
    assert columns["change_psnr_db"] == [None, None]
    assert columns["noise_sigma"] == [None, 1e9]
    assert columns["blur_sigma"] == [None, 0.1235]
    noise = summary.figures.histograms.noise_sigma
    assert (noise.before[-1], sum(noise.before)) == (1, 1)
    assert (noise.after[0], sum(noise.after)) == (1, 1)


def test_the_folders_beyond_the_first_are_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = aggregates._FOLDERS.replace(str(aggregates.FOLDERS + 1), "3")
    monkeypatch.setattr(aggregates, "_FOLDERS", sql.replace(str(aggregates.FOLDERS), "2"))
    names = ["b/1.jpg", "b/2.jpg", "a/1.jpg", "c/1.jpg", "d/1.jpg", "d/e/1.jpg"]
    made = [row(name, noise_sigma=float(at)) for at, name in enumerate(names)]
    _, summary = reported_rows(tmp_path, made)
    found = [(each.folder, each.folders, each.photos) for each in summary.figures.folders]
    assert found == [("b", 1, 2), ("a", 1, 1), (None, 3, 3)]
    assert summary.figures.folders[-1].mean_noise_sigma == 4.0


def test_runs_are_those_that_were_recorded(tmp_path: Path) -> None:
    append(tmp_path / "restored", [row("a.jpg", status=Status.RESTORED)])
    began = datetime(2999, 1, 1, tzinfo=UTC)
    record = RunRecord(
        run_id=REVIEW_RUN, started=began, seconds=20.0, photos=1, restored=1, megapixels=30.0
    )
    write_run(LocalDestination(tmp_path / "restored"), record)
    [run] = report(tmp_path, source=False).summary.figures.runs
    assert (run.kind, run.started, run.megapixels_per_second) == (
        "restore", "2999-01-01T00:00:00Z", 1.5,
    )  # fmt: skip


def test_the_columns_are_explained(reported: Path) -> None:
    report(reported, photos=0)
    explained = data(reported / "restored" / "report", "columns")
    assert [each["name"] for each in explained] == [column.name for column in COLUMNS]
    assert {each["type"] for each in explained} == {
        "string", "int64", "double", "bool", "timestamp", "list of string",
    }  # fmt: skip
    assert all(each["description"] for each in explained)


def test_without_a_manifest_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "restored").mkdir()
    with pytest.raises(UsageError, match="holds no manifest"):
        report(tmp_path, source=False)
    assert list((tmp_path / "restored").iterdir()) == []


def test_two_reports_at_a_time_are_refused(reported: Path) -> None:
    place = LocalDestination(reported / "restored" / "report")
    with place.lock(), pytest.raises(DestinationBusy, match="another"):
        report(reported, photos=0)
    with LocalDestination(reported / "restored").lock():
        report(reported, photos=0)  # a run does not keep a report from being made
    assert (reported / "restored" / "report" / "index.html").is_file()


def test_a_report_that_fails_leaves_no_page(reported: Path) -> None:
    report(reported, photos=0)
    index = reported / "restored" / "report" / "index.html"
    blocked = index.parent / "data" / "details-00000.js"
    blocked.unlink()
    blocked.mkdir()  # where a file has to go
    with pytest.raises(StorageError, match="details-00000"):
        report(reported, photos=0)
    assert not index.exists()


def spoilt_order(latest: Path) -> None:
    metadata = pq.read_metadata(latest).metadata
    table = pq.read_table(latest)
    table = table.take(list(reversed(range(table.num_rows))))
    pq.write_table(table.replace_schema_metadata(metadata), latest)


def spoilt_bytes(latest: Path) -> None:
    data = latest.read_bytes()
    middle = slice(4, pq.read_metadata(latest).row_group(0).total_byte_size // 4)
    latest.write_bytes(data[:4] + bytes(middle.stop - middle.start) + data[middle.stop :])


@pytest.mark.parametrize("spoil", [spoilt_order, spoilt_bytes])
def test_a_spoilt_table_is_told_and_made_again(
    reported: Path, spoil: Callable[[Path], None]
) -> None:
    restored = LocalDestination(reported / "restored")
    assert write_latest(restored)
    spoil(restored.root / LATEST_PATH)
    with pytest.raises(DamagedManifest, match=f"{LATEST_PATH} .*; delete it: it is made again"):
        report(reported, photos=0)
    (restored.root / LATEST_PATH).unlink()
    assert report(reported, photos=0).summary.rows == 6
