"""What it takes to find out that of a million photographs in a bucket a thousand have changed.

The bucket is synthetic (`synthetic_bucket.py`), its listings go over HTTP and through boto3 as
Amazon's would; the manifest is real, written as the batches of earlier runs would have.

python -m tests.benchmarks.planning [--photos 1000000] [--changed 1000] [--parts 4000]
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing

from PIL import Image

from flows.collector import program_set_aside
from flows.planning import Request, Survey, batches
from restoration.recipe import Options, current_recipe_ids
from storage import open_destination, open_source
from storage.manifest import ManifestIndex, ManifestRow, Status, encode_rows, part_path
from tests.benchmarks.synthetic_bucket import Archive, synthetic_bucket

SOURCE, DESTINATION = "s3://archive/photos", "s3://archive/out"
RUN = "20260101T000000Z-000000"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=1_000_000)
    parser.add_argument("--changed", type=int, default=1_000)
    parser.add_argument("--parts", type=int, default=4_000, help="batches of the earlier runs")
    parser.add_argument("--step", choices=("record", "plan", "save"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    archive = Archive(arguments.photos, arguments.changed, jpeg_head())
    if arguments.step == "record":
        record(archive, arguments.parts)
    elif arguments.step == "plan":
        plan()
    elif arguments.step == "save":
        save()
    else:
        with synthetic_bucket(archive) as endpoint:
            environment = {
                **os.environ,
                "AWS_ENDPOINT_URL": endpoint,
                "AWS_ACCESS_KEY_ID": "key",
                "AWS_SECRET_ACCESS_KEY": "secret",
            }
            # Each in a process of its own: the peak of one is not that of another.
            for step in ("record", "plan", "save", "plan"):
                run(step, environment)


def run(step: str, environment: Mapping[str, str]) -> None:
    subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.planning", *sys.argv[1:], "--step", step],
        env=dict(environment),
        check=True,
    )


def record(archive: Archive, parts: int) -> None:
    """Write the manifest that runs over the archive would have left."""
    destination = open_destination(DESTINATION, open_source(SOURCE))
    recipe = min(current_recipe_ids(Options()))
    names = archive.names()
    per_part = -(-len(names) // parts)
    for number, start in enumerate(range(0, len(names), per_part)):
        rows = [
            ManifestRow(
                source=names[index],
                source_size=archive.size(index),
                source_mtime_ns=1_767_225_600 * 10**9,
                source_sha256=f"{index:064x}",
                source_etag=archive.etag(index, now=False),
                status=Status.RESTORED,
                recipe_id=recipe,
                restored_path=f"restored/{names[index]}",
                restored_size=archive.size(index),
                run_id=RUN,
            )
            for index in range(start, min(start + per_part, len(names)))
        ]
        destination.put(part_path(RUN, number), encode_rows(rows))
    print(f"recorded {len(names):,} photographs in {parts:,} parts", flush=True)


def plan() -> None:
    """List, compare, and cut what is to be done into batches."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, cpu = time.perf_counter(), time.process_time()
    source = open_source(SOURCE)
    destination = open_destination(DESTINATION, source)
    survey = Survey()
    with program_set_aside():
        planned = list(batches(source, destination, Options(), Request(), survey))
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{survey.photos:,} photographs, {survey.unchanged:,} unchanged, "
        f"{sum(map(len, planned)):,} to do in {len(planned)} batches: {seconds:.1f} s "
        f"({cpu:.1f} s of CPU time), peak memory {peak / 1e6:.2f} GB, "
        f"{before / 1e6:.2f} GB of it before anything was listed",
        flush=True,
    )


def save() -> None:
    """Write the index as the last of the earlier runs would have."""
    started = time.perf_counter()
    with closing(ManifestIndex.load(open_destination(DESTINATION, open_source(SOURCE)))) as index:
        index.save()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = time.perf_counter() - started
    print(f"index written: {seconds:.1f} s, peak memory {peak / 1e6:.2f} GB", flush=True)


def jpeg_head() -> bytes:
    file = io.BytesIO()
    Image.new("L", (2000, 1000)).save(file, "JPEG")
    return file.getvalue()[:4096]


if __name__ == "__main__":
    main()
