"""TIFF pages by tifffile: each with its own size, depth, colours, tags and compression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO, Final

import tifffile

from restoration import scratch
from restoration.codec import lab
from restoration.codec.metadata import tiff
from restoration.codec.pages import ColourModel, Page
from restoration.errors import EncodeError, no_room

_LOSSLESS: Final = {"none": None, "lzw": "lzw", "deflate": "zlib", "packbits": "packbits",
                    "zstd": "zstd"}  # fmt: skip
_PHOTOMETRICS: Final = {
    ColourModel.GRAY: "minisblack",
    ColourModel.RGB: "rgb",
    ColourModel.CMYK: "separated",
    ColourModel.LAB: "cielab",
}
_NOT_OF_TIFFS: Final = {"", "av1", "hevc", "jpeg2000", "webp"}
_STRIP_BYTES: Final = 1 << 18
_CLASSIC_BYTES: Final = 3 << 30
"""From here on offsets of 32 bits may not reach: such a file becomes BigTIFF."""


def write_tiff(pages: Sequence[Page], file: BinaryIO) -> tuple[str, ...]:
    """Write pages to a new file.

    Samples are compressed strip by strip or tile by tile as in the source, where that loses
    nothing.

    Args:
        pages: what to write.
        file: empty and seekable, open for reading and writing.

    Returns:
        One line for everything that is stored in another way than in the source, or not at all.

    Raises:
        EncodeError: the encoder refused.
    """
    size = sum(page.stored.nbytes for page in pages)
    is_big = any(page.coding.is_bigtiff for page in pages) or size > _CLASSIC_BYTES
    try:
        with tifffile.TiffWriter(_handle(file), bigtiff=is_big) as writer:
            for page in pages:
                _write_page(writer, page)
        lost = tiff.insert(file, [page.embedded.metadata for page in pages])
    except MemoryError:
        raise
    except Exception as error:  # tifffile and its codecs raise what they like
        if (ours := no_room(error)) is not None:
            raise ours from error
        raise EncodeError(f"the TIFF encoder failed: {error}") from error
    of_tiffs = {page.coding.compression for page in pages if page.coding.jpeg is None}
    lossy = of_tiffs - set(_LOSSLESS) - _NOT_OF_TIFFS
    notes = [f"{name} compression became Deflate, which loses nothing" for name in sorted(lossy)]
    for number, lines in enumerate(lost, 1):
        where = f"page {number}: " if len(pages) > 1 else ""
        notes += [f"{where}{line}" for line in lines]
    return tuple(notes)


def _handle(file: BinaryIO) -> Any:  # noqa: ANN401
    """Tifffile wants a name, which temporary files lack."""
    return tifffile.FileHandle(file, name="photo.tif")


def _write_page(writer: Any, page: Page) -> None:  # noqa: ANN401
    compression = _LOSSLESS.get(page.coding.compression, "zlib")
    options: dict[str, Any] = {
        "photometric": _PHOTOMETRICS[page.colour],
        "planarconfig": "contig" if page.colour.channels > 1 or page.alpha is not None else None,
        "extrasamples": ["unassalpha"] if page.alpha is not None else None,
        "compression": compression,
        "predictor": compression in ("lzw", "zlib", "zstd") and page.bits > 1,
        "iccprofile": page.icc_profile,
        "metadata": None,
        "software": False,
        "contiguous": False,
        "maxworkers": 1,
    }
    if page.embedded.dpi is not None:
        options |= {"resolution": page.embedded.dpi, "resolutionunit": "INCH"}
    if page.coding.tile is not None and all(side % 16 == 0 for side in page.coding.tile):
        options["tile"] = page.coding.tile
    else:
        options["rowsperstrip"] = max(1, _STRIP_BYTES // max(1, page.stored[:1].nbytes))
    writer.write(_interleaved(page), **options)


def _interleaved(page: Page) -> Any:  # noqa: ANN401
    """Samples as the file has them; the page's own array wherever nothing needs to be changed."""
    stored, alpha = page.stored, page.alpha
    if page.bits == 1:
        return stored > 127
    if page.colour is not ColourModel.LAB and alpha is None:
        return stored
    channels = page.colour.channels
    total = channels + (alpha is not None)
    out = scratch.empty((*stored.shape[:2], total), stored.dtype.type)
    out[..., :channels] = stored if stored.ndim == 3 else stored[..., None]
    if page.colour is ColourModel.LAB:
        lab.to_tiff(out)
    if alpha is not None:
        out[..., -1] = alpha
    return out
