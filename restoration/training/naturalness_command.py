"""`restore-archive train naturalness`: the statistics of sound photographs, for NIQE."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from restoration.errors import UsageError
from restoration.naturalness import FEATURES, patch_features
from restoration.networks.natural_statistics import NaturalStatistics, NaturalStatisticsConfig
from restoration.training.data import load_photos, photo_sources
from restoration.training.duplicates import excluded
from restoration.training.pack_command import check_folders
from restoration.training.weights import save_weights

Byte = NDArray[np.uint8]
Double = NDArray[np.float64]

SMALLEST_SIDE: Final = 160
"""Photographs whose short side is smaller (pixels) are left out: they have but a few patches."""

FEWEST_PATCHES: Final = 10 * FEATURES
"""A covariance of fewer is mostly chance."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments on `parser`."""
    add = parser.add_argument
    add("--data", type=Path, action="append", required=True, metavar="DIR",
        help="sound photographs: a pack, or a folder searched recursively; may be "
        "repeated")  # fmt: skip
    add("--exclude", type=Path, action="append", default=[], metavar="DIR",
        help="leave out what shows the same as a photograph here (test sets); may be "
        "repeated")  # fmt: skip
    add("--output", type=Path, required=True, metavar="FILE",
        help="weights file to write (.safetensors)")  # fmt: skip


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Measure sound photographs and write their statistics; returns the exit code.

    Raises:
        UsageError: arguments or data that make no sense.
    """
    check_folders(arguments)
    output: Path = arguments.output
    if not output.parent.is_dir():
        raise UsageError(f"--output: folder {output.parent} does not exist")
    cv2.setNumThreads(1)  # arrays are small: more threads only wait for one another
    started = time.monotonic()
    unwanted = excluded(photo_sources(arguments.exclude)) if arguments.exclude else None
    photos = load_photos(
        arguments.data, minimum_side=SMALLEST_SIDE, validation=0, excluded=unwanted
    ).train
    patches = features_of(photos)
    network = fit(patches)
    save_weights(network.state_dict(), network.config, output, task="naturalness")
    console.print(
        f"{len(patches)} patches of {len(photos)} photographs; "
        f"{time.monotonic() - started:.0f} s; wrote {output}",
        highlight=False,
        soft_wrap=True,
    )
    return 0


def features_of(photos: Sequence[Byte]) -> Double:
    """The features (N, 36) of all patches of photographs.

    Args:
        photos: (H, W, 3) R'G'B'.
    """
    found = (patch_features(photo) for photo in photos)
    parts = [features for features in found if features is not None]
    return np.concatenate(parts) if parts else np.empty((0, FEATURES))


def fit(features: Double) -> NaturalStatistics:
    """Mean, spread and correlation of the patches of sound photographs.

    Unlike in the paper all patches count, not the sharpest alone: a background out of focus is no
    degradation.

    Args:
        features: (N, 36).

    Raises:
        UsageError: too few patches.
    """
    if len(features) < FEWEST_PATCHES:
        raise UsageError(f"{len(features)} patches are too few: at least {FEWEST_PATCHES}")
    network = NaturalStatisticsConfig(features=features.shape[1]).build()
    values = {
        "centre": features.mean(axis=0),
        "spread": features.std(axis=0, ddof=1),
        "correlation": np.corrcoef(features, rowvar=False),
    }
    network.load_state_dict({name: torch.from_numpy(value) for name, value in values.items()})
    return network
