"""What the audit report of a large archive takes, as a whole process.

The manifest is made of a real run's rows: their values are varied, their names and checksums are
new, and they are spread over folders, cameras, runs and parts as those of a large archive are.

python -m tests.benchmarks.report RESTORED [--photos 100000] [--at FOLDER]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from storage import LocalDestination, open_results
from storage.manifest import (
    Decision,
    ManifestRow,
    RunRecord,
    Status,
    encode_rows,
    part_path,
    read_manifest,
    rows_of,
    write_latest,
    write_run,
)

PART_ROWS = 500
"""Of a batch, about."""
RUNS = 40
FOLDER_PHOTOS = 180
BEGAN = datetime(2026, 1, 1, 2, tzinfo=UTC)
REASONS = (
    "the change is strong (PSNR {:.1f} dB)",
    "the confidence in the noise is low ({:.2f})",
    "the colours are uncertain ({:.1f} levels)",
    "the faces changed much (SSIM {:.2f})",
)
CAMERAS = (
    None,
    None,
    "Epson Perfection V850 Pro",
    "Nikon LS-9000 ED",
    "Canon EOS R5",
    "Hasselblad X5",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("restored", help="destination of a real run")
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--at", type=Path, help="keep the manifest and the report there")
    arguments = parser.parse_args()
    at = nullcontext(arguments.at) if arguments.at else tempfile.TemporaryDirectory()
    with at as folder:
        place = LocalDestination(Path(folder))
        if not (place.root / "latest.parquet").exists():
            record(place, real_rows(arguments.restored), arguments.photos)
        for _ in range(2):  # a second report replaces the first
            measure(place)


def real_rows(location: str) -> list[ManifestRow]:
    return rows_of(read_manifest(open_results(location)))


def record(place: LocalDestination, real: Sequence[ManifestRow], photos: int) -> None:
    """Write the manifest that `RUNS` runs would have left."""
    started = time.perf_counter()
    rows = varied(real, photos)
    parts = -(-photos // PART_ROWS)
    for number in range(parts):
        run, batch = divmod(number, -(-parts // RUNS))
        name = run_name(run)
        part = [
            replace(next(rows), run_id=name)
            for _ in range(min(PART_ROWS, photos - number * PART_ROWS))
        ]
        place.put(part_path(name, batch), encode_rows(part))
        if batch == 0:
            write_run(place, run_record(name, run))
    with place.lock():
        write_latest(place)
    seconds = time.perf_counter() - started
    print(f"{photos:,} photos recorded in {parts:,} parts in {seconds:.0f} s", flush=True)


def run_name(run: int) -> str:
    return f"{BEGAN + timedelta(days=run):%Y%m%dT%H%M%SZ}-{run:06x}"


def run_record(name: str, run: int) -> RunRecord:
    began = BEGAN + timedelta(days=run)
    return RunRecord(
        run_id=name,
        started=began,
        ended=began + timedelta(hours=3),
        seconds=10_800.0,
        device="cpu",
        photos=25_000,
        restored=24_000,
        failed=12 + run,
        megapixels=48_000.0 + run,
        software_version="0.1.0",
    )


def varied(real: Sequence[ManifestRow], photos: int) -> Iterator[ManifestRow]:
    """Rows that differ from those of the real run, and from each other, in the order of names."""
    rng = random.Random(0)
    for number in range(photos):
        row = real[rng.randrange(len(real))]
        folder = number // FOLDER_PHOTOS
        suffix = Path(row.source).suffix
        name = f"fonds {folder // 100:03d}/Schachtel – box {folder:06d}/scan_{number:08d}{suffix}"
        yield replace(row, source=name, **values(row, rng, number), **outputs(row, name, number))


def values(row: ManifestRow, rng: random.Random, number: int) -> dict[str, object]:
    measured = {
        field: value * rng.uniform(0.5, 1.5)
        for field in ("noise_sigma", "noise_sigma_after", "blur_sigma", "change_psnr_db",
                      "sharpness_before", "sharpness_after", "contrast_before", "contrast_after",
                      "seconds_decode", "seconds_assess", "seconds_restore", "seconds_encode")
        if (value := getattr(row, field)) is not None
    }  # fmt: skip
    needs_review = row.status is Status.RESTORED and rng.random() < 0.08
    reasons = [text.format(rng.uniform(0, 30)) for text in REASONS if rng.random() < 0.4]
    return {
        **measured,
        "camera": rng.choice(CAMERAS),
        "needs_review": needs_review,
        "review_reasons": tuple(reasons or [REASONS[0].format(20)]) if needs_review else (),
        "review_decision": Decision.ACCEPTED if rng.random() < 0.01 else None,
        "change_delta_e00": None if row.change_psnr_db is None else rng.uniform(0, 8),
        "source_size": rng.randrange(10**5, 10**7),
        "source_mtime_ns": (1_767_225_600 + number) * 10**9,
    }


def outputs(row: ManifestRow, name: str, number: int) -> dict[str, object]:
    changed: dict[str, object] = {"source_sha256": digest("source", number)}
    for kind in ("restored", "colorized"):
        if getattr(row, f"{kind}_path"):
            changed[f"{kind}_path"] = f"{kind}/{name}"
            changed[f"{kind}_sha256"] = digest(kind, number)
    return changed


def digest(kind: str, number: int) -> str:
    return hashlib.sha256(f"{kind} {number}".encode()).hexdigest()


def measure(place: LocalDestination) -> None:
    """Write the report in a process of its own; print its time, its peak memory, what it wrote."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "report", str(place.root)], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    assert os.waitstatus_to_exitcode(status) == 0
    sizes = [path.stat().st_size for path in (place.root / "report" / "data").iterdir()]
    print(
        f"report: {seconds:.1f} s ({usage.ru_utime + usage.ru_stime:.1f} s of CPU time), peak "
        f"memory {usage.ru_maxrss / 1e6:.2f} GB, {len(sizes):,} data files of "
        f"{sum(sizes) / 1e6:,.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    main()
