"""With the network cut off, by the kernel or by a hook: nothing is fetched, nobody is told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from storage.manifest import Status
from tests.flows.processes import PATIENCE_S
from tests.scenes import encoded, noisy, scene

LOOPBACK_UP = (
    "import fcntl, os, socket, struct, sys; "
    "request = struct.pack('16sH14s', b'lo', 1, b''); "  # IFF_UP (netdevice(7))
    "fcntl.ioctl(socket.socket(), 0x8914, request); "  # SIOCSIFFLAGS
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)
HOOK = """
import os, sys

def watch(event, arguments):
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else "localhost"
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in (None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0"):
        with open(os.environ["RESTORE_TEST_ATTEMPTS"], "a") as log:
            log.write(f"{event} {host}\\n")
        raise OSError(101, "the network is cut off")

sys.addaudithook(watch)
"""


def can_unshare() -> bool:
    unshare = shutil.which("unshare")
    return (
        unshare is not None and not subprocess.run([unshare, "-rn", "true"], check=False).returncode
    )


needs_namespaces = pytest.mark.skipif(
    not can_unshare(), reason="network namespaces are not allowed"
)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    (folder / "photo.png").write_bytes(encoded(noisy(scene(96, 120), 25), "PNG"))
    return folder / "photo.png"


def call(words: Sequence[str | Path], tmp_path: Path, **environment: str) -> str:
    """Standard output of a command that must do well."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    done = subprocess.run(
        [str(word) for word in words],
        env={**inherited, "PREFECT_HOME": str(tmp_path / "prefect"), **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def statuses(target: Path) -> list[Status]:
    table = ds.dataset(target / "manifest", exclude_invalid_files=True).to_table()
    return [Status(value) for value in table["status"].to_pylist()]


@needs_namespaces
def test_restores_and_assesses_without_any_network(photo: Path, tmp_path: Path) -> None:
    alone = ["unshare", "-rn", sys.executable, "-m", "flows.cli"]
    output = tmp_path / "restored.png"
    call([*alone, "restore", photo, "-o", output, "--device", "cpu"], tmp_path)
    assert output.stat().st_size
    assert "noise" in call([*alone, "assess", photo], tmp_path)


@needs_namespaces
def test_a_run_needs_nothing_but_its_own_loopback(photo: Path, tmp_path: Path) -> None:
    words = ["unshare", "-rn", sys.executable, "-c", LOOPBACK_UP, "-m", "flows.cli", "run"]
    call([*words, photo.parent, tmp_path / "out", "--device", "cpu"], tmp_path)
    assert statuses(tmp_path / "out") == [Status.RESTORED]


def test_a_run_calls_nobody(photo: Path, tmp_path: Path) -> None:
    hooks, attempts = tmp_path / "hooks", tmp_path / "attempts"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(HOOK, encoding="utf-8")
    watched = {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(hooks), os.environ.get("PYTHONPATH")])),
        "RESTORE_TEST_ATTEMPTS": str(attempts),
    }
    probe = "import socket\ntry: socket.getaddrinfo('example.org', 80)\nexcept OSError: pass"
    call([sys.executable, "-c", probe], tmp_path, **watched)
    assert attempts.read_text() == "socket.getaddrinfo example.org\n"
    attempts.unlink()
    words = [sys.executable, "-m", "flows.cli", "run", photo.parent, tmp_path / "out"]
    call([*words, "--device", "cpu"], tmp_path, **watched)
    assert statuses(tmp_path / "out") == [Status.RESTORED]
    assert not attempts.exists(), attempts.read_text()
