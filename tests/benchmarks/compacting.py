"""What it takes to keep and to ask a manifest of a million photographs.

The rows are real ones, of an archive that was restored, under names and hashes of their own. Half
of the photos were done by a second run, which went on where the first had been stopped, and the
rows of one in ten are of a third.

python -m tests.benchmarks.compacting RESTORED [--photos 1000000] [--parts 4000] [--changed 1000]
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from storage import LocalDestination
from storage.manifest import (
    LATEST_PATH,
    SCHEMA,
    ManifestIndex,
    part_path,
    read_manifest,
    write_latest,
)
from storage.manifest.parts import encode_table

RUNS = [f"2026010{day}T000000Z-000000" for day in (1, 2, 3, 4)]
QUERIES = (
    "SELECT status, count(*) FROM photos GROUP BY ALL",
    "SELECT folder, count(*), avg(noise_sigma_after) FROM photos GROUP BY ALL",
    "SELECT * FROM photos ORDER BY change_ssim LIMIT 100",
    "SELECT run_id, count(*) FROM rows GROUP BY ALL",
    "FROM runs",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("restored", type=Path, help="destination of a run: its rows are taken")
    parser.add_argument("--photos", type=int, default=1_000_000)
    parser.add_argument("--parts", type=int, default=4_000)
    parser.add_argument("--changed", type=int, default=1_000)
    parser.add_argument("--keep", type=Path, help="leave the manifest in this folder")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        step(arguments)
        return
    folder = arguments.keep or Path(tempfile.mkdtemp())
    try:
        # Each in a process of its own: the peak of one is not that of another.
        for name in ("record", "index", "full", "change", "increment", "query", "fetch"):
            words = [*sys.argv[1:], "--step", name, "--out", str(folder)]
            subprocess.run(
                [sys.executable, "-m", "tests.benchmarks.compacting", *words], check=True
            )
    finally:
        if not arguments.keep:
            shutil.rmtree(folder)


def step(arguments: argparse.Namespace) -> None:
    out = LocalDestination(arguments.out)
    started, cpu = time.perf_counter(), time.process_time()
    match arguments.step:
        case "record":
            real = read_manifest(LocalDestination(arguments.restored))
            record(out, real, arguments.photos, arguments.parts)
        case "change":
            real = read_manifest(LocalDestination(arguments.restored))
            numbers = np.linspace(0, arguments.photos - 1, arguments.changed).astype(int)
            out.put(part_path(RUNS[3], 0), encode_table(rows(real, numbers, RUNS[3])))
        case "index":
            ManifestIndex.load(out).save()
        case "full" | "increment":
            write_latest(out)
        case "query":
            ask(out)
        case "fetch":
            fetch(out)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    size = (out.size(LATEST_PATH) or 0) / 1e6
    print(
        f"{arguments.step}: {seconds:.1f} s ({cpu:.1f} s of CPU time), peak memory {peak:.2f} GB,"
        f" {LATEST_PATH} of {size:.0f} MB",
        flush=True,
    )


def record(out: LocalDestination, real: pa.Table, photos: int, parts: int) -> None:
    """The parts of three runs, each in the order of its crawl."""
    everything = np.arange(photos)
    share = photos // 2
    of_runs = (everything[:share], everything[share:], everything[::10])
    per_part = -(-sum(map(len, of_runs)) // parts)
    for run, numbers in zip(RUNS, of_runs, strict=False):
        for batch, start in enumerate(range(0, len(numbers), per_part)):
            table = rows(real, numbers[start : start + per_part], run)
            out.put(part_path(run, batch), encode_table(table))


def rows(real: pa.Table, numbers: NDArray[np.int64], run: str) -> pa.Table:
    """Real rows as those of the photos of these numbers."""
    table = real.take(pa.array(numbers % real.num_rows)).combine_chunks()
    names = [
        f"collection {n // 20_000:03d}/box {n // 500:05d}/scan {n:08d}.jpg"
        for n in numbers.tolist()
    ]
    hashes = [hashlib.sha256(name.encode()).hexdigest() for name in names]
    changed = {
        "source": names,
        "source_sha256": hashes,
        "run_id": [run] * len(names),
        "restored_path": [f"restored/{name}" for name in names],
        "restored_sha256": [text[::-1] for text in hashes],
    }
    for name, values in changed.items():
        table = table.set_column(
            SCHEMA.get_field_index(name), SCHEMA.field(name), pa.array(values, pa.string())
        )
    # Real measurements differ from photo to photo, which costs compression what it should.
    noise = np.random.default_rng(numbers[0]).uniform(0.9, 1.1, len(names))
    for field in SCHEMA:
        if pa.types.is_floating(field.type):
            values = table.column(field.name).to_numpy(zero_copy_only=False) * noise
            table = table.set_column(
                SCHEMA.get_field_index(field.name), field, pa.array(values, from_pandas=True)
            )
    return table


def ask(out: LocalDestination) -> None:
    from storage.manifest.database import ManifestDatabase

    opened = time.perf_counter()
    with ManifestDatabase.open(out) as database:
        print(f"  opened: {time.perf_counter() - opened:.2f} s", flush=True)
        for sql in QUERIES:
            started = time.perf_counter()
            found = sum(1 for _ in database.query(sql).rows())
            print(f"  {sql}: {found} rows, {time.perf_counter() - started:.2f} s", flush=True)


def fetch(out: LocalDestination) -> None:
    from storage.manifest.database import ManifestDatabase

    with ManifestDatabase.open(out) as database:
        for _ in database.query("SELECT * FROM photos").columns():
            pass


if __name__ == "__main__":
    main()
