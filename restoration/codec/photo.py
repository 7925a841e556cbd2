"""What a photograph is between its file and its file: header, pixels, and what travels along."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Byte = NDArray[np.uint8]


@dataclass(frozen=True)
class Header:
    """What a file's header says, before pixels are decoded.

    Attributes:
        format: JPEG, PNG, TIFF or WEBP.
        width: pixels, as stored (before the EXIF orientation is applied).
        height: pixels, as stored.
        mode: Pillow's name of the pixel mode, such as RGB or L.
    """

    format: str
    width: int
    height: int
    mode: str

    @property
    def megapixels(self) -> float:
        """Size in 10^6 pixels."""
        return self.width * self.height / 1e6


@dataclass(frozen=True)
class Extras:
    """What travels with the pixels from the source file to the output.

    Attributes:
        alpha: (H, W) uint8 opacity, upright, or None.
        icc_profile: embedded ICC profile, or None.
        exif: serialised EXIF with the orientation set to 1, or None.
        xmp: XMP packet, or None.
        dpi: horizontal and vertical dots per inch, or None.
        tiff_tags: descriptive text tags of a TIFF.
        compression: Pillow's name of a TIFF's compression.
        lossless: whether a WebP was compressed without loss.
    """

    alpha: Byte | None = field(default=None, repr=False)
    icc_profile: bytes | None = field(default=None, repr=False)
    exif: bytes | None = field(default=None, repr=False)
    xmp: bytes | None = field(default=None, repr=False)
    dpi: tuple[float, float] | None = None
    tiff_tags: tuple[tuple[int, str], ...] = ()
    compression: str = ""
    lossless: bool = False


@dataclass(frozen=True)
class Photo:
    """A decoded photograph.

    Attributes:
        pixels: (H, W) or (H, W, 3) uint8, upright, at full resolution.
        format: JPEG, PNG, TIFF or WEBP.
        mode: pixel mode of the source file.
        extras: what else must reach the output.
    """

    pixels: Byte = field(repr=False)
    format: str
    mode: str
    extras: Extras = Extras()

    @property
    def megapixels(self) -> float:
        """Size in 10^6 pixels."""
        return float(self.pixels.shape[0] * self.pixels.shape[1] / 1e6)
