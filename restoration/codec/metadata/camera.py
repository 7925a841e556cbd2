"""Which camera or scanner made a picture, as its EXIF block says.

EXIF 3.0 (CIPA DC-008-2023), 4.6.5.4: Make and Model are text for people, in no fixed form. They
come from strangers and end up in tables and pages, so what is returned is short and in one line.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from restoration.codec.metadata.exif import texts_of
from restoration.codec.metadata.limits import DamagedMetadata
from restoration.errors import TooLarge

MAKE: Final = 0x010F
MODEL: Final = 0x0110
LONGEST: Final = 64
"""Characters that are kept of each."""


def camera_of(exif: bytes | None) -> str | None:
    """Make and model in one line, such as "Canon EOS 5D"; None where there is neither.

    A model that begins with a word of the make stands alone: "NIKON CORPORATION" and "NIKON D70"
    are a "NIKON D70".

    Args:
        exif: a block from its byte-order mark on, or None.
    """
    if exif is None:
        return None
    try:
        found = texts_of(exif, frozenset({MAKE, MODEL}), longest_bytes=4 * LONGEST)
    except (DamagedMetadata, TooLarge):  # values may lie over each other without end
        return None
    make, model = (plain_line(found.get(tag, b"")) for tag in (MAKE, MODEL))
    words = make.casefold().split()
    is_named = bool(model) and model.casefold().split()[0] in words
    return (model if is_named else f"{make} {model}".strip()) or None


def plain_line(text: bytes) -> str:
    """Text up to its first zero, in one line without control or format characters, cut short."""
    decoded = text.partition(b"\0")[0].decode("utf-8", "replace")
    # Cc, Cf (such as marks that turn the direction of writing), Cs, Co, Cn; line separators.
    shown = "".join(
        " " if unicodedata.category(each)[0] in "CZ" or each == "\ufffd" else each
        for each in decoded
    )
    return " ".join(shown.split())[:LONGEST].strip()
