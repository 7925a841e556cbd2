"""Reports of archives that never were: their manifests are written as runs write them.

python -m tests.report.sample_report FOLDER [--photos N] [--pictures N]
"""

from __future__ import annotations

import argparse
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from flows.report.pictures import PictureOptions
from flows.report.writing import write_report
from storage import LocalDestination, LocalSource
from storage.manifest import (
    Decision,
    ManifestRow,
    RunRecord,
    Status,
    encode_rows,
    part_path,
    write_latest,
    write_run,
)
from tests.scenes import scene

BEGAN = datetime(2026, 3, 1, 2, tzinfo=UTC)
RUNS = 12
FOLDER_PHOTOS = 40
FOLDERS = ("1923/Hafen", "1923/Märkte – été", "1931", "1947/portraits", "glass plates")
CAMERAS = (None, "Epson Perfection V850 Pro", "Nikon LS-9000 ED", "Hasselblad X5")
REASONS = {
    "the change is strong (PSNR {:.1f} dB)": (18, 25),
    "the confidence in the noise is low ({:.2f})": (0.1, 0.5),
    "the colours are uncertain ({:.1f} levels)": (12, 40),
    "the faces changed much (SSIM {:.2f})": (0.4, 0.8),
}
"""Why photos need review, with the range of the figure."""
PLANS: tuple[tuple[str, ...], ...] = (
    ("denoise",), ("denoise", "colorize"), ("deblur",), ("denoise", "deblur", "colorize"), (),
)  # fmt: skip
HOSTILE = (
    "<img src=x onerror=alert(1)>.jpg",
    "<script>window.hacked = 1<\u2215script>.jpg",  # a real slash would be a folder
    "<script>window.hacked = 2</script>.jpg",
    '"\' onmouseover="window.hacked = 3" x=\'.png',
    "javascript:window.hacked=4.jpg",
    "two\nlines\r\nand a\ttab.jpg",
    "\u202egpj.exe – turned around.jpg",
    "</title></style></textarea><svg onload=window.hacked=5>.tif",
    "${window.hacked = 6} {{constructor.constructor('window.hacked = 7')()}}.jpg",
    "&lt;b&gt;entities&amp;.jpg",
    "\u2028line separator\u2029.jpg",
    "long/" + "n" * 4000 + ".jpg",
    "__proto__/constructor.jpg",
)
"""Paths that would do harm in a page that took them for HTML, scripts or object keys."""


def run_name(run: int) -> str:
    return f"{BEGAN + timedelta(days=run):%Y%m%dT%H%M%SZ}-{run:06x}"


