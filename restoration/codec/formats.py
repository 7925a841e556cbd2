"""The file formats: how they are told apart, and what each of them can hold.

A format's name is that of Pillow, which the manifest has had from the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from restoration.codec.pages import ColourModel
from restoration.errors import DecodeError, UnsupportedPhoto

_GRAY, _RGB = ColourModel.GRAY, ColourModel.RGB
_CMYK, _LAB = ColourModel.CMYK, ColourModel.LAB


@dataclass(frozen=True)
class Format:
    """What files of one format can hold.

    Attributes:
        name: JPEG, PNG, TIFF, WEBP, JPEG2000, AVIF or HEIF.
        suffixes: of file names, lower case; the first is what we give.
        bits: largest number of bits per sample.
        colours: the colour models that its pages can have.
        alpha: whether a page can be transparent.
        pages: whether a file can have several pages that matter.
    """

    name: str
    suffixes: tuple[str, ...]
    bits: int
    colours: frozenset[ColourModel]
    alpha: bool = True
    pages: bool = False


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        each.name: each
        for each in (
            Format(
                "JPEG",
                (".jpg", ".jpeg", ".jpe", ".jfif"),
                8,
                frozenset({_GRAY, _RGB, _CMYK}),
                alpha=False,
            ),
            Format("PNG", (".png",), 16, frozenset({_GRAY, _RGB})),
            Format(
                "TIFF", (".tif", ".tiff"), 16, frozenset({_GRAY, _RGB, _CMYK, _LAB}), pages=True
            ),
            Format("WEBP", (".webp",), 8, frozenset({_GRAY, _RGB})),
            Format(
                "JPEG2000",
                (".jp2", ".j2k", ".jpx", ".jpf", ".j2c", ".jpc"),
                16,
                frozenset({_GRAY, _RGB}),
            ),
            Format("AVIF", (".avif",), 12, frozenset({_GRAY, _RGB})),
            Format("HEIF", (".heic", ".heif", ".hif"), 12, frozenset({_GRAY, _RGB})),
        )
    }
)
"""The formats that are read and written: the allow-list."""

SUFFIX_FORMATS: Final = MappingProxyType(
    {suffix: each.name for each in FORMATS.values() for suffix in each.suffixes}
)
"""File name suffixes (lower case) of the formats that are read and written."""

OTHER_PHOTO_SUFFIXES: Final = frozenset(
    """
    .jxl .bmp .dib .gif .psd .psb .tga .pcx .ppm .pgm .pbm .pnm .dng .cr2 .cr3 .crw .nef .nrw .arw
    .srf .sr2 .raf .orf .rw2 .pef .srw .x3f .3fr .iiq .fff .mrw .erf .kdc .dcr .raw .exr .hdr .fits
    .fit .fts .djvu .pcd .sgi .jbig2 .jxr .wdp
    """.split()  # noqa: SIM905 - a list of fifty strings would take fifty lines
)
"""Suffixes of photographs that exist in archives but are not read here: reported, not ignored."""

HEAD_LENGTH: Final = 64
"""Bytes from the start of a file that `sniff` wants to see."""

_FOREIGN: Final = (
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript program"),
    (b"\xc5\xd0\xd3\xc6", "an EPS file"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML document"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
    (b"SIMPLE  =", "a FITS image"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"8BPS", "a Photoshop file"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL image"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"FORM", "an IFF file"),
    (b"AT&TFORM", "a DjVu document"),
    (b"II\xbc\x01", "a JPEG XR image"),
    (b"\x76\x2f\x31\x01", "an OpenEXR image"),
    (b"#?RADIANCE", "a Radiance image"),
    (b"RIFF", "a sound or video file"),
)
"""First bytes of what is not read here, and what to call it."""

_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_HEIF_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1"})
_SEQUENCES: Final = frozenset({b"avis", b"hevc", b"hevx", b"msf1"})
"""Brands of files whose pictures make a film (ISO/IEC 23008-12, 7.2); where it comes first, that is
what the file is for."""


def sniff(head: bytes) -> Format:
    """Tell a file's format by its first bytes, whatever its name says.

    Args:
        head: the first `HEAD_LENGTH` bytes, or all of a shorter file.

    Raises:
        UnsupportedPhoto: something known that is not read here.
        DecodeError: empty, or nothing known.
    """
    if not head:
        raise DecodeError("the file is empty (0 bytes)")
    name = _known(head)
    if name:
        return FORMATS[name]
    stripped = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if head[4:8] == b"ftyp" and head[8:12] in _SEQUENCES:
        raise UnsupportedPhoto("a sequence of pictures is no photograph")
    for start, what in _FOREIGN:
        if stripped.startswith(start):
            raise UnsupportedPhoto(f"this is {what}, whatever its name says; it is not read here")
    if not head.strip(b"\0"):
        raise DecodeError("the file begins with zeros only; look for another copy of it")
    readable = ", ".join(FORMATS)
    raise DecodeError(f"not an image of a known format, whatever its name says ({readable})")


def _known(head: bytes) -> str:
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith((b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")):
        return "JPEG2000"
    return _isobmff(head) if head[4:8] == b"ftyp" else ""


def _isobmff(head: bytes) -> str:
    """AVIF and HEIF by their brands (ISO/IEC 14496-12, 4.3); AVIF files often say mif1 as well."""
    length = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, length - 3, 4))]
    if brands[0] in _SEQUENCES:
        return ""
    if brands[0] in _AVIF_BRANDS:
        return "AVIF"
    if brands[0] in _HEIF_BRANDS:
        return "AVIF" if _AVIF_BRANDS.intersection(brands) else "HEIF"
    return ""
