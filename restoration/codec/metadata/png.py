"""Metadata of PNG files: read from their chunks, and written as such.

Source: Portable Network Graphics, third edition (W3C, 2025), sections 5.3 and 11.3. Profiles in
hexadecimal texts ("Raw profile type ...") are ImageMagick's way from before the eXIf chunk.
"""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from restoration.codec.metadata import exif as exif_block
from restoration.codec.metadata import photoshop, png_texts
from restoration.codec.metadata.limits import (
    DEFAULT_LIMIT_BYTES,
    Budget,
    DamagedMetadata,
    copy_range,
    read_block,
)
from restoration.codec.metadata.model import Embedded, Metadata, concise

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_METRES_PER_INCH: Final = 0.0254
_TEXTS: Final = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_COLOUR: Final = frozenset({b"cICP", b"sRGB", b"gAMA", b"cHRM"})
_OURS: Final = _TEXTS | _COLOUR | {b"iCCP", b"eXIf", b"pHYs"}
# What the encoder writes as the pixels need it.
_PIXELS: Final = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT"})
_NAMES: Final = {
    b"caBX": "a C2PA manifest (what it signs are other pixels)",
    b"tIME": "the time of the last change",
    b"bKGD": "a background colour",
    b"sBIT": "the number of significant bits",
}


