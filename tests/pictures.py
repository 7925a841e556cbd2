"""Files of every kind that the codec reads, made by other encoders than its own."""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyvips
import tifffile
from PIL import Image, ImageCms

from restoration.codec import ColourModel, Page, encode
from restoration.codec.colour_management import to_srgb
from restoration.codec.metadata.model import Embedded, Metadata
from restoration.codec.pages import Coding
from tests.scenes import gray_scene, scene

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def deep(image: Any, *, seed: int = 0) -> Any:
    """The same picture in 16 bits, with low bits of its own."""
    noise = np.random.default_rng(seed).integers(0, 257, image.shape, dtype=np.uint32)
    return np.minimum(image.astype(np.uint32) * 256 + noise, 65535).astype(np.uint16)


def samples_of(colour: ColourModel, bits: int, *, height: int = 48, width: int = 64) -> Any:
    """A scene as samples of a colour model, (H, W) or (H, W, C), uint8 or uint16."""
    picture = gray_scene(height, width) if colour is ColourModel.GRAY else scene(height, width)
    if colour is ColourModel.CMYK:
        picture = np.dstack([255 - picture, gray_scene(height, width) // 3])
    return picture if bits <= 8 else deep(picture)


def page_of(colour: ColourModel, bits: int, *, alpha: bool = False, **embedded: Any) -> Page:
    """A page of a lossless file."""
    stored = samples_of(colour, bits)
    opacity = stored.max(-1) if stored.ndim == 3 else stored.copy()
    content = Embedded(**{"metadata": Metadata(), "dpi": (300.0, 300.0), **embedded})
    pixels, _ = to_srgb(stored, colour, content.icc_profile)
    coding = Coding("deflate", lossless=True)
    return Page(stored, pixels, opacity if alpha else None, colour, bits, content, coding)


def written(pages: Sequence[Page], file_format: str, **options: Any) -> tuple[bytes, Sequence[str]]:
    """What `encode` writes, and its notes."""
    with tempfile.TemporaryFile() as file:
        notes = encode(pages, file, file_format, **options)
        return file.read(), notes


def tiff(samples: Any, photometric: str, **options: Any) -> bytes:
    """A TIFF by tifffile."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, bigtiff=options.pop("bigtiff", False)) as writer:
        for page in samples if isinstance(samples, list) else [samples]:
            writer.write(page, photometric=photometric, metadata=None, contiguous=False, **options)
    return buffer.getvalue()


def ccitt_tiff() -> bytes:
    """A page of two tones with CCITT group 4 compression."""
    buffer = io.BytesIO()
    Image.fromarray(gray_scene(48, 64) > 120).save(buffer, "TIFF", compression="group4")
    return buffer.getvalue()


def jpeg(image: Any, mode: str | None = None, **options: Any) -> bytes:
    """A JPEG by Pillow."""
    buffer = io.BytesIO()
    picture = Image.fromarray(image)
    (picture.convert(mode) if mode else picture).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def ycck_jpeg(image: Any) -> bytes:
    """A CMYK JPEG whose components are YCCK, as Photoshop writes them (Adobe marker, 2)."""
    cmyk = pyvips.Image.new_from_array(image).copy(interpretation="srgb")
    return cmyk.icc_transform("cmyk", input_profile="srgb").jpegsave_buffer(Q=95)


def png(image: Any) -> bytes:
    """A PNG of 8 or 16 bits by libvips."""
    kind = {(2, False): "b-w", (2, True): "grey16", (3, False): "srgb", (3, True): "rgb16"}
    name = kind[2 if image.ndim == 2 else 3, image.dtype == np.uint16]
    return pyvips.Image.new_from_array(image).copy(interpretation=name).pngsave_buffer()


def palette_png(image: Any) -> bytes:
    """A PNG of 256 colours."""
    buffer = io.BytesIO()
    Image.fromarray(image).quantize(256).save(buffer, "PNG")
    return buffer.getvalue()


def png_bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises more than the file holds."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def raw_tiff(data: bytes, *tags: tuple[int, int]) -> bytes:
    """A little-endian TIFF whose directory has these tags (LONG), such as no writer writes.

    The data come right after the header, at offset 8.
    """
    padded = data + bytes(len(data) % 2)
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(padded)) + padded + directory


def tiff_tags(width: int, height: int, **others: int) -> tuple[tuple[int, int], ...]:
    """Tags of a gray page in one strip for `raw_tiff`; others by name."""
    numbers = {
        "bits": 258, "compression": 259, "photometric": 262, "offset": 273, "samples": 277,
        "size": 279, "jpeg_offset": 513, "jpeg_size": 514,
    }  # fmt: skip
    values = {"bits": 8, "compression": 1, "photometric": 1, "offset": 8, "samples": 1, **others}
    pairs = [(256, width), (257, height), *((numbers[k], v) for k, v in values.items())]
    return tuple(sorted(pairs))
