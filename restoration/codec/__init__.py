"""Image files to pages of samples and back: the only package that knows file formats.

What goes in comes out with everything that was not asked to change: depth, colours, profile,
resolution, opacity, pages, EXIF, XMP, IPTC. What a format cannot hold is said in a note; what
would lose something silently is refused with a reason.
"""

from __future__ import annotations

from restoration.codec.access import AccessCopies, access_page
from restoration.codec.c2pa_signing import Signing
from restoration.codec.decoding import decode
from restoration.codec.encoding import encode
from restoration.codec.fitting import colorized_page, restored_page
from restoration.codec.formats import FORMATS, OTHER_PHOTO_SUFFIXES, SUFFIX_FORMATS
from restoration.codec.headers import read_header
from restoration.codec.limits import Limits
from restoration.codec.orientation import upright
from restoration.codec.pages import ColourModel, Page
from restoration.codec.photo import Header, Photo
from restoration.codec.process import DecoderPool, DecoderProcess, shared_decoder

__all__ = [
    "FORMATS",
    "OTHER_PHOTO_SUFFIXES",
    "SUFFIX_FORMATS",
    "AccessCopies",
    "ColourModel",
    "DecoderPool",
    "DecoderProcess",
    "Header",
    "Limits",
    "Page",
    "Photo",
    "Signing",
    "access_page",
    "colorized_page",
    "decode",
    "encode",
    "read_header",
    "restored_page",
    "shared_decoder",
    "upright",
]
