"""What training without a single clean photograph is worth, for white noise and for grain.

python -m tests.benchmarks.self_supervision --data CLEAN_PHOTOS --steps 600 --work FOLDER

Makes a synthetic archive of each kind of noise from clean photographs, trains the denoise network
on it without them (Neighbor2Neighbor, with neighbours one and two pixels apart) and, for
comparison, with them, and measures all against the clean photographs that were held out. The
weights stay in the work folder; what is there is not trained again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from restoration.models import read_network
from restoration.quality import psnr_db
from restoration.training.data import PairSet, PhotoSet, load_photos
from restoration.training.degradations import film_grain, quantise, white_noise
from restoration.training.machine import set_up_for_training
from restoration.training.neighbours import SelfSupervisedDenoise
from restoration.training.options import TrainingOptions
from restoration.training.tasks import TASKS, Denoise, TrainingTask
from restoration.training.trainer import train
from restoration.training.validation import as_batch, restore, to_picture
from restoration.training.weights import read_initial

Byte = NDArray[np.uint8]
Degrade = Callable[[Byte, np.random.Generator], Byte]

NOISES: dict[str, Degrade] = {
    "white, sigma 25": lambda photo, rng: quantise(white_noise(photo.astype(np.float32), 25, rng)),
    "grain of 0.8 px, sigma 15": lambda photo, rng: quantise(
        film_grain(photo.astype(np.float32), 15, 0.8, rng)
    ),
}
METHODS = ("neighbours at 1 px", "neighbours at 2 px", "clean photographs")


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, action="append", required=True, metavar="DIR")
    parser.add_argument("--steps", type=int, default=600, help="of training, for each")
    parser.add_argument("--init", metavar="FILE|shipped", help="weights to start from")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--patch", type=int, default=64)
    parser.add_argument("--limit", type=int, help="at most this many photographs")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR")
    arguments = parser.parse_args(words)
    arguments.work.mkdir(parents=True, exist_ok=True)
    photos = load_photos(arguments.data, minimum_side=arguments.patch, limit=arguments.limit)
    table = Table(title=f"PSNR in dB on {len(photos.validation)} photographs")
    for column in ("noise", "input", *METHODS):
        table.add_column(column, justify="right" if column != "noise" else "left")
    for noise, degrade in NOISES.items():
        archive = degraded(photos, degrade)
        before = [psnr_db(a, b) for a, b in zip(photos.validation, archive.validation, strict=True)]
        scores = [trained(method, noise, photos, archive, arguments) for method in METHODS]
        table.add_row(noise, *(f"{score:.2f}" for score in (np.mean(before), *scores)))
    Console(width=110).print(table)


def degraded(photos: PhotoSet, degrade: Degrade) -> PhotoSet:
    """The same photographs as an archive has them."""
    rng = np.random.default_rng(0)
    parts = ([degrade(p, rng) for p in part] for part in (photos.train, photos.validation))
    return PhotoSet(*parts)


def trained(
    method: str, noise: str, clean: PhotoSet, archive: PhotoSet, arguments: argparse.Namespace
) -> float:
    """Train a network in one way and measure it on the photographs held out."""
    start = arguments.init or "scratch"
    name = f"{noise} {method} {Path(start).stem} {arguments.steps}".replace(" ", "-")
    output = arguments.work / f"{name.replace(',', '')}.safetensors"
    if not output.exists():
        task, material = course(method, clean, archive)
        task = replace(task, batch=arguments.batch, patch=arguments.patch)
        weights = None
        options = TrainingOptions(minutes=1, steps=arguments.steps, warmup_steps=50)
        if arguments.init:
            initial = read_initial(arguments.init, "denoise", task.config, keep_shape=False)
            task, weights = replace(task, config=initial.config), initial.weights
            options = replace(options, learning_rate=1e-4, muon_learning_rate=0.002)
        with set_up_for_training():
            train(task, material, output, options, initial=weights)
    network = read_network(output)
    scores = []
    for truth, photo in zip(clean.validation, archive.validation, strict=True):
        restored = to_picture(restore(network, as_batch([photo]))[0])
        scores.append(psnr_db(truth, restored))
    return float(np.mean(scores))


def course(method: str, clean: PhotoSet, archive: PhotoSet) -> tuple[TrainingTask, PhotoSet]:
    """What to train, and on what."""
    if method != "clean photographs":
        stride = 1 if method == "neighbours at 1 px" else 2
        return SelfSupervisedDenoise(config=TASKS["denoise"].config, stride=stride), archive
    train_part, held_out = (
        [np.concatenate(pair, 2) for pair in zip(truths, scans, strict=True)]
        for truths, scans in (
            (clean.train, archive.train),
            (clean.validation, archive.validation),
        )
    )
    pairs = PairSet(train_part, held_out)
    return Denoise(), PhotoSet((), (), pairs=pairs)


if __name__ == "__main__":
    main()
