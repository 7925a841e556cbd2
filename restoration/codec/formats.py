"""File name suffixes of photographs: those that are read and written, and all others."""

from __future__ import annotations

from typing import Final

SUFFIX_FORMATS: Final = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
"""File name suffixes (lower case) of the formats that are read and written."""

OTHER_PHOTO_SUFFIXES: Final = frozenset(
    {
        ".heic",
        ".heif",
        ".avif",
        ".jp2",
        ".j2k",
        ".jpx",
        ".jpf",
        ".jxl",
        ".bmp",
        ".dib",
        ".gif",
        ".psd",
        ".psb",
        ".tga",
        ".pcx",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".dng",
        ".cr2",
        ".cr3",
        ".crw",
        ".nef",
        ".nrw",
        ".arw",
        ".srf",
        ".sr2",
        ".raf",
        ".orf",
        ".rw2",
        ".pef",
        ".srw",
        ".x3f",
        ".3fr",
        ".iiq",
        ".fff",
        ".mrw",
        ".erf",
        ".kdc",
        ".dcr",
        ".raw",
        ".exr",
        ".hdr",
        ".fits",
        ".fit",
        ".fts",
        ".djvu",
        ".pcd",
        ".sgi",
        ".jbig2",
    }
)
"""Suffixes of photographs that exist in archives but are not read here: reported, not ignored."""
