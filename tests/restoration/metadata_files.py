"""Files and blocks of metadata for the tests of `restoration/codec/metadata`."""

from __future__ import annotations

import io
import struct
from types import ModuleType

import imagecodecs
import numpy as np
from PIL import Image, ImageCms

from restoration.codec.metadata import jp2, jpeg, png, webp
from restoration.codec.metadata.ifd import EXIF_IFD, GPS_IFD, Directory, Entry, Layout
from restoration.codec.metadata.ifd_writing import serialise
from restoration.codec.metadata.model import AppliedStep, Embedded, Metadata, Provenance

PICTURE = np.random.default_rng(5).integers(0, 256, (20, 31, 3), np.uint8)
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
IPTC = b"\x1c\x02\x78\x00\x05hello\x1c\x02\x74\x00\x03(c)"
COPYRIGHT_FLAG = b"8BIM\x04\x0a\0\0\0\0\0\x01\x01\0"
XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" '
    b'dc:source="Glass plate 17"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
MAKER_NOTE = b"Foocam\0" + bytes(range(256))
PROVENANCE = Provenance(
    software="restore-archive 0.1",
    source_name="Grüße & <more>.tif",
    source_sha256="ab" * 32,
    steps=(AppliedStep("denoise", "hush", "01" * 32), AppliedStep("deblur", "crisp", "02" * 32)),
    strength=0.85,
    keep_grain=0.25,
    passes=4,
    digital_source_type="algorithmicallyEnhanced",
)
CONTAINERS: dict[str, ModuleType] = {"JPEG": jpeg, "PNG": png, "WEBP": webp, "JPEG2000": jp2}


def encoded(file_format: str) -> bytes:
    """`PICTURE` without metadata."""
    if file_format == "JPEG2000":
        return bytes(imagecodecs.jpeg2k_encode(PICTURE, codecformat="jp2", reversible=True))
    buffer = io.BytesIO()
    Image.fromarray(PICTURE).save(buffer, file_format)
    return buffer.getvalue()


def inserted(
    file_format: str, embedded: Embedded, data: bytes | None = None
) -> tuple[bytes, tuple[str, ...]]:
    """A file with metadata, and what it could not hold."""
    output = io.BytesIO()
    source = io.BytesIO(encoded(file_format) if data is None else data)
    notes = CONTAINERS[file_format].insert(source, output, embedded)
    return output.getvalue(), notes


def read(file_format: str, data: bytes, **limits: int) -> Embedded:
    """What a file holds."""
    found = CONTAINERS[file_format].read(io.BytesIO(data), **limits)
    assert isinstance(found, Embedded)
    return found


def exif_block(
    order: str = "<",
    *,
    orientation: int = 6,
    maker_note: bytes = MAKER_NOTE,
    thumbnail: bytes = b"",
    make: bytes = b"Foocam\0",
) -> bytes:
    """An EXIF block such as a camera writes, its thumbnail in a second directory at the end."""
    layout = Layout(order)

    def short(tag: int, value: int) -> Entry:
        return Entry(tag, 3, struct.pack(order + "H", value))

    def ratios(tag: int, *values: int) -> Entry:
        return Entry(tag, 5, struct.pack(f"{order}{2 * len(values)}I", *(
            part for value in values for part in (value, 1)
        )))  # fmt: skip

    exif = Directory((short(0xA002, 31), short(0xA003, 20), Entry(37500, 7, maker_note)))
    gps = Directory((Entry(1, 2, b"N\0"), ratios(2, 48, 12, 3)))
    first = Directory(
        (
            Entry(271, 2, make),
            short(0x0112, orientation),
            ratios(282, 300),
            ratios(283, 300),
            short(296, 2),
        ),
        ((EXIF_IFD, exif), (GPS_IFD, gps)),
    )
    block = serialise(first, layout, 8)
    if not thumbnail:
        return layout.header + block
    second = 8 + len(block)
    shown = Directory((short(0x0112, orientation), Entry(0x0201, 7, thumbnail)))
    return (
        layout.header
        + serialise(first, layout, 8, next_offset=second)
        + serialise(shown, layout, second)
    )


FULL = Embedded(
    Metadata(
        exif=exif_block(),
        xmp=XMP,
        iptc=IPTC,
        photoshop=COPYRIGHT_FLAG,
        texts=(("Comment", "Grüße vom Wörthersee"),),
    ),
    ICC,
    (300.0, 150.0),
)
