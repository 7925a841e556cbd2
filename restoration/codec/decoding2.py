"""Image files to upright pages, refusing what would lose something on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import BinaryIO, Final

from restoration import scratch
from restoration.codec import vips
from restoration.codec.colour_management import to_srgb
from restoration.codec.formats import HEAD_LENGTH, Format, sniff
from restoration.codec.heic import read_heic
from restoration.codec.jpeg2000 import read_jpeg2000
from restoration.codec.jpeg_coding import read_header
from restoration.codec.limits import Limits
from restoration.codec.metadata import exif, jpeg, png, webp
from restoration.codec.metadata.model import Metadata
from restoration.codec.pages import Coding, Page
from restoration.codec.photo import Photo
from restoration.codec.reading import (
    Allocate,
    Picture,
    Request,
    head_of,
    read_with_vips,
    size_of,
    unshifted,
)
from restoration.codec.tiff_reading import read_tiff
from restoration.errors import DecodeError, RestorationError, UnsupportedPhoto

Reader = Callable[[BinaryIO, Request], list[Picture]]


def decode(
    file: BinaryIO,
    limits: Limits = Limits(),
    *,
    salvage: bool = False,
    allocate: Allocate = scratch.empty,
    on_size: Callable[[float], object] = lambda megapixels: None,
) -> Photo:
    """Decode a photograph with all its pages, at full resolution and depth, upright.

    Args:
        file: seekable, opened for reading in binary mode.
        limits: what it may cost.
        salvage: decode a damaged file as far as it goes, and mark it.
        allocate: where arrays of samples come from.
        on_size: told the megapixels once the header was read and is within the limits.

    Raises:
        DecodeError: damaged, empty, or no image of a known format.
        TooLarge: over one of the limits.
        UnsupportedPhoto: something that cannot be carried through without loss.
    """
    limits.check_file(size_of(file))
    kind = sniff(head_of(file, HEAD_LENGTH))
    read = _READERS[kind.name]
    damage = ""
    try:
        try:
            pictures = read(file, Request(limits, False, allocate, on_size))
        except DecodeError as error:
            if not salvage:
                raise
            damage = str(error)
            pictures = read(file, Request(limits, True, allocate, on_size))
    except (RestorationError, MemoryError):
        raise
    except Exception as error:  # decoders of damaged files raise what they like
        raise DecodeError(
            f"the {kind.name} data is damaged ({error}); look for another copy of the file"
        ) from error
    return _photo(kind, pictures, damage)


def _photo(kind: Format, pictures: list[Picture], damage: str) -> Photo:
    pages, notes = [], []
    for number, picture in enumerate(pictures, 1):
        page, remarks = _page(picture)
        where = f"page {number}: " if len(pictures) > 1 else ""
        notes += [f"{where}{remark}" for remark in remarks]
        pages.append(page)
    if damage:
        notes.insert(0, f"salvaged: {damage}")
    return Photo(kind.name, tuple(pages), tuple(notes), is_salvaged=bool(damage))


def _page(picture: Picture) -> tuple[Page, tuple[str, ...]]:
    """Add what the networks see; returns notes with the page."""
    pixels, about_colour = to_srgb(picture.stored, picture.colour, picture.icc_profile)
    metadata = picture.metadata
    page = Page(
        picture.stored,
        pixels,
        picture.alpha,
        picture.colour,
        picture.bits,
        picture.icc_profile,
        picture.dpi,
        replace(metadata, notes=()),
        picture.coding,
    )
    return page, (*metadata.notes, *about_colour, *picture.notes)


def _read_jpeg(file: BinaryIO, request: Request) -> list[Picture]:
    metadata = jpeg.read(file, limit_bytes=request.limits.metadata_bytes)
    header = read_header(file)
    coding = Coding(compression="jpeg", jpeg=header.coding)
    return [_by_vips(file, "JPEG", request, metadata, coding, header.dpi)]


def _read_png(file: BinaryIO, request: Request) -> list[Picture]:
    metadata = png.read(file, limit_bytes=request.limits.metadata_bytes)
    coding = Coding(compression="deflate", lossless=True)
    return [_by_vips(file, "PNG", request, metadata, coding, png.dpi(file))]


def _read_webp(file: BinaryIO, request: Request) -> list[Picture]:
    metadata = webp.read(file, limit_bytes=request.limits.metadata_bytes)
    coding = Coding(compression="webp", lossless=webp.is_lossless(file))
    return [_by_vips(file, "WEBP", request, metadata, coding)]


def _read_avif(file: BinaryIO, request: Request) -> list[Picture]:
    return [_by_vips(file, "AVIF", request, None, Coding(compression="av1"))]


def _by_vips(
    file: BinaryIO,
    file_format: str,
    request: Request,
    metadata: Metadata | None,
    coding: Coding,
    dpi: tuple[float, float] | None = None,
) -> Picture:
    opened = vips.open_picture(file, file_format, salvage=request.salvage)
    if opened.pages > 1 and file_format == "WEBP":
        raise UnsupportedPhoto(f"an animation of {opened.pages} pictures is no photograph")
    request.check_page(opened.width, opened.height)
    decoded = read_with_vips(opened, request)
    if metadata is None:
        metadata = Metadata(exif=opened.exif, xmp=opened.xmp)
    elif metadata.exif is not None:
        height, width = decoded.stored.shape[:2]
        metadata = replace(metadata, exif=exif.upright(metadata.exif, width=width, height=height))
    is_at_the_top = file_format == "AVIF"
    return Picture(
        unshifted(decoded.stored, opened.bits) if is_at_the_top else decoded.stored,
        unshifted(decoded.alpha, opened.bits)
        if is_at_the_top and decoded.alpha is not None
        else decoded.alpha,
        opened.colour,
        opened.bits,
        opened.icc_profile,
        dpi,
        metadata,
        coding,
    )


_READERS: Final[Mapping[str, Reader]] = {
    "JPEG": _read_jpeg,
    "PNG": _read_png,
    "TIFF": read_tiff,
    "WEBP": _read_webp,
    "JPEG2000": read_jpeg2000,
    "AVIF": _read_avif,
    "HEIF": read_heic,
}
"""The reader of each format: what is not here is not opened."""