@dataclass
class _Found:
    """What the chunks of one file give, piece by piece."""

    exif: bytes | None = None
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    colour: list[tuple[bytes, bytes]] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read(file: BinaryIO, *, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> Embedded:
    """What the chunks of a PNG file hold, before and after its pixels.

    Args:
        file: seekable; a PNG file.
        limit_bytes: refuse more metadata than this, inflated.

    Raises:
        DamagedMetadata: no PNG file.
        TooLarge: over the limit.
    """
    budget = Budget(limit_bytes)
    found = _Found()
    try:
        for kind, size in _chunks(file):
            if kind in _OURS:
                data = read_block(file, size, budget)
                if file.read(4) == _crc(kind, data):
                    _take(found, kind, data, budget)
                else:
                    found.notes.append(f"PNG chunk {_name(kind)} is damaged and was left out")
            elif kind not in _PIXELS:
                budget.take(0)
                found.notes.append(f"{_NAMES.get(kind, 'PNG chunk ' + _name(kind))}: left out")
    except DamagedMetadata as error:
        if not file.tell():
            raise
        found.notes.append(f"{error}; what comes after was not read")
    return _embedded(found)


def frames(file: BinaryIO) -> int:
    """Pictures in a PNG file: more than one of an animation (acTL before the first IDAT)."""
    with contextlib.suppress(DamagedMetadata):
        for kind, size in _chunks(file):
            if kind == b"acTL" and size == 8:
                return int.from_bytes(file.read(4), "big")
            if kind == b"IDAT":
                break
    return 1


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Type and size of each chunk, positioned at its data."""
    file.seek(0)
    if file.read(8) != _SIGNATURE:
        file.seek(0)
        raise DamagedMetadata("not a PNG file")
    while True:
        head = file.read(8)
        if len(head) < 8:
            raise DamagedMetadata("the PNG's chunks are cut off")
        size, kind = struct.unpack(">I4s", head)
        start = file.tell()
        yield kind, size
        if kind == b"IEND":
            return
        file.seek(start + size + 4)


def _crc(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def _name(kind: bytes) -> str:
    return kind.decode("ascii", "backslashreplace")


def _take(found: _Found, kind: bytes, data: bytes, budget: Budget) -> None:
    try:
        if kind == b"eXIf":
            found.exif = found.exif or data.removeprefix(exif_block.PREFIX)
        elif kind == b"iCCP":
            found.icc = found.icc or png_texts.inflate_after(data, budget)
        elif kind == b"pHYs":
            found.dpi = _dpi(data)
        elif kind in _COLOUR:
            found.colour.append((kind, data))
        else:
            text, note = png_texts.read(kind, data, budget)
            found.texts.append(text)
            found.notes.extend([note] if note else [])
    except DamagedMetadata as error:
        found.notes.append(f"PNG chunk {_name(kind)}: {error}; it was left out")


def _dpi(data: bytes) -> tuple[float, float] | None:
    if len(data) != 9:
        return None
    across, down, unit = struct.unpack(">IIB", data)
    if unit != 1 or not across or not down:  # else only the pixels' shape is known
        return None
    return _inches(across), _inches(down)


def _inches(per_metre: int) -> float:
    """Dots per inch: the whole number that is written as this many per metre, if there is one."""
    dpi = per_metre * _METRES_PER_INCH
    return float(round(dpi)) if round(round(dpi) / _METRES_PER_INCH) == per_metre else dpi


def _embedded(found: _Found) -> Embedded:
    taken = png_texts.take_profiles(found.texts)
    exif = found.exif or taken.exif
    iptc, damage = photoshop.sound_iptc(taken.resources.iptc)
    metadata = Metadata(
        exif=exif,
        xmp=taken.xmp or taken.resources.xmp,
        iptc=iptc,
        photoshop=taken.resources.others,
        texts=taken.texts,
        notes=concise((*found.notes, *taken.resources.notes, *damage)),
    )
    dpi = found.dpi or (exif_block.resolution(exif) if exif else None)
    return Embedded(metadata, found.icc, dpi, tuple(found.colour))


def insert(encoded: BinaryIO, output: BinaryIO, embedded: Embedded) -> tuple[str, ...]:
    """Copy an encoded PNG with metadata in place of any that it has.

    Args:
        encoded: seekable, opened for reading: a whole PNG file.
        output: what it is written to.
        embedded: metadata, profile, colour chunks and resolution.

    Returns:
        What the file cannot hold.

    Raises:
        DamagedMetadata: `encoded` is no PNG file, or cut off.
    """
    ours, notes = _our_chunks(embedded)
    for kind, size in _chunks(encoded):
        if kind == b"IHDR":
            output.write(_SIGNATURE)
        if kind not in _OURS:
            output.write(struct.pack(">I4s", size, kind))
            copy_range(encoded, output, size + 4)
        if kind == b"IHDR":
            for ours_kind, data in ours:
                output.write(struct.pack(">I4s", len(data), ours_kind) + data)
                output.write(_crc(ours_kind, data))
    return notes


def _our_chunks(embedded: Embedded) -> tuple[list[tuple[bytes, bytes]], tuple[str, ...]]:
    """Colour first, for it must come before a palette; then the rest."""
    metadata = embedded.metadata
    chunks = list(embedded.png_colour)
    if embedded.icc_profile:
        # A file has a profile or says that it is sRGB, not both (11.3.2.3).
        chunks = [chunk for chunk in chunks if chunk[0] != b"sRGB"]
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(embedded.icc_profile, 9)))
    notes: tuple[str, ...] = ()
    if embedded.dpi is not None:
        across, down = (round(side / _METRES_PER_INCH) for side in embedded.dpi)
        if 0 < across < 1 << 31 and 0 < down < 1 << 31:
            chunks.append((b"pHYs", struct.pack(">IIB", across, down, 1)))
    if metadata.exif:
        chunks.append((b"eXIf", metadata.exif))
    if metadata.xmp:
        chunks.append((b"iTXt", png_texts.XMP_KEYWORD + b"\0\0\0\0\0" + metadata.xmp))
    if metadata.iptc or metadata.photoshop:
        resources = photoshop.build(metadata.iptc, metadata.photoshop)
        chunks.append((b"zTXt", png_texts.raw_profile("iptc", resources)))
    for text in metadata.texts:
        chunk, note = png_texts.write(*text)
        chunks += [chunk] if chunk else []
        notes += (note,) if note else ()
    return chunks, notes
