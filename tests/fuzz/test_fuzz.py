"""A short run of the fuzzer; the long one is in this folder's README."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = 30
MEGABYTES = 4000
LIMITED = (
    "import os, resource, sys; "
    f"resource.setrlimit(resource.RLIMIT_DATA, ({MEGABYTES}_000_000,) * 2); "
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


def test_a_short_run_finds_nothing(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    words = ["-m", "tests.fuzz.decode", "--seconds", str(SECONDS), "--findings", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    tracebacks = "\n".join(path.read_text(encoding="utf-8") for path in tmp_path.glob("*.txt"))
    assert done.returncode == 0, tracebacks + done.stdout[-4000:]
    assert "number_of_executed_units" in done.stdout


def test_a_finding_is_saved_with_its_traceback(tmp_path: Path) -> None:
    from tests.fuzz.decode import saving

    def target(data: bytes) -> None:
        assert data[:1] != b"x", "an x"

    guarded = saving(target, tmp_path)
    for data in (b"sound", b"x1", b"x2"):
        guarded(data)
    (report,) = tmp_path.glob("*.txt")
    assert "an x" in report.read_text(encoding="utf-8")
    assert report.with_suffix("").read_bytes() == b"x1"
