"""Metadata of WebP files: read from their chunks, and written as such.

Source: RFC 9649 (WebP Image Format), sections 2.3 to 2.7.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from restoration.codec.metadata import exif as exif_block
from restoration.codec.metadata.limits import (
    DEFAULT_LIMIT_BYTES,
    Budget,
    DamagedMetadata,
    copy_range,
    read_block,
)
from restoration.codec.metadata.model import Embedded, Metadata, concise, lost_texts

_OURS: Final = frozenset({b"ICCP", b"EXIF", b"XMP "})
_PIXELS: Final = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"})
_ICC_FLAG, _ALPHA_FLAG, _EXIF_FLAG, _XMP_FLAG, _ANIMATION_FLAG = 0x20, 0x10, 0x08, 0x04, 0x02
_MAX_RIFF: Final = (1 << 32) - 10


@dataclass(frozen=True)
class _Chunk:
    kind: bytes
    start: int
    size: int

    @property
    def stored_size(self) -> int:
        """With its head, padded to even."""
        return 8 + self.size + self.size % 2


def read(file: BinaryIO, *, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> Embedded:
    """What the chunks of a WebP file hold.

    Args:
        file: seekable; a WebP file.
        limit_bytes: refuse more metadata than this.

    Raises:
        DamagedMetadata: no WebP file.
        TooLarge: over the limit.
    """
    budget = Budget(limit_bytes)
    held: dict[bytes, bytes] = {}
    notes: list[str] = []
    try:
        for chunk in _chunks(file):
            if chunk.kind in _OURS and chunk.kind not in held:
                held[chunk.kind] = read_block(file, chunk.size, budget)
            elif chunk.kind not in _PIXELS:
                budget.take(0)
                name = chunk.kind.decode("ascii", "backslashreplace")
                notes.append(f"WebP chunk {name!r} ({chunk.size} bytes): left out")
    except DamagedMetadata as error:
        if not file.tell():
            raise
        notes.append(f"{error}; what comes after was not read")
    exif = held.get(b"EXIF", b"").removeprefix(exif_block.PREFIX) or None
    metadata = Metadata(exif=exif, xmp=held.get(b"XMP ") or None, notes=concise(notes))
    dpi = exif_block.resolution(exif) if exif else None
    return Embedded(metadata, held.get(b"ICCP") or None, dpi)


def is_lossless(file: BinaryIO) -> bool:
    """Whether a WebP's first picture was compressed without loss (RFC 9649, section 2.5 and 2.6).

    Args:
        file: seekable; where it is damaged before its picture, it counts as lossy.
    """
    try:
        for chunk in _chunks(file):
            if chunk.kind == b"ANMF":  # 16 bytes about the frame, then chunks of its own
                return file.read(20)[16:] == b"VP8L"
            if chunk.kind in (b"VP8L", b"VP8 "):
                return chunk.kind == b"VP8L"
    except DamagedMetadata:
        pass
    return False


def _chunks(file: BinaryIO) -> Iterator[_Chunk]:
    """The chunks, positioned at the data of each."""
    file.seek(0)
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WEBP":
        file.seek(0)
        raise DamagedMetadata("not a WebP file")
    end = 8 + int.from_bytes(head[4:8], "little")
    position = 12
    while position + 8 <= end:
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            raise DamagedMetadata("the WebP's chunks are cut off")
        chunk = _Chunk(head[:4], position + 8, int.from_bytes(head[4:], "little"))
        yield chunk
        position += chunk.stored_size


def insert(encoded: BinaryIO, output: BinaryIO, embedded: Embedded) -> tuple[str, ...]:
    """Copy an encoded WebP with metadata in place of any that it has.

    Args:
        encoded: seekable, opened for reading: a whole WebP file.
        output: what it is written to.
        embedded: metadata, profile and resolution, which goes into the EXIF block.

    Returns:
        What the file cannot hold.

    Raises:
        DamagedMetadata: `encoded` is no WebP file, or it would get over 4 GiB.
    """
    image = [c for c in _chunks(encoded) if c.kind in _PIXELS and c.kind != b"VP8X"]
    exif, notes = _exif(embedded)
    icc, xmp = embedded.icc_profile, embedded.metadata.xmp
    flags = (_ICC_FLAG if icc else 0) | (_EXIF_FLAG if exif else 0) | (_XMP_FLAG if xmp else 0)
    head = _extended_head(encoded, flags)
    before = head + (_packed(b"ICCP", icc) if icc else b"")
    after = (_packed(b"EXIF", exif) if exif else b"") + (_packed(b"XMP ", xmp) if xmp else b"")
    size = 4 + len(before) + sum(chunk.stored_size for chunk in image) + len(after)
    if size > _MAX_RIFF:
        raise DamagedMetadata("a WebP file of over 4 GiB")
    output.write(b"RIFF" + struct.pack("<I", size) + b"WEBP" + before)
    for chunk in image:
        encoded.seek(chunk.start - 8)
        copy_range(encoded, output, 8 + chunk.size)
        output.write(b"\0" * (chunk.size % 2))
    output.write(after)
    return notes


def _packed(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _exif(embedded: Embedded) -> tuple[bytes | None, tuple[str, ...]]:
    """The EXIF block to write, and what WebP has no place for."""
    metadata, exif = embedded.metadata, embedded.metadata.exif
    notes = list(lost_texts(metadata.texts, "WebP"))
    if metadata.iptc:
        notes.append("IPTC records have no place in a WebP file")
    if metadata.photoshop:
        notes.append("Photoshop's image resources have no place in a WebP file")
    notes += exif_block.unplaced(exif, embedded.dpi, "a WebP")
    if embedded.dpi is not None and exif is None:
        exif = exif_block.minimal(embedded.dpi)
    return exif, tuple(notes)


def _extended_head(file: BinaryIO, flags: int) -> bytes:
    """The VP8X chunk: what the file holds, and the canvas's size; none where nothing asks for it.

    Raises:
        DamagedMetadata: no chunk says how large the picture is.
    """
    chunks = {chunk.kind: chunk for chunk in reversed(list(_chunks(file)))}
    if (extended := chunks.get(b"VP8X")) is not None:
        file.seek(extended.start)
        data = file.read(10)
        if len(data) < 10:
            raise DamagedMetadata("the WebP's head is cut off")
        own = data[0] & (_ALPHA_FLAG | _ANIMATION_FLAG)
        return _packed(b"VP8X", bytes([own | flags]) + data[1:])
    if not flags:
        return b""
    width, height, has_alpha = _size(file, chunks)
    alpha = _ALPHA_FLAG if has_alpha else 0
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return _packed(b"VP8X", bytes([flags | alpha, 0, 0, 0]) + canvas)


def _size(file: BinaryIO, chunks: dict[bytes, _Chunk]) -> tuple[int, int, bool]:
    """Width, height and whether there is alpha, from the picture's own head."""
    if (lossy := chunks.get(b"VP8 ")) is not None:
        file.seek(lossy.start)
        head = file.read(10)
        if len(head) == 10 and head[3:6] == b"\x9d\x01\x2a":  # RFC 6386, 9.1
            width, height = struct.unpack("<HH", head[6:])
            return width & 0x3FFF, height & 0x3FFF, False
    if (lossless := chunks.get(b"VP8L")) is not None:
        file.seek(lossless.start)
        head = file.read(5)
        if len(head) == 5 and head[0] == 0x2F:  # RFC 9649, 3.4
            bits = int.from_bytes(head[1:], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
    raise DamagedMetadata("the WebP's picture is damaged")
