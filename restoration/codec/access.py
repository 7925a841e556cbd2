"""Access copies: small pictures for the web, made of pages at full resolution."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Final

import cv2
import numpy as np

from restoration import scratch
from restoration.codec.fitting import laid_on_white
from restoration.codec.icc import SRGB_PROFILE
from restoration.codec.metadata.model import Embedded
from restoration.codec.pages import UNKNOWN_CODING, ColourModel, Page
from restoration.errors import UsageError
from restoration.samples import Samples, eight_bits, strips

WEB_FORMATS: Final = ("JPEG", "WEBP", "AVIF", "PNG")
"""What browsers show."""
DEFAULT_QUALITY: Final = 85


@dataclass(frozen=True)
class AccessCopies:
    """What access copies are to be.

    Attributes:
        format: one of `WEB_FORMATS`.
        edge: pixels of the longer edge, at most.
        quality: 1 to 100, of lossy formats.
    """

    format: str
    edge: int
    quality: int = DEFAULT_QUALITY

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            UsageError: an edge below 1 pixel, another format or a quality outside 1 to 100.
        """
        if self.format not in WEB_FORMATS or self.edge < 1:
            names = ", ".join(name.lower() for name in WEB_FORMATS)
            raise UsageError(
                f"--access must be FORMAT:EDGE, such as jpeg:2048, with one of {names} and a "
                f"number of pixels, not {self.format.lower()}:{self.edge}"
            )
        if not 1 <= self.quality <= 100:
            raise UsageError(f"--access-quality must be between 1 and 100, not {self.quality}")

    @classmethod
    def parse(cls, text: str, quality: int = DEFAULT_QUALITY) -> AccessCopies:
        """Read what a user writes, such as `jpeg:2048`.

        Raises:
            UsageError: it makes no sense.
        """
        match = re.fullmatch(r"([a-z0-9]+):([1-9][0-9]{0,5})", text, re.ASCII)
        if match is None:
            raise UsageError(f"--access must be FORMAT:EDGE, such as jpeg:2048, not {text!r}")
        return cls(match[1].upper(), int(match[2]), quality)


def access_page(page: Page, edge: int) -> Page:
    """A page for the web: sRGB, 8 bits, opaque, never enlarged.

    Pixels are means over areas of the stored values, as elsewhere on the web. The resolution is
    that of the smaller picture, so that it prints at the size of the original.

    Args:
        page: as it is published at full resolution; `pixels` are looked at.
        edge: pixels of the longer edge, at most.

    Returns:
        A page of uint8 samples; the metadata are those of `page`.
    """
    height, width = page.pixels.shape[:2]
    scale = min(1.0, edge / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    pixels = _shrunk(page.pixels, page.alpha, size)
    dpi = page.embedded.dpi
    embedded = Embedded(
        metadata=page.embedded.metadata,
        icc_profile=SRGB_PROFILE if pixels.ndim == 3 else None,
        dpi=None if dpi is None else (dpi[0] * size[1] / width, dpi[1] * size[0] / height),
    )
    return replace(
        page,
        stored=pixels,
        pixels=pixels,
        alpha=None,
        colour=ColourModel.GRAY if pixels.ndim == 2 else ColourModel.RGB,
        bits=8,
        embedded=embedded,
        coding=UNKNOWN_CODING,
    )


def _shrunk(pixels: Samples, alpha: Samples | None, size: tuple[int, int]) -> Samples:
    """Means over areas, across first and then down: no more than strips are in memory meanwhile.

    Rounded to 16 bits in between, and to 8 at the end.
    """
    narrow = scratch.empty((pixels.shape[0], size[1], *pixels.shape[2:]), np.uint16)
    for rows in strips(pixels):
        strip = pixels[rows]
        if alpha is not None:
            strip = laid_on_white(strip, alpha[rows])
            scratch.release(alpha)
        narrow[rows] = _means(_sixteen_bits(strip), (len(strip), size[1]))
        scratch.release(pixels, narrow)
    return eight_bits(_means(narrow, size))


def _means(samples: Any, size: tuple[int, int]) -> Any:  # noqa: ANN401 - OpenCV is half typed
    if samples.shape[:2] == size:
        return samples
    return cv2.resize(samples, (size[1], size[0]), interpolation=cv2.INTER_AREA)


def _sixteen_bits(samples: Samples) -> Samples:
    if samples.dtype == np.uint16:
        return samples
    return samples.astype(np.uint16) * np.uint16(257)
