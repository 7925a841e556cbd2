"""Files that `diff --page` and `sheet -o` write: they take the place of nothing of others."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.cli import main
from flows.comparing import compare
from flows.decisions import PhotoDecision
from flows.new_files import new_file
from flows.reviewing import PART_DECISIONS, apply_decisions
from storage import LocalDestination, OutOfSpace, StorageError
from storage.manifest import (
    DamagedManifest,
    Decision,
    ManifestRow,
    RunKind,
    RunRecord,
    Status,
    encode_rows,
    part_path,
    read_runs,
    write_latest,
    write_run,
)
from storage.manifest.database import ManifestDatabase

RUN = "20261120T080000Z-aaaaaa"


def row(source: str, **values) -> ManifestRow:
    basis = {
        "source_size": 9,
        "source_mtime_ns": 5,
        "status": Status.RESTORED,
        "plan": ("denoise",),
        "time": datetime(2026, 11, 20, tzinfo=UTC),
    }
    return ManifestRow(source=source, run_id=RUN, **{**basis, **values})


@pytest.fixture
def target(tmp_path: Path) -> Path:
    out = LocalDestination(tmp_path / "restored")
    out.put(part_path(RUN, 0), encode_rows([row("a.jpg"), row("b.jpg")]))
    started = datetime(2026, 11, 20, tzinfo=UTC)
    write_run(out, RunRecord(run_id=RUN, source=str(tmp_path / "photos"), started=started))
    return out.root


def error_of(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main([str(word) for word in words]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


class TestNewFile:
    def test_it_appears_whole_or_not_at_all(self, tmp_path: Path) -> None:
        path = tmp_path / "a.bin"
        path.write_bytes(b"old")
        (tmp_path / ".a.bin.part").write_bytes(b"somebody's")
        with pytest.raises(ZeroDivisionError), new_file(path) as file:
            file.write(bytes(1 // len(path.read_bytes()[3:])))
        assert path.read_bytes() == b"old"
        with new_file(path) as file:
            file.write(b"new")
        assert path.read_bytes() == b"new"
        assert sorted(each.name for each in tmp_path.iterdir()) == [".a.bin.part", "a.bin"]


CAPPED = (
    "import resource, sys, flows.cli as cli\n"
    "limit, *words = sys.argv[1:]\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))\n"
    "sys.exit(cli.main(words))"
)
"""A program whose files can have no more than so many bytes: as on a full disk."""


class TestNoRoom:
    @pytest.mark.parametrize(
        ("name", "limit", "words"),
        [
            ("sheet.png", 500, ["sheet", "TARGET", "-o", "FILE"]),
            ("all.parquet", 200, ["query", "TARGET", "SELECT * FROM photos", "--parquet", "FILE"]),
            ("page.html", 500, ["diff", "TARGET", "first", "latest", "--page", "FILE"]),
            ("bag", 30, ["bag", "TARGET", "FILE"]),
        ],
    )
    def test_the_file_that_was_asked_for_is_named_and_nothing_left(
        self, target: Path, tmp_path: Path, name: str, limit: int, words: list[str]
    ) -> None:
        write_latest(LocalDestination(target))
        places = {"TARGET": str(target), "FILE": str(tmp_path / name)}
        before = sorted(tmp_path.rglob("*"))
        done = subprocess.run(
            [sys.executable, "-c", CAPPED, str(limit), *(places.get(w, w) for w in words)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        last = done.stderr.splitlines()[-1]
        assert last == (
            f"restore-archive: {tmp_path / name} was not written: file too large; make room, or "
            "choose a place that has some"
        )
        assert "Traceback" not in done.stderr
        assert sorted(tmp_path.rglob("*")) == before

    def test_a_place_where_nobody_can_write(self) -> None:
        with (
            pytest.raises(StorageError, match=r"/proc/a\.png was not written: .*; choose a place"),
            new_file(Path("/proc/a.png")),
        ):
            raise AssertionError("nothing can be written there")


class TestPage:
    def test_a_former_page_is_renewed_and_nothing_else(self, target: Path, capsys) -> None:
        page = target.parent / "diff.html"
        words = ("diff", target, "first", "latest", "--page", page)
        for _ in range(2):
            assert main([str(word) for word in words]) == 0
        capsys.readouterr()
        for mine in ("<!DOCTYPE html>\n<title>mine</title>", "", "photo"):
            page.write_text(mine)
            assert "is no comparison" in error_of(capsys, *words)
            assert page.read_text() == mine
        page.unlink()
        page.symlink_to(target.parent / "elsewhere.html")
        assert "is no comparison" in error_of(capsys, *words)


class TestSheet:
    def test_originals_that_are_gone_end_nothing(self, target: Path, capsys) -> None:
        sheet = target.parent / "sheet.png"
        assert main(["sheet", str(target), "-o", str(sheet)]) == 0
        said = capsys.readouterr()
        assert said.out == f"{sheet}\n"
        assert said.err.startswith("without the originals: ")
        other = str(target.parent / "other.png")
        assert main(["sheet", str(target), "-o", other, "--source", "/nowhere"]) == 2

    def test_what_is_there_stays_unless_it_may_go(self, target: Path, capsys) -> None:
        sheet = target.parent / "sheet-002.png"
        sheet.write_bytes(b"mine")
        words = ("sheet", target, "-o", target.parent / "sheet.png", "--per-page", 1)
        assert f"{sheet} exists already" in error_of(capsys, *words)
        assert sheet.read_bytes() == b"mine"
        assert not (target.parent / "sheet-001.png").exists()
        assert main([*map(str, words), "--overwrite"]) == 0
        assert sheet.read_bytes() != b"mine"

    @pytest.mark.parametrize("place", ["photos", "photos/a", "restored/restored/a"])
    def test_it_is_never_among_photographs(self, target: Path, capsys, place: str) -> None:
        folder = target.parent / place
        folder.mkdir(parents=True)
        said = error_of(capsys, "sheet", target, "-o", folder / "new.jpg", "--overwrite")
        assert "would be among the photographs in" in said
        assert list(folder.iterdir()) == []


def test_a_renamed_model_is_one(tmp_path: Path) -> None:
    out = LocalDestination(tmp_path)
    sha = "a" * 64
    rows = [
        row("a.jpg", models=("old",), model_sha256=(sha,)),
        row("b.jpg", models=("new",), model_sha256=(sha,)),
    ]
    out.put(part_path(RUN, 0), encode_rows(rows))
    with ManifestDatabase.open(out) as database:
        assert compare(database, "model:aaaa", "model:new").in_all == 0


def test_a_query_that_fails_is_a_line(target: Path, capsys, monkeypatch) -> None:
    part = target / part_path(RUN, 0)
    main(["query", str(target), "SELECT count(*) FROM photos"])
    part.write_bytes(bytes(part.stat().st_size))
    capsys.readouterr()
    assert main(["diff", str(target), "first", "latest"]) == 1
    assert capsys.readouterr().err.startswith("restore-archive: ")


def test_a_view_that_cannot_be_made_is_damage(target: Path, monkeypatch) -> None:
    monkeypatch.setattr("storage.manifest.database._LOCKS", ("SELECT * FROM no_such_thing",))
    with pytest.raises(DamagedManifest, match="no_such_thing"):
        ManifestDatabase.open(LocalDestination(target))


def test_a_review_that_broke_off_has_its_record(target: Path, monkeypatch) -> None:
    out = LocalDestination(target)
    many = [row(f"{number}.jpg") for number in range(PART_DECISIONS + 1)]
    out.put(part_path(RUN, 1), encode_rows(many))
    now = datetime(2026, 11, 22, tzinfo=UTC)
    decisions = [
        PhotoDecision(each.source, RUN, None, Decision.ACCEPTED, now, note="") for each in many
    ]
    real = LocalDestination.put

    def full(self, path, *args, **more):
        if path.endswith("-000001.parquet"):
            raise OutOfSpace("the disk is full")
        return real(self, path, *args, **more)

    monkeypatch.setattr(LocalDestination, "put", full)
    with pytest.raises(OutOfSpace):
        apply_decisions(out, decisions, "me")
    record = read_runs(out)[-1]
    assert (record.kind, record.stopped, record.restored) == (RunKind.REVIEW, True, 0)
