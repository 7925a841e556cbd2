"""kill -9 at any moment, the same command again: every photo done once, nothing left over."""

from __future__ import annotations

import hashlib
import os
import random
import select
import signal
import subprocess
import sys
import uuid
from contextlib import suppress
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from PIL import Image

from tests.scenes import encoded, gray_scene, noisy, scene

PHOTOS = 18
KILLS = 4
PATIENCE_S = 1500
"""Seconds after which a test gives up on a process, however loaded the machine is."""

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="needs Linux's /proc"
)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    source = tmp_path / "photos"
    for i in range(PHOTOS):
        folder = source / f"box {i % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        picture = gray_scene(200, 220, seed=i) if i % 3 else scene(200, 220, seed=i)
        data = encoded(noisy(picture, 20, seed=i), "PNG")
        (folder / f"photo {i:02}.png").write_bytes(data)
    return source


class Run:
    """One run in a process of its own, marked so that its helpers can be found."""

    def __init__(self, archive: Path, target: Path, home: Path) -> None:
        self.mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", "run", str(archive), str(target), "--verbose",
             "--batch-megapixels", "0.15", "--device", "cpu"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "RESTORE_TEST_MARK": self.mark, "PREFECT_HOME": str(home)},
        )  # fmt: skip

    def lines(self, count: int) -> int:
        """Wait for so many lines of output; returns how many came."""
        assert self.process.stdout is not None
        return sum(1 for _ in zip(range(count), self.process.stdout, strict=False))

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def helpers(self) -> list[int]:
        """Processes that carry this run's mark (Linux)."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != self.process.pid:
                try:
                    environment = (entry / "environ").read_bytes()
                    is_zombie = b") Z " in (entry / "stat").read_bytes()
                except OSError:
                    continue
                if f"RESTORE_TEST_MARK={self.mark}".encode() in environment and not is_zombie:
                    found.append(int(entry.name))
        return found


def wait_until_gone(run: Run) -> list[int]:
    """Wait for the end of the run's helpers, which are not our children; what is left of them."""
    for pid in run.helpers():
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(pid)
            try:
                select.select([handle], [], [], PATIENCE_S)
            finally:
                os.close(handle)
    return run.helpers()


@needs_proc
def test_killed_at_random_moments(archive: Path, tmp_path: Path, prefect_home: Path) -> None:
    target = tmp_path / "restored"
    originals = {
        path: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in archive.rglob("*.png")
    }
    moments = random.Random(5)
    for attempt in range(KILLS):
        run = Run(archive, target, prefect_home)
        if attempt:  # the first is killed while it starts
            run.lines(moments.randint(1, 3))
        try:
            run.process.wait(timeout=moments.uniform(0, 0.4 if attempt else 5))
        except subprocess.TimeoutExpired:
            run.kill()
            assert run.process.returncode == -signal.SIGKILL
        assert wait_until_gone(run) == []
        check_visible_outputs(target)

    last = Run(archive, target, prefect_home)
    output, errors = last.process.communicate(timeout=PATIENCE_S)
    assert last.process.returncode == 0, output + errors
    assert wait_until_gone(last) == []

    assert sources_done(target) == sorted(p.relative_to(archive).as_posix() for p in originals)
    assert not [path for path in target.rglob("*") if ".part" in path.name and path.is_file()
                and not path.name.endswith(".parquet")]  # fmt: skip
    for path, (digest, mtime_ns) in originals.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
        assert path.stat().st_mtime_ns == mtime_ns


def sources_done(target: Path) -> list[str]:
    """The sources of all manifest rows, sorted, each restored to the file that its row names."""
    table = ds.dataset(target / "manifest").to_table()
    assert set(table["status"].to_pylist()) == {"restored"}
    for path, sha in zip(
        table["restored_path"].to_pylist(), table["restored_sha256"].to_pylist(), strict=True
    ):
        assert hashlib.sha256((target / path).read_bytes()).hexdigest() == sha
    return sorted(table["source"].to_pylist())


def check_visible_outputs(target: Path) -> None:
    """Whatever is visible under its final name is whole."""
    for top in ("restored", "colorized"):
        for path in (target / top).rglob("*.png"):
            if not path.name.startswith("."):
                with Image.open(path) as image:
                    image.load()


def test_ctrl_c_stops_cleanly(archive: Path, tmp_path: Path, prefect_home: Path) -> None:
    target = tmp_path / "restored"
    run = Run(archive, target, prefect_home)
    run.lines(1)
    run.process.send_signal(signal.SIGINT)
    output, errors = run.process.communicate(timeout=PATIENCE_S)
    assert run.process.returncode == 130, output + errors
    assert "Traceback" not in errors
    assert "goes on from here" in output
    done = ds.dataset(target / "manifest").to_table().num_rows
    assert 0 < done < PHOTOS
    rest = Run(archive, target, prefect_home)
    output, errors = rest.process.communicate(timeout=PATIENCE_S)
    assert rest.process.returncode == 0, output + errors
    assert ds.dataset(target / "manifest").to_table().num_rows == PHOTOS


@needs_proc
def test_a_lost_prefect_server_ends_the_run_in_one_line(
    archive: Path, tmp_path: Path, prefect_home: Path
) -> None:
    target = tmp_path / "restored"
    run = Run(archive, target, prefect_home)
    assert run.lines(1) == 1
    run.process.send_signal(signal.SIGSTOP)  # so that the run cannot end before its server does
    (server,) = run.helpers()
    os.kill(server, signal.SIGKILL)
    run.process.send_signal(signal.SIGCONT)
    output, errors = run.process.communicate(timeout=PATIENCE_S)
    assert run.process.returncode == 1, output + errors
    assert errors.startswith("restore-archive: Prefect's embedded server ended")
    assert errors.count("\n") == 1, errors
    assert 0 < len(sources_done(target)) < PHOTOS

    rest = Run(archive, target, prefect_home)
    output, errors = rest.process.communicate(timeout=PATIENCE_S)
    assert rest.process.returncode == 0, output + errors
    assert sources_done(target) == sorted(
        path.relative_to(archive).as_posix() for path in archive.rglob("*.png")
    )
