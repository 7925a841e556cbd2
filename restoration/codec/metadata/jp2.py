"""Metadata of JPEG 2000 files: read from their boxes, and written as such.

Sources: ITU-T T.800 annex I (boxes, resolution, colour); ISO 16684-3 (XMP); the identifiers of
EXIF, IPTC and Photoshop's resources are those that ExifTool and Adobe's products use.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO, Final

from restoration.codec.metadata import exif as exif_block
from restoration.codec.metadata import photoshop
from restoration.codec.metadata.limits import (
    DEFAULT_LIMIT_BYTES,
    Budget,
    DamagedMetadata,
    copy_range,
    read_block,
    size_of,
)
from restoration.codec.metadata.model import Embedded, Metadata, concise, lost_texts

_SIGNATURE: Final = b"\0\0\0\x0cjP  \r\n\x87\n"
_CODESTREAM: Final = b"\xff\x4f\xff\x51"
_EXIF: Final = b"JpgTiffExif->JP2"
_XMP: Final = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_IPTC: Final = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")
_PHOTOSHOP: Final = bytes.fromhex("2c4c0100850440b9a03e562148d6dfeb")
_OURS: Final = frozenset({_EXIF, _XMP, _IPTC, _PHOTOSHOP})
_PIXELS: Final = frozenset({b"jP  ", b"ftyp", b"jp2h", b"jp2c", b"free", b"rreq"})
_RESTRICTED_ICC, _ANY_ICC = 2, 3
_SRGB, _GRAY = 16, 17
_METRES_PER_INCH: Final = Fraction(254, 10_000)


@dataclass(frozen=True)
class _Box:
    """Type, where it and its content begin, and where it ends."""

    kind: bytes
    start: int
    content: int
    end: int

    @property
    def size(self) -> int:
        """Bytes of its content."""
        return self.end - self.content


def read(file: BinaryIO, *, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> Embedded:
    """What the boxes of a JP2 file hold; a bare codestream (.j2k) has none.

    Args:
        file: seekable; a JP2 or JPX file, or a codestream.
        limit_bytes: refuse more metadata than this.

    Raises:
        DamagedMetadata: no JPEG 2000 file.
        TooLarge: over the limit.
    """
    if _is_codestream(file):
        return Embedded()
    budget = Budget(limit_bytes)
    held: dict[bytes, bytes] = {}
    header: dict[bytes, bytes] = {}
    notes: list[str] = []
    try:
        for box in _boxes(file, 0, size_of(file)):
            if box.kind == b"jp2h":
                header = header or _header(file, box, budget)
            elif box.kind == b"uuid":
                _take_uuid(file, box, budget, held, notes)
            elif box.kind not in _PIXELS:
                budget.take(0)
                name = box.kind.decode("ascii", "backslashreplace")
                notes.append(f"JPEG 2000 box {name!r} ({box.size} bytes): left out")
    except DamagedMetadata as error:
        notes.append(f"{error}; what comes after was not read")
    return _embedded(held, header, notes)


def _embedded(held: dict[bytes, bytes], header: dict[bytes, bytes], notes: list[str]) -> Embedded:
    found = photoshop.parse(held.get(_PHOTOSHOP, b""))
    iptc, damage = photoshop.sound_iptc(held.get(_IPTC) or found.iptc)
    exif = held.get(_EXIF, b"").removeprefix(exif_block.PREFIX) or None
    metadata = Metadata(
        exif=exif,
        xmp=held.get(_XMP) or found.xmp,
        iptc=iptc,
        photoshop=found.others,
        notes=concise((*notes, *found.notes, *damage)),
    )
    dpi = _dpi(header.get(b"resc")) or _dpi(header.get(b"resd"))
    dpi = dpi or (exif_block.resolution(exif) if exif else None)
    return Embedded(metadata, header.get(b"icc"), dpi)


@dataclass(frozen=True)
class Layout:
    """Where a file's samples are, and what they mean.

    Attributes:
        codestream: offset of the first codestream.
        is_plain: whether its channels are gray or RGB as they are: no palette, no YCbCr.
    """

    codestream: int
    is_plain: bool


def layout(file: BinaryIO) -> Layout:
    """Find the codestream, however large the boxes before it are.

    Raises:
        DamagedMetadata: no JPEG 2000 file, or one without a codestream.
    """
    if _is_codestream(file):
        return Layout(0, is_plain=True)
    is_plain = True
    for box in _boxes(file, 0, size_of(file)):
        if box.kind == b"jp2c":
            return Layout(box.content, is_plain)
        if box.kind == b"jp2h":
            is_plain = all(_is_plain(file, inner) for inner in _boxes(file, box.content, box.end))
    raise DamagedMetadata("the JPEG 2000 file has no codestream")


def _is_plain(file: BinaryIO, box: _Box) -> bool:
    """Of a colour box (T.800, I.5.3.3): a profile, or the number of gray or sRGB."""
    if box.kind != b"colr":
        return box.kind not in (b"pclr", b"cmap")
    data = file.read(min(box.size, 7))
    return data[:1] != b"\1" or int.from_bytes(data[3:], "big") in (_SRGB, _GRAY)


def _is_codestream(file: BinaryIO) -> bool:
    file.seek(0)
    head = file.read(len(_SIGNATURE))
    if head != _SIGNATURE and not head.startswith(_CODESTREAM):
        raise DamagedMetadata("not a JPEG 2000 file")
    return head != _SIGNATURE


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[_Box]:
    """The boxes from `start` to `end`, positioned at the content of each."""
    while start + 8 <= end:
        file.seek(start)
        head = file.read(16)
        if len(head) < 8:
            raise DamagedMetadata("the JPEG 2000 file's boxes are cut off")
        size, kind = struct.unpack_from(">I4s", head)
        content = start + 8
        if size == 1 and len(head) == 16:
            (size,) = struct.unpack_from(">Q", head, 8)
            content = start + 16
        box_end = end if size == 0 else start + size
        if box_end < content or box_end > end:
            raise DamagedMetadata("the JPEG 2000 file's boxes are damaged")
        file.seek(content)
        yield _Box(kind, start, content, box_end)
        start = box_end


def _take_uuid(
    file: BinaryIO, box: _Box, budget: Budget, held: dict[bytes, bytes], notes: list[str]
) -> None:
    name = file.read(16)
    if name in _OURS and name not in held:
        held[name] = read_block(file, max(box.size - 16, 0), budget)
    else:
        budget.take(0)
        notes.append(f"JPEG 2000 box uuid {name.hex()} ({box.size} bytes): left out")


def _header(file: BinaryIO, header: _Box, budget: Budget) -> dict[bytes, bytes]:
    """The ICC profile (as "icc") and the resolutions of the header box."""
    found: dict[bytes, bytes] = {}
    for box in _boxes(file, header.content, header.end):
        if box.kind == b"colr" and b"icc" not in found:
            data = read_block(file, box.size, budget)
            if data[:1] in (bytes([_RESTRICTED_ICC]), bytes([_ANY_ICC])):
                found[b"icc"] = data[3:]
        elif box.kind == b"res ":
            for inner in _boxes(file, box.content, box.end):
                found.setdefault(inner.kind, read_block(file, inner.size, budget))
        else:
            budget.take(0)
    return found


def _dpi(data: bytes | None) -> tuple[float, float] | None:
    """Dots per inch of a resolution box, which counts grid points per metre (I.5.3.7)."""
    if data is None or len(data) != 10:
        return None
    down_n, down_d, across_n, across_d, down_e, across_e = struct.unpack(">HHHHbb", data)
    if not (down_n and down_d and across_n and across_d):
        return None
    across = Fraction(across_n, across_d) * Fraction(10) ** across_e * _METRES_PER_INCH
    down = Fraction(down_n, down_d) * Fraction(10) ** down_e * _METRES_PER_INCH
    return float(across), float(down)


def insert(encoded: BinaryIO, output: BinaryIO, embedded: Embedded) -> tuple[str, ...]:
    """Copy an encoded JP2 with metadata in place of any that it has.

    A profile of any kind is written by the method that the standard's first part has for simple
    profiles, as other writers do: most readers know no other.

    Args:
        encoded: seekable, opened for reading: a whole JP2 file or codestream.
        output: what it is written to.
        embedded: metadata, profile and resolution.

    Returns:
        What the file cannot hold.

    Raises:
        DamagedMetadata: `encoded` is no JPEG 2000 file.
    """
    if _is_codestream(encoded):
        encoded.seek(0)
        copy_range(encoded, output, size_of(encoded))
        return ("a bare JPEG 2000 codestream holds no metadata, profile or resolution",)
    for box in _boxes(encoded, 0, size_of(encoded)):
        if box.kind == b"jp2h":
            output.write(_packed(b"jp2h", _new_header(encoded, box, embedded)))
            for name, data in _uuids(embedded.metadata):
                output.write(_packed(b"uuid", name + data))
        elif box.kind != b"uuid" or encoded.read(16) not in _OURS:
            encoded.seek(box.start)
            copy_range(encoded, output, box.end - box.start)
    return lost_texts(embedded.metadata.texts, "JPEG 2000")


def _packed(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(data), kind) + data


def _uuids(metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    if metadata.exif:
        yield _EXIF, metadata.exif
    if metadata.xmp:
        yield _XMP, metadata.xmp
    if metadata.iptc:
        yield _IPTC, metadata.iptc
    if metadata.photoshop:
        yield _PHOTOSHOP, metadata.photoshop


def _new_header(file: BinaryIO, header: _Box, embedded: Embedded) -> bytes:
    """The header box's content with our profile and resolution, and what each channel is."""
    parts = []
    profile, channels = embedded.icc_profile, 0
    for box in _boxes(file, header.content, header.end):
        if (box.kind == b"colr" and profile) or box.kind in (b"res ", b"cdef"):
            continue
        if box.kind == b"ihdr":
            channels = int.from_bytes(file.read(10)[8:], "big")
        file.seek(box.start)
        parts.append(file.read(box.end - box.start))
    if profile:
        parts.append(_packed(b"colr", bytes([_RESTRICTED_ICC, 0, 0]) + profile))
    if channels in (2, 4):
        parts.append(_packed(b"cdef", _definitions(channels)))
    if embedded.dpi is not None:
        parts.append(_packed(b"res ", _packed(b"resc", _resolution(embedded.dpi))))
    return b"".join(parts)


