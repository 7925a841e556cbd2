"""Thousands of batches over local Dask workers, each with next to nothing to do.

Every photo is a sound picture of a few pixels in a batch of its own, so that what is measured is
the run: work-list, Prefect task, Dask, manifest part.

python -m tests.benchmarks.fan_out [--batches 4000] [--workers 4]
"""

from __future__ import annotations

import argparse
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pyarrow.dataset as ds

from tests.scenes import encoded, scene

TABLES = ("flow_run", "task_run", "task_run_state", "events", "artifact")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=4_000)
    parser.add_argument("--workers", type=int, default=4)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, out, home = Path(folder, "photos"), Path(folder, "out"), Path(folder, "prefect")
        source.mkdir()
        picture = encoded(scene(16, 16), "PNG")
        for number in range(arguments.batches):
            (source / f"{number:05d}.png").write_bytes(picture)
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "flows.cli", "run", "--quiet", "--batch-megapixels", "0.0001",
             "--workers", f"local:{arguments.workers}", str(source), str(out)],
            env={**os.environ, "PREFECT_HOME": str(home)},
            check=True,
        )  # fmt: skip
        seconds = time.perf_counter() - started
        names = ds.dataset(out / "manifest").to_table(columns=["source"])["source"].to_pylist()
        print(
            f"{arguments.batches} batches on {arguments.workers} workers: {seconds:.0f} s, "
            f"{1000 * seconds / arguments.batches:.0f} ms a batch; {len(names)} rows of "
            f"{len(set(names))} photos; largest process "
            f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6:.2f} GB"
        )
        describe_database(home)


def describe_database(home: Path) -> None:
    """Say what the run left in Prefect's database."""
    for file in home.glob("*.db"):
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            rows = {
                table: database.execute(f"select count(*) from {table}").fetchone()[0]
                for table in TABLES
            }
        told = ", ".join(f"{count} in {table}" for table, count in rows.items())
        print(f"Prefect's database: {file.stat().st_size / 1e6:.1f} MB; rows: {told}")


if __name__ == "__main__":
    main()
