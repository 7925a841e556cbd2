"""Peak memory of one large scan on its whole way, noisy and monochrome: denoise and colorize.

With --blurred, denoise, deblur and colorize. What counts is what all processes of ours hold in
memory together (proportional set size, Linux), sampled twenty times a second.

python -m tests.benchmarks.memory --megapixels 100 [--bits 16] [--blurred] [--keep-grain 0.3]
    [--passes 8]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import tifffile

from flows.photo import process
from flows.rows import Workshop
from restoration.codec import Limits
from restoration.device import resolve_device
from restoration.plan import parse_steps
from restoration.recipe import Options
from restoration.restore import Restorer
from storage import open_destination, open_source
from storage.manifest import WorkItem
from tests.scenes import gray_scene

TILE = (1200, 1600)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=float, default=100)
    parser.add_argument("--bits", type=int, choices=(8, 16), default=8)
    parser.add_argument("--blurred", action="store_true", help="a scan that needs all three steps")
    parser.add_argument("--keep-grain", type=float, default=0.0, metavar="0-1")
    parser.add_argument("--passes", type=int, default=1, metavar="1|2|4|8")
    parser.add_argument("--steps", default="denoise,deblur,colorize")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.make:
        make_scan(arguments.make, arguments)
        return
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        source = Path(folder, "source")
        source.mkdir()
        # In a process of its own: what making it needs is none of ours.
        subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.memory", *sys.argv[1:],
             "--make", str(source / "scan.tif")], check=True,
        )  # fmt: skip
        restore(source, Path(folder, "restored"), arguments)


def restore(source: Path, destination: Path, arguments: argparse.Namespace) -> None:
    options = Options(
        steps=parse_steps(arguments.steps),
        limits=Limits(max_megapixels=2 * arguments.megapixels),
        keep_grain=arguments.keep_grain,
        passes=arguments.passes,
    )
    origin = open_source(str(source))
    target = open_destination(str(destination), origin)
    restorer = Restorer(resolve_device("auto"), options=options)
    workshop = Workshop(origin, target, restorer, options, "20200101T000000Z-000000")
    item = WorkItem("scan.tif", 0, 0, "file", "", arguments.megapixels, "")
    started = time.perf_counter()
    with Sampler() as sampler:
        row = process(item, workshop).row
    print(f"{row.status}: {row.width} x {row.height}, {row.mode}, {', '.join(row.plan)}")
    print(row.error_message or f"{row.seconds_restore:.0f} s in the networks")
    print(
        f"peak {sampler.peak_gb:.2f} GB in all processes, {sampler.anonymous_gb:.2f} GB of it "
        f"anonymous; {time.perf_counter() - started:.0f} s in all"
    )


class Sampler:
    """Watches the memory of this process and its children."""

    def __init__(self) -> None:
        self.peak_gb = 0.0
        self.anonymous_gb = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.05):
            totals = [sums(pid) for pid in family()]
            self.peak_gb = max(self.peak_gb, sum(total[0] for total in totals))
            self.anonymous_gb = max(self.anonymous_gb, sum(total[1] for total in totals))


def family() -> Iterator[str]:
    """This process and its children."""
    yield "self"
    for task in Path("/proc/self/task").iterdir():
        yield from (task / "children").read_text().split()


def sums(pid: str) -> tuple[float, float]:
    """Proportional set size and anonymous part of it, 10^9 bytes."""
    found = {"Pss": 0.0, "Pss_Anon": 0.0}
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in found:
                found[name] = int(rest.split()[0]) * 1024 / 1e9
    except (OSError, ValueError):  # it has ended
        return 0.0, 0.0
    return found["Pss"], found["Pss_Anon"]


def make_scan(path: Path, arguments: argparse.Namespace) -> None:
    """A noisy sepia scan, written strip by strip."""
    blur_px, sigma = (2.5, 8.0) if arguments.blurred else (0.0, 18.0)
    width = int((arguments.megapixels * 1.5e6) ** 0.5)
    height = int(arguments.megapixels * 1e6 / width)
    kind = np.uint16 if arguments.bits == 16 else np.uint8
    scan = tifffile.memmap(path, shape=(height, width, 3), dtype=kind, photometric="rgb")
    rng = np.random.default_rng(0)
    tile = gray_scene(*TILE).astype(np.float32)
    if blur_px:
        tile = cv2.GaussianBlur(tile, (0, 0), blur_px)
    tone = np.array([1.0, 0.9, 0.75], np.float32)
    scale = np.iinfo(kind).max / 255
    for top in range(0, height, TILE[0]):
        for left in range(0, width, TILE[1]):
            part = scan[top : top + TILE[0], left : left + TILE[1]]
            noise = sigma * rng.standard_normal(part.shape, dtype=np.float32)
            picture = tile[: part.shape[0], : part.shape[1], None] * tone + noise
            part[...] = np.clip(picture, 0, 255) * scale
    scan.flush()


if __name__ == "__main__":
    main()
