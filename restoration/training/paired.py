"""Pairs of clean and degraded photographs, as one has from a rescan or a better print."""

from __future__ import annotations

from pathlib import Path
from typing import Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from restoration.colour import luma8
from restoration.errors import UsageError
from restoration.training.data import PairSet, centre_crop, held_out_evenly
from restoration.training.sources import FileBytes, PhotoSource, decoded, photo_files

Byte = NDArray[np.uint8]
Float = NDArray[np.float32]
Picture = TypeVar("Picture", Byte, Float)

LARGEST_SHIFT: Final = 8
"""Pixels by which the halves of a pair may be shifted against each other."""
UNLIKE: Final = 0.5
"""Correlation of the lumas below which two pictures are no pair."""
_NAMED: Final = 3
_REGISTERED_SIDE: Final = 1024


def read_pairs(folder: Path, *, minimum_side: int) -> PairSet:
    """Read registered pairs.

    Args:
        folder: holds `clean/` and `degraded/` with photographs of equal names (suffixes may
            differ) and sizes.
        minimum_side: pairs whose short side is smaller (pixels) are left out.

    Returns:
        The pairs; one in six, at least one and at most twelve, is held out for validation.

    Raises:
        UsageError: folders or counterparts missing, sizes that differ, unreadable files, fewer
            than two pairs.
    """
    names, clean, degraded = _matched(folder)
    pairs: list[Byte] = []
    notes: list[str] = []
    halves = zip(names, decoded(clean), decoded(degraded), strict=True)
    for name, target, scan in halves:
        if target is None or scan is None:
            part = "clean" if target is None else "degraded"
            raise UsageError(f"--paired: {part}/{name} cannot be read as an image")
        if target.shape != scan.shape:
            raise UsageError(
                f"--paired: clean/{name} has {_size(target)} pixels and degraded/{name} "
                f"{_size(scan)}: the two of a pair must be of one size"
            )
        down, right = shift_between(luma8(target), luma8(scan))
        target, scan = overlap(target, scan, down, right)
        alike = likeness(luma8(target), luma8(scan))
        if alike < UNLIKE:
            notes.append(f"{name}: left out, its halves do not look alike ({alike:.2f})")
        elif min(target.shape[:2]) < minimum_side:
            notes.append(f"{name}: left out, shorter than {minimum_side} pixels")
        else:
            pairs.append(np.concatenate([target, scan], 2))
            if down or right:
                notes.append(f"{name}: a shift of {right} x {down} pixels was undone")
    if len(pairs) < 2:
        raise UsageError(f"--paired {folder}: {len(pairs)} usable pairs, at least 2 are needed")
    train, validation = held_out_evenly(pairs, min(12, max(1, len(pairs) // 6)))
    return PairSet(train, validation, tuple(notes))


def shift_between(clean: Byte, degraded: Byte) -> tuple[int, int]:
    """Whole pixels by which `degraded` lies further down and right than `clean`.

    Phase correlation (Kuglin and Hines, "The Phase Correlation Image Alignment Method", 1975) of
    the middle of the pictures, its peak searched within `LARGEST_SHIFT` pixels. Noise and blur
    can fake or move a peak, so of the shifts around it and none at all that one is taken with
    which the pictures correlate best.

    Args:
        clean: luma (H, W) uint8.
        degraded: likewise, of the same size.
    """
    first, second = (_soft(centre_crop(image, _REGISTERED_SIDE)) for image in (clean, degraded))
    down, right = _phase_peak(first, second)
    around = (-1, 0, 1)
    candidates = [(0, 0), *((down + dy, right + dx) for dy in around for dx in around)]
    within = [c for c in candidates if max(map(abs, c)) <= LARGEST_SHIFT]
    return max(within, key=lambda shift: _similarity(*overlap(first, second, *shift)))


def _phase_peak(first: Float, second: Float) -> tuple[int, int]:
    height, width = first.shape
    window = np.outer(np.hanning(height), np.hanning(width))
    spectra = [np.fft.rfft2((image - image.mean()) * window) for image in (first, second)]
    cross = spectra[1] * spectra[0].conj()
    # Fine detail is mostly noise in one of the two: a Gaussian of one pixel weighs it down.
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    weight = np.exp(-2 * (np.pi * frequency) ** 2) / np.maximum(np.abs(cross), 1e-9)
    peaks = np.fft.irfft2(cross * weight, s=first.shape)
    reach = np.arange(-LARGEST_SHIFT, LARGEST_SHIFT + 1)
    near = peaks[np.ix_(reach % height, reach % width)]
    row, column = np.unravel_index(int(near.argmax()), near.shape)
    return int(reach[row]), int(reach[column])


def overlap(clean: Picture, degraded: Picture, down: int, right: int) -> tuple[Picture, Picture]:
    """The parts of two pictures (H, W, ...) that show the same, see `shift_between`."""
    height, width = clean.shape[:2]
    rows, columns = height - abs(down), width - abs(right)
    top, left = max(-down, 0), max(-right, 0)
    first = clean[top : top + rows, left : left + columns]
    top, left = max(down, 0), max(right, 0)
    return first, degraded[top : top + rows, left : left + columns]


def likeness(clean: Byte, degraded: Byte) -> float:
    """Correlation of two lumas (H, W), softened so that grain does not count."""
    return _similarity(_soft(clean), _soft(degraded))


def _soft(image: Byte) -> Float:
    return np.asarray(cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1.5), np.float32)


def _similarity(first: Float, second: Float) -> float:
    a, b = first - first.mean(), second - second.mean()
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float((a * b).sum()) / norm if norm else 0.0


def _matched(folder: Path) -> tuple[list[str], list[PhotoSource], list[PhotoSource]]:
    clean, degraded = (_by_name(folder / part) for part in ("clean", "degraded"))
    lonely = sorted(clean.keys() ^ degraded.keys())
    if lonely:
        more = f" and {len(lonely) - _NAMED} more" if len(lonely) > _NAMED else ""
        raise UsageError(
            f"--paired {folder}: without a counterpart: {', '.join(lonely[:_NAMED])}{more}"
        )
    names = sorted(clean)
    return names, [clean[name] for name in names], [degraded[name] for name in names]


def _by_name(folder: Path) -> dict[str, PhotoSource]:
    if not folder.is_dir():
        raise UsageError(f"--paired: folder {folder} does not exist")
    found: dict[str, PhotoSource] = {}
    for path in photo_files([folder]):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise UsageError(f"--paired: {folder} has two photographs named {name}")
        found[name] = PhotoSource(name, FileBytes(path))
    return found


def _size(image: Byte) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
