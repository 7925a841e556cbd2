"""Peak memory of one large scan on its whole way, noisy and monochrome: denoise and colorize.

With --blurred, denoise, deblur and colorize.

python -m tests.benchmarks.memory --megapixels 100 [--blurred] [--keep-grain 0.3]
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from flows.photo import Workshop, process
from restoration.models import resolve_device
from restoration.recipe import Options
from restoration.restore import Restorer
from storage import open_destination, open_source
from storage.manifest import WorkItem
from tests.scenes import gray_scene


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=float, default=100)
    parser.add_argument("--blurred", action="store_true", help="a scan that needs all three steps")
    parser.add_argument("--keep-grain", type=float, default=0.0, metavar="0-1")
    arguments = parser.parse_args()
    options = Options(keep_grain=arguments.keep_grain)
    blur_px, noise = (2.5, 8.0) if arguments.blurred else (0.0, 18.0)
    width = int((arguments.megapixels * 1.5e6) ** 0.5)
    height = int(arguments.megapixels * 1e6 / width)
    with tempfile.TemporaryDirectory() as folder:
        source, destination = Path(folder, "source"), Path(folder, "restored")
        source.mkdir()
        make_scan(source / "scan.tif", height, width, blur_px=blur_px, noise_sigma=noise)
        started = time.perf_counter()
        origin = open_source(str(source))
        workshop = Workshop(
            origin,
            open_destination(str(destination), origin),
            Restorer(resolve_device("auto"), options=options),
            options,
            "20200101T000000Z-000000",
        )
        item = WorkItem("scan.tif", 0, 0, "file", "", arguments.megapixels, "")
        for outcome in process([item], workshop):
            row = outcome.row
            print(f"{row.status}: {row.width} x {row.height}, {', '.join(row.plan)}")
            print(row.error_message or f"{row.seconds_restore:.0f} s in the networks")
        seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"peak resident memory {peak:.2f} GB, {seconds:.0f} s in all")


def make_scan(path: Path, height: int, width: int, *, blur_px: float, noise_sigma: float) -> None:
    """A noisy sepia scan. Making it counts in the peak, but needs far less than restoring it."""
    rng = np.random.default_rng(0)
    tile = gray_scene(1200, 1600).astype(np.float32)
    if blur_px:
        tile = cv2.GaussianBlur(tile, (0, 0), blur_px)
    tone = np.array([1.0, 0.9, 0.75], np.float32)
    image = Image.new("RGB", (width, height))
    for top in range(0, height, 1200):
        for left in range(0, width, 1600):
            noise = noise_sigma * rng.standard_normal((1200, 1600, 3), dtype=np.float32)
            part = np.clip(tile[..., None] * tone + noise, 0, 255).astype(np.uint8)
            image.paste(Image.fromarray(part), (left, top))
    image.save(path, compression="raw")


if __name__ == "__main__":
    main()
