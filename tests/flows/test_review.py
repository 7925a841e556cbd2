"""What people decided, recorded in the manifest and followed by later runs."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import flows.reviewing
import restoration.recipe
from flows.cli import main
from flows.decisions import VERSION_KEY, PhotoDecision
from flows.planning import Request, Survey, pending_items
from flows.reviewing import Applied, apply_decisions
from flows.reviews import OTHER_BYTES_NOTE, REDONE_REASON
from flows.rows import lost_row
from flows.run_ids import new_run_id
from flows.verification import verify
from restoration.recipe import Options, recipe_id
from restoration.settings import LEFT_ALONE, PhotoSettings
from storage import DestinationBusy, LocalDestination, OutOfSpace, open_results, open_source
from storage.manifest import (
    Decision,
    ManifestRow,
    RunKind,
    Status,
    WorkItem,
    encode_rows,
    part_path,
    read_runs,
    write_worklist,
)
from tests.flows.runs import latest, run, sha256
from tests.scenes import encoded, gray_scene, noisy, scene

pytestmark = pytest.mark.usefixtures("prefect_harness")

NOISY, PRINT, CLEAN = "a/noisy.png", "print.tif", "clean.png"
REVIEWER = "Anna Öz"
TIMES = (datetime(2026, 11, 22, 3, 0, 0, micros, tzinfo=UTC) for micros in range(10**6))


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A noisy photo, a gray one and one that needs nothing; all small."""
    source = tmp_path / "photos"
    (source / "a").mkdir(parents=True)
    (source / NOISY).write_bytes(encoded(noisy(scene(96, 96), 25), "PNG"))
    (source / PRINT).write_bytes(encoded(noisy(gray_scene(96, 96, seed=2), 20), "TIFF"))
    (source / CLEAN).write_bytes(encoded(scene(96, 96, seed=1), "PNG"))
    return source


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The steps of all jobs that reach the networks."""
    seen: list[str] = []
    real = restoration.restore.Restorer._run_networks

    def spy(restorer: Any, jobs: Any) -> Any:
        seen.extend(step for job in jobs for step in job.plan.steps)
        return real(restorer, jobs)

    monkeypatch.setattr(restoration.restore.Restorer, "_run_networks", spy)
    return seen


def decided(
    archive: Path, target: Path, source: str, decision: Decision, **values: Any
) -> PhotoDecision:
    """A decision about the photo's latest row."""
    row = latest(archive, target)[source]
    return PhotoDecision(source, row.run_id, row.restored_sha256, decision, next(TIMES), **values)


def applied(target: Path, *decisions: PhotoDecision) -> Applied:
    return apply_decisions(open_results(str(target)), decisions, REVIEWER)


def review(archive: Path, target: Path, source: str, decision: Decision, **values: Any) -> Applied:
    return applied(target, decided(archive, target, source, decision, **values))


def of_review(row: ManifestRow) -> tuple[object, ...]:
    return row.review_decision, row.settings, row.reviewer, row.review_note


def findings(target: Path) -> set[str]:
    found: set[str] = set()
    verify(open_results(str(target)), tell=lambda f: found.add(f"{f.path}: {f.problem}"))
    return found


def newer_models(monkeypatch: pytest.MonkeyPatch) -> None:
    real = restoration.recipe.card_for
    monkeypatch.setattr(
        restoration.recipe,
        "card_for",
        lambda *args, **more: replace(real(*args, **more), sha256="f" * 64),
    )


