"""A folder of photos done by us, and by what a user would take instead, in turns.

Ours is the whole job, from the start of its process to its end: assessment, checks, measures and
manifest included. The others are loops that decode, denoise and encode, without the time in which
their libraries are imported; they are told the noise where it is known. FFDNet and DRUNet are the
published architectures with random weights (`peers`): their speed means something, their pictures
do not. Where the noise is ours, the PSNR against the clean photos is told, as decoded from the
files that each wrote. The same command over what a run left, with nothing to do, is what start and
end cost.

python -m tests.benchmarks.speed.side_by_side [--photos 20] [--clean FOLDER --sigma 20]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tests.benchmarks.speed.alternatives import ALTERNATIVES, HAS_ANSWER
from tests.benchmarks.speed.figures import Spread, spread, table
from tests.benchmarks.speed.machine import this_machine
from tests.benchmarks.speed.photos import (
    JPEG_QUALITY,
    Folder,
    add_photo_arguments,
    clean_picture,
    folder_of,
    megapixels_of,
    photo_files,
    pieces,
    with_noise,
)
from tests.benchmarks.speed.whole_job import Bench, add_job_arguments, job_options

OURS = "restore-archive run"
STEADY = "… without start and end"


@dataclass(frozen=True)
class Took:
    """What one way took for each megapixel: elapsed and processor seconds."""

    wall_s: float
    cpu_s: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_photo_arguments(parser, photos=20)
    parser.add_argument("--clean", type=Path, metavar="FOLDER", help="clean photos, to get noise")
    parser.add_argument("--sigma", type=float, default=20.0, help="of the noise that is added")
    parser.add_argument("--only", help="names of alternatives, separated by commas (default: all)")
    parser.add_argument(
        "--peer-photos", type=int, default=3, metavar="N",
        help="photos for each of the others, for which N are enough (0: all)",
    )  # fmt: skip
    parser.add_argument("--repeats", type=int, default=3)
    add_job_arguments(parser, steps="denoise")
    arguments = parser.parse_args()
    names = arguments.only.split(",") if arguments.only else list(ALTERNATIVES)
    print(this_machine())
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        scratch = Path(name)
        truth = None if arguments.source else scratch / "truth"
        if truth is not None:
            add_noise(truth, scratch / "photos", arguments)
        folder = folder_of(arguments.source or scratch / "photos")
        print(f"{folder}; run {' '.join(job_options(arguments))}\n")
        bench = Bench(scratch, job_options(arguments))
        bench.warm_up()
        took = in_turns(bench, folder, names, arguments, scratch)
        print(table(*comparison(took, quality(truth, bench, names, scratch))))


def add_noise(truth: Path, noisy: Path, arguments: argparse.Namespace) -> None:
    """Lay clean photos into `truth` as PNG, and as JPEG with noise into `noisy`."""
    truth.mkdir()
    noisy.mkdir()
    clean = photo_files(arguments.clean) if arguments.clean else []
    for number in range(len(clean) or arguments.photos):
        picture = (
            _read(clean[number]) if clean else clean_picture(arguments.megapixels, seed=number)
        )
        given = with_noise(picture, arguments.sigma, seed=number)
        _write(truth / f"{number:05d}.png", picture)
        _write(noisy / f"{number:05d}.jpg", given)


def in_turns(
    bench: Bench, folder: Folder, names: Sequence[str], arguments: argparse.Namespace, scratch: Path
) -> dict[str, list[Took]]:
    """Every way over the folder, as often as asked, one after the other."""
    took: dict[str, list[Took]] = defaultdict(list)
    few = list(pieces(photo_files(folder.path), arguments.peer_photos))
    sigma = None if arguments.source else arguments.sigma
    for _ in range(arguments.repeats):
        run = bench.run(folder.path)
        idle = bench.run(folder.path, again=True)
        took[OURS].append(Took(run.wall_s / folder.megapixels, run.cpu_s / folder.megapixels))
        wall_s, cpu_s = run.wall_s - idle.wall_s, run.cpu_s - idle.cpu_s
        took[STEADY].append(Took(wall_s / folder.megapixels, cpu_s / folder.megapixels))
        for name in names:
            device = "cuda" if arguments.device == "cuda" else "cpu"
            took[name].append(alternative(name, few, scratch / name, sigma, device))
    return took


def alternative(
    name: str, photos: Sequence[Path], out: Path, sigma: float | None, device: str
) -> Took:
    """Run one of the others in a process of its own."""
    words = [] if sigma is None else ["--sigma", str(sigma)]
    said = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.speed.alternatives", *words,
         "--device", device, name, str(out), *map(str, photos)],
        check=True, stdout=subprocess.PIPE,
    ).stdout  # fmt: skip
    times = json.loads(said)
    megapixels = sum(megapixels_of(photo) for photo in photos)
    return Took(times["wall_s"] / megapixels, times["cpu_s"] / megapixels)


def quality(
    truth: Path | None, bench: Bench, names: Sequence[str], scratch: Path
) -> dict[str, tuple[float, float]]:
    """PSNR in dB of what each way wrote, and of the noisy photos that it was given."""
    if truth is None:
        return {}
    found = {OURS: psnrs(truth, bench.destination / "restored", scratch / "photos")}
    for name in set(names) & set(HAS_ANSWER):
        found[name] = psnrs(truth, scratch / name, scratch / "photos")
    return found


def psnrs(truth: Path, written: Path, given: Path) -> tuple[float, float]:
    """Mean over the photos in `written` of its PSNR, and of that of the input, dB."""
    pairs = []
    for path in photo_files(written):
        clean = _read(truth / f"{path.stem}.png")
        pairs.append((cv2.PSNR(clean, _read(path)), cv2.PSNR(clean, _read(given / path.name))))
    means = np.mean(pairs, axis=0)
    return float(means[0]), float(means[1])


def comparison(
    took: Mapping[str, Sequence[Took]], found: Mapping[str, tuple[float, float]]
) -> tuple[Sequence[str], list[tuple[object, ...]]]:
    """The table: how long each takes, how many times as long as ours, and how good it is."""
    ours = _wall(took[OURS])
    lines: list[tuple[object, ...]] = []
    for name, times in took.items():
        wall = _wall(times)
        cpu = spread([each.cpu_s for each in times])
        came_out, went_in = found.get(name, (None, None))
        lines.append((name, wall, cpu, wall.over(ours), came_out, went_in))
    head = ("way", "s per megapixel", "CPU s", "times ours", "PSNR, dB", "of its input")
    return head, lines


def _wall(times: Sequence[Took]) -> Spread:
    return spread([each.wall_s for each in times])


def _read(path: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def _write(path: Path, picture: np.ndarray) -> None:
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if path.suffix == ".jpg" else []
    cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), quality)


if __name__ == "__main__":
    main()
