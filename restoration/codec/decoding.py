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
from restoration.codec.jpeg_coding import read_coding
from restoration.codec.limits import DEFAULT_LIMITS, Limits
from restoration.codec.metadata import exif, jpeg, png, webp
from restoration.codec.metadata.limits import DamagedMetadata
from restoration.codec.metadata.model import Embedded, Metadata
from restoration.codec.orientation import orientation_of
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
from restoration.errors import DecodeError, RestorationError, UnsupportedPhoto, no_room

Reader = Callable[[BinaryIO, Request], list[Picture]]


def decode(
    file: BinaryIO,
    limits: Limits = DEFAULT_LIMITS,
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
        return _photo(kind, pictures, damage)
    except (RestorationError, MemoryError) as error:
        if isinstance(error, DamagedMetadata):  # so damaged that the pixels cannot be found
            raise DecodeError(
                f"the {kind.name} data is damaged or cut off ({error}); "
                "look for another copy of the file"
            ) from error
        raise
    except Exception as error:  # decoders of damaged files raise what they like
        if (ours := no_room(error)) is not None:
            raise ours from error
        raise DecodeError(
            f"the {kind.name} data is damaged ({error}); look for another copy of the file"
        ) from error


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
    decoded, embedded = picture.decoded, picture.embedded
    pixels, about_colour = to_srgb(decoded.stored, picture.colour, embedded.icc_profile)
    notes = (*embedded.metadata.notes, *about_colour, *picture.notes)
    embedded = replace(embedded, metadata=replace(embedded.metadata, notes=()))
    page = Page(
        decoded.stored,
        pixels,
        decoded.alpha,
        picture.colour,
        picture.bits,
        embedded,
        picture.coding,
        decoded.turned,
    )
    return page, notes


def _read_jpeg(file: BinaryIO, request: Request) -> list[Picture]:
    embedded = jpeg.read(file, limit_bytes=request.limits.metadata_bytes)
    coding = Coding(compression="jpeg", jpeg=read_coding(file))
    return [_by_vips(file, "JPEG", request, embedded, coding)]


def _read_png(file: BinaryIO, request: Request) -> list[Picture]:
    _check_animation(png.frames(file))
    embedded = png.read(file, limit_bytes=request.limits.metadata_bytes)
    coding = Coding(compression="deflate", lossless=True)
    return [_by_vips(file, "PNG", request, embedded, coding)]


def _read_webp(file: BinaryIO, request: Request) -> list[Picture]:
    embedded = webp.read(file, limit_bytes=request.limits.metadata_bytes)
    coding = Coding(compression="webp", lossless=webp.is_lossless(file))
    return [_by_vips(file, "WEBP", request, embedded, coding)]


def _by_vips(
    file: BinaryIO, file_format: str, request: Request, embedded: Embedded, coding: Coding
) -> Picture:
    opened = vips.open_picture(file, file_format, salvage=request.salvage)
    _check_animation(opened.pages)
    request.check_page(opened.width, opened.height)
    orientation = orientation_of(embedded.metadata)
    decoded = read_with_vips(opened, request, orientation=orientation)
    return Picture(decoded, opened.colour, opened.bits, embedded, coding)


def _check_animation(pictures: int) -> None:
    if pictures > 1:
        raise UnsupportedPhoto(f"an animation of {pictures} pictures is no photograph")


def _read_avif(file: BinaryIO, request: Request) -> list[Picture]:
    """AVIF (AV1 Image File Format); libheif turns it upright, whatever its EXIF says."""
    opened = vips.open_picture(file, "AVIF", salvage=request.salvage)
    request.check_page(opened.width, opened.height)
    decoded = read_with_vips(opened, request, orientation=1)
    decoded = replace(
        decoded,
        stored=unshifted(decoded.stored, opened.bits),
        alpha=None if decoded.alpha is None else unshifted(decoded.alpha, opened.bits),
    )
    metadata = Metadata(exif=opened.exif, xmp=opened.xmp)
    dpi = exif.resolution(opened.exif) if opened.exif else None
    if dpi == (vips.MM_PER_INCH, vips.MM_PER_INCH):
        dpi = None
    embedded = Embedded(metadata, opened.icc_profile, dpi)
    notes = [f"{opened.pages - 1} more pictures are left out"] if opened.pages > 1 else []
    coding = Coding(compression="av1")
    return [Picture(decoded, opened.colour, opened.bits, embedded, coding, tuple(notes))]


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
