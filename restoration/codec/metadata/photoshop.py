"""Photoshop's image resources: where JPEG and TIFF files keep IPTC records and much else.

Source: Adobe Photoshop File Formats Specification (November 2019), "Image Resources Section".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

IPTC: Final = 0x0404
XMP: Final = 0x0424
_SIGNATURES: Final = (b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR")
# Resources that travel in another place, or show the photo as it was.
_ELSEWHERE: Final = frozenset({IPTC, XMP, 0x040F, 0x0422, 0x0423})
_THUMBNAILS: Final = frozenset({0x0409, 0x040C})


@dataclass(frozen=True)
class Resources:
    """What a block of image resources holds.

    Attributes:
        iptc: IPTC-IIM records, or None.
        xmp: an XMP packet, or None.
        others: all other resources as a block of their own, or None.
        notes: what was left out.
    """

    iptc: bytes | None = None
    xmp: bytes | None = None
    others: bytes | None = None
    notes: tuple[str, ...] = ()


def parse(block: bytes) -> Resources:
    """Take a block of resources apart; what follows a damaged one is left out with a note."""
    wanted: dict[int, bytes] = {}
    others = bytearray()
    notes: list[str] = []
    position = 0
    while position + 12 <= len(block):
        found = _resource(block, position)
        if found is None:
            notes.append("Photoshop's image resources are damaged; their rest was left out")
            break
        number, data, end = found
        if number in (IPTC, XMP):
            wanted.setdefault(number, data)
        if number in _THUMBNAILS:
            notes.append("Photoshop's thumbnail was left out: it shows the photo as it was")
        elif number not in _ELSEWHERE:
            others += block[position:end]
            others.extend(b"\0" * (len(others) % 2))
        position = end
    return Resources(wanted.get(IPTC), wanted.get(XMP), bytes(others) or None, tuple(notes))


def _resource(block: bytes, position: int) -> tuple[int, bytes, int] | None:
    """Number and data of the resource at a position, and where the next one begins."""
    if block[position : position + 4] not in _SIGNATURES:
        return None
    (number,) = struct.unpack_from(">H", block, position + 4)
    name = block[position + 6]
    start = position + 6 + (name + 2) // 2 * 2  # the name and its length, padded to even
    if start + 4 > len(block):
        return None
    (size,) = struct.unpack_from(">I", block, start)
    start += 4
    if start + size > len(block):
        return None
    return number, block[start : start + size], min(start + size + size % 2, len(block))


def build(iptc: bytes | None, others: bytes | None) -> bytes:
    """A block of resources with IPTC records in it."""
    block = b""
    if iptc is not None:
        block = b"8BIM" + struct.pack(">HHI", IPTC, 0, len(iptc)) + iptc + b"\0" * (len(iptc) % 2)
    return block + (others or b"")


def sound_iptc(data: bytes | None) -> tuple[bytes | None, tuple[str, ...]]:
    """IPTC-IIM records if they are such: every dataset begins with 0x1C (IIM 4.2, chapter 1.5)."""
    if not data:
        return None, ()
    if data[0] != 0x1C:
        return None, ("the IPTC records are damaged and were left out",)
    return data, ()
