"""TIFF (TIFF 6.0, 1992; BigTIFF): every page, its samples by libvips, its tags by tifffile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO, Final

import tifffile

from restoration.codec import tiff_samples, vips
from restoration.codec.metadata import tiff
from restoration.codec.pages import Coding
from restoration.codec.reading import Picture, Request, read_with_vips
from restoration.errors import DecodeError, UnsupportedPhoto

_REDUCED: Final = 1
_MASK: Final = 4
_OPACITIES: Final = (tiff_samples.PREMULTIPLIED, 2)
"""Of ExtraSamples: what is no opacity, or not said to be one, is 0 (unspecified)."""
_CHANNELS: Final = {0: 1, 1: 1, 2: 3, 3: 1, 4: 1, 5: 4, 6: 3, 8: 3}
"""Of each photometric interpretation, without extra ones."""
_COMPRESSIONS: Final = {
    1: "none", 2: "ccitt", 3: "ccitt", 4: "ccitt", 5: "lzw", 6: "jpeg", 7: "jpeg",
    8: "deflate", 32946: "deflate", 32773: "packbits", 50000: "zstd", 50001: "webp",
}  # fmt: skip


def read_tiff(file: BinaryIO, request: Request) -> list[Picture]:
    """Read all pages of a TIFF that are pictures of their own.

    Raises:
        DecodeError: damaged, cut off, or without a page.
        TooLarge: over one of the limits.
        UnsupportedPhoto: samples of a kind that is not read here.
    """
    file.seek(0)
    try:
        with tifffile.TiffFile(file, name="photo.tif") as tif:
            return list(_pictures(tif, file, request))
    except (tifffile.TiffFileError, ValueError, KeyError, IndexError, TypeError) as error:
        # tifffile raises what its Python code happens to meet in a damaged directory.
        raise DecodeError(f"the TIFF directory is damaged: {error}") from error


def _pictures(tif: Any, file: BinaryIO, request: Request) -> Iterator[Picture]:  # noqa: ANN401
    megapixels, copies = 0.0, 0
    if tif.is_dng:
        raise UnsupportedPhoto("a camera's raw file (DNG) is not a picture yet; develop it first")
    found = []
    said: list[str] = []
    for index, page in enumerate(_pages(tif, request, said)):
        kind = int(_tag(page, 254, 0))
        if kind & (_REDUCED | _MASK) and index:
            copies += 1
            continue
        megapixels = request.check_page(int(page.imagewidth), int(page.imagelength), megapixels)
        found.append((index, page))
    if not found:
        raise DecodeError("the TIFF has no page")
    for index, page in found:
        picture = _read_page(page, index, tif, file, request)
        notes = (*picture.notes, *said)
        said.clear()
        if copies and index == 0:
            notes = (*notes, f"{copies} reduced copies or masks in the file are left out")
        if _tag(page, 330, None):
            notes = (*notes, f"page {index + 1}: pictures in sub-directories are left out")
        yield replace(picture, notes=notes)


def _pages(tif: Any, request: Request, notes: list[str]) -> Iterator[Any]:  # noqa: ANN401
    """The pages, one at a time: a chain of a million directories must not be read first."""
    index = 0
    seen: set[int] = set()
    while True:
        try:
            page = tif.pages[index]
        except IndexError:
            return
        if page.offset in seen:
            notes.append("the chain of pages leads back on itself: any after that are lost")
            return
        seen.add(page.offset)
        request.limits.check_pages(index + 1)
        yield page
        index += 1


def _read_page(
    page: Any,  # noqa: ANN401
    index: int,
    tif: Any,  # noqa: ANN401
    file: BinaryIO,
    request: Request,
) -> Picture:
    _check_extra_channels(page)
    embedded = tiff.read(file, index, limit_bytes=request.limits.metadata_bytes)
    orientation = int(_tag(page, 274, 1))
    if tiff_samples.is_needed(page):
        bits = int(page.bitspersample)
        decoded, colour = tiff_samples.read_samples(page, orientation, request)
    else:
        opened = vips.open_picture(file, "TIFF", page=index, salvage=request.salvage)
        if (opened.width, opened.height) != (page.imagewidth, page.imagelength):
            # Its size was checked as tifffile reads it; of a tag that comes twice others take
            # the other one.
            raise DecodeError("the TIFF directory contradicts itself about the page's size")
        colour, bits = opened.colour, opened.bits
        decoded = read_with_vips(opened, request, orientation=orientation)
    return Picture(decoded, colour, bits, embedded, _coding(page, tif), _notes(page))


def _check_extra_channels(page: Any) -> None:  # noqa: ANN401
    """Refuse channels beside the colours that are no opacity (TIFF 6.0, section 18).

    Film scanners store infrared so, Photoshop selections and spot colours: laid on white by them,
    or written as opacity, the picture would be another one.

    Raises:
        UnsupportedPhoto: there are some.
    """
    count = int(page.samplesperpixel)
    extra = count - _CHANNELS.get(int(page.photometric), count)
    if extra > 1:
        raise UnsupportedPhoto(
            f"{extra} extra channels (infrared, selections, spot colours) are not supported; "
            "save the picture without them, or with opacity alone"
        )
    if extra == 1 and not any(int(kind) in _OPACITIES for kind in page.extrasamples):
        raise UnsupportedPhoto(
            "an extra channel that is no opacity (infrared, a selection) is not supported; "
            "save the picture without it"
        )


def _coding(page: Any, tif: Any) -> Coding:  # noqa: ANN401
    return Coding(
        compression=_COMPRESSIONS.get(int(page.compression), "other"),
        lossless=int(page.compression) not in (6, 7, 50001),
        tile=(int(page.tilelength), int(page.tilewidth)) if page.is_tiled else None,
        is_bigtiff=bool(tif.is_bigtiff),
    )


def _notes(page: Any) -> tuple[str, ...]:  # noqa: ANN401
    if tiff_samples.PREMULTIPLIED in tuple(page.extrasamples):
        return ("premultiplied opacity is stored apart from the colours",)
    return ()


def _tag(page: Any, number: int, default: Any) -> Any:  # noqa: ANN401
    tag = page.tags.get(number)
    return default if tag is None else tag.value
