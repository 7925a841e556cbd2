"""Metadata of JPEG files: read from their segments, and written as such.

Sources: ITU-T T.81 (segments), T.871 (JFIF), CIPA DC-008 (Exif), ISO 16684-3 and Adobe's XMP
Specification Part 3 (XMP), ICC.1:2022 annex B.4 (profiles), Photoshop File Formats (APP13).
"""

from __future__ import annotations

import shutil
import struct
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from restoration.codec.metadata import exif as exif_block
from restoration.codec.metadata import photoshop, xmp_extended
from restoration.codec.metadata.jpeg_segments import (
    ADOBE,
    APP0,
    APP1,
    APP2,
    APP11,
    APP13,
    APP14,
    COM,
    JFIF,
    MAX_PAYLOAD,
    SOI,
    is_metadata,
    jfif_dpi,
    segments,
    with_density,
    write_segment,
)
from restoration.codec.metadata.limits import (
    DEFAULT_LIMIT_BYTES,
    Budget,
    DamagedMetadata,
    read_block,
)
from restoration.codec.metadata.model import Embedded, Metadata, concise, lost_texts

_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENDED_XMP: Final = b"http://ns.adobe.com/xmp/extension/\0"
_ICC: Final = b"ICC_PROFILE\0"
_PHOTOSHOP: Final = b"Photoshop 3.0\0"
_EXTENSION_HEAD: Final = struct.Struct(">32sII")  # GUID, whole length, offset
_MAX_XMP: Final = MAX_PAYLOAD - len(_XMP)
_MAX_EXIF: Final = MAX_PAYLOAD - len(exif_block.PREFIX)

# Beginnings of segments that do not travel, and what to say of them.
_LEFT_OUT: Final = (
    (APP2, b"MPF\0", "further pictures in the file (MPF: previews, gain maps): left out"),
    (APP2, b"urn:iso:std:iso:ts:21496", "a gain map (ISO 21496-1): left out"),
    (APP2, b"FPXR\0", "FlashPix data (APP2): left out"),
    (APP0, b"JFXX\0", "the JFIF thumbnail was left out: it shows the photo as it was"),
    (APP11, b"JP", "a C2PA manifest or other JUMBF boxes (APP11): left out, for what they sign "
                    "are other pixels"),
)  # fmt: skip


@dataclass
class _Found:
    """What the segments of one file give, piece by piece."""

    exif: bytearray = field(default_factory=bytearray)
    xmp: bytes = b""
    extensions: dict[bytes, dict[int, bytes]] = field(default_factory=dict)
    icc: dict[int, bytes] = field(default_factory=dict)
    icc_chunks: int = 0
    photoshop: bytearray = field(default_factory=bytearray)
    comments: list[bytes] = field(default_factory=list)
    dpi: tuple[float, float] | None = None
    notes: list[str] = field(default_factory=list)


