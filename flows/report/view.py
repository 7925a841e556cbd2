"""A page of a photo as pictures for a browser."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final

from restoration import scratch
from restoration.codec import Page, access_page
from restoration.codec.vips import save

THUMBNAIL_EDGE: Final = 320
"""Pixels of a thumbnail's longer edge."""
THUMBNAIL_QUALITY: Final = 80
VIEW_QUALITY: Final = 90
"""Of WebP, for what is looked at pixel for pixel.

What matters is that grain is still there to be judged. Measured on a photograph with white noise
and film grain of sigma 4 and 10: 99 % of the luminance's fine deviations survive (those that a
Gaussian of 1.5 px takes away), with an error of 2.3 levels (40.7 dB) in 0.53 bytes per pixel; at
quality 82 it is 3.8 levels (36.5 dB) in 0.41. WebP halves the resolution of colour whatever the
quality: colour noise finer than 2 px looks softer than it is.
"""
_EFFORT: Final = 2
"""Of WebP's encoder, 0 to 6: 0.10 s of CPU time per megapixel; 4 takes 0.18 for 0.8 dB."""
WEBP_EDGE: Final = 16_383
"""Pixels (RFC 9649, 2.5 and 2.6: 14 bits)."""
VIEW_MEGAPIXELS: Final = 24.0
"""Of the largest view that is not reduced, by default, 10^6 pixels: what cameras have."""


@dataclass(frozen=True)
class ViewSize:
    """How large the view of a photo is.

    Attributes:
        edge: pixels of the longer edge.
        scale: pixels of the view for one of the photo, at most 1.
    """

    edge: int
    scale: float

    @classmethod
    def of(cls, width: int, height: int, megapixels: float) -> ViewSize:
        """The largest view of a photo that is allowed.

        Args:
            width: of the photo, pixels.
            height: of the photo, pixels.
            megapixels: of the view, at most, 10^6 pixels.
        """
        longer = max(width, height)
        share = min(1.0, WEBP_EDGE / longer, math.sqrt(megapixels * 1e6 / (width * height)))
        edge = longer if share == 1.0 else max(1, math.floor(longer * share))
        return cls(edge, edge / longer)

    @property
    def mark(self) -> str:
        """What tells views of one file apart: `full`, or the longer edge."""
        return "full" if self.scale == 1.0 else f"{self.edge}px"


@contextmanager
def as_webp(page: Page, edge: int, quality: int) -> Iterator[tuple[Page, BinaryIO]]:
    """A page as a WebP file: sRGB, 8 bits, on white, without metadata, never enlarged.

    Args:
        page: upright, at full resolution.
        edge: pixels of the longer edge, at most.
        quality: of WebP, 1 to 100.

    Yields:
        The page as it was encoded, and the file at its start.

    Raises:
        EncodeError: the encoder refused.
    """
    # The profile is left out, too: pictures without one are sRGB to every browser.
    small = access_page(page, edge)
    with scratch.temporary_file() as file:
        save(small.pixels, file, "webpsave", small.colour, Q=quality, effort=_EFFORT)
        file.seek(0)
        yield small, file