def sample_rows(photos: int, *, seed: int = 0) -> Iterator[ManifestRow]:
    """Rows of so many photos; the same for the same seed."""
    rng = np.random.default_rng(seed)
    for number in range(photos):
        folder = FOLDERS[(number // FOLDER_PHOTOS) % len(FOLDERS)]
        shelf = f"/box {number // FOLDER_PHOTOS:04d}" if photos > 1000 else ""
        source = f"{folder}{shelf}/scan {number:06d}.jpg"
        yield sample_row(source, rng, run=int(rng.integers(RUNS)))


def sample_row(source: str, rng: np.random.Generator, *, run: int = 0) -> ManifestRow:
    """A row with figures as runs find them."""
    status = rng.choice(
        [Status.RESTORED, Status.NOTHING_TO_DO, Status.FAILED, Status.SKIPPED],
        p=[0.86, 0.08, 0.04, 0.02],
    )
    width, height = [(6000, 4000), (3200, 4800), (2400, 2400)][int(rng.integers(3))]
    common: dict[str, Any] = {
        "source": source,
        "source_size": int(rng.integers(10**5, 10**7)),
        "source_mtime_ns": 1_767_225_600 * 10**9,
        "source_sha256": hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest(),
        "status": Status(status),
        "run_id": run_name(run),
        "time": BEGAN + timedelta(days=run, minutes=int(rng.integers(60))),
        "software_version": "0.1.0",
        "format": "JPEG",
        "camera": CAMERAS[int(rng.integers(len(CAMERAS)))],
    }
    if status == Status.FAILED:
        return ManifestRow(
            **common, error_class="DamagedFile", error_message="the file ends in the middle"
        )
    if status == Status.SKIPPED:
        return ManifestRow(
            **common, error_class="Unsupported", error_message="this is a camera's raw file"
        )
    return ManifestRow(
        **common, width=width, height=height, mode="rgb8", **_measured(rng, Status(status), source)
    )


def _measured(rng: np.random.Generator, status: Status, source: str) -> dict[str, Any]:
    noise, blur = float(rng.gamma(2.5, 4)), float(rng.gamma(3, 0.4))
    found = {
        "noise_sigma": noise,
        "noise_confidence": float(rng.uniform(0.5, 1)),
        "blur_sigma": blur,
        "blur_confidence": float(rng.uniform(0.5, 1)),
        "is_monochrome": bool(rng.random() < 0.6),
        "monochrome_confidence": 0.97,
        "device": "cuda:0",
        "recipe_id": "4f1d2c7e9a3b",
    }
    if status != Status.RESTORED:
        return {**found, "plan_reasons": ("the photo is clean: nothing to do",)}
    plan = PLANS[int(rng.integers(len(PLANS) - 1))]
    chosen = [text for text in REASONS if rng.random() < 0.12]
    models = tuple(f"{step}-unet-2" for step in plan)
    restored = hashlib.sha256(f"restored {source}".encode("utf-8", "surrogatepass")).hexdigest()
    return {
        **found,
        "plan": plan,
        "plan_reasons": (f"noise of sigma {noise:.1f} is over the threshold of 2.5",),
        "models": models,
        "model_sha256": tuple(hashlib.sha256(name.encode()).hexdigest() for name in models),
        "strength": 1.0,
        "keep_grain": 0.2,
        "passes": 1,
        "noise_sigma_after": noise * 0.15,
        "blur_sigma_after": blur * 0.6,
        "sharpness_before": float(rng.uniform(5, 40)),
        "sharpness_after": float(rng.uniform(10, 60)),
        "contrast_before": float(rng.uniform(30, 60)),
        "contrast_after": float(rng.uniform(30, 60)),
        "change_psnr_db": float(rng.normal(33, 4)),
        "change_ssim": float(rng.uniform(0.75, 0.99)),
        "change_delta_e00": float(rng.gamma(2, 1.2)),
        "needs_review": bool(chosen),
        "review_reasons": tuple(text.format(rng.uniform(*REASONS[text])) for text in chosen),
        "review_decision": Decision.ACCEPTED if not chosen and rng.random() < 0.02 else None,
        "seconds_decode": 0.05,
        "seconds_restore": float(rng.uniform(0.3, 4)),
        "restored_path": f"restored/{source}",
        "restored_sha256": restored,
        "restored_size": int(rng.integers(10**5, 10**7)),
    }


def hostile_rows() -> Iterator[ManifestRow]:
    """Rows of photos with the names of `HOSTILE`, and with such text wherever text may be."""
    rng = np.random.default_rng(7)
    for number, source in enumerate(HOSTILE):
        row = sample_row("plain.jpg", rng)
        while row.status is not Status.RESTORED:
            row = sample_row("plain.jpg", rng)
        text = HOSTILE[number % 8]
        yield replace(
            row,
            source=source,
            camera=text,
            needs_review=True,
            review_reasons=(text, "the change is strong (PSNR 3.5 dB)"),
            plan_reasons=(text,),
            notes=(text,),
            models=(text,),
            model_sha256=("0" * 64,),
            restored_path=None,
        )
    yield replace(
        sample_row("failed.jpg", rng),
        status=Status.FAILED,
        error_class="<b onclick=window.hacked=8>",
        error_message=HOSTILE[0],
    )


def with_pictures(
    rows: Sequence[ManifestRow], photos: int, originals: Path, results: Path
) -> list[ManifestRow]:
    """Give photos files, those first that need review: an original with noise, one without."""
    candidates = [at for at, row in enumerate(rows) if row.restored_path is not None]
    # In the order of the gallery, whose first photos are those that a report shows.
    candidates.sort(
        key=lambda at: (
            not rows[at].needs_review,
            -len(rows[at].review_reasons),
            rows[at].change_psnr_db,
        )
    )
    made = list(rows)
    for seed, at in enumerate(candidates[:photos]):
        made[at] = _pictured(rows[at], originals, results, seed=seed)
    return made


def _pictured(row: ManifestRow, originals: Path, results: Path, *, seed: int) -> ManifestRow:
    clean = scene(480, 640, seed=seed)
    noise = np.random.default_rng(seed).normal(0, 18, clean.shape)
    noisy = np.clip(clean + noise, 0, 255).astype(np.uint8)
    gray = "colorize" in row.plan
    before = _jpeg(noisy if not gray else noisy.mean(-1).astype(np.uint8))
    after = _jpeg(clean if not gray else clean.mean(-1).astype(np.uint8))
    files = {originals / row.source: before, results / "restored" / row.source: after}
    changes: dict[str, Any] = {}
    if gray:
        colours = _jpeg(clean)
        files[results / "colorized" / row.source] = colours
        changes = {
            "colorized_path": f"colorized/{row.source}",
            "colorized_sha256": hashlib.sha256(colours).hexdigest(),
            "colorized_size": len(colours),
        }
    for path, data in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return replace(
        row,
        width=640,
        height=480,
        source_size=len(before),
        source_sha256=hashlib.sha256(before).hexdigest(),
        restored_size=len(after),
        restored_sha256=hashlib.sha256(after).hexdigest(),
        **changes,
    )


def _jpeg(pixels: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=92)
    return file.getvalue()


def write_sample(folder: Path, rows: Sequence[ManifestRow], *, pictures: int = 0) -> Path:
    """A report of an archive with these rows; returns the path of its page."""
    originals, results = folder / "photos", folder / "restored archive"
    originals.mkdir(parents=True)
    store = LocalDestination(results)
    rows = with_pictures(rows, pictures, originals, results)
    for run in range(RUNS):
        mine = [row for row in rows if row.run_id == run_name(run)]
        if mine:
            store.put(part_path(run_name(run), 0), encode_rows(mine))
            write_run(store, _record(run, mine))
    with store.lock():
        write_latest(store)
    write_report(
        store,
        LocalDestination(results / "report"),
        LocalSource(originals),
        str(results),
        PictureOptions(photos=pictures),
    )
    return results / "report" / "index.html"


def _record(run: int, rows: Sequence[ManifestRow]) -> RunRecord:
    began = BEGAN + timedelta(days=run)
    seconds = 600.0 + 40 * run + 2.0 * len(rows)
    return RunRecord(
        run_id=run_name(run),
        started=began,
        ended=began + timedelta(seconds=seconds),
        seconds=seconds,
        device="cuda:0",
        photos=len(rows),
        restored=sum(row.status is Status.RESTORED for row in rows),
        failed=sum(row.status is Status.FAILED for row in rows),
        megapixels=8.0 * len(rows),
        software_version="0.1.0",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=400)
    parser.add_argument("--pictures", type=int, default=30)
    arguments = parser.parse_args()
    rows = list(sample_rows(arguments.photos))
    print(write_sample(arguments.folder, rows, pictures=arguments.pictures))


if __name__ == "__main__":
    main()
