"""What a run leaves beside the rows: its record, and `latest.parquet`."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import bagit
import pyarrow.parquet as pq
import pytest

from flows.cli import main
from flows.planning import Request
from flows.records import options_json
from restoration.codec import AccessCopies
from restoration.recipe import Options
from storage import LocalDestination
from storage.manifest import LATEST_PATH, RunKind, latest_is_current, read_runs, rows_of
from storage.manifest.database import ManifestDatabase
from tests.flows.runs import latest, run

pytestmark = pytest.mark.usefixtures("prefect_harness")


def test_a_run_writes_down_what_it_did(archive: Path, target: Path) -> None:
    summary = run(archive, target, strength=0.5, exclude=["old*"])
    again = run(archive, target, strength=0.5)
    [first, second] = read_runs(LocalDestination(target))
    assert (first.run_id, second.run_id) == (summary.run_id, again.run_id)
    assert first.kind is RunKind.RESTORE
    assert first.source == archive.as_uri()
    assert first.device == "cpu"
    assert first.workers is None
    assert first.seconds == pytest.approx((first.ended - first.started).total_seconds(), abs=1e-3)
    counts = ("photos", "restored", "nothing_to_do", "skipped", "failed", "unchanged", "megapixels")
    for record, told in ((first, summary), (second, again)):
        assert [getattr(record, name) for name in counts] == [getattr(told, n) for n in counts]
        assert not record.stopped
    assert (first.restored, first.failed, first.skipped, second.skipped) == (3, 1, 0, 1)
    asked = json.loads(first.options)
    assert asked["strength"] == 0.5
    assert asked["exclude"] == ["old*"]
    assert asked["steps"] == ["denoise", "deblur", "colorize"]
    assert "limit" not in asked


def test_the_latest_rows_are_in_one_file(archive: Path, target: Path) -> None:
    run(archive, target)
    run(archive, target, force=True, limit=2)
    with (target / LATEST_PATH).open("rb") as file:
        rows = rows_of(pq.read_table(file))
    assert rows == sorted(latest(archive, target).values(), key=lambda row: row.source)
    with ManifestDatabase.open(LocalDestination(target)) as database:
        counts = database.query("SELECT (FROM photos SELECT count(*)), (FROM rows SELECT count(*))")
        assert list(counts.rows()) == [(6, 8)]


def test_a_run_with_nothing_to_do_leaves_the_latest_rows_alone(archive: Path, target: Path) -> None:
    run(archive, target)
    before = (target / LATEST_PATH).stat()
    run(archive, target)
    after = (target / LATEST_PATH).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_what_cannot_be_written_at_the_end_is_told_and_no_more(
    archive: Path, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (target / LATEST_PATH / "in the way").mkdir(parents=True)
    with caplog.at_level(logging.WARNING):
        summary = run(archive, target)
    assert summary.restored == 3
    [warning] = [each for each in caplog.messages if LATEST_PATH in each]
    assert warning.startswith("the manifest's latest.parquet was not written: ")
    assert len(read_runs(LocalDestination(target))) == 1
    with ManifestDatabase.open(LocalDestination(target)) as database:
        assert list(database.query("SELECT count(*) FROM photos").rows()) == [(6,)]


def test_a_killed_runs_half_written_file_is_swept(archive: Path, target: Path) -> None:
    for folder in (target, target / ".restore-archive"):
        folder.mkdir(exist_ok=True)
        (folder / f".restore-archive-{'0' * 32}.part").write_bytes(b"half")
    run(archive, target)
    assert not list(target.rglob("*.part"))


def test_verify_and_audit_know_what_lies_there(archive: Path, target: Path, capsys) -> None:
    run(archive, target)
    (target / "report").mkdir()
    (target / "report" / "index.html").write_text("a report")
    assert main(["verify", str(target), "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_a_bag_takes_the_manifests_files_along(archive: Path, target: Path, tmp_path: Path) -> None:
    run(archive, target)
    (target / "report").mkdir()
    (target / "report" / "index.html").write_text("a report")
    assert main(["bag", str(target), str(tmp_path / "bag")]) == 0
    payload = bagit.Bag(str(tmp_path / "bag")).payload_entries()
    assert f"data/{LATEST_PATH}" in payload
    assert sum(path.endswith("/_run.json") for path in payload) == 1
    assert not any(path.startswith("data/report") for path in payload)


def test_a_bag_leaves_a_stale_file_out(archive: Path, target: Path, tmp_path: Path) -> None:
    run(archive, target)
    before = (target / LATEST_PATH).read_bytes()
    run(archive, target, force=True)
    assert latest_is_current(LocalDestination(target))
    (target / LATEST_PATH).write_bytes(before)  # as a run would leave it that was killed
    assert main(["bag", str(target), str(tmp_path / "bag")]) == 0
    assert f"data/{LATEST_PATH}" not in bagit.Bag(str(tmp_path / "bag")).payload_entries()


def test_options_as_json() -> None:
    options = Options(access=AccessCopies("JPEG", 2048), quality=90)
    asked = json.loads(options_json(options, Request(limit=3, include=("ü*",))))
    assert asked["access"] == {"format": "JPEG", "edge": 2048, "quality": 85}
    assert (asked["quality"], asked["limit"], asked["include"]) == (90, 3, ["ü*"])
    assert "signing" not in asked
    assert asked["limits"]["max_pages"] == options.limits.max_pages
