"""Runs on several worker processes, some of which are killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from tests.flows.processes import (
    PATIENCE_S,
    Run,
    check_visible_outputs,
    needs_proc,
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
    archive: Path, tmp_path: Path, prefect_home: Path
) -> None:
    target = tmp_path / "restored"
    run = Run(archive, target, prefect_home, "--workers", "local:4")
    for lines in (1, 3):
        assert run.lines(lines) == lines
        os.kill(workers_of(run)[0], signal.SIGKILL)
    output, errors = run.process.communicate(timeout=PATIENCE_S)
    assert run.process.returncode == 0, output + errors
    assert "Traceback" not in errors
    assert wait_until_gone(run) == []
    assert sources_done(target) == names(archive)
    check_visible_outputs(target)
    assert not list((target / ".restore-archive" / "worklists").rglob("*.parquet"))


@needs_proc
def test_a_killed_parent_takes_its_workers_along_and_no_finished_batch_is_redone(
    archive: Path, tmp_path: Path, prefect_home: Path
) -> None:
    target = tmp_path / "restored"
    run = Run(archive, target, prefect_home, "--workers", "local:2")
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

    rest = Run(archive, target, prefect_home, "--workers", "local:2")
    output, errors = rest.process.communicate(timeout=PATIENCE_S)
    assert rest.process.returncode == 0, output + errors
    assert sources_done(target) == names(archive)
    assert {path: path.stat().st_mtime_ns for path in finished} == finished


@needs_proc
def test_a_photo_that_kills_its_workers_is_found_and_recorded(
    archive: Path, tmp_path: Path, prefect_home: Path
) -> None:
    target = tmp_path / "restored"
    (archive / "box 1" / "poison.png").write_bytes(encoded(noisy(scene(200, 220), 20), "PNG"))
    run = Run(
        archive, target, prefect_home, "--workers", "local:2", "--include", "box 1/*",
        DASK_DISTRIBUTED__WORKER__PRELOAD="tests.flows.poison",
        PYTHONPATH=os.getcwd(),  # noqa: PTH109
    )  # fmt: skip
    output, errors = run.process.communicate(timeout=PATIENCE_S)
    assert run.process.returncode == 1, output + errors
    rows = ds.dataset(target / "manifest").to_table().to_pylist()
    assert sorted(row["source"] for row in rows) == [n for n in names(archive) if "box 1" in n]
    (failed,) = [row for row in rows if row["status"] == "failed"]
    assert failed["source"] == "box 1/poison.png"
    assert failed["error_class"] == "WorkerDied"
    assert "poison.png" in output
