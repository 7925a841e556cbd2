"""The lock between real processes: refused while the holder lives, free once it was killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage import DestinationBusy, LocalDestination

HOLDER = """
import os, sys
from pathlib import Path
from storage import DestinationBusy, LocalDestination
try:
    with LocalDestination(Path(sys.argv[1])).lock():
        if sys.argv[2] == "fork" and os.fork() == 0:
            # A worker that outlives the run: says so, then waits for the test to let it go.
            os.write(1, b"worker\\n")
            os.read(0, 1)
            os._exit(0)
        os.write(1, b"held\\n")
        os.read(0, 1)
except DestinationBusy as busy:
    print("busy:", busy)
"""


@contextmanager
def holder(root: Path, how: str = "alone") -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(root), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    with process:  # leaving closes the pipes and waits
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_refused(tmp_path):
    with LocalDestination(tmp_path).lock(), holder(tmp_path) as other:
        answer = other.stdout.readline().decode()
        assert answer.startswith("busy: another run writes to")
        assert f"process {os.getpid()} on " in answer


def kill_and_lock(other, destination):
    other.kill()
    other.wait()
    with destination.lock():
        pass


def test_the_lock_is_free_after_the_holder_was_killed(tmp_path):
    destination = LocalDestination(tmp_path)
    with holder(tmp_path) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(DestinationBusy, match=f"process {other.pid} "), destination.lock():
            pass
        kill_and_lock(other, destination)


def test_an_orphaned_worker_does_not_keep_the_lock(tmp_path):
    destination = LocalDestination(tmp_path)
    with holder(tmp_path, "fork") as other:
        said = {other.stdout.readline(), other.stdout.readline()}
        assert said == {b"held\n", b"worker\n"}
        kill_and_lock(other, destination)


def test_the_lock_is_free_after_the_block_and_after_an_error(tmp_path):
    destination = LocalDestination(tmp_path)
    with pytest.raises(RuntimeError, match="inside"), destination.lock():
        raise RuntimeError("inside")
    with holder(tmp_path) as other:
        assert other.stdout.readline() == b"held\n"
        other.stdin.write(b"x")
        other.stdin.flush()
        assert other.wait() == 0
    with destination.lock():
        pass
