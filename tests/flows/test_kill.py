"""kill -9 at any moment, the same command again: every photo done once, nothing left over."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from tests.flows.processes import (
    DECODER,
    PATIENCE_S,
    PHOTOS,
    Run,
    check_visible_outputs,
    needs_proc,
    sources_done,
    wait_until_gone,
    write_archive,
)

KILLS = 4


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_archive(tmp_path / "photos")


@needs_proc
def test_killed_at_random_moments(
    archive: Path, tmp_path: Path, prefect_home: Path, prefect_harness: str
) -> None:
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

    last = Run(archive, target, prefect_harness)
    output, errors = last.process.communicate(timeout=PATIENCE_S)
    assert last.process.returncode == 0, output + errors
    assert wait_until_gone(last) == []

    assert sources_done(target) == sorted(p.relative_to(archive).as_posix() for p in originals)
    assert not [path for path in target.rglob("*") if ".part" in path.name and path.is_file()
                and not path.name.endswith(".parquet")]  # fmt: skip
    for path, (digest, mtime_ns) in originals.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
        assert path.stat().st_mtime_ns == mtime_ns


@needs_proc
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_request_to_stop_stops_cleanly(
    archive: Path, tmp_path: Path, prefect_home: Path, prefect_harness: str,
    number: signal.Signals, code: int,
) -> None:  # fmt: skip
    target = tmp_path / "restored"
    run = Run(archive, target, prefect_home)
    run.lines(1)
    for pid in (*run.helpers(), run.process.pid):  # as systemd does, and terminals do
        os.kill(pid, number)
    output, errors = run.process.communicate(timeout=PATIENCE_S)
    assert run.process.returncode == code, output + errors
    assert errors.startswith("\nstopping after the photos in hand; ")
    assert errors.count("\n") == 2, errors
    assert wait_until_gone(run) == []
    assert "goes on from here" in output
    done = ds.dataset(target / "manifest").to_table().num_rows
    assert 0 < done < PHOTOS
    rest = Run(archive, target, prefect_harness)
    output, errors = rest.process.communicate(timeout=PATIENCE_S)
    assert rest.process.returncode == 0, output + errors
    assert ds.dataset(target / "manifest").to_table().num_rows == PHOTOS


@needs_proc
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_starts_stops_at_once(
    archive: Path, tmp_path: Path, prefect_home: Path, number: signal.Signals, code: int
) -> None:
    run = Run(archive, tmp_path / "restored", prefect_home)
    while not run.helpers():  # its server
        assert run.process.poll() is None
    run.process.send_signal(number)
    output, errors = run.process.communicate(timeout=PATIENCE_S)
    assert run.process.returncode == code, output + errors
    assert (output, errors) == (
        "", "restore-archive: interrupted; run the same command again to go on\n",
    )  # fmt: skip
    assert not (tmp_path / "restored").exists()
    assert wait_until_gone(run) == []


WAITING = """
import os, threading
from flows.stopping import StopSignals
with StopSignals(lambda came: os.write(1, f"{came.name}\\n".encode())):
    print("ready", flush=True)
    threading.Event().wait()
"""


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_the_process_at_once(second: signal.Signals) -> None:
    first = signal.SIGTERM if second is signal.SIGINT else signal.SIGINT
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(first)
    assert process.stdout.readline() == f"{first.name}\n"
    process.send_signal(second)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 128 + second
    assert errors == "restore-archive: stopped at once; the same command goes on from here\n"


@needs_proc
def test_a_lost_prefect_server_ends_the_run_in_one_line(
    archive: Path, tmp_path: Path, prefect_home: Path, prefect_harness: str
) -> None:
    target = tmp_path / "restored"
    run = Run(archive, target, prefect_home)
    assert run.lines(1) == 1
    run.process.send_signal(signal.SIGSTOP)  # so that the run cannot end before its server does
    (server,) = run.helpers(but=DECODER)
    os.kill(server, signal.SIGKILL)
    run.process.send_signal(signal.SIGCONT)
    output, errors = run.process.communicate(timeout=PATIENCE_S)
    assert run.process.returncode == 1, output + errors
    assert errors.startswith("restore-archive: Prefect's embedded server ended")
    assert errors.count("\n") == 1, errors
    assert 0 < len(sources_done(target)) < PHOTOS

    rest = Run(archive, target, prefect_harness)
    output, errors = rest.process.communicate(timeout=PATIENCE_S)
    assert rest.process.returncode == 0, output + errors
    assert sources_done(target) == sorted(
        path.relative_to(archive).as_posix() for path in archive.rglob("*.png")
    )
