"""The ready-made queries, on a manifest of which every answer is known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage import LocalDestination
from storage.manifest import (
    Decision,
    ManifestRow,
    RunRecord,
    Status,
    encode_rows,
    part_path,
    write_run,
)
from storage.manifest.database import ManifestDatabase
from storage.manifest.queries import QUERIES

RUNS = ["20260101T080000Z-000000", "20260102T080000Z-000000"]


def row(source: str, run: str = RUNS[0], **values) -> ManifestRow:
    values = {"time": datetime(2026, 1, 1, 9, tzinfo=UTC), "device": "cuda:0", **values}
    return ManifestRow(source=source, source_size=1, source_mtime_ns=0, run_id=run, **values)


def restored(source: str, noise_after: float, ssim: float, run: str = RUNS[0], **values):
    return row(
        source,
        run,
        status=Status.RESTORED,
        width=2000,
        height=1000,
        plan=("denoise",),
        models=("denoise-48",),
        model_sha256=("aa",),
        noise_sigma=20.0,
        noise_sigma_after=noise_after,
        blur_sigma=0.5,
        blur_sigma_after=0.5,
        change_ssim=ssim,
        change_psnr_db=30.0,
        seconds_decode=1.0 + noise_after / 1e6,
        seconds_restore=3.0 + noise_after / 1e6,
        **values,
    )


ROWS = {
    RUNS[0]: [
        restored("a/1.jpg", 1.0, 0.9, camera="Nikon LS-50", source_sha256="same"),
        restored("a/2.jpg", 3.0, 0.7, source_sha256="same"),
        restored("b/3.jpg", 2.0, 0.8, camera="Nikon LS-50", source_sha256="other"),
        row("b/4.jpg", status=Status.FAILED, error_class="DecodeError", error_message="cut off"),
        row("5.cr2", status=Status.SKIPPED, error_class="UnsupportedPhoto"),
    ],
    RUNS[1]: [
        # Carried over with a decision: its times are those of the row before.
        restored(
            "b/3.jpg", 2.0, 0.8, RUNS[1], camera="Nikon LS-50", source_sha256="other",
            needs_review=True, review_reasons=("changed much", "dull"),
            review_decision=Decision.REDO, reviewer="Ada",
            review_time=datetime(2026, 1, 2, tzinfo=UTC),
        ),
        row("6.jpg", RUNS[1], status=Status.NOTHING_TO_DO, withheld=("deblur",)),
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManifestDatabase]:
    out = LocalDestination(tmp_path_factory.mktemp("queries") / "out")
    for run, rows in ROWS.items():
        out.put(part_path(run, 0), encode_rows(rows))
    started = datetime(2026, 1, 1, 8, tzinfo=UTC)
    write_run(out, RunRecord(run_id=RUNS[0], started=started, seconds=1800.0, megapixels=900.0))
    with ManifestDatabase.open(out) as opened:
        yield opened


def answer(
    database: ManifestDatabase, name: str, price: float | None = None
) -> list[dict[str, object]]:
    query = QUERIES[name]
    result = database.query(query.sql, [price] if query.is_priced else [])
    return [dict(zip(result.names, each, strict=True)) for each in result.rows()]


@pytest.mark.parametrize("name", QUERIES)
def test_each_is_answered_and_described(database: ManifestDatabase, name: str) -> None:
    assert answer(database, name)
    assert QUERIES[name].summary
    assert "\n" not in QUERIES[name].summary


@pytest.mark.parametrize("name", QUERIES)
def test_each_is_answered_for_an_empty_archive(tmp_path: Path, name: str) -> None:
    with ManifestDatabase.open(LocalDestination(tmp_path / "out")) as database:
        assert answer(database, name) == []


def test_totals(database: ManifestDatabase) -> None:
    assert [(each["status"], each["photos"]) for each in answer(database, "totals")] == [
        ("restored", 3),
        ("failed", 1),
        ("nothing_to_do", 1),
        ("skipped", 1),
    ]


def test_failures(database: ManifestDatabase) -> None:
    found = answer(database, "failures")
    assert [(each["source"], each["error_class"]) for each in found] == [
        ("b/4.jpg", "DecodeError"),
        ("5.cr2", "UnsupportedPhoto"),
    ]
    assert answer(database, "failure-kinds")[0]["message"] == "cut off"


def test_rankings(database: ManifestDatabase) -> None:
    by_change = [each["source"] for each in answer(database, "most-changed")]
    assert by_change == ["a/2.jpg", "b/3.jpg", "a/1.jpg"]
    assert [each["source"] for each in answer(database, "worst-after")] == by_change
    assert answer(database, "slowest")[0]["source"] == "a/2.jpg"


def test_groups(database: ManifestDatabase) -> None:
    folders = {each["folder"]: each for each in answer(database, "by-folder")}
    assert {name: each["photos"] for name, each in folders.items()} == {"": 2, "a": 2, "b": 2}
    assert folders["a"]["noise_sigma_after"] == 2.0
    assert (folders["b"]["failed"], folders["b"]["needs_review"]) == (1, 1)
    assert folders["a"]["megapixels"] == 4.0
    cameras = {each["camera"]: each["photos"] for each in answer(database, "by-camera")}
    assert cameras == {"Nikon LS-50": 2, None: 4}
    assert answer(database, "by-plan")[0]["plan"] in ("", "denoise")
    assert answer(database, "by-model") == [
        {"model": "denoise-48", "sha256": "aa", "photos": 3, "change_psnr_db": 30.0,
         "change_ssim": pytest.approx(0.8)},
    ]  # fmt: skip


def test_reviews(database: ManifestDatabase) -> None:
    [found] = answer(database, "needs-review")
    assert (found["source"], found["review_reasons"]) == ("b/3.jpg", ["changed much", "dull"])
    [decided] = answer(database, "decisions")
    assert (decided["reviewer"], decided["review_decision"]) == ("Ada", "redo")
    assert [each["source"] for each in answer(database, "withheld")] == ["6.jpg"]
    assert answer(database, "duplicates")[0]["sources"] == ["a/1.jpg", "a/2.jpg"]


def test_cost_counts_no_work_twice(database: ManifestDatabase) -> None:
    found = {each["step"]: each for each in answer(database, "cost", price=3600.0)}
    assert set(found) == {"decode", "restore"}
    assert found["restore"]["photos"] == 3
    assert found["restore"]["cost"] == pytest.approx(9.0, rel=1e-5)
    assert found["restore"]["seconds_per_megapixel"] == pytest.approx(1.5, rel=1e-5)
    assert found["decode"]["device"] == "cuda:0"
    assert {each["cost"] for each in answer(database, "cost")} == {None}


def test_runs(database: ManifestDatabase) -> None:
    [first, second] = answer(database, "runs", price=2.0)
    assert (first["hours"], first["megapixels_per_second"], first["cost"]) == (0.5, 0.5, 1.0)
    assert second["run_id"] == RUNS[1]