class TestRejected:
    def test_for_good(
        self,
        archive: Path,
        target: Path,
        networks: list[str],
        decoded: list[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        run(archive, target, access="jpeg:32", sidecar=True)
        options = {"access": "jpeg:32", "sidecar": True}
        assert latest(archive, target)[PRINT].plan == ("denoise", "colorize")
        before = set(files(target))
        result = review(archive, target, PRINT, Decision.REJECTED, note="waxy")
        assert (result.decisions, result.outputs_deleted) == ({"rejected": 1}, 4)
        assert before - set(files(target)) == {
            "restored/print.tif",
            "restored/print.tif.json",
            "colorized/print.tif",
            "access/print.tif.jpg",
        }
        row = latest(archive, target)[PRINT]
        assert row.status is Status.WITHDRAWN
        assert (row.restored_path, row.restored_sha256, row.colorized_size) == (None, None, None)
        assert of_review(row) == ("rejected", LEFT_ALONE.text, REVIEWER, "waxy")
        assert row.decided_sha256 == sha256(archive / PRINT)
        assert (row.needs_review, row.run_id) == (False, result.run_id)
        record = read_runs(open_results(str(target)))[-1]
        assert (record.run_id, record.kind) == (result.run_id, RunKind.REVIEW)
        assert (record.photos, record.withdrawn, record.restored) == (1, 1, 0)
        statuses = pq.read_table(target / "latest.parquet")["status"].to_pylist()
        assert sorted(statuses) == ["nothing_to_do", "restored", "withdrawn"]
        assert findings(target) == set()

        networks.clear()
        summary = run(archive, target, **options)
        assert (summary.nothing_to_do, summary.unchanged, networks) == (1, 2, [])
        passed = latest(archive, target)[PRINT]
        assert (passed.status, passed.plan) == (Status.NOTHING_TO_DO, ())
        assert {reason.partition(": ")[2] for reason in passed.plan_reasons} == {
            "a reviewer rejected it"
        }
        assert (target / "restored" / PRINT).read_bytes() == (archive / PRINT).read_bytes()
        assert not (target / "colorized" / PRINT).exists()
        assert of_review(passed) == of_review(row)
        assert (passed.review_time, passed.needs_review) == (row.review_time, False)
        assert findings(target) == set()

        decoded.clear()
        assert run(archive, target, **options).unchanged == 3
        assert decoded == []

        newer_models(monkeypatch)
        assert run(archive, target, **options).unchanged == 2, "the noisy one is done again"
        networks.clear()
        assert run(archive, target, strength=0.7).restored == 1
        assert run(archive, target, force=True).nothing_to_do == 2
        assert set(networks) == {"denoise"}
        assert (target / "restored" / PRINT).read_bytes() == (archive / PRINT).read_bytes()
        assert of_review(latest(archive, target)[PRINT]) == of_review(row)

    def test_until_the_original_is_another_one(self, archive: Path, target: Path) -> None:
        run(archive, target)
        review(archive, target, NOISY, Decision.REJECTED)
        run(archive, target)
        (archive / NOISY).write_bytes(encoded(noisy(scene(96, 96, seed=7), 25), "PNG"))
        run(archive, target)
        row = latest(archive, target)[NOISY]
        assert (row.status, row.plan) == (Status.RESTORED, ("denoise",))
        assert of_review(row) == (None, None, None, None)
        assert (row.decided_sha256, row.review_time) == (None, None)
        assert OTHER_BYTES_NOTE in row.notes

    def test_through_a_night_in_which_the_original_could_not_be_read(
        self, archive: Path, target: Path
    ) -> None:
        run(archive, target)
        good = (archive / NOISY).read_bytes()
        review(archive, target, NOISY, Decision.REJECTED)
        (archive / NOISY).write_bytes(b"rotten")
        assert run(archive, target).failed == 1
        row = latest(archive, target)[NOISY]
        assert of_review(row)[:2] == ("rejected", LEFT_ALONE.text)
        assert run(archive, target).unchanged_failures == 1
        (archive / NOISY).write_bytes(good)
        assert run(archive, target).nothing_to_do == 1
        assert (target / "restored" / NOISY).read_bytes() == good
        assert latest(archive, target)[NOISY].review_decision == "rejected"

    def test_touched_keeps_its_decision(
        self, archive: Path, target: Path, decoded: list[str]
    ) -> None:
        run(archive, target)
        review(archive, target, NOISY, Decision.REJECTED)
        review(archive, target, CLEAN, Decision.ACCEPTED, note="good")
        run(archive, target)
        decoded.clear()
        for name in (NOISY, CLEAN):
            os.utime(archive / name, ns=(10**18, 10**18))
        assert run(archive, target).unchanged == 3
        assert decoded == []
        rows = latest(archive, target)
        assert of_review(rows[NOISY])[0] == "rejected"
        assert of_review(rows[CLEAN]) == ("accepted", None, REVIEWER, "good")
        assert {rows[name].source_mtime_ns for name in (NOISY, CLEAN)} == {10**18}

    def test_by_mistake_and_then_done_again(self, archive: Path, target: Path) -> None:
        run(archive, target)
        first = sha256(target / "restored" / NOISY)
        review(archive, target, NOISY, Decision.REJECTED)
        assert (
            applied(target, decided(archive, target, NOISY, Decision.ACCEPTED)).refused[0].reason
            == "it was withdrawn: there is nothing to accept"
        )
        review(archive, target, NOISY, Decision.REDO)
        run(archive, target)
        assert sha256(target / "restored" / NOISY) == first
        assert latest(archive, target)[NOISY].settings is None


class TestRedo:
    def test_with_these_settings_once_and_under_them_ever_after(
        self, archive: Path, target: Path, decoded: list[str]
    ) -> None:
        run(archive, target)
        first = latest(archive, target)[PRINT]
        settings = PhotoSettings.from_json({"strength": 0.5, "steps": ["denoise"]})
        review(archive, target, PRINT, Decision.REDO, settings=settings, note="less")
        waiting = latest(archive, target)[PRINT]
        assert waiting.status is Status.RESTORED
        assert waiting.colorized_sha256 == first.colorized_sha256
        assert of_review(waiting) == ("redo", settings.text, REVIEWER, "less")
        assert findings(target) == set(), "outputs stay until it is done"

        decoded.clear()
        summary = run(archive, target)
        assert (summary.restored, summary.unchanged, len(decoded)) == (1, 2, 1)
        row = latest(archive, target)[PRINT]
        assert (row.plan, row.strength) == (("denoise",), 0.5)
        assert row.change_psnr_db > first.change_psnr_db
        assert (row.needs_review, row.review_reasons[-1]) == (True, REDONE_REASON)
        assert of_review(row) == (None, '{"steps": ["denoise"], "strength": 0.5}', REVIEWER, "less")
        assert row.plan_reasons[0] == ("a reviewer's settings apply: only denoise, strength 0.5")
        assert not (target / "colorized" / PRINT).exists()
        assert findings(target) == set()

        assert run(archive, target).unchanged == 3
        assert run(archive, target, steps="denoise,colorize").restored == 1, "the noisy one"
        assert run(archive, target, force=True, keep_grain=0.25).restored == 2
        again = latest(archive, target)[PRINT]
        assert (again.plan, again.strength, again.keep_grain) == (("denoise",), 0.5, 0.25)

    def test_with_more_passes_for_a_photo_that_matters(self, archive: Path, target: Path) -> None:
        run(archive, target)
        settings = PhotoSettings.from_json({"passes": 2})
        review(archive, target, NOISY, Decision.REDO, settings=settings)
        assert run(archive, target).restored == 1
        rows = latest(archive, target)
        assert (rows[NOISY].passes, rows[PRINT].passes) == (2, 1)
        assert rows[NOISY].plan_reasons[0] == "a reviewer's settings apply: 2 passes"
        assert run(archive, target).unchanged == 3

    def test_that_fails_for_good_is_not_tried_every_night(
        self, archive: Path, target: Path, decoded: list[str]
    ) -> None:
        run(archive, target)
        review(archive, target, PRINT, Decision.REDO)
        (archive / PRINT).write_bytes(b"rotten")
        assert run(archive, target).failed == 1
        row = latest(archive, target)[PRINT]
        assert (row.review_decision, row.needs_review) == (None, True)
        assert "which failed" in row.review_reasons[-1]
        decoded.clear()
        run(archive, target)
        assert decoded == []

    def test_of_one_among_many_in_the_same_batch(
        self, archive: Path, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(4):
            data = encoded(noisy(scene(96, 96, seed=number), 25), "PNG")
            (archive / f"{number}.png").write_bytes(data)
        run(archive, target)
        for number, strength in ((1, 0.5), (2, 0.25)):
            settings = PhotoSettings(strength=strength)
            review(archive, target, f"{number}.png", Decision.REDO, settings=settings)
        run(archive, target, force=True)
        rows = latest(archive, target)
        assert [rows[f"{n}.png"].strength for n in range(4)] == [1.0, 0.5, 0.25, 1.0]
        changed = [rows[f"{n}.png"].change_psnr_db for n in range(4)]
        assert changed[0] < changed[1] < changed[2] > changed[3]
        assert len({rows[f"{n}.png"].recipe_id for n in range(4)}) == 3


def test_accepted_stays_until_there_is_another_result(archive: Path, target: Path) -> None:
    run(archive, target)
    mark(archive, target, NOISY)
    assert latest(archive, target)[NOISY].needs_review
    review(archive, target, NOISY, Decision.ACCEPTED)
    row = latest(archive, target)[NOISY]
    assert (row.needs_review, row.review_decision) == (False, "accepted")
    assert row.restored_sha256 == sha256(target / "restored" / NOISY)
    assert run(archive, target).unchanged == 3
    assert latest(archive, target)[NOISY].review_decision == "accepted"
    run(archive, target, strength=0.5)
    assert of_review(latest(archive, target)[NOISY]) == (None, None, None, None)


class TestRefused:
    def test_what_was_not_seen_is_not_decided_on(self, archive: Path, target: Path) -> None:
        run(archive, target)
        stale = decided(archive, target, NOISY, Decision.REJECTED)
        good = decided(archive, target, CLEAN, Decision.ACCEPTED)
        unknown = replace(good, source="nowhere.png")
        run(archive, target, strength=0.5)
        kept = sha256(target / "restored" / NOISY)
        result = applied(target, stale, good, unknown)
        assert {each.source for each in result.refused} == {NOISY, "nowhere.png"}
        assert result.decisions == {"accepted": 1}
        assert latest(archive, target)[NOISY].review_decision is None
        assert sha256(target / "restored" / NOISY) == kept

    def test_the_second_of_two_reviewers_is_told(self, archive: Path, target: Path) -> None:
        run(archive, target)
        first = decided(archive, target, NOISY, Decision.ACCEPTED)
        second = decided(archive, target, NOISY, Decision.REJECTED)
        applied(target, first)
        [refused] = applied(target, second).refused
        assert refused.reason == f"{REVIEWER} decided on it meanwhile (accepted): look again"

    def test_what_never_came_out_has_nothing_to_reject(self, archive: Path, target: Path) -> None:
        (archive / "broken.png").write_bytes(b"broken")
        run(archive, target)
        (target / "restored/broken.png").write_bytes(b"of the last success")
        result = review(archive, target, "broken.png", Decision.REJECTED)
        assert result.refused[0].reason == "it was failed: there is nothing to reject"
        assert (target / "restored/broken.png").exists()
        assert result.run_id == ""

    def test_while_a_run_is_at_work(self, archive: Path, target: Path) -> None:
        run(archive, target)
        decision = decided(archive, target, NOISY, Decision.ACCEPTED)
        with open_results(str(target)).lock(), pytest.raises(DestinationBusy):
            applied(target, decision)


class TestStopped:
    """A kill at any point, and the same decisions again."""

    @pytest.fixture
    def decisions(self, archive: Path, target: Path) -> list[PhotoDecision]:
        run(archive, target)
        return [
            decided(archive, target, NOISY, Decision.REJECTED),
            decided(archive, target, PRINT, Decision.REJECTED),
            decided(archive, target, CLEAN, Decision.ACCEPTED),
        ]

    def check_applied(self, archive: Path, target: Path) -> None:
        rows = latest(archive, target)
        assert [rows[name].review_decision for name in (NOISY, PRINT, CLEAN)] == [
            "rejected", "rejected", "accepted",
        ]  # fmt: skip
        assert not list((target / "colorized").rglob("*.tif"))
        assert files(target / "restored") == [CLEAN]
        assert findings(target) == set()

    @pytest.mark.parametrize("deletes", [0, 1, 2])
    def test_between_the_rows_and_the_last_delete(
        self,
        archive: Path,
        target: Path,
        decisions: list[PhotoDecision],
        monkeypatch: pytest.MonkeyPatch,
        deletes: int,
    ) -> None:
        with monkeypatch.context() as patch:
            stop_after(patch, "delete", deletes)
            with pytest.raises(OutOfSpace):
                applied(target, *decisions)
        left = {f.split(": ")[1] for f in findings(target)}
        assert left == {"it was to be withdrawn after a review; apply the decisions again, or run"}
        again = applied(target, *decisions)
        assert (again.already, again.refused, again.decisions) == (3, [], {})
        assert again.outputs_deleted == 3 - deletes
        self.check_applied(archive, target)
        assert applied(target, *decisions).outputs_deleted == 0

    def test_between_two_parts(
        self,
        archive: Path,
        target: Path,
        decisions: list[PhotoDecision],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(flows.reviewing, "PART_DECISIONS", 1)
        with monkeypatch.context() as patch:
            stop_after(patch, "put", 2)  # of its record, and of the first part
            with pytest.raises(OutOfSpace):
                applied(target, *decisions)
        *_, stopped = read_runs(open_results(str(target)))
        assert (stopped.kind, stopped.stopped, stopped.photos) == (RunKind.REVIEW, True, 1)
        again = applied(target, *decisions)
        assert (again.already, again.refused) == (1, [])
        self.check_applied(archive, target)

    def test_the_next_run_finishes_the_job(
        self,
        archive: Path,
        target: Path,
        decisions: list[PhotoDecision],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with monkeypatch.context() as patch:
            stop_after(patch, "delete", 0)
            with pytest.raises(OutOfSpace):
                applied(target, *decisions)
        assert run(archive, target).nothing_to_do == 2
        assert not list((target / "colorized").rglob("*.tif"))
        assert sha256(target / "restored" / NOISY) == sha256(archive / NOISY)
        assert findings(target) == set()
        assert applied(target, *decisions).already == 3, "rejections are still the latest word"


def test_the_output_of_another_photo_stays(tmp_path: Path, target: Path) -> None:
    """`scan.tif` as JPEG lay where the outputs of `scan.tif.jpg` belong."""
    archive = tmp_path / "photos"
    archive.mkdir()
    (archive / "scan.tif").write_bytes(encoded(scene(48, 48), "TIFF"))
    run(archive, target, output_format="JPEG")
    theirs = target / "restored/scan.tif.jpg"
    decision = decided(archive, target, "scan.tif", Decision.REJECTED)
    other = ManifestRow(
        source="scan.tif.jpg",
        source_size=1,
        source_mtime_ns=1,
        status=Status.NOTHING_TO_DO,
        restored_path="restored/scan.tif.jpg",
        restored_size=theirs.stat().st_size,
    )
    open_results(str(target)).put(part_path("20260101T000000Z-aaaaaa", 0), encode_rows([other]))
    assert applied(target, decision).outputs_deleted == 0
    assert theirs.exists()


def test_two_rejected_photos_share_a_place(tmp_path: Path, target: Path) -> None:
    archive = tmp_path / "photos"
    archive.mkdir()
    for name in ("a.png", "a.png.jpg"):
        (archive / name).write_bytes(encoded(scene(48, 48), "PNG" if name == "a.png" else "JPEG"))
    run(archive, target)
    both = [decided(archive, target, name, Decision.REJECTED) for name in ("a.png", "a.png.jpg")]
    assert applied(target, *both).outputs_deleted == 2
    assert files(target / "restored") == []


def test_workers_that_outlived_their_run_lose_their_work_lists(archive: Path, target: Path) -> None:
    run(archive, target)
    decision = decided(archive, target, NOISY, Decision.ACCEPTED)
    items = [WorkItem(NOISY, 1, 1, "file", "", 0.1, "")]
    worklist = write_worklist(open_results(str(target)), "20200101T000000Z-000000", 0, items)
    applied(target, decision)
    assert not (target / worklist).exists()


def test_a_photo_that_killed_its_workers_is_still_rejected(archive: Path, target: Path) -> None:
    run(archive, target)
    review(archive, target, NOISY, Decision.REJECTED)
    source, store = open_source(str(archive)), open_results(str(target))
    [item] = pending_items(source, store, Options(), Request(), Survey())
    row = lost_row(item, run_id=new_run_id(), options=Options(), device="cpu")
    assert of_review(row)[:3] == ("rejected", LEFT_ALONE.text, REVIEWER)
    assert row.recipe_id == recipe_id(Options(steps=()), ())
    store.put(part_path(row.run_id, 0), encode_rows([row]))
    assert run(archive, target).nothing_to_do == 1
    assert sha256(target / "restored" / NOISY) == sha256(archive / NOISY)


def test_settings_of_a_newer_version_cost_their_photo_alone(archive: Path, target: Path) -> None:
    run(archive, target)
    before = sha256(target / "restored" / NOISY)
    row = replace(latest(archive, target)[NOISY], settings='{"lustre": 3}')
    store = open_results(str(target))
    store.put(part_path("20990101T000000Z-aaaaaa", 0), encode_rows([row]))
    (archive / "later.png").write_bytes((archive / CLEAN).read_bytes())
    for force in (False, True):
        summary = run(archive, target, force=force)
        assert summary.nothing_to_do >= 1, "the others are done"
        [line] = [line for line in summary.failures if NOISY in line]
        assert "settings is not understood" in line
        assert "lustre" in line
        left = latest(archive, target)[NOISY]
        assert (left.status, left.settings) == (Status.FAILED, '{"lustre": 3}')
        assert sha256(target / "restored" / NOISY) == before


class TestCommand:
    def test_from_a_file_to_a_list(
        self,
        archive: Path,
        target: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        run(archive, target)
        mark(archive, target, NOISY)
        rows = latest(archive, target)
        path = tmp_path / "decisions.json"
        content = file_content(target, rows[NOISY], rows[PRINT], rows[CLEAN])
        path.write_text(json.dumps(content))
        assert main(["review", "list", str(target)]) == 0
        lines = capsys.readouterr().out.splitlines()
        # Others may need review by today's thresholds.
        flagged = [row.source for row in latest(archive, target).values() if row.needs_review]
        assert "needs review: a/noisy.png: faces changed much; \\x1b[2J" in lines
        assert lines[-1] == f"needs review {len(flagged)}, accepted 0, rejected 0, redo 0"
        assert len(lines) == len(flagged) + 1
        monkeypatch.setenv("USER", "anna")
        before = files(target)
        assert main(["review", "apply", str(path), "--dry-run"]) == 0
        assert capsys.readouterr().out.splitlines() == [
            "would be: accepted 1, rejected 1, redo 1, applied before 0, refused 0; "
            "nothing was written"
        ]
        assert files(target) == before

        assert main(["review", "apply", str(path), str(target)]) == 0
        [line] = capsys.readouterr().out.splitlines()
        assert line.startswith(
            "accepted 1, rejected 1, redo 1, applied before 0, refused 0, files deleted 2; run "
        )
        assert {row.reviewer for row in latest(archive, target).values()} == {"anna"}
        assert main(["review", "list", str(target)]) == 0
        assert capsys.readouterr().out.splitlines() == [
            "accepted: a/noisy.png: by anna, 2026-11-22 03:00 UTC",
            "redo: clean.png: by anna, 2026-11-22 03:00 UTC, with only denoise, keep_grain 0.5",
            "rejected: print.tif: by anna, 2026-11-22 03:00 UTC, "
            'the next run gives it its original, "waxy"',
            "needs review 0, accepted 1, rejected 1, redo 1",
        ]
        assert main(["verify", str(target)]) == 0
        assert "2 files of 3 photos read back: all as recorded" in capsys.readouterr().out

        content["decisions"][0]["time"] = "2026-11-23T00:00:00Z"
        path.write_text(json.dumps(content))
        assert main(["review", "apply", str(path), "--reviewer", "Bob"]) == 1
        assert capsys.readouterr().out.splitlines() == [
            "refused: a/noisy.png: anna decided on it meanwhile (accepted): look again",
            "accepted 0, rejected 0, redo 0, applied before 2, refused 1",
        ]

    def test_a_dry_run_follows_what_was_decided(
        self, archive: Path, target: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run(archive, target)
        review(archive, target, NOISY, Decision.REJECTED)
        review(archive, target, PRINT, Decision.REDO, settings=PhotoSettings(strength=0.0))
        assert main(["run", str(archive), str(target), "--dry-run"]) == 0
        said = capsys.readouterr().out
        assert "nothing to do: 1" in said
        assert "unchanged since earlier runs: 1" in said
        [line] = [line for line in said.splitlines() if line.endswith(PRINT)]
        assert line.split()[-2] == "colorize"

    def test_bad_arguments_are_one_line(
        self,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.delenv("USER", raising=False)
        path = tmp_path / "d.json"
        empty = {VERSION_KEY: 1, "archive": str(tmp_path), "decisions": []}
        cases = {
            "is no JSON": (b"{", []),
            "nobody is named": (json.dumps(empty).encode(), []),
            "there is no manifest": (json.dumps(empty).encode(), ["--reviewer", "A"]),
            "one line of at most": (json.dumps(empty).encode(), ["--reviewer", "A\nB"]),
        }
        for message, (data, words) in cases.items():
            path.write_bytes(data)
            assert main(["review", "apply", str(path), *words]) == 2
            said = capsys.readouterr().err
            assert message in said
            assert said.count("\n") == 1
        for words in (["apply", str(tmp_path / "none.json")], ["list", str(tmp_path)], []):
            assert main(["review", *words]) == 2
            assert capsys.readouterr().err.count("\n") == 1


def files(folder: Path) -> list[str]:
    """All files but the manifest's, the lock and the like."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(
        path.as_posix() for path in found if path.parts[0] not in ("manifest", ".restore-archive")
    )


def mark(archive: Path, target: Path, source: str) -> None:
    """Have a photo need review, whatever today's thresholds are."""
    row = latest(archive, target)[source]
    flagged = replace(
        row,
        needs_review=True,
        review_reasons=("faces changed much", "\x1b[2J"),
        run_id=f"{row.run_id}z",
    )
    open_results(str(target)).put(part_path(flagged.run_id, 0), encode_rows([flagged]))


def stop_after(patch: pytest.MonkeyPatch, method: str, calls: int) -> None:
    """The destination is out of order after so many calls; a kill, as far as files can tell."""
    real = getattr(LocalDestination, method)
    left = iter(range(calls))

    def limited(self: LocalDestination, path: str, *args: Any, **more: Any) -> Any:
        if next(left, None) is None:
            raise OutOfSpace("stopped")
        return real(self, path, *args, **more)

    patch.setattr(LocalDestination, method, limited)
    patch.setattr(flows.reviewing, "ahead", lambda calls: (call() for call in calls))


def file_content(
    target: Path, accepted: ManifestRow, rejected: ManifestRow, redo: ManifestRow
) -> dict[str, Any]:
    def entry(row: ManifestRow, decision: str, **more: Any) -> dict[str, Any]:
        return {
            "source": row.source,
            "run_id": row.run_id,
            "restored_sha256": row.restored_sha256,
            "decision": decision,
            "time": "2026-11-22T03:00:00.000Z",
            **more,
        }

    settings = {"steps": ["denoise"], "keep_grain": 0.5}
    return {
        VERSION_KEY: 1,
        "archive": str(target),
        "reviewer": "",
        "decisions": [
            entry(accepted, "accepted", note=""),
            entry(rejected, "rejected", note="waxy"),
            entry(redo, "redo", note=None, settings=settings),
        ],
    }
