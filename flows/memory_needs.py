"""How much memory a photo needs on its way, beside the libraries and the networks.

Everything is done in strips, so that the temporaries of a photo do not grow with it from some
size on. Its samples do, several times over (decoded, restored, compared, encoded); from 64 MiB on
an array of them is a mapped file (`restoration.scratch`), of which the kernel keeps in memory what
there is room for.
"""

from __future__ import annotations

from typing import Final

from restoration.codec import Page, Photo
from storage.manifest import WorkItem

STRIP_PIXELS: Final = 4_000_000
BYTES_PER_STRIP_PIXEL: Final = 60
COPIES_OF_SAMPLES: Final = 3.0
"""Measured by `python -m tests.benchmarks.memory`: peak memory of all processes of ours, less that
of a photo of half a megapixel."""

_BYTES_PER_SAMPLES_PIXEL: Final = 3
_FILE_BYTES_PER_PIXEL: Final = 0.5


def bytes_needed(photo: Photo) -> int:
    """Of a decoded photo: what it takes from here to its outputs, bytes."""
    pixels = max(page.megapixels for page in photo.pages) * 1e6
    return _needed(pixels, sum(_sample_bytes(page) for page in photo.pages))


def estimated_bytes(item: WorkItem) -> int:
    """Of a photo by what the work-list says of it: its first page, at 8 bits, or its file's size.

    Samples of 16 bits, or of many pages, show in the file's size, unless it is compressed well;
    the size of WebP, AVIF and HEIC pictures is a guess altogether.
    """
    pixels = item.megapixels * 1e6 or item.size / _FILE_BYTES_PER_PIXEL
    return _needed(pixels, max(_BYTES_PER_SAMPLES_PIXEL * pixels, item.size))


def _needed(pixels: float, sample_bytes: float) -> int:
    """Bytes.

    Args:
        pixels: of the largest page.
        sample_bytes: of all pages.
    """
    strips = BYTES_PER_STRIP_PIXEL * min(pixels, STRIP_PIXELS)
    return int(strips + COPIES_OF_SAMPLES * sample_bytes)


def _sample_bytes(page: Page) -> int:
    """As the file has them, and as the networks see them where that is not the same."""
    own = page.stored.nbytes + (0 if page.alpha is None else page.alpha.nbytes)
    return own if page.pixels is page.stored else own + page.pixels.nbytes