def _definitions(channels: int) -> bytes:
    """A channel definition box (T.800, I.5.3.6): colours, and opacity of them all as the last.

    Without it readers take the last channel for one of unknown meaning.
    """
    colours = [(number, 0, number + 1) for number in range(channels - 1)]
    rows = (*colours, (channels - 1, 1, 0))
    return struct.pack(">H", channels) + b"".join(struct.pack(">HHH", *row) for row in rows)


def _resolution(dpi: tuple[float, float]) -> bytes:
    across_n, across_d, across_e = _scaled(Fraction(dpi[0]) / _METRES_PER_INCH)
    down_n, down_d, down_e = _scaled(Fraction(dpi[1]) / _METRES_PER_INCH)
    return struct.pack(">HHHHbb", down_n, down_d, across_n, across_d, down_e, across_e)


def _scaled(value: Fraction) -> tuple[int, int, int]:
    """Numerator, denominator (16 bits each) and power of ten that come closest."""
    best, least = (1, 1, 0), value
    for exponent in range(-6, 10):
        target = value / Fraction(10) ** exponent
        if not Fraction(1, 65_535) <= target <= 65_535:
            continue
        near = target.limit_denominator(min(65_535, max(1, int(65_535 / target))))
        error = abs(near * Fraction(10) ** exponent - value)
        if 0 < near.numerator <= 65_535 and error < least:
            best, least = (near.numerator, near.denominator, exponent), error
    return best
