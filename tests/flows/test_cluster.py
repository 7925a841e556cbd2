"""Runs on several worker processes, some of which are killed."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from tests.flows.processes import (
    PATIENCE_S,
    PHOTOS,
    STUCK_S,
    HeldWorkers,
    Run,
    SlowStarts,
    check_visible_outputs,
    needs_proc,
    preload,
    sources_done,
    wait_until_gone,
    write_archive,
)
from tests.scenes import encoded, noisy, scene


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_archive(tmp_path / "photos")


def workers_of(run: Run) -> list[int]:
    """Its Dask workers: what Dask's nannies spawned."""
    found = []
    for pid in run.helpers():
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if any(b"spawn_main" in word for word in words):
            found.append(pid)
    return found


def names(archive: Path) -> list[str]:
    return sorted(path.relative_to(archive).as_posix() for path in archive.rglob("*.png"))


@needs_proc
def test_each_photo_is_restored_once_though_two_of_four_workers_are_killed(
    archive: Path, tmp_path: Path, prefect_harness: str
) -> None:
    target = tmp_path / "restored"
    held = HeldWorkers(tmp_path, 2)
    run = Run(archive, target, prefect_harness, "--workers", "local:4", **held.environment)
    for _ in range(2):
        in_work = held.next()
        assert in_work in workers_of(run)
        os.kill(in_work, signal.SIGKILL)
    output, errors = run.process.communicate(timeout=PATIENCE_S)
    assert run.process.returncode == 0, output + errors
    assert "Traceback" not in errors
    assert wait_until_gone(run) == []
    assert sources_done(target) == names(archive)
    check_visible_outputs(target)
    assert not list((target / ".restore-archive" / "worklists").rglob("*.parquet"))


@needs_proc
def test_a_killed_parent_takes_its_workers_along_and_no_finished_batch_is_redone(
    archive: Path, tmp_path: Path, prefect_home: Path, prefect_harness: str
) -> None:
    target = tmp_path / "restored"
    held = HeldWorkers(tmp_path, 1)  # whose batch is in work whenever the parent is killed
    run = Run(archive, target, prefect_home, "--workers", "local:2", **held.environment)
    assert held.next()
    part_files = (target / "manifest").rglob("*.parquet")
    while next(part_files, None) is None:  # each line is a photo; after a few a batch is done
        assert run.lines(1) == 1
        part_files = (target / "manifest").rglob("*.parquet")
    run.kill()
    assert wait_until_gone(run) == []
    finished = {
        path: path.stat().st_mtime_ns
        for source in sources_done(target)
        for path in [target / "restored" / source]
    }
    assert 0 < len(finished) < len(names(archive))

    rest = Run(archive, target, prefect_harness, "--workers", "local:2")
    output, errors = rest.process.communicate(timeout=PATIENCE_S)
    assert rest.process.returncode == 0, output + errors
    assert sources_done(target) == names(archive)
    assert {path: path.stat().st_mtime_ns for path in finished} == finished


@needs_proc
def test_ctrl_c_in_a_terminal_stops_the_workers_after_the_photos_in_hand(
    archive: Path, tmp_path: Path, prefect_home: Path
) -> None:
    target = tmp_path / "restored"
    held = HeldWorkers(tmp_path, 2)
    run = Run(archive, target, prefect_home, "--workers", "local:2", **held.environment)
    assert held.next() != held.next()
    run.press_ctrl_c()
    output, errors = run.process.communicate(timeout=PATIENCE_S)
    assert run.process.returncode == 130, output + errors
    assert errors.startswith("\nstopping after the photos in hand")
    assert errors.count("\n") == 2, errors
    assert "goes on from here" in output
    assert wait_until_gone(run) == []
    assert 0 < len(sources_done(target)) < PHOTOS  # of both workers, the batch in work


@needs_proc
def test_workers_that_start_hear_no_signals_and_the_run_does(
    archive: Path, tmp_path: Path, prefect_harness: str
) -> None:
    target = tmp_path / "restored"
    starts = SlowStarts(tmp_path)
    run = Run(archive, target, prefect_harness, "--workers", "local:2", **starts.environment)
    assert run.process.stderr is not None
    pid = starts.next()
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert b"PYTHONWARNINGS=ignore" in environment
    for each in workers_of(run):
        os.kill(each, signal.SIGTERM)
    run.press_ctrl_c()
    assert select.select([run.process.stderr], [], [], STUCK_S)[0], "it hears of it at the end only"
    starts.go_on()
    output, errors = run.process.communicate(timeout=PATIENCE_S)
    assert run.process.returncode == 130, output + errors
    assert errors == "\nstopping after the photos in hand; Ctrl-C again stops at once\n"
    assert "goes on from here" in output
    assert not list((target / "manifest").rglob("*.parquet"))
    assert wait_until_gone(run) == []


@needs_proc
def test_a_photo_that_kills_its_workers_is_found_and_recorded(
    archive: Path, tmp_path: Path, prefect_harness: str
) -> None:
    target = tmp_path / "restored"
    (archive / "box 1" / "poison.png").write_bytes(encoded(noisy(scene(200, 220), 20), "PNG"))
    run = Run(
        archive, target, prefect_harness, "--workers", "local:2", "--include", "box 1/*",
        **preload("tests.flows.poison"),
    )  # fmt: skip
    output, errors = run.process.communicate(timeout=PATIENCE_S)
    assert run.process.returncode == 1, output + errors
    rows = ds.dataset(target / "manifest").to_table().to_pylist()
    assert sorted(row["source"] for row in rows) == [n for n in names(archive) if "box 1" in n]
    (failed,) = [row for row in rows if row["status"] == "failed"]
    assert failed["source"] == "box 1/poison.png"
    assert failed["error_class"] == "WorkerDied"
    assert "poison.png" in output


@needs_proc
def test_an_error_that_ends_the_run_is_one_line_and_what_was_done_is_kept(
    archive: Path, tmp_path: Path, prefect_harness: str
) -> None:
    target = tmp_path / "restored"
    (archive / "box 1" / "the full disk.png").write_bytes(encoded(scene(200, 220), "PNG"))
    run = Run(
        archive, target, prefect_harness, "--workers", "local:1", "--include", "box 1/*",
        **preload("tests.flows.poison"),
    )  # fmt: skip
    output, errors = run.process.communicate(timeout=PATIENCE_S)
    assert run.process.returncode == 1, output + errors
    goes_on = "make room, and the same command goes on"
    assert errors == f"restore-archive: the disk is full; {goes_on}\n"
    assert sources_done(target) == [n for n in names(archive) if "box 1/photo" in n]
    assert wait_until_gone(run) == []
