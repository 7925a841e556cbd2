"""How a JPEG was compressed, and how to compress another picture at least as finely (T.81)."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, BinaryIO, Final

import numpy as np
from PIL import Image, ImageFile

from restoration.codec.pages import JpegCoding
from restoration.errors import DecodeError, EncodeError, no_room
from restoration.samples import Samples

# Limits on pixels are ours (`Limits`), checked from the header before anything is decoded; Pillow's
# own would refuse a 20,000 x 15,000 scan.
Image.MAX_IMAGE_PIXELS = None
ImageFile.LOAD_TRUNCATED_IMAGES = False

_MOST_BYTES_PER_PIXEL: Final = 8
_PILLOWS_OWN: Final = ImageFile.MAXBLOCK
_setting = threading.Lock()
_needs: list[int] = [0]
"""Bytes of the buffers that are in use."""
DEFAULT_QUALITY: Final = 95
"""Of libjpeg's scale, with 4:4:4: what a restored photo loses to it is not seen."""


def read_coding(file: BinaryIO) -> JpegCoding:
    """Read how a JPEG was compressed; no sample is decoded.

    Raises:
        DecodeError: the header is damaged.
    """
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image: Any = Image.open(file, formats=("JPEG",))
            tables = tuple(
                tuple(int(step) for step in table)
                for _, table in sorted(image.quantization.items())
            )
            sampling = tuple((int(layer[1]), int(layer[2])) for layer in image.layer)
            return JpegCoding(tables, sampling, "progressive" in image.info)
    except MemoryError:
        raise
    except Exception as error:  # a header may break Pillow in many ways
        raise DecodeError(f"the JPEG header is damaged: {error}") from error


def write_jpeg(
    samples: Samples, file: BinaryIO, coding: JpegCoding | None, *, quality: int | None
) -> None:
    """Compress samples, without any metadata.

    Where the source was a JPEG, each frequency is quantised at least as finely as there and as at
    `DEFAULT_QUALITY`: what the restoration has added must not meet coarse steps, and what was fine
    must not become coarser. Chroma is never subsampled: each pass through 4:2:0 blurs it again.

    Args:
        samples: (H, W) gray, (H, W, 3) RGB or (H, W, 4) CMYK, uint8.
        file: written from where it stands.
        coding: of the source, where it was a JPEG.
        quality: 1 to 100 of libjpeg's scale instead of all that; None for the rule above.

    Raises:
        EncodeError: the encoder refused.
    """
    options: dict[str, Any] = {"subsampling": 0}
    if coding is not None and quality is None:
        options |= {"qtables": _at_least_as_fine(coding), "progressive": coding.progressive}
    else:
        options["quality"] = DEFAULT_QUALITY if quality is None else quality
    mode = "CMYK" if samples.ndim == 3 and samples.shape[2] == 4 else None
    try:
        image = Image.fromarray(np.ascontiguousarray(samples))
        if mode is not None and image.mode != mode:  # four channels are taken for RGBA
            image = Image.frombytes(mode, image.size, image.tobytes())
        with _buffer_for(image.size, is_whole=options.get("progressive", False)):
            image.save(file, format="JPEG", **options)
    except MemoryError:
        raise
    except Exception as error:  # encoders raise OSError, ValueError, struct.error...
        if (ours := no_room(error)) is not None:
            raise ours from error
        raise EncodeError(f"the JPEG encoder failed: {error}") from error


@contextmanager
def _buffer_for(size: tuple[int, int], *, is_whole: bool) -> Iterator[None]:
    """Let Pillow hold a progressive file as a whole, which it must and expects to be small.

    Noise at the finest steps takes more than its two bytes for a pixel: it would fail. Pillow has
    one setting for all threads, which stays as large as any of them needs it.
    """
    needed = _MOST_BYTES_PER_PIXEL * size[0] * size[1] if is_whole else 0
    with _setting:
        _needs.append(needed)
        ImageFile.MAXBLOCK = max(_PILLOWS_OWN, *_needs)
    try:
        yield
    finally:
        with _setting:
            _needs.remove(needed)
            ImageFile.MAXBLOCK = max(_PILLOWS_OWN, *_needs)


def _at_least_as_fine(coding: JpegCoding) -> list[list[int]]:
    fine = _standard_tables(DEFAULT_QUALITY)
    own = coding.tables or fine
    pairs = zip(_two(own), _two(fine), strict=True)
    return [[min(a, b) for a, b in zip(*pair, strict=True)] for pair in pairs]


def _two(tables: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Those of luma and chroma; a gray file, and some in colour, have one for all."""
    return tables[0], tables[min(1, len(tables) - 1)]


@lru_cache
def _standard_tables(quality: int) -> tuple[tuple[int, ...], ...]:
    """The tables that libjpeg makes for a quality, read from what it writes."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", quality=quality)
    return read_coding(buffer).tables
