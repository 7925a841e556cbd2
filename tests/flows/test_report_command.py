"""`restore-archive report` and the report of `audit-archive`: where it goes and what is said."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from flows.audit_archive import audit_archive
from flows.cli import main
from storage import LocalDestination, open_results
from storage.manifest import RunRecord, write_run
from tests.flows.reports import REVIEW_RUN, data
from tests.flows.test_audit import AUDIT_KEY, artifact
from tests.s3.server import BUCKET, S3Server

SUMMARY = "6 photos, 3 to review, 1 failed; 4 shown in "


def remember_source(folder: Path, source: str) -> None:
    """As the runs of today do."""
    now = datetime(2999, 1, 1, tzinfo=UTC)
    record = RunRecord(run_id=REVIEW_RUN, source=source, started=now)
    write_run(LocalDestination(folder / "restored"), record)


def test_the_report_goes_into_the_destination(
    reported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    restored = reported / "restored"
    remember_source(reported, (reported / "photos").as_uri())
    assert main(["report", str(restored)]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{restored / 'report' / 'index.html'}: {SUMMARY}")
    assert captured.err == ""
    assert {path.name for path in (restored / "report").iterdir()} == {
        ".restore-archive", "assets", "data", "index.html", "pictures",
    }  # fmt: skip
    summary = data(restored / "report", "summary")
    assert summary["source"] == (reported / "photos").as_uri()
    assert (summary["archive"], summary["title"]) == (str(restored), "restored")
    assert main(["verify", str(restored)]) == 0, "the report is no output"


def test_originals_that_are_gone_are_told(
    reported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remember_source(reported, str(reported / "moved"))
    assert main(["report", str(reported / "restored")]) == 0
    assert "no pictures of the originals: the source" in capsys.readouterr().err
    assert main(["report", str(reported / "restored"), "--source", str(reported / "no")]) == 2
    assert "the source" in capsys.readouterr().err


def test_a_folder_of_its_own(reported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    restored, chosen = reported / "restored", reported / "new" / "report of #1?"
    words = ["report", str(restored), "-o", str(chosen)]
    assert main([*words, "--source", str(reported / "photos"), "--pictures", "1"]) == 0
    assert str(chosen / "index.html") in capsys.readouterr().out
    assert not (restored / "report").exists()
    made = {path.name for path in (chosen / "pictures").iterdir()}
    assert main([*words, "--no-pictures"]) == 0
    assert {path.name for path in (chosen / "pictures").iterdir()} == made
    (chosen / "index.html").unlink()
    (chosen / "data" / "summary.js").unlink()
    assert main(words) == 0, "one that was killed on the way is made again"


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ("restored", "among the results"),
        ("restored/restored/a", "among the results"),
        (".", "among the results"),
        ("photos", "holds other things than a report"),
        ("photos/broken.jpg", "is not a folder"),
    ],
)
def test_no_folder_for_a_report(
    reported: Path, capsys: pytest.CaptureFixture[str], chosen: str, said: str
) -> None:
    before = sorted(reported.rglob("*"))
    assert main(["report", str(reported / "restored"), "-o", str(reported / chosen)]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert sorted(reported.rglob("*")) == before


@pytest.mark.parametrize("chosen", ["photos", "photos/a", "photos/new/one", "photos/letter"])
def test_no_report_among_the_originals(
    reported: Path, capsys: pytest.CaptureFixture[str], chosen: str
) -> None:
    photos = reported / "photos"
    (photos / "letter").mkdir()
    before = sorted(reported.rglob("*"))
    words = ["report", str(reported / "restored"), "-o", str(reported / chosen)]
    assert main([*words, "--source", str(photos)]) == 2
    assert f"would be among the originals in {photos}" in capsys.readouterr().err
    remember_source(reported, photos.as_uri())
    before.extend((reported / "restored" / "manifest" / REVIEW_RUN).glob("_run*"))
    assert main(words) == 2, "the run's record says where they are"
    assert "would be among the originals" in capsys.readouterr().err
    assert sorted(reported.rglob("*")) == sorted(before)


def test_no_report_above_the_originals(
    reported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = tmp_path / "mine" / "pictures"
    shutil.copytree(reported / "photos", inner)
    words = ["report", str(reported / "restored"), "-o", str(inner.parent)]
    assert main([*words, "--source", str(inner)]) == 2
    assert "would be among the originals" in capsys.readouterr().err
    assert main(words) == 2, "names as in a report make no report"
    assert "holds other things than a report (pictures)" in capsys.readouterr().err
    assert [path.name for path in inner.parent.iterdir()] == ["pictures"]


def test_a_website_is_no_report(reported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = reported / "site"
    for name in ("index.html", "assets/style.css", "data/summary.js"):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text("mine")
    assert main(["report", str(reported / "restored"), "-o", str(site)]) == 2
    assert "holds other things than a report (assets)" in capsys.readouterr().err
    assert (site / "index.html").read_text() == "mine"


def test_the_archive_is_named_by_its_absolute_path(
    reported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(reported)
    assert main(["report", "restored", "--pictures", "0"]) == 0
    summary = data(reported / "restored" / "report", "summary")
    assert (summary["archive"], summary["title"]) == (str(reported / "restored"), "restored")


def test_a_copied_report_is_renewed_in_its_place(reported: Path) -> None:
    words = ["report", str(reported / "restored"), "--pictures", "0"]
    assert main(words) == 0
    copy = reported / "copy"
    private = shutil.ignore_patterns(".restore-archive")
    shutil.copytree(reported / "restored" / "report", copy, ignore=private)
    first = data(copy, "summary")["report"]
    assert main([*words, "-o", str(copy)]) == 0
    assert data(copy, "summary")["report"] != first


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nowhere"], 2, "there is no folder"),
        (["photos"], 2, "holds no manifest"),
        (["restored", "--pictures", "-3"], 2, "--pictures must be 0 or more"),
        (["restored", "--view-megapixels", "0"], 2, "--view-megapixels must be between"),
        (["restored", "--serve", "--port", "70000"], 2, "--port must be between"),
        (["restored", "--serve", "--host", "no.such.host.invalid"], 2, "cannot be used"),
    ],
)
def test_bad_arguments_are_one_line(
    reported: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    assert main(["report", str(reported / words[0]), *words[1:]]) == code
    lines = [line for line in capsys.readouterr().err.splitlines() if "originals" not in line]
    assert len(lines) == 1
    assert said in lines[0]


def test_a_report_in_a_bucket(
    reported: Path,
    s3_server: S3Server,
    s3_folder: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    location = f"s3://{BUCKET}/{s3_folder}/restored"
    bucket = open_results(location)
    for path in (reported / "restored").rglob("*.*"):
        if path.is_file():
            name = path.relative_to(reported / "restored").as_posix()
            bucket.put(name, path.read_bytes())
    for _ in range(2):
        assert main(["report", location, "--source", str(reported / "photos")]) == 0
        assert f"{location}/report/index.html: {SUMMARY}" in capsys.readouterr().out
    stored = {entry.path for entry in bucket.list("report")}
    assert {"report/index.html", "report/data/summary.js"} < stored
    here = ["-o", str(reported / "here"), "--source", str(reported / "photos")]
    assert main(["report", location, *here]) == 0
    with bucket.open("report/data/review.js") as file:
        assert len(file.read()) == (reported / "here" / "data" / "review.js").stat().st_size


def test_serving_until_ctrl_c(reported: Path) -> None:
    words = ["report", str(reported / "restored"), "--serve", "--port", "0"]
    with subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as process:
        assert process.stdout is not None
        assert SUMMARY in process.stdout.readline()
        address = process.stdout.readline().split(" ")[0]
        assert address.startswith("http://127.0.0.1:")
        assert httpx.get(address).status_code == 200
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
        assert process.returncode == 0
    assert out == ""
    assert [line for line in err.splitlines() if "originals" not in line] == []


def test_serving_others_is_warned_of(reported: Path) -> None:
    words = ["report", str(reported / "restored"), "--serve", "--port", "0", "--host", "0.0.0.0"]
    with subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *words, "--pictures", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        address = process.stdout.readline().split(" ")[0].replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(address).status_code == 200
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert "0.0.0.0 is not this computer alone" in err


@pytest.mark.usefixtures("prefect_harness")
class TestAudits:
    def test_an_audit_writes_the_report_and_links_it(self, reported: Path) -> None:
        restored = reported / "restored"
        remember_source(reported, str(reported / "photos"))
        audit_archive(str(restored))
        assert data(restored / "report", "summary")["totals"]["photos"] == 6
        text = artifact(AUDIT_KEY)
        assert f"[Report]({(restored / 'report' / 'index.html').as_uri()})" in text
        assert "3 photos need review" in text

    def test_an_audit_goes_without_if_told_so(self, reported: Path) -> None:
        audit_archive(str(reported / "restored"), report=False)
        assert not (reported / "restored" / "report").exists()
        assert "Report" not in artifact(AUDIT_KEY)

    def test_a_report_that_cannot_be_written_does_not_cost_the_audit(self, reported: Path) -> None:
        (reported / "restored" / "report").write_text("a file where the folder has to be")
        assert audit_archive(str(reported / "restored")).photos == 6
        assert "There is no new report: " in artifact(AUDIT_KEY)

    def test_an_empty_archive_has_no_report(self, tmp_path: Path) -> None:
        assert audit_archive(str(tmp_path)).photos == 0
        assert list(tmp_path.iterdir()) == []
