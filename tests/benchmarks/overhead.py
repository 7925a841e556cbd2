"""What orchestration costs: a whole run against a bare loop over the same photos, same models.

The bare loop decodes, assesses, plans, restores, encodes, writes and measures what was changed, one
photo after the other: no Prefect, no manifest, no hashes, no lock, nothing that survives a kill.
Each way is a process of its own, from its start to its end. How long the measuring took, which
others than us leave out, is told as well.

python -m tests.benchmarks.overhead [--photos 200] [--megapixels 2] [--steps denoise]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2

from restoration.assess import assess, estimate_noise
from restoration.codec import decode, encode, restored_page
from restoration.models import resolve_device
from restoration.plan import make_plan, parse_steps
from restoration.quality import measure, psnr_db, ssim
from restoration.recipe import Options
from restoration.restore import Job, Restorer
from tests.scenes import encoded, noisy, scene


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--megapixels", type=float, default=2.0)
    parser.add_argument("--steps", default="denoise")
    parser.add_argument("--bare", nargs=2, metavar=("SOURCE", "OUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare:
        bare_loop(Path(arguments.bare[0]), Path(arguments.bare[1]), arguments.steps)
        return
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "photos")
        make_photos(source, arguments.photos, arguments.megapixels)
        here = [sys.executable, "-m"]
        loop = timed(
            [*here, "tests.benchmarks.overhead", "--steps", arguments.steps,
             "--bare", str(source), f"{folder}/bare"]
        )  # fmt: skip
        flow = timed(
            [*here, "flows.cli", "run", "--quiet", "--steps", arguments.steps,
             str(source), f"{folder}/flow"]
        )  # fmt: skip
    print(f"{arguments.photos} photographs of {arguments.megapixels:g} megapixels")
    for name, (seconds, cpu) in (("bare loop", loop), ("whole run", flow)):
        print(f"{name}: {seconds:.1f} s, {cpu:.1f} s of CPU time")
    print(f"ratio: {flow[0] / loop[0]:.3f} of the time, {flow[1] / loop[1]:.3f} of the CPU time")


def timed(command: Sequence[str]) -> tuple[float, float]:
    """Wall-clock and CPU seconds of a process with its children."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, cpu


def bare_loop(source: Path, out: Path, steps: str) -> None:
    out.mkdir()
    measuring = 0.0
    options = Options(steps=parse_steps(steps))
    restorer = Restorer(resolve_device("auto"), options=options)
    for path in sorted(source.iterdir()):
        with path.open("rb") as file:
            photo = decode(file)
        assessment = assess(photo.pixels)
        plan = make_plan(assessment, options.steps, strength=options.strength)
        (result,) = restorer.restore([Job(photo.pixels, plan, assessment.noise_sigma)])
        if isinstance(result, Exception):
            raise result
        pixels = photo.pixels if result.pixels is None else result.pixels
        with (out / path.name).open("w+b") as file:
            encode([restored_page(photo.main, result.pixels)], file, photo.format)
        started = time.perf_counter()
        measure(photo.pixels), measure(pixels), estimate_noise(pixels)
        psnr_db(photo.pixels, pixels), ssim(photo.pixels, pixels)
        measuring += time.perf_counter() - started
    print(f"{measuring:.1f} s of the bare loop are for measuring")


def make_photos(folder: Path, count: int, megapixels: float) -> None:
    """Noisy photographs; each differs from the others."""
    folder.mkdir()
    width = int((megapixels * 1.5e6) ** 0.5)
    height = int(megapixels * 1e6 / width)
    for number in range(count):
        picture = cv2.resize(scene(seed=number), (width, height), interpolation=cv2.INTER_CUBIC)
        data = encoded(noisy(picture, 20, seed=number), "JPEG", quality=92)
        (folder / f"{number:04d}.jpg").write_bytes(data)


if __name__ == "__main__":
    main()
