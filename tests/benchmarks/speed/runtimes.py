"""One network in several runtimes of a processor: how fast, and how far from fp32.

All in turn, in one process that keeps the memory that it frees (so `networks` calls "tuned"); the
time is that of one photo with all threads. Then the quality: clean photographs get noise of sigma
15, 25 and 50 (denoise), or blur of 1.6 px and noise of 2.55 (deblur); what a runtime makes of them
is compared with what torch makes of them in fp32, and both with the clean ones.

Of the clean photographs a square in the middle is taken, so that torch.compile sees one shape.

pip install --no-deps onnx onnxruntime openvino nncf    # those that are wanted, and what they miss
python -m tests.benchmarks.speed.runtimes denoise-48 --clean CBSD68 --calibration PHOTOS
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import cv2
import numpy as np
import torch

from restoration.allocator import keep_freed_memory
from restoration.catalogue import WEIGHTS_FOLDER
from restoration.models import read_network
from restoration.networks import UNet
from restoration.resources import available_cores
from tests.benchmarks.speed.figures import Spread, spread, table
from tests.benchmarks.speed.machine import this_machine
from tests.benchmarks.speed.photos import photo_files, pieces
from tests.benchmarks.speed.runtime_builders import (
    PACKAGES,
    RUNTIMES,
    Float,
    Given,
    Restore,
    export,
)
from tests.scenes import Byte, noisy

REFERENCE = "torch fp32"
SHIPPED = "torch bf16"
SIDE = 320
"""Of the squares whose quality is measured; the shorter side of CBSD68's photographs."""
CALIBRATION_SIDE = 256
CALIBRATION_SIGMAS = (5, 15, 25, 50, 60, 50)
BLUR_PX = 1.6
BLURRED_SIGMA = 2.55


@dataclass(frozen=True)
class Speed:
    """Elapsed and processor seconds for each megapixel."""

    wall_s: Spread
    cpu_s: Spread


@dataclass(frozen=True)
class Difference:
    """What a runtime changes on one kind of degraded photographs.

    Attributes:
        largest: difference of a sample from fp32, 8-bit levels.
        mean: of the differences, 8-bit levels.
        psnr_db: mean over the photographs of the PSNR against the clean ones, less that of fp32;
            both clipped, not rounded.
    """

    largest: float
    mean: float
    psnr_db: float


def main(words: Sequence[str] | None = None) -> None:
    arguments = parser().parse_args(words)
    torch.set_num_threads(arguments.threads)
    print(this_machine(), f"\n{arguments.threads} threads, {arguments.repeats} repetitions\n")
    network = read_network(WEIGHTS_FOLDER / f"{arguments.model}.safetensors")
    if not isinstance(network, UNet):
        raise SystemExit(f"{arguments.model} is not a restoration network")
    network.to(memory_format=torch.channels_last)
    is_deblur = arguments.model.startswith("deblur")
    photo = np.random.default_rng(arguments.seed).random((*whole_photo(arguments), 3), np.float32)
    with tempfile.TemporaryDirectory() as scratch:
        given = Given(
            network,
            exported(network, Path(scratch) / "network.onnx"),
            [*calibration(arguments, is_deblur)],
            arguments.threads,
        )
        chosen = [name for name in RUNTIMES if name in (*arguments.runtimes, REFERENCE)]
        plain = speeds(built(given, (REFERENCE, SHIPPED)), photo, arguments.repeats)
        keep_freed_memory()
        runtimes = built(given, chosen)
        tuned = speeds(runtimes, photo, arguments.repeats)
        found = {
            condition: differences(runtimes, pairs)
            for condition, pairs in conditions(arguments, is_deblur).items()
        }
    print(speed_table({f"{name}, plain memory": plain[name] for name in plain} | tuned), "\n")
    print(quality_table(found))


def parser() -> argparse.ArgumentParser:
    said = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    said.add_argument("model", choices=("denoise-48", "deblur-48"))
    said.add_argument("--clean", type=Path, required=True, metavar="FOLDER")
    said.add_argument("--calibration", type=Path, required=True, metavar="FOLDER")
    said.add_argument("--photos", type=int, default=24, help="clean ones (%(default)s)")
    said.add_argument("--calibration-photos", type=int, default=48, help="for int8")
    said.add_argument("--runtimes", nargs="+", choices=RUNTIMES, default=tuple(RUNTIMES))
    said.add_argument("--threads", type=int, default=available_cores())
    said.add_argument("--repeats", type=int, default=5)
    said.add_argument("--megapixels", type=float, default=2.0, help="of the photo that is timed")
    said.add_argument("--seed", type=int, default=0)
    return said


def whole_photo(arguments: argparse.Namespace) -> tuple[int, int]:
    side = int((arguments.megapixels * 1e6 / 1.5) ** 0.5) // 8 * 8
    return side, side * 3 // 2 // 8 * 8


def exported(network: UNet, path: Path) -> Path:
    """The ONNX file; without the package onnx, only torch's runtimes can be measured."""
    try:
        return export(network, path)
    except ModuleNotFoundError as error:
        print(f"no ONNX file: {missing(error)}")
        return path


