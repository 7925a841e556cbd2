"""Image files to pixels and back: the only package that knows file formats.

Eight bits per channel, JPEG, PNG, TIFF and WebP. What this package cannot carry through without
loss (16 bits, CMYK, palettes, several pages) it refuses with `UnsupportedPhoto`, because Pillow
would convert most of it to 8-bit RGB without a word.
"""

from __future__ import annotations

from restoration.codec.decoding import DEFAULT_MAX_MEGAPIXELS, decode, read_header, upright
from restoration.codec.encoding import encode
from restoration.codec.formats import OTHER_PHOTO_SUFFIXES, SUFFIX_FORMATS
from restoration.codec.photo import Extras, Header, Photo

__all__ = [
    "DEFAULT_MAX_MEGAPIXELS",
    "OTHER_PHOTO_SUFFIXES",
    "SUFFIX_FORMATS",
    "Extras",
    "Header",
    "Photo",
    "decode",
    "encode",
    "read_header",
    "upright",
]
