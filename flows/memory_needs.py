"""How much memory a photo needs on its way, beside the libraries and the networks.

Everything is done in strips, so that the temporaries of a photo do not grow with it from some
size on. Its samples do, several times over (decoded, restored, compared, encoded); from 64 MiB on
an array of them is a mapped file (`restoration.scratch`), of which the kernel keeps in memory what
there is room for.
"""

from __future__ import annotations

from typing import Final

from restoration import scratch
from restoration.codec import Page, Photo
from storage.manifest import WorkItem

STRIP_PIXELS: Final = 4_000_000
BYTES_PER_STRIP_PIXEL: Final = 40
COPIES_IN_MEMORY: Final = 5.0
COPIES_MAPPED: Final = 2.5
"""Of the samples, in ordinary memory and in mapped files.

Scans were taken all the way (denoise and colorize with `--keep-grain 0.3`; denoise, deblur and
colorize), with a filter in the place of the networks, and the peak of what all processes of ours
held in memory was taken (`python -m tests.benchmarks.memory`), less that of half a megapixel, 0.47
to 0.53 GB; 10^9 bytes, for 8 bits / 16 bits:

| megapixels | 2 | 6 | 12 | 20 | 24 | 50 | 100 |
| --- | --- | --- | --- | --- | --- | --- | --- |
| measured | .07 / .10 | .20 / .19 | .23 / .22 | .38 / .29 | .34 / .27 | .46 / .71 | .72 / – |
| reserved | .11 / .14 | .25 / .34 | .34 / .34 | .46 / .46 | .34 / .52 | .54 / .91 | .91 / 1.7 |
"""

_BYTES_PER_PIXEL: Final = 3
_FILE_BYTES_PER_PIXEL: Final = 0.5


def bytes_needed(photo: Photo) -> int:
    """Of a decoded photo: what it takes from here to its outputs, bytes."""
    pixels = max(page.megapixels for page in photo.pages) * 1e6
    largest = max(page.pixels.nbytes for page in photo.pages)
    return _needed(pixels, largest, sum(_sample_bytes(page) for page in photo.pages))


def estimated_bytes(item: WorkItem) -> int:
    """Of a photo by what the work-list says of it: its first page, at 8 bits, or its file's size.

    Samples of 16 bits, or of many pages, show in the file's size, unless it is compressed well;
    the size of WebP, AVIF and HEIC pictures is a guess altogether.
    """
    pixels = item.megapixels * 1e6 or item.size / _FILE_BYTES_PER_PIXEL
    samples = max(_BYTES_PER_PIXEL * pixels, item.size)
    return _needed(pixels, samples, samples)


def _needed(pixels: float, largest: float, sample_bytes: float) -> int:
    """Bytes.

    Args:
        pixels: of the largest page.
        largest: bytes of the largest array of samples.
        sample_bytes: of all pages.
    """
    strips = BYTES_PER_STRIP_PIXEL * min(pixels, STRIP_PIXELS)
    copies = COPIES_MAPPED if largest >= scratch.LARGE_BYTES else COPIES_IN_MEMORY
    return int(strips + copies * sample_bytes)


def _sample_bytes(page: Page) -> int:
    """As the file has them, and as the networks see them where that is not the same."""
    own = page.stored.nbytes + (0 if page.alpha is None else page.alpha.nbytes)
    return own if page.pixels is page.stored else own + page.pixels.nbytes
