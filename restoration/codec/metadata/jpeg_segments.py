"""The segments of JPEG files, as far as metadata are concerned.

Sources: ITU-T T.81, annex B (segments); T.871 (JFIF).
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

from restoration.codec.metadata.limits import DamagedMetadata

SOI: Final = b"\xff\xd8"
SOS, EOI, COM = 0xDA, 0xD9, 0xFE
APP0, APP1, APP2, APP11, APP13, APP14, APP15 = 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xEE, 0xEF
MAX_PAYLOAD: Final = 65_533
"""Bytes that one segment holds."""

JFIF: Final = b"JFIF\0"
ADOBE: Final = b"Adobe"

_DAMAGED: Final = "the JPEG's segments are damaged"
# What a hostile file may cost: sound ones have some dozens of segments and nothing between them.
_MAX_SEGMENTS: Final = 200_000
_MAX_SKIPS: Final = 64
_MAX_SKIPPED: Final = 1 << 16


def is_metadata(marker: int) -> bool:
    """Whether a segment is an application's or a comment."""
    return APP0 <= marker <= APP15 or marker == COM


def segments(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Marker and payload size of each segment up to the first scan, positioned at its payload.

    Afterwards the file is positioned at the marker that ended the walk.

    Raises:
        DamagedMetadata: not a JPEG file, or segments that make no sense.
    """
    file.seek(0)
    if file.read(2) != SOI:
        file.seek(0)
        raise DamagedMetadata("not a JPEG file")
    skips = _MAX_SKIPS
    for _ in range(_MAX_SEGMENTS):
        head = file.read(2)
        if len(head) < 2:
            raise DamagedMetadata(_DAMAGED)
        if head[:1] != b"\xff" or head[1:] in (b"\xff", b"\0"):
            if not skips:
                raise DamagedMetadata(_DAMAGED)
            skips -= 1
            head = _next_marker(file)
        marker = head[1]
        if marker in (SOS, EOI):
            file.seek(-2, io.SEEK_CUR)
            return
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:  # markers that stand alone
            continue
        size = file.read(2)
        length = int.from_bytes(size, "big")
        if len(size) < 2 or length < 2:
            raise DamagedMetadata(_DAMAGED)
        payload = file.tell()
        yield marker, length - 2
        file.seek(payload + length - 2)
    raise DamagedMetadata(_DAMAGED)


def _next_marker(file: BinaryIO) -> bytes:
    """Pass over fill bytes, or bytes that do not belong there, as decoders do."""
    start = file.seek(-2, io.SEEK_CUR)
    data = file.read(_MAX_SKIPPED)
    found = re.search(rb"\xff[^\x00\xff]", data)
    if found is None:
        raise DamagedMetadata(_DAMAGED)
    file.seek(start + found.end())
    return found.group()


def jfif_dpi(data: bytes) -> tuple[float, float] | None:
    """Dots per inch of a JFIF segment, or None (T.871, 10.1)."""
    if len(data) < 12:
        return None
    unit, across, down = struct.unpack_from(">BHH", data, 7)
    factor = {1: 1.0, 2: 2.54}.get(unit)
    return (across * factor, down * factor) if factor and across and down else None


def write_segment(output: BinaryIO, marker: int, data: bytes) -> None:
    """Write a segment of at most `MAX_PAYLOAD` bytes."""
    output.write(struct.pack(">BBH", 0xFF, marker, len(data) + 2))
    output.write(data)


def with_density(jfif: bytes, dpi: tuple[float, float] | None) -> bytes:
    """The JFIF segment with whole dots per inch or per cm, whichever is closer."""
    density = b"\0\0\1\0\1"  # unknown; pixels are square
    if dpi is not None and all(1 <= side < 65_535.5 for side in dpi):
        per_cm = tuple(side / 2.54 for side in dpi)
        is_metric = max(map(_rounding, per_cm)) < max(map(_rounding, dpi))
        across, down = per_cm if is_metric else dpi
        density = struct.pack(">BHH", 2 if is_metric else 1, round(across), round(down))
    return jfif[:7] + density + jfif[12:]


def _rounding(value: float) -> float:
    return abs(value - round(value)) / value
