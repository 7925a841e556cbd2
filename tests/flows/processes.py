"""Runs as processes of their own, to be killed."""

from __future__ import annotations

import hashlib
import os
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
PATIENCE_S = 1500
"""Seconds after which a test gives up on a process, however loaded the machine is."""
STUCK_S = 120
"""Seconds after which what should happen at once does not happen at all."""

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="needs Linux's /proc"
)


def write_archive(source: Path) -> Path:
    for i in range(PHOTOS):
        folder = source / f"box {i % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        picture = gray_scene(200, 220, seed=i) if i % 3 else scene(200, 220, seed=i)
        data = encoded(noisy(picture, 20, seed=i), "PNG")
        (folder / f"photo {i:02}.png").write_bytes(data)
    return source


DECODER = "restoration.codec.child"


class Run:
    """One run in a process of its own, marked so that its helpers can be found.

    Args:
        prefect: the URL of a server, or a home for the embedded one, which takes seconds to start.
    """

    def __init__(
        self, archive: Path, target: Path, prefect: Path | str, *options: str, **environment: str
    ) -> None:
        variable = "PREFECT_API_URL" if isinstance(prefect, str) else "PREFECT_HOME"
        self.mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", "run", str(archive), str(target), "--verbose",
             "--batch-megapixels", "0.15", "--device", "cpu", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that Ctrl-C can be sent to it and to all it starts
            env={**os.environ, "RESTORE_TEST_MARK": self.mark, variable: str(prefect),
                 **environment},
        )  # fmt: skip

    def lines(self, count: int) -> int:
        """Wait for so many lines of output; returns how many came."""
        assert self.process.stdout is not None
        return sum(1 for _ in zip(range(count), self.process.stdout, strict=False))

    def press_ctrl_c(self) -> None:
        """Interrupt the whole process group, as a terminal does."""
        os.killpg(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def helpers(self, *, but: str = "") -> list[int]:
        """Processes that carry this run's mark (Linux), but those with a word in their command."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != self.process.pid:
                try:
                    environment = (entry / "environ").read_bytes()
                    command = (entry / "cmdline").read_bytes().decode()
                    is_zombie = b") Z " in (entry / "stat").read_bytes()
                except OSError:
                    continue
                if f"RESTORE_TEST_MARK={self.mark}".encode() in environment and not (
                    is_zombie or (but and but in command)
                ):
                    found.append(int(entry.name))
        return found


class HeldWorkers:
    """The first workers that take photos in hand, made to wait there; see `held`.

    Args:
        folder: for a pipe and marks.
        count: how many.
    """

    def __init__(self, folder: Path, count: int) -> None:
        fifo = folder / "held.fifo"
        os.mkfifo(fifo)
        # Open for writing too: the pipe has no end while nobody has written yet.
        self._descriptor = os.open(fifo, os.O_RDWR)
        self.environment = {
            **preload("tests.flows.held"),
            "HELD_FIFO": str(fifo),
            "HELD_COUNT": str(count),
        }

    def next(self) -> int:
        """The process id of the next one, which has a batch in work from now on."""
        ready, _, _ = select.select([self._descriptor], [], [], PATIENCE_S)
        assert ready
        line = b""
        while not line.endswith(b"\n"):
            line += os.read(self._descriptor, 1)
        return int(line)


class SlowStarts:
    """Workers that wait before they are ready; see `slow_start`.

    Args:
        folder: for pipes.
    """

    def __init__(self, folder: Path) -> None:
        paths = [folder / "starting.fifo", folder / "ready.fifo"]
        for path in paths:
            os.mkfifo(path)
        # Open for both: neither side waits for the other to open it.
        self._announced, self._ready = (os.open(path, os.O_RDWR) for path in paths)
        names = ("START_FIFO", "READY_FIFO")
        self.environment = preload("tests.flows.slow_start") | dict(
            zip(names, map(str, paths), strict=True)
        )

    def next(self) -> int:
        """The process id of one that waits now."""
        assert select.select([self._announced], [], [], PATIENCE_S)[0]
        line = b""
        while not line.endswith(b"\n"):
            line += os.read(self._announced, 1)
        return int(line)

    def go_on(self) -> None:
        """Let all of them be ready, also those that do not wait yet."""
        os.write(self._ready, b"." * 64)


def preload(module: str) -> dict[str, str]:
    """The environment in which Dask workers load a module of the tests."""
    return {"DASK_DISTRIBUTED__WORKER__PRELOAD": module, "PYTHONPATH": str(Path.cwd())}


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
