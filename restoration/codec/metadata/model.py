"""What is said about a picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

_MAX_NOTES: Final = 50
_MAX_SHOWN: Final = 80
"""Characters, one more than a keyword of PNG may have."""


@dataclass(frozen=True)
class Metadata:
    """What a file says about a picture, as bytes that travel to the output.

    Attributes:
        exif: a TIFF structure (CIPA DC-008), from its byte-order mark on; None where there is none.
            A TIFF file's own tags and EXIF directory are brought into this form.
        xmp: an XMP packet (ISO 16684-1), UTF-8 XML.
        iptc: IPTC-IIM records, from the first 0x1C on.
        photoshop: Photoshop's image resources (clipping paths, copyright flag and so on) without
            those that have a place of their own or would be wrong: IPTC, XMP, EXIF, ICC, thumbnail.
        texts: keyword and value of PNG's text chunks; a JPEG's comments have the keyword
            "Comment". Bytes of a comment that are no UTF-8 are surrogate escapes (PEP 383).
        notes: what the file held that does not travel on, one line each, for the manifest.
    """

    exif: bytes | None = field(default=None, repr=False)
    xmp: bytes | None = field(default=None, repr=False)
    iptc: bytes | None = field(default=None, repr=False)
    photoshop: bytes | None = field(default=None, repr=False)
    texts: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Embedded:
    """What a file holds beside its pixels: read in one pass over the file, and written in one.

    Attributes:
        metadata: what is said about the picture.
        icc_profile: embedded ICC profile, or None.
        dpi: horizontal and vertical dots per inch, or None.
        png_colour: type and data of a PNG's own colour chunks (cICP, sRGB, gAMA, cHRM) in the
            file's order, which only another PNG can hold.
    """

    metadata: Metadata = Metadata()
    icc_profile: bytes | None = field(default=None, repr=False)
    dpi: tuple[float, float] | None = None
    png_colour: tuple[tuple[bytes, bytes], ...] = ()


NOTHING_EMBEDDED: Final = Embedded()


@dataclass(frozen=True)
class AppliedStep:
    """One restoration step as it was applied.

    Attributes:
        name: denoise, deblur or colorize.
        model: name of the network.
        model_sha256: of its weights file, hexadecimal.
    """

    name: str
    model: str
    model_sha256: str


@dataclass(frozen=True)
class Provenance:
    """Where an output comes from, as it is written into its XMP.

    No time of day: the same source, models and options give the same bytes.

    Attributes:
        software: name and version.
        source_name: file name of the source, without folders.
        source_sha256: of the source file, hexadecimal.
        steps: in the order in which they were applied; none for a copy made for access.
        strength: share of the change that was applied, 0 to 1.
        keep_grain: share of the grain that was given back, 0 to 1.
        passes: how often each network that restores did the photo, for the mean.
        digital_source_type: last part of IPTC's NewsCode for DigitalSourceType, such as
            algorithmicallyEnhanced; None leaves out the label.
    """

    software: str
    source_name: str
    source_sha256: str
    steps: tuple[AppliedStep, ...] = ()
    strength: float = 1.0
    keep_grain: float = 0.0
    passes: int = 1
    digital_source_type: str | None = None


def lost_texts(texts: tuple[tuple[str, str], ...], container: str) -> tuple[str, ...]:
    """A note for each text that a format has no place for."""
    return tuple(f"the text {shown(key)} has no place in a {container} file" for key, _ in texts)


def shown(text: str) -> str:
    """A file's own words as they may stand in a note: in quotes, escaped, not too many."""
    return repr(text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "...")


def concise(notes: Iterable[str]) -> tuple[str, ...]:
    """Each note once; of very many, which only hostile files cause, the first and their number."""
    unique = tuple(dict.fromkeys(notes))
    if len(unique) <= _MAX_NOTES:
        return unique
    return (*unique[:_MAX_NOTES], f"and {len(unique) - _MAX_NOTES} more such notes")
