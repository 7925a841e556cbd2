"""`restore-archive train assess`: the estimator of noise and blur, on one CPU core."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from restoration.assess.statistics import LENGTH
from restoration.errors import UsageError
from restoration.training.assess import StatisticsSet, calibrate, fit, measure
from restoration.training.data import load_photos, photo_sources
from restoration.training.duplicates import excluded
from restoration.training.pack_command import check_folders
from restoration.training.weights import save_weights

FEWEST_SAMPLES: Final = 100
HELD_OUT_SHARE: Final = 0.25
"""Samples to calibrate on, as a share of those to fit on."""

SMALLEST_SIDE: Final = 120
"""Photographs whose short side is smaller (pixels) are left out."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments on `parser`."""
    add = parser.add_argument
    add("--data", type=Path, action="append", required=True, metavar="DIR",
        help="clean colour photographs to fit on: a pack, or a folder searched recursively; may "
        "be repeated")  # fmt: skip
    add("--held-out", type=Path, action="append", required=True, metavar="DIR",
        help="others, to calibrate the confidences on; may be repeated")  # fmt: skip
    add("--exclude", type=Path, action="append", default=[], metavar="DIR",
        help="leave out what shows the same as a photograph here (test sets); may be "
        "repeated")  # fmt: skip
    add("--output", type=Path, required=True, metavar="FILE",
        help="weights file to write (.safetensors)")  # fmt: skip
    add("--samples", type=int, default=10_000,
        help="degraded photographs to fit on; a quarter as many to calibrate on "
        "(default: 10000)")  # fmt: skip
    add("--statistics", type=Path, metavar="FILE.npz",
        help="keep what was measured here, or use what was kept: fitting anew then takes a "
        "minute, and --data, --held-out, --exclude and --samples are not looked at")  # fmt: skip
    add("--seed", type=int, default=0)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Measure degraded photographs, fit the regressor, calibrate it; returns the exit code.

    Raises:
        UsageError: arguments or data that make no sense.
    """
    _check(arguments)
    # Arrays are small: more threads only wait for one another.
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    started = time.monotonic()
    fitted_on, held_out = _measured(arguments, console)
    network = fit(fitted_on, seed=arguments.seed)
    factors = calibrate(network, held_out)
    save_weights(network.state_dict(), network.config, arguments.output, task="assess")
    console.print(
        f"{len(fitted_on.noise_sigma)} samples, {len(held_out.noise_sigma)} held out; variances "
        f"times {factors[0]:.2f} (noise) and {factors[1]:.2f} (blur); "
        f"{time.monotonic() - started:.0f} s; wrote {arguments.output}",
        highlight=False,
        soft_wrap=True,
    )
    return 0


def _check(arguments: argparse.Namespace) -> None:
    check_folders(arguments)
    for folder in arguments.held_out:
        if not folder.is_dir():
            raise UsageError(f"--held-out {folder}: no such folder")
    if arguments.samples < FEWEST_SAMPLES:
        raise UsageError(f"--samples must be at least {FEWEST_SAMPLES}, not {arguments.samples}")
    if arguments.statistics is not None and arguments.statistics.suffix != ".npz":
        raise UsageError(f"--statistics {arguments.statistics}: the name must end in .npz")
    for option in ("output", "statistics"):
        path: Path | None = getattr(arguments, option)
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"--{option}: folder {path.parent} does not exist")


def _measured(
    arguments: argparse.Namespace, console: Console
) -> tuple[StatisticsSet, StatisticsSet]:
    """Statistics to fit on and to calibrate with: measured now, or what a file kept."""
    file: Path | None = arguments.statistics
    if file is not None and file.exists():
        return _kept(file)
    unwanted = excluded(photo_sources(arguments.exclude)) if arguments.exclude else None
    sets = []
    for number, (folders, share) in enumerate(
        ((arguments.data, 1.0), (arguments.held_out, HELD_OUT_SHARE))
    ):
        photos = load_photos(
            folders, minimum_side=SMALLEST_SIDE, validation=0, excluded=unwanted
        ).train
        count = int(share * arguments.samples)
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("held-out samples" if number else "samples", total=count)
            sets.append(
                measure(photos, count, arguments.seed + number, lambda: progress.advance(task))  # noqa: B023
            )
    if file is not None:
        np.savez(file, allow_pickle=False, **_to_arrays(sets[0], "fit"),
                 **_to_arrays(sets[1], "held_out"))  # fmt: skip
    return sets[0], sets[1]


def _kept(file: Path) -> tuple[StatisticsSet, StatisticsSet]:
    try:
        with np.load(file) as kept:
            return _from_arrays(kept, "fit"), _from_arrays(kept, "held_out")
    except (OSError, EOFError, KeyError, TypeError, ValueError, BadZipFile) as error:
        raise UsageError(f"--statistics {file}: not what this command wrote ({error})") from error


def _to_arrays(data: StatisticsSet, name: str) -> dict[str, Any]:
    return {f"{name}.{key}": value for key, value in vars(data).items()}


def _from_arrays(kept: Mapping[str, NDArray[np.float64]], name: str) -> StatisticsSet:
    statistics = kept[f"{name}.statistics"]
    if statistics.shape[1:] != (LENGTH,):
        raise ValueError("its statistics are those of another version")
    return StatisticsSet(statistics, kept[f"{name}.noise_sigma"], kept[f"{name}.blur_sigma"])
