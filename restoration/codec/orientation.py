"""The eight ways a picture can lie in its file (EXIF's Orientation, CIPA DC-008, 4.6.4)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from restoration.codec.metadata import exif, xmp_packet
from restoration.codec.metadata.limits import DamagedMetadata
from restoration.codec.metadata.model import Metadata

_NAMES = tuple("12345678")
_MIRRORED = (2, 4, 5, 7)
_QUARTER_TURNS = {3: 2, 4: 2, 6: 3, 5: 1, 8: 1, 7: 3}
"""Counter-clockwise, as `numpy.rot90` counts, after mirroring."""


QUARTER_TURNED = (5, 6, 7, 8)
"""Orientations whose height becomes the width."""


def orientation_of(metadata: Metadata) -> int:
    """How a file says that its picture lies: 1 to 8; 1 where it says nothing, or nonsense.

    XMP's tiff:Orientation counts where there is no EXIF block, which is the one that viewers heed.
    """
    if metadata.exif is not None:
        return exif.orientation(metadata.exif)
    if metadata.xmp is None:
        return 1
    try:
        root = xmp_packet.parse(metadata.xmp)
    except DamagedMetadata:
        return 1
    text = (xmp_packet.value_of(root, xmp_packet.TIFF, "Orientation") or "").strip()
    return int(text) if text in _NAMES else 1


def upright(stored: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn stored samples (H, W, ...) upright: a new contiguous array.

    Args:
        stored: as they lie in the file.
        orientation: 1 to 8; anything else counts as 1.
    """
    if orientation in _MIRRORED:
        stored = stored[:, ::-1]
    return np.ascontiguousarray(np.rot90(stored, _QUARTER_TURNS.get(orientation, 0)))


def upright_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Width and height of the upright picture."""
    return (height, width) if orientation in QUARTER_TURNED else (width, height)


def as_stored(picture: NDArray[Any], orientation: int) -> NDArray[Any]:
    """A view of an upright array in which its samples lie as in the file.

    What a decoder writes into it row by row, lands upright: no second copy is needed.
    """
    view = np.rot90(picture, -_QUARTER_TURNS.get(orientation, 0))
    return view[:, ::-1] if orientation in _MIRRORED else view
