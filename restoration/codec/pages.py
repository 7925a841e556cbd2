"""What a photograph is between its file and its file: pages of pixels, and what travels along."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Final

from restoration.codec.metadata.model import NOTHING_EMBEDDED, Embedded
from restoration.samples import Samples as Samples


class ColourModel(enum.StrEnum):
    """What a page's samples mean."""

    GRAY = "gray"
    RGB = "rgb"
    CMYK = "cmyk"
    """Amounts of ink: full is dark."""
    LAB = "lab"
    """CIE L*a*b*: L* over the whole range of its type; a* and b* from its middle, 128 or 0x8080, in
    steps of 1 or 1/257 (ICC.1:2022, 6.3.4)."""

    @property
    def channels(self) -> int:
        """How many; alpha is apart."""
        return {"gray": 1, "cmyk": 4}.get(self, 3)


@dataclass(frozen=True)
class JpegCoding:
    """How a JPEG was compressed (ITU-T T.81).

    Attributes:
        tables: quantisation tables, each 64 steps in natural order (rows of frequencies), the
            first that of luma.
        subsampling: horizontal and vertical sampling factor of each component.
        progressive: whether the file holds its scans coarse first.
    """

    tables: tuple[tuple[int, ...], ...] = ()
    subsampling: tuple[tuple[int, int], ...] = ()
    progressive: bool = False


@dataclass(frozen=True)
class Coding:
    """How a page was compressed, as far as another page is to be compressed alike.

    Attributes:
        compression: of a TIFF page: none, lzw, deflate, packbits, jpeg, ccitt or another name.
        lossless: whether a WebP, AVIF or JPEG 2000 lost nothing.
        tile: height and width of a TIFF page's tiles in pixels, or None for strips.
        is_bigtiff: whether the TIFF has 64-bit offsets.
        jpeg: of a JPEG file.
    """

    compression: str = ""
    lossless: bool = False
    tile: tuple[int, int] | None = None
    is_bigtiff: bool = False
    jpeg: JpegCoding | None = None


UNKNOWN_CODING: Final = Coding()


@dataclass(frozen=True)
class Page:
    """One picture of a file, upright, at full resolution.

    Attributes:
        stored: samples as the file has them: (H, W) gray, (H, W, 3) RGB and Lab, (H, W, 4) CMYK;
            uint8 for up to 8 bits, else uint16, scaled to the type's whole range.
        pixels: the same picture as the networks see it: sRGB (IEC 61966-2-1), (H, W) or (H, W, 3),
            uint8 or uint16; `stored` itself where the file says nothing else.
        alpha: (H, W) opacity of `stored`'s type, or None.
        colour: what `stored` means.
        bits: bits per sample in the file.
        embedded: profile, resolution and what is said about the picture, as the file has it: the
            EXIF block still tells how the picture lay there.
        coding: how it was compressed.
        turned: whether putting it upright made its height its width.
    """

    stored: Samples = field(repr=False)
    pixels: Samples = field(repr=False)
    alpha: Samples | None = field(repr=False)
    colour: ColourModel
    bits: int
    embedded: Embedded = NOTHING_EMBEDDED
    coding: Coding = UNKNOWN_CODING
    turned: bool = False

    @property
    def icc_profile(self) -> bytes | None:
        """The embedded ICC profile."""
        return self.embedded.icc_profile

    @property
    def megapixels(self) -> float:
        """Size in 10^6 pixels."""
        return float(self.stored.shape[0] * self.stored.shape[1] / 1e6)

    @property
    def mode(self) -> str:
        """The page in one word, such as 'rgb16' or 'gray8+alpha'."""
        return f"{self.colour}{self.bits}" + ("+alpha" if self.alpha is not None else "")
