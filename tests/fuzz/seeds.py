"""The files that fuzzing starts from, made on the spot: one of each kind, with all metadata."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import numpy as np

from restoration.codec import FORMATS, ColourModel
from tests.pictures import (
    ccitt_tiff,
    deep,
    jpeg,
    page_of,
    palette_png,
    png,
    raw_tiff,
    tiff,
    tiff_tags,
    written,
    ycck_jpeg,
)
from tests.restoration.metadata_files import FULL
from tests.scenes import gray_scene, scene

_HEIGHT, _WIDTH = 16, 24
_PNG = b"\x89PNG\r\n\x1a\n"


def seeds(file_format: str) -> list[bytes]:
    """Sound files of a format, and their first halves."""
    picture = scene(_HEIGHT, _WIDTH)
    full = replace(page_of(ColourModel.RGB, 8), stored=picture, pixels=picture, embedded=FULL)
    sound = [written([full], file_format)[0], *_others(file_format)]
    return sound + [data[: len(data) // 2] for data in sound]


def all_seeds() -> dict[str, list[bytes]]:
    """Of each format."""
    return {name: seeds(name) for name in FORMATS}


def with_checksums(data: bytes) -> bytes:
    """A PNG with the right checksum in each chunk, without which a chunk is not looked into."""
    out, position = bytearray(data), len(_PNG)
    while position + 12 <= len(out):
        end = position + 8 + int.from_bytes(out[position : position + 4], "big")
        if end + 4 > len(out):
            break
        out[end : end + 4] = struct.pack(">I", zlib.crc32(out[position + 4 : end]))
        position = end + 4
    return bytes(out)


def is_png(data: bytes) -> bool:
    """Whether it begins like one."""
    return data.startswith(_PNG)


def _others(file_format: str) -> list[bytes]:
    colour, gray = scene(_HEIGHT, _WIDTH), gray_scene(_HEIGHT, _WIDTH)
    if file_format == "JPEG":
        return [jpeg(colour, progressive=True), jpeg(gray), ycck_jpeg(colour)]
    if file_format == "PNG":
        return [png(deep(colour)), png(gray), palette_png(colour)]
    if file_format == "TIFF":
        planes = np.moveaxis(colour, -1, 0)
        return [
            tiff([deep(gray), gray], "minisblack", compression="lzw", predictor=True),
            tiff(colour, "rgb", compression="deflate", tile=(16, 16), bigtiff=True),
            tiff(colour, "rgb", compression="jpeg"),
            tiff(colour, "cielab", compression="packbits"),
            tiff(planes, "rgb", planarconfig="separate", tile=(16, 16), compression="lzma"),
            raw_tiff(bytes(range(36)), *tiff_tags(6, 4, bits=12, size=36)),
            ccitt_tiff(),
        ]
    return []