def read(file: BinaryIO, *, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> Embedded:
    """What the segments before the first scan hold.

    Args:
        file: seekable; a JPEG file.
        limit_bytes: refuse more metadata than this.

    Raises:
        DamagedMetadata: no JPEG file.
        TooLarge: over the limit.
    """
    budget = Budget(limit_bytes)
    found = _Found()
    try:
        for marker, size in segments(file):
            if is_metadata(marker):
                _take(found, marker, read_block(file, size, budget))
    except DamagedMetadata as error:
        if not file.tell():
            raise
        found.notes.append(f"{error}; what comes after was not read")
    return _embedded(found)


def icc(file: BinaryIO, *, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> bytes | None:
    """The embedded ICC profile alone; raises what `read` does."""
    return read(file, limit_bytes=limit_bytes).icc_profile


def _take(found: _Found, marker: int, data: bytes) -> None:
    if marker == COM:
        found.comments.append(data)
    elif marker == APP0 and data.startswith(JFIF):
        found.dpi = jfif_dpi(data)
    elif marker == APP1 and data.startswith(exif_block.PREFIX):
        _take_exif(found, data[len(exif_block.PREFIX) :])
    elif marker == APP1 and data.startswith(_XMP):
        found.xmp = found.xmp or data[len(_XMP) :]
    elif marker == APP1 and data.startswith(_EXTENDED_XMP):
        _take_extension(found, data[len(_EXTENDED_XMP) :])
    elif marker == APP2 and data.startswith(_ICC) and len(data) > len(_ICC) + 2:
        number, found.icc_chunks = data[len(_ICC)], data[len(_ICC) + 1]
        found.icc.setdefault(number, data[len(_ICC) + 2 :])
    elif marker == APP13 and data.startswith(_PHOTOSHOP):
        found.photoshop += data[len(_PHOTOSHOP) :]
    elif not (marker == APP14 and data.startswith(ADOBE)):
        found.notes.append(_left_out(marker, data))


def _take_exif(found: _Found, data: bytes) -> None:
    # A block of over 64 KiB goes on in the next segment (ExifTool and some cameras write such).
    if found.exif and data[:2] in (b"II", b"MM"):
        found.notes.append("a second EXIF block was left out")
    else:
        found.exif += data


def _take_extension(found: _Found, data: bytes) -> None:
    if len(data) <= _EXTENSION_HEAD.size:
        return
    guid, _, offset = _EXTENSION_HEAD.unpack_from(data)
    found.extensions.setdefault(guid, {})[offset] = data[_EXTENSION_HEAD.size :]


def _left_out(marker: int, data: bytes) -> str:
    for known, beginning, note in _LEFT_OUT:
        if marker == known and data.startswith(beginning):
            return note
    name = data[:32].split(b"\0")[0].decode("ascii", "backslashreplace")
    return f"segment APP{marker - APP0} {name!r} ({len(data)} bytes): left out"


def _embedded(found: _Found) -> Embedded:
    resources = photoshop.parse(bytes(found.photoshop))
    iptc, damage = photoshop.sound_iptc(resources.iptc)
    packet, joined = xmp_extended.join(found.xmp, found.extensions)
    profile = b"".join(found.icc[number] for number in sorted(found.icc)) or None
    if profile and sorted(found.icc) != list(range(1, found.icc_chunks + 1)):
        found.notes.append("the ICC profile is incomplete and was left out")
        profile = None
    exif = bytes(found.exif) or None
    metadata = Metadata(
        exif=exif,
        xmp=packet or resources.xmp,
        iptc=iptc,
        photoshop=resources.others,
        texts=tuple(("Comment", c.decode("utf-8", "surrogateescape")) for c in found.comments),
        notes=concise((*found.notes, *joined, *resources.notes, *damage)),
    )
    return Embedded(metadata, profile, found.dpi or (exif_block.resolution(exif) if exif else None))


def insert(encoded: BinaryIO, output: BinaryIO, embedded: Embedded) -> tuple[str, ...]:
    """Copy an encoded JPEG with metadata in place of any that it has.

    Args:
        encoded: seekable, opened for reading: a whole JPEG file.
        output: what it is written to.
        embedded: metadata, profile and resolution.

    Returns:
        What the file cannot hold.

    Raises:
        DamagedMetadata: `encoded` is no JPEG file.
    """
    kept = []
    for marker, size in segments(encoded):
        data = encoded.read(size)
        # JFIF and Adobe's segment say how the samples are coded, so they are the encoder's.
        if not is_metadata(marker) or data.startswith((JFIF, ADOBE)):
            kept.append((marker, data))
    rest = encoded.tell()
    has_jfif = any(marker == APP0 for marker, _ in kept)
    ours, notes = _ours(embedded, has_jfif=has_jfif)
    output.write(SOI)
    for marker, data in kept:
        if marker == APP0:
            write_segment(output, APP0, with_density(data, embedded.dpi))
    for marker, data in (*ours, *(segment for segment in kept if segment[0] != APP0)):
        write_segment(output, marker, data)
    encoded.seek(rest)
    shutil.copyfileobj(encoded, output, 1 << 20)
    return notes


def _ours(embedded: Embedded, *, has_jfif: bool) -> tuple[list[tuple[int, bytes]], tuple[str, ...]]:
    """Our segments in the customary order, and what they cannot hold."""
    metadata = embedded.metadata
    exif, dpi = metadata.exif, None if has_jfif else embedded.dpi
    unplaced = exif_block.unplaced(exif, dpi, "a CMYK JPEG")
    if exif is None and dpi is not None:
        exif = exif_block.minimal(dpi)
    block, notes = exif_block.fitted(exif, _MAX_EXIF) if exif else (None, ())
    parts = [(APP1, exif_block.PREFIX + block)] if block else []
    packets, said = _xmp_segments(metadata.xmp)
    parts += packets
    if metadata.iptc or metadata.photoshop:
        resources = photoshop.build(metadata.iptc, metadata.photoshop)
        parts += [(APP13, _PHOTOSHOP + part) for part in _chunks(resources, len(_PHOTOSHOP))]
    profile, too_large = _icc_segments(embedded.icc_profile)
    comments, lost = _comments(metadata.texts)
    return [*parts, *profile, *comments], (*unplaced, *notes, *said, *too_large, *lost)


def _xmp_segments(packet: bytes | None) -> tuple[list[tuple[int, bytes]], tuple[str, ...]]:
    if not packet:
        return [], ()
    main, extended, notes = xmp_extended.split(packet, _MAX_XMP)
    parts = [(APP1, _XMP + main)] if main else []
    if extended:
        guid, offset = xmp_extended.guid(extended), 0
        for chunk in _chunks(extended, len(_EXTENDED_XMP) + _EXTENSION_HEAD.size):
            head = _EXTENSION_HEAD.pack(guid, len(extended), offset)
            parts.append((APP1, _EXTENDED_XMP + head + chunk))
            offset += len(chunk)
    return parts, notes


def _icc_segments(profile: bytes | None) -> tuple[list[tuple[int, bytes]], tuple[str, ...]]:
    chunks = _chunks(profile or b"", len(_ICC) + 2)
    if len(chunks) > 255:
        return [], ("the ICC profile does not fit into a JPEG file and was left out",)
    total = len(chunks)
    return [(APP2, _ICC + bytes((i, total)) + part) for i, part in enumerate(chunks, 1)], ()


def _comments(
    texts: tuple[tuple[str, str], ...],
) -> tuple[list[tuple[int, bytes]], tuple[str, ...]]:
    comments = [value for key, value in texts if key.lower() == "comment"]
    data = [value.encode("utf-8", "surrogateescape") for value in comments]
    lost = lost_texts(tuple(text for text in texts if text[0].lower() != "comment"), "JPEG")
    parts = [(COM, part) for comment in data for part in _chunks(comment, 0) or [b""]]
    return parts, lost


def _chunks(data: bytes, head: int) -> list[bytes]:
    """Parts that fit into a segment each, after `head` bytes."""
    size = MAX_PAYLOAD - head
    return [data[i : i + size] for i in range(0, len(data), size)]
