"""`restore-archive show`: one photo's row in words, as JSON, and through all runs."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.cli import main
from flows.showing import sections
from storage import DestinationStore, LocalDestination, open_results
from storage.manifest import COLUMNS, Decision, ManifestRow, Status, encode_rows, part_path
from tests.s3.server import BUCKET, S3Server

FIRST, SECOND = "20261120T080000Z-aaaaaa", "20261121T080000Z-bbbbbb"
TIMES = datetime(2026, 11, 20, 8, tzinfo=UTC), datetime(2026, 11, 21, 8, tzinfo=UTC)

FAILED = ManifestRow(
    source="1923/box 4/portrait.jpg",
    source_size=1234,
    source_mtime_ns=0,
    plan=("denoise",),
    error_class="NoRoom",
    error_message="this machine is out of room",
    run_id=FIRST,
    time=TIMES[0],
)
DONE = replace(
    FAILED,
    source_sha256="0" * 64,
    width=1200,
    height=900,
    mode="gray8",
    format="JPEG",
    noise_sigma=25.04,
    noise_confidence=0.97,
    noise_sigma_after=2.96,
    is_monochrome=True,
    monochrome_confidence=1.0,
    plan=("denoise", "colorize"),
    plan_reasons=("denoise: noise sigma 25.0 is at least 4", "deblur: not asked for"),
    models=("denoise-48", "colorize-lite0"),
    model_sha256=("a" * 64, "b" * 64),
    strength=0.5,
    passes=8,
    change_psnr_db=31.234,
    notes=("the profile is not one of gray\n",),
    restored_path="restored/1923/box 4/portrait.jpg",
    restored_sha256="c" * 64,
    restored_size=5678,
    needs_review=True,
    review_reasons=("a face was changed much",),
    review_decision=Decision.REDO,
    reviewer="Ada",
    review_time=TIMES[1],
    review_note="softer, please",
    settings='{"strength": 0.5}',
    device="cpu",
    precision="bf16",
    status=Status.RESTORED,
    error_class=None,
    error_message=None,
    software_version="0.1.0",
    run_id=SECOND,
    time=TIMES[1],
)


def fill(destination: DestinationStore) -> None:
    others = [replace(DONE, source=f"1924/{n}.jpg") for n in range(5)]
    spoilt = replace(FAILED, source="rotten.png", error_is_permanent=True)
    destination.put(part_path(FIRST, 0), encode_rows([FAILED, spoilt]))
    destination.put(part_path(SECOND, 0), encode_rows(others[:2]))
    destination.put(part_path(SECOND, 1), encode_rows([*others[2:], DONE]))


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    out = LocalDestination(tmp_path / "out")
    fill(out)
    return out.root


def lines_of(capsys: pytest.CaptureFixture[str], *words: object) -> list[str]:
    assert main(["show", *map(str, words)]) == 0
    return capsys.readouterr().out.splitlines()


def test_all_that_was_done_is_said_in_words(archive: Path, capsys) -> None:
    lines = lines_of(capsys, archive, "./1923/box 4/portrait.jpg")
    assert lines[0] == "1923/box 4/portrait.jpg: restored"
    titles = [line for line in lines[1:] if not line.startswith(" ")]
    assert titles == [
        "when:", "original:", "measured:", "steps:", "why:", "before → after:",
        "how much it changed:", "notes:", "review:", "outputs:",
    ]  # fmt: skip
    said = {line.strip() for line in lines}
    assert said >= {
        f"2026-11-21 08:00:00 UTC, run {SECOND}",
        "restore-archive 0.1.0, networks on cpu in bf16",
        "JPEG, 1,200 × 900 pixels, gray8",
        "noise sigma 25.0 8-bit levels (confidence 0.97)",
        "monochrome (confidence 1.00)",
        f"denoise with denoise-48, weights sha256 {'a' * 64}",
        "strength 0.5: the share of the change that was applied",
        "8 passes: the mean over the photo turned and mirrored",
        "denoise: noise sigma 25.0 is at least 4",
        "noise sigma: 25.04 → 2.96 8-bit levels",
        "how close the restored photo is to the original (PSNR): 31.23 dB",
        r"the profile is not one of gray\n",
        "a face was changed much",
        "redo by Ada, 2026-11-21 08:00:00 UTC",
        '"softer, please"',
        "asked for: strength 0.5",
        f"restored/1923/box 4/portrait.jpg, 5,678 bytes, sha256 {'c' * 64}",
        f"sha256 {'0' * 64}",
    }


def test_a_failure_says_what_to_do(archive: Path, capsys) -> None:
    lines = lines_of(capsys, archive, "rotten.png")
    assert lines[0] == "rotten.png: failed"
    assert "    this machine is out of room (NoRoom)" in lines
    assert any("what to do: the same file would come out the same again" in each for each in lines)
    assert "    planned, but not done: denoise" in lines
    [again] = [s for s in sections(FAILED) if s.title == "what went wrong"]
    assert again.lines[1].startswith("what to do: run the same command again")


@pytest.mark.parametrize("status", Status)
def test_a_row_of_which_little_is_known_can_be_shown(status: Status) -> None:
    bare = ManifestRow(source="a", source_size=0, source_mtime_ns=0, status=status)
    assert [each.title for each in sections(bare)][-1] == "original"
    older = replace(bare, plan=("denoise",), models=("x", "y"), model_sha256=("1", "2"))
    assert all(each.lines for each in sections(older))


def test_json_has_every_column_that_is_not_null(archive: Path, capsys) -> None:
    found = json.loads("\n".join(lines_of(capsys, archive, DONE.source, "--json")))
    known = {column.name for column in COLUMNS if getattr(DONE, column.name) is not None}
    assert set(found) == known
    assert found["models"] == ["denoise-48", "colorize-lite0"]
    assert found["review_time"] == "2026-11-21T08:00:00+00:00"
    assert found["noise_sigma"] == 25.04


def test_history_has_each_runs_row_the_oldest_first(archive: Path, capsys) -> None:
    assert lines_of(capsys, archive, DONE.source, "--history") == [
        f"2026-11-20 08:00:00 UTC  run {FIRST}: failed; this machine is out of room",
        f"2026-11-21 08:00:00 UTC  run {SECOND}: restored; denoise with denoise-48, colorize with "
        "colorize-lite0; needs review; redo by Ada",
    ]
    rows = json.loads("\n".join(lines_of(capsys, archive, DONE.source, "--history", "--json")))
    assert [row["run_id"] for row in rows] == [FIRST, SECOND]


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("1923/box 4/potrait.jpg", "; the nearest: 1923/box 4/portrait.jpg"),
        ("Portrait.JPG", "; the nearest: 1923/box 4/portrait.jpg"),
        ("restored/1923/box 4/portrait.jpg", "; the nearest: 1923/box 4/portrait.jpg"),
        ("1924/7.jpg", "; the nearest: 1924/"),
        ("zzzz", ""),
        ("a'\nb", ""),
    ],
)
def test_a_path_that_is_not_there(archive: Path, capsys, path: str, nearest: str) -> None:
    assert main(["show", str(archive), path]) == 2
    said = capsys.readouterr().err
    shown = path.replace("\n", "\\n")
    assert said.startswith(f"restore-archive: no run has seen a photo {shown}{nearest}")
    assert said.count("\n") == 1
    assert bool(nearest) == ("nearest" in said)


def test_an_archive_in_a_bucket(
    s3_server: S3Server, s3_folder: str, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    location = f"s3://{BUCKET}/{s3_folder}"
    fill(open_results(location))
    assert lines_of(capsys, location, DONE.source)[0] == f"{DONE.source}: restored"
    assert len(lines_of(capsys, location, DONE.source, "--history")) == 2
