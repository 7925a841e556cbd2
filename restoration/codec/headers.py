"""Format and size of a photograph, from the first bytes of its file."""

from __future__ import annotations

import warnings
from typing import BinaryIO, Final

from PIL import Image

from restoration.codec.formats import HEAD_LENGTH, sniff
from restoration.codec.photo import Header
from restoration.codec.reading import head_of
from restoration.errors import DecodeError

_BY_PILLOW: Final = frozenset({"JPEG", "PNG", "TIFF", "JPEG2000"})
"""Formats whose headers Pillow reads without their decoders: Python code, which cannot crash."""


def read_header(file: BinaryIO) -> Header:
    """Read format and size without decoding pixels.

    Raises:
        DecodeError: not an image of a known format, or one whose size is not in its header.
        UnsupportedPhoto: something known that is not read here.
    """
    kind = sniff(head_of(file, HEAD_LENGTH))
    if kind.name not in _BY_PILLOW:
        raise DecodeError(f"the size of a {kind.name} image is known when it is decoded")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file, formats=(kind.name,)) as image:
                return Header(kind.name, *image.size)
    except MemoryError:
        raise
    except Exception as error:  # a header may break Pillow in many ways
        raise DecodeError(f"the image header is damaged: {error}") from error
