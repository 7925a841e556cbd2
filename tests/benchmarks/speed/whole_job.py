"""`restore-archive run` as a process of its own, watched from outside."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.benchmarks.speed.gpu import GpuWatch
from tests.benchmarks.speed.photos import make_photos
from tests.benchmarks.speed.processes import Moment, Watch

OPTIONS = ("steps", "device", "precision", "threads", "memory", "gpu_memory", "workers")
"""Options of `run` that are handed on where they are given."""
COMMAND = ("flows.cli", "run")


@dataclass(frozen=True)
class JobRun:
    """What a run took.

    Attributes:
        wall_s: from the start of the process to its end.
        cpu_s: user and system, of all its processes.
        cpu_by_kind: the same by kind of process, as last sampled.
        moments: memory over time.
        read_gb: from disks, and not from the page cache, 10^9 bytes.
        written_gb: to disks, now or later.
        gpu_busy: share of the time in which a kernel ran; None without a GPU.
        gpu_memory_gb: the most that was taken, 10^9 bytes.
    """

    wall_s: float
    cpu_s: float
    cpu_by_kind: Mapping[str, float]
    moments: tuple[Moment, ...]
    read_gb: float
    written_gb: float
    gpu_busy: float | None
    gpu_memory_gb: float

    @property
    def peak_anonymous_gb(self) -> float:
        return max(moment.anonymous_gb for moment in self.moments)

    @property
    def peak_proportional_gb(self) -> float:
        return max(moment.proportional_gb for moment in self.moments)


@dataclass(frozen=True)
class PhotoRow:
    """What the manifest says of a photo.

    Attributes:
        source: its path in the archive.
        status: restored, nothing-to-do, skipped or failed.
        megapixels: 10^6.
        models: that were run on it, and whose work was kept.
        precision: of the networks; "" where the manifest does not say.
        seconds: its columns of elapsed seconds, by name.
    """

    source: str
    status: str
    megapixels: float
    models: tuple[str, ...]
    precision: str
    seconds: Mapping[str, float]


def add_job_arguments(parser: argparse.ArgumentParser, *, steps: str | None = None) -> None:
    """Declare the options of `run` that make a difference here."""
    parser.add_argument("--steps", default=steps, help="as of `run` (default: %(default)s)")
    for name in OPTIONS[1:]:
        parser.add_argument(f"--{name.replace('_', '-')}", help="as of `run`")


def job_options(arguments: argparse.Namespace) -> list[str]:
    """The words for `run`."""
    words = []
    for name in OPTIONS:
        value = getattr(arguments, name, None)
        words += [] if value is None else [f"--{name.replace('_', '-')}", str(value)]
    return words


class Bench:
    """A folder in which runs are done, with a Prefect database of its own.

    Args:
        scratch: a folder that the caller removes.
        options: for each `run`.
        proportional: see `Watch`.
    """

    def __init__(
        self, scratch: Path, options: Sequence[str], *, proportional: bool = False
    ) -> None:
        self._scratch = scratch
        self._options = list(options)
        self._proportional = proportional
        self.environment = {**os.environ, "PREFECT_HOME": str(scratch / "prefect")}
        self.destination = scratch / "restored"

    def warm_up(self) -> None:
        """Run a tiny photo: makes Prefect's database, and gets libraries into the page cache."""
        make_photos(self._scratch / "warm", 1, 0.1)
        self.run(self._scratch / "warm")

    def run(self, source: Path, *, again: bool = False, sampled: Path | None = None) -> JobRun:
        """Restore a folder.

        Args:
            source: of photos.
            again: over what an earlier run left, and not into an empty place.
            sampled: where to write processor seconds by stage; sampling them slows the run.

        Raises:
            SystemExit: the run failed as a whole; failed photos are in the manifest.
        """
        if not again:
            shutil.rmtree(self.destination, ignore_errors=True)
        words = [*COMMAND, "--quiet", *self._options, str(source), str(self.destination)]
        if sampled is not None:
            words = ["tests.benchmarks.speed.sampled_run", str(sampled), *words[1:]]
        return watched([sys.executable, "-m", *words], self.environment, self._proportional)

    def rows(self) -> list[PhotoRow]:
        """What the last run's manifest says."""
        return manifest_rows(self.destination)


def watched(
    words: Sequence[str], environment: Mapping[str, str], proportional: bool = False
) -> JobRun:
    """Run a command and watch what it uses.

    Raises:
        SystemExit: it ended with another code than 0 (all well) or 1 (some photos failed).
    """
    started = time.perf_counter()
    process = subprocess.Popen(words, env=dict(environment))
    try:
        with GpuWatch() as gpu, Watch(process.pid, proportional=proportional) as watch:
            _, status, usage = os.wait4(process.pid, 0)
            wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
    if process.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
    return JobRun(
        wall_s,
        usage.ru_utime + usage.ru_stime,
        watch.cpu_by_kind(),
        tuple(watch.moments),
        sum(used.read_gb for used in watch.usages.values()),
        sum(used.written_gb for used in watch.usages.values()),
        gpu.busy,
        gpu.peak_gb,
    )


def manifest_rows(destination: Path) -> list[PhotoRow]:
    """Read the rows of a restored archive's manifest."""
    return [_row(row) for row in pq.read_table(destination / "latest.parquet").to_pylist()]


def _row(row: Mapping[str, Any]) -> PhotoRow:
    return PhotoRow(
        source=str(row["source"]),
        status=str(row["status"]),
        megapixels=float((row["width"] or 0) * (row["height"] or 0)) / 1e6,
        models=tuple(row["models"] or ()),
        precision=str(row.get("precision") or ""),
        seconds={name: row[name] or 0.0 for name in row if name.startswith("seconds_")},
    )


def read_seconds(path: Path) -> dict[str, float]:
    """What a sampled run wrote: processor seconds by stage."""
    return {str(name): float(value) for name, value in json.loads(path.read_text()).items()}
