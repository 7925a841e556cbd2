"""What is measured of seeded pictures: speed-ups must not move a figure.

python -m tests.restoration.golden.measures        # after a deliberate change of a measure
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path

import cv2
import numpy as np

from restoration.assess import assess
from restoration.assess.statistics import photo_statistics
from restoration.colour import luma8
from restoration.measures import change_between, measures_of
from restoration.naturalness import patch_features
from restoration.samples import Samples
from tests.scenes import noisy, scene

GOLDEN = Path(__file__).with_suffix(".json")
Figures = dict[str, list[float]]


def pictures() -> dict[str, Samples]:
    """Pictures of every kind that the measures tell apart, by name."""
    clean = scene(320, 480, seed=1)
    grainy = noisy(clean, 12, seed=1)
    return {
        "colour": clean,
        "noisy": grainy,
        "blurred": noisy(cv2.GaussianBlur(clean, (0, 0), 2.0), 2, seed=2),
        "gray": luma8(noisy(scene(256, 333, seed=3), 8, seed=3)),
        "neutral": np.repeat(luma8(grainy)[..., None], 3, axis=2),
        "sixteen bits": grainy.astype(np.uint16) * 256 + noisy(clean, 40, seed=4),
        "gray of sixteen bits": luma8(noisy(clean, 5, seed=5)).astype(np.uint16) * 257,
        # More than is measured whole: windows, with margins around them.
        "large": _framed(noisy(scene(900, 1300, seed=6), 6, seed=6), 40),
        "large gray": luma8(noisy(scene(1500, 900, seed=7), 15, seed=7)),
        "wide": noisy(scene(120, 9000, seed=8), 10, seed=8),
        "narrow": noisy(scene(400, 21, seed=9), 10, seed=9),
        "tiny": noisy(scene(24, 27, seed=10), 5, seed=10),
        "a pixel": np.full((1, 1, 3), 93, np.uint8),
        "blank": np.full((200, 200, 3), 130, np.uint8),
        "white": np.full((200, 200), 255, np.uint8),
        "half blank": np.vstack([clean, np.zeros_like(clean)]),
    }


def _framed(picture: Samples, margin: int) -> Samples:
    framed = np.full((picture.shape[0] + 2 * margin, picture.shape[1] + 2 * margin, 3), 246)
    framed[margin:-margin, margin:-margin] = picture
    return framed.astype(np.uint8)


def measured(picture: Samples) -> Figures:
    """Every figure of a picture, and of the change to a smoothed one; none where it has none."""
    statistics = photo_statistics(picture)
    patches = patch_features(picture)
    found = measures_of(picture)
    smooth = np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.2), picture.dtype)
    change = change_between(picture, smooth)
    return {
        "statistics": [] if statistics is None else statistics.values.tolist(),
        "assessment": [float(value) for value in astuple(assess(picture))],
        "measures": [
            *astuple(found.noise),
            *astuple(found.blur),
            *astuple(found.quality),
            found.blockiness,
        ],
        "naturalness": [-1.0 if found.naturalness is None else found.naturalness],
        "patches": [] if patches is None else patches.mean(axis=0).tolist(),
        "change": [change.psnr_db, change.ssim, change.delta_e00],
    }


def golden() -> Mapping[str, Figures]:
    """The figures of each picture as they were."""
    read: dict[str, Figures] = json.loads(GOLDEN.read_text())
    return read


def main() -> None:
    found = {name: measured(picture) for name, picture in pictures().items()}
    rounded = {
        name: {kind: [float(f"{value:.9g}") for value in values] for kind, values in own.items()}
        for name, own in found.items()
    }
    GOLDEN.write_text(json.dumps(rounded, indent=0) + "\n")


if __name__ == "__main__":
    main()