def built(given: Given, names: Sequence[str]) -> dict[str, Restore]:
    """The runtimes that can be had here; a line for each that cannot."""
    runtimes = {}
    for name in names:
        try:
            runtimes[name] = RUNTIMES[name](given)
        except ModuleNotFoundError as error:
            print(f"{name} is left out: {missing(error)}")
    return runtimes


def missing(error: ModuleNotFoundError) -> str:
    name = (error.name or "").partition(".")[0]
    return f"pip install --no-deps {PACKAGES.get(name, name)}"


def speeds(runtimes: Mapping[str, Restore], photo: Float, repeats: int) -> dict[str, Speed]:
    """Time them in turns, after a run that sets things up."""
    megapixels = photo.shape[0] * photo.shape[1] / 1e6
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in runtimes}
    for number in range(repeats + 1):
        for name, restore in runtimes.items():
            wall, cpu = time.perf_counter(), time.process_time()
            restore(photo)
            took = time.perf_counter() - wall, time.process_time() - cpu
            if number:
                times[name].append(took)
    return {
        name: Speed(
            *(spread([each / megapixels for each in kind]) for kind in zip(*all_times, strict=True))
        )
        for name, all_times in times.items()
    }


def conditions(
    arguments: argparse.Namespace, is_deblur: bool
) -> dict[str, list[tuple[Byte, Float]]]:
    """Pairs of a clean photograph and a degraded one, by what was done to it."""
    files = pieces(photo_files(arguments.clean), arguments.photos)
    clean = [square(read(file), SIDE) for file in files]
    if is_deblur:
        return {
            f"blur {BLUR_PX:g} px": [
                (one, degraded(one, 0, True, i)) for i, one in enumerate(clean)
            ]
        }
    return {
        f"sigma {sigma}": [(one, degraded(one, sigma, False, i)) for i, one in enumerate(clean)]
        for sigma in (15, 25, 50)
    }


def calibration(arguments: argparse.Namespace, is_deblur: bool) -> Iterator[Float]:
    """Photographs as the network may see them, none of those whose quality is measured."""
    files = pieces(photo_files(arguments.calibration), arguments.calibration_photos)
    for number, (file, sigma) in enumerate(zip(files, cycle(CALIBRATION_SIGMAS))):
        picture = read(file)
        if min(picture.shape[:2]) >= CALIBRATION_SIDE:
            yield degraded(square(picture, CALIBRATION_SIDE), sigma, is_deblur, 1000 + number)


def read(file: Path) -> Byte:
    return cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)


def square(picture: Byte, side: int) -> Byte:
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    return picture[top : top + side, left : left + side]


def degraded(picture: Byte, sigma: float, is_deblur: bool, seed: int) -> Float:
    """With noise of this sigma, or for deblur with blur and little noise; (H, W, 3) in [0, 1]."""
    if is_deblur:
        picture, sigma = cv2.GaussianBlur(picture, (0, 0), BLUR_PX), BLURRED_SIGMA
    return noisy(picture, sigma, seed=seed).astype(np.float32) / 255


def differences(
    runtimes: Mapping[str, Restore], pairs: Sequence[tuple[Byte, Float]]
) -> dict[str, Difference]:
    """How far each runtime's photographs are from those of the reference."""
    reference = [np.array(runtimes[REFERENCE](seen)) for _, seen in pairs]
    return {
        name: difference([restore(seen).copy() for _, seen in pairs], reference, pairs)
        for name, restore in runtimes.items()
        if name != REFERENCE
    }


def difference(
    found: Sequence[Float], reference: Sequence[Float], pairs: Sequence[tuple[Byte, Float]]
) -> Difference:
    gaps = [255 * np.abs(one - other) for one, other in zip(found, reference, strict=True)]
    losses = [
        psnr_db(one, clean) - psnr_db(other, clean)
        for one, other, (clean, _) in zip(found, reference, pairs, strict=True)
    ]
    return Difference(
        float(max(gap.max() for gap in gaps)),
        float(np.mean([gap.mean() for gap in gaps])),
        float(np.mean(losses)),
    )


def psnr_db(found: Float, clean: Byte) -> float:
    gap = np.clip(found, 0, 1).astype(np.float64) - clean / 255
    return float(-10 * np.log10(np.mean(np.square(gap))))


def speed_table(times: Mapping[str, Speed]) -> str:
    """Times the speed of torch with the same numbers as it is shipped, turn by turn."""
    shipped = times.get(SHIPPED) or times[REFERENCE]
    head = ("runtime", "s per megapixel", "CPU s per megapixel", "times as fast as torch bf16")
    rows = [
        (name, speed.wall_s, speed.cpu_s, shipped.wall_s.over(speed.wall_s))
        for name, speed in times.items()
    ]
    return table(
        (*head, "by CPU time"), [(*row, shipped.cpu_s.over(times[row[0]].cpu_s)) for row in rows]
    )


def quality_table(found: Mapping[str, Mapping[str, Difference]]) -> str:
    head = ("runtime", "photographs", "largest", "mean", "PSNR, dB")
    rows = [
        (name, condition, f"{each.largest:.1f}", f"{each.mean:.3f}", f"{each.psnr_db:+.4f}")
        for condition, by_runtime in found.items()
        for name, each in by_runtime.items()
    ]
    return table(head, rows)


if __name__ == "__main__":
    main()
