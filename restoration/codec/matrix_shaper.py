"""Profiles that are a matrix and three curves, twenty times as fast as LittleCMS runs them.

A camera's or a display's profile is mostly no more than that (ICC.1:2022, F.3): curves turn samples
into linear light, a matrix mixes the primaries, curves turn linear light into samples. LittleCMS
evaluates each curve for each sample anew. Here the curves are tables, measured once per pair of
profiles on LittleCMS itself, so that nothing is said twice about how a profile is read; and what
they make is held against LittleCMS on a lattice of colours. A pair of profiles that is anything
else, or that differs by more than a step or two of 65535, stays with LittleCMS.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from restoration.codec.icc import ProfileError, Word, linear_light, transform
from restoration.codec.pages import ColourModel

Float = NDArray[np.float32]
Double = NDArray[np.float64]

LARGEST_ERROR: Final = 2
"""Steps of 65535 (a 128th of a step of 8 bits) by which a colour may differ from LittleCMS's."""

_ENTRIES: Final = 1 << 18
"""Of a table from the root of linear light to samples: within an eighth of a step of 65535.

Of the root, because curves are steep near black: a gamma of 2.2 is a line with a slight bend then.
"""
_LATTICE: Final = 24
_FLAT: Final = 1e-6
_CACHED_PIXELS: Final = 1 << 16


@dataclass(frozen=True)
class MatrixShaper:
    """A way between two RGB profiles.

    Attributes:
        decode: (3, 65536) linear light of each channel's samples, 1 being full.
        matrix: (3, 3) from linear light of one to that of the other.
        encode: (3, `_ENTRIES` + 1) samples by the root of linear light.
    """

    decode: Float
    matrix: Float
    encode: Word

    def __call__(self, samples: Word) -> Word:
        """Transform (..., 3) samples."""
        flat = samples.reshape(-1, 3)
        out = np.empty_like(flat)
        for start in range(0, len(flat), _CACHED_PIXELS):
            part = slice(start, start + _CACHED_PIXELS)
            light = np.stack(
                [self.decode[channel].take(flat[part, channel]) for channel in range(3)], axis=-1
            )
            mixed = np.asarray(cv2.transform(light[None], self.matrix), np.float32)[0]
            np.sqrt(np.clip(mixed, 0, 1, out=mixed), out=mixed)
            mixed *= _ENTRIES
            mixed += np.float32(0.5)
            places = mixed.astype(np.int32)
            for channel in range(3):
                out[part, channel] = self.encode[channel].take(places[:, channel])
        return out.reshape(samples.shape)


def transform_rgb(samples: Word, profile: bytes, out_profile: bytes) -> Word:
    """Transform (..., 3) RGB samples from one profile to another, by LittleCMS where need be.

    Raises:
        ProfileError: a profile cannot be read, is for other samples or has no such way.
    """
    shaper = matrix_shaper(profile, out_profile)
    if shaper is not None:
        return shaper(samples)
    return transform(samples, ColourModel.RGB, profile, ColourModel.RGB, out_profile)


@lru_cache(maxsize=16)
def matrix_shaper(profile: bytes, out_profile: bytes) -> MatrixShaper | None:
    """The way from one RGB profile to another; None where LittleCMS makes anything else of them."""
    try:
        linear, out_linear = _linear(profile), _linear(out_profile)
        if linear is None or out_linear is None:
            return None
        lattice = _lattice()
        rgb = ColourModel.RGB
        wanted = transform(lattice, rgb, profile, rgb, out_profile)
    except ProfileError:
        return None
    (decode, primaries), (out_decode, out_primaries) = linear, out_linear
    if (np.diff(out_decode, axis=1) < 0).any():
        return None
    shaper = MatrixShaper(
        decode.astype(np.float32),
        np.linalg.solve(out_primaries, primaries).astype(np.float32),
        _encoding(out_decode),
    )
    error = np.abs(shaper(lattice).astype(np.int32) - wanted)
    return shaper if error.max() <= LARGEST_ERROR else None


def _linear(profile: bytes) -> tuple[Double, Double] | None:
    """Curves (3, 65536), 1 at full, and primaries (3, 3) in CIE XYZ, a column each.

    None where the primaries do not span a space.

    Raises:
        ProfileError: LittleCMS cannot use the profile.
    """
    ramps = np.zeros((3, 1 << 16, 3), np.uint16)
    for channel in range(3):
        ramps[channel, :, channel] = np.arange(1 << 16)
    light = linear_light(ramps, profile)
    primaries = light[:, -1]
    if not np.isfinite(light).all() or abs(np.linalg.det(primaries)) < _FLAT:
        return None
    largest = np.abs(primaries).argmax(axis=1)
    curves = np.stack([light[c, :, largest[c]] / primaries[c, largest[c]] for c in range(3)])
    return curves, primaries.T


def _encoding(curves: Double) -> Word:
    """Tables (3, `_ENTRIES` + 1) of the inverse of rising curves."""
    root = np.arange(_ENTRIES + 1) / _ENTRIES
    samples = np.arange(1 << 16)
    tables = [np.interp(root, np.sqrt(np.maximum(curve, 0)), samples) for curve in curves]
    return np.rint(np.stack(tables)).astype(np.uint16)


def _lattice() -> Word:
    """Colours (N, 3) all over the cube, and grays, where an error would show most."""
    points = np.linspace(0, 65535, _LATTICE).round().astype(np.uint16)
    cube = np.stack(np.meshgrid(points, points, points), axis=-1).reshape(-1, 3)
    ramp = np.linspace(0, 65535, 4096).round().astype(np.uint16)
    dark = np.arange(0, 4096, dtype=np.uint16)
    grays = np.repeat(np.concatenate([ramp, dark])[:, None], 3, axis=1)
    return np.concatenate([cube, grays])
