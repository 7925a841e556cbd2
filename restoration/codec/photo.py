"""A photograph: one file's pages, and what its header says before they are decoded."""

from __future__ import annotations

from dataclasses import dataclass, field

from restoration.codec.metadata.camera import camera_of
from restoration.codec.pages import Page
from restoration.samples import Samples


@dataclass(frozen=True)
class Header:
    """What a file's header says, before pixels are decoded.

    Attributes:
        format: a name of `FORMATS`.
        width: pixels, as stored (before the orientation is applied); of a TIFF's first page.
        height: pixels, as stored.
    """

    format: str
    width: int
    height: int

    @property
    def megapixels(self) -> float:
        """Size in 10^6 pixels."""
        return self.width * self.height / 1e6


@dataclass(frozen=True)
class Photo:
    """A decoded photograph.

    Attributes:
        format: a name of `FORMATS`.
        pages: one or more, in the file's order.
        notes: what the file holds that does not travel on, one line each.
        is_salvaged: whether a damaged file was decoded as far as it goes.
    """

    format: str
    pages: tuple[Page, ...] = field(repr=False)
    notes: tuple[str, ...] = ()
    is_salvaged: bool = False

    @property
    def main(self) -> Page:
        """The largest page: the first of those, where several are as large."""
        return max(self.pages, key=lambda page: page.megapixels)

    @property
    def pixels(self) -> Samples:
        """The main page as the networks see it: sRGB, (H, W) or (H, W, 3)."""
        return self.main.pixels

    @property
    def camera(self) -> str | None:
        """Make and model of the camera or scanner, of the first page that names one."""
        found = (camera_of(page.embedded.metadata.exif) for page in self.pages)
        return next(filter(None, found), None)

    @property
    def megapixels(self) -> float:
        """Size of all pages in 10^6 pixels."""
        return sum(page.megapixels for page in self.pages)
