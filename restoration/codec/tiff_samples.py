"""Samples of TIFF pages that libvips does not read, or not exactly: by tifffile."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from restoration.codec import lab
from restoration.codec.orientation import QUARTER_TURNED, as_stored, upright_size
from restoration.codec.pages import ColourModel
from restoration.codec.reading import Decoded, Request, widened
from restoration.errors import DecodeError, UnsupportedPhoto
from restoration.samples import Samples, full_scale, strips

PREMULTIPLIED: Final = 1
"""Of ExtraSamples (TIFF 6.0, section 18): associated opacity."""
_MIN_IS_WHITE: Final = 0
_CIELAB: Final = 8
_COLOURS: Final = {
    _MIN_IS_WHITE: ColourModel.GRAY,
    1: ColourModel.GRAY,
    2: ColourModel.RGB,
    5: ColourModel.CMYK,
    _CIELAB: ColourModel.LAB,
}
_YCBCR: Final = 6
_OLD_JPEG, _LZMA = 6, 34925
_SEPARATE: Final = 2
_UNSIGNED: Final = 1
_CONTRADICTION: Final = "the TIFF data is not what its directory says"


def is_needed(page: Any) -> bool:  # noqa: ANN401 - tifffile's pages have no types
    """Whether a page is one of those.

    Of CIELab libvips halves 16 bits of L* and refuses 8. It has no 9 to 15 bits, no tiles with a
    plane for each channel, no LZMA, and no JPEG in the way of TIFF 6.0 (section 22), which
    scanners wrote in the nineties.
    """
    return (
        int(page.photometric) == _CIELAB
        or 8 < int(page.bitspersample) < 16
        or int(page.compression) in (_OLD_JPEG, _LZMA)
        or (page.is_tiled and _is_separate(page))
    )


def read_samples(
    page: Any,  # noqa: ANN401
    orientation: int,
    request: Request,
) -> tuple[Decoded, ColourModel]:
    """Decode a page.

    Args:
        page: of tifffile; its size was checked.
        orientation: 1 to 8.
        request: where arrays come from.

    Raises:
        DecodeError: damaged or cut off.
        UnsupportedPhoto: channels or depths that mean nothing to us.
    """
    colour, bits = _colour(page), int(page.bitspersample)
    width, height = upright_size(int(page.imagewidth), int(page.imagelength), orientation)
    shape = (height, width) if colour.channels == 1 else (height, width, colour.channels)
    kind = np.uint8 if bits <= 8 else np.uint16
    stored: Samples = request.allocate(shape, kind)
    lies_alike = (page.shape, page.dtype) == (shape, kind) and not _is_separate(page)
    samples = _decoded(page, out=stored if lies_alike and orientation == 1 else None)
    if samples.dtype != kind:
        raise DecodeError(_CONTRADICTION)
    if not np.may_share_memory(samples, stored):
        as_stored(stored, orientation)[...] = (
            samples[..., 0] if colour.channels == 1 else samples[..., : colour.channels]
        )
    widened(stored, bits)
    alpha = None
    if samples.shape[2] > colour.channels:
        alpha = request.allocate((height, width), kind)
        as_stored(alpha, orientation)[...] = samples[..., -1]
        widened(alpha, bits)
        if PREMULTIPLIED in tuple(page.extrasamples):
            _unpremultiply(stored, alpha)
    if colour is ColourModel.LAB:
        lab.from_tiff(stored)
    elif int(page.photometric) == _MIN_IS_WHITE:
        np.invert(stored, out=stored)
    return Decoded(stored, alpha, turned=orientation in QUARTER_TURNED), colour


def _unpremultiply(samples: Samples, alpha: Samples) -> None:
    """Take the opacity out of colours that were multiplied by it, in place, as libvips does.

    Where the opacity is 0 the colours are lost: they become 0.

    Args:
        samples: (H, W) or (H, W, C), uint8 or uint16.
        alpha: (H, W), of the same type.
    """
    full = np.float32(full_scale(samples.dtype))
    for rows in strips(samples):
        opacity = alpha[rows].astype(np.float32)
        factor = np.divide(full, opacity, out=np.zeros_like(opacity), where=opacity > 0)
        factor = factor if samples.ndim == 2 else factor[..., None]
        samples[rows] = np.rint(np.minimum(samples[rows] * factor, full))


def _colour(page: Any) -> ColourModel:  # noqa: ANN401
    """What the samples mean.

    Raises:
        UnsupportedPhoto: they mean nothing to us.
    """
    kind, bits = int(page.photometric), int(page.bitspersample)
    is_jpeg = int(page.compression) == _OLD_JPEG
    colour = ColourModel.RGB if is_jpeg and kind == _YCBCR else _COLOURS.get(kind)
    if colour is ColourModel.LAB:
        is_known = page.samplesperpixel == 3 and bits in (8, 16)
    else:
        is_known = int(page.sampleformat) == _UNSIGNED and 8 <= bits <= 16
    if colour is None or not is_known or page.samplesperpixel - colour.channels not in (0, 1):
        raise UnsupportedPhoto(
            f"{page.samplesperpixel} channels of {bits} bits ({page.photometric.name}, "
            f"{page.dtype}) are not supported"
        )
    return colour


def _decoded(page: Any, out: Samples | None) -> Any:  # noqa: ANN401
    """(H, W, C) samples.

    Args:
        page: of tifffile.
        out: where they come to lie, of the page's shape and type; None for an array of their own.

    Raises:
        DecodeError: damaged or cut off.
    """
    if 0 in page.databytecounts:  # tifffile would take what is missing for black
        raise DecodeError("the TIFF lacks parts of its data; look for another copy of the file")
    try:
        samples = page.asarray(out=out, maxworkers=1)
    except MemoryError:
        raise
    except Exception as error:  # decoders raise what they like
        raise DecodeError(
            f"the TIFF data is damaged or cut off ({error}); look for another copy of the file"
        ) from error
    if samples.ndim == 2:
        samples = samples[..., None]
    elif _is_separate(page):
        samples = np.moveaxis(samples, 0, -1)
    wanted = (page.imagelength, page.imagewidth, page.samplesperpixel)
    if samples.shape != wanted or samples.dtype not in (np.uint8, np.uint16):
        raise DecodeError(_CONTRADICTION)
    return samples


def _is_separate(page: Any) -> bool:  # noqa: ANN401
    """Whether each channel has a plane of its own."""
    return int(page.planarconfig) == _SEPARATE and page.samplesperpixel > 1
