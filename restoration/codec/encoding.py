"""Pages to image files: the one writer, with one way for each format."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, BinaryIO, Final

from restoration import scratch
from restoration.codec import vips
from restoration.codec.fitting import fitted
from restoration.codec.formats import FORMATS
from restoration.codec.heic import exif_of, write_heic
from restoration.codec.jpeg2000 import write_jpeg2000
from restoration.codec.jpeg_coding import write_jpeg
from restoration.codec.metadata import exif, jp2, jpeg, png, webp
from restoration.codec.metadata.model import Provenance, lost_texts
from restoration.codec.metadata.outgoing import for_output
from restoration.codec.pages import Page
from restoration.codec.reading import shifted
from restoration.codec.tiff_writing import write_tiff
from restoration.errors import EncodeError
from restoration.samples import Samples

_PNG_COMPRESSION: Final = 6
_MAKER_NOTE: Final = re.compile(rb"\x92\x7c\x00\x07|\x7c\x92\x07\x00")
"""Tag 0x927C of type 7 in either byte order."""
_LOSSY_QUALITY: Final = {"WEBP": 95, "AVIF": 90, "HEIF": 90}
"""Where a file was lossy: what another pass loses is far below what restoring changed."""


def encode(
    pages: Sequence[Page],
    file: BinaryIO,
    file_format: str,
    *,
    quality: int | None = None,
    provenance: Provenance | None = None,
) -> tuple[str, ...]:
    """Write pages as one file of a format.

    Args:
        pages: what to write; the samples are `stored`.
        file: empty, open for reading and writing, with a descriptor; it stands at its start
            afterwards.
        file_format: a name of `FORMATS`.
        quality: 1 to 100 for lossy formats; None for what suits the source.
        provenance: written into the XMP of the first page.

    Returns:
        One line for everything that the format cannot hold.

    Raises:
        EncodeError: the format holds one page and there are more, or the encoder refused.
    """
    target = FORMATS[file_format]
    if len(pages) > 1 and not target.pages:
        raise EncodeError(
            f"{target.name} holds one page and the photo has {len(pages)}; choose TIFF"
        )
    ready, notes = [], []
    for number, page in enumerate(pages, 1):
        fit, lost = fitted(page, target)
        outgoing, said = _outgoing(fit, provenance if number == 1 else None)
        ready.append(outgoing)
        where = f"page {number}: " if len(pages) > 1 else ""
        notes += [f"{where}{line}" for line in (*lost, *said)]
    if target.pages:
        notes += write_tiff(ready, file)
    else:
        notes += _WRITERS[target.name](ready[0], file, quality)
    file.seek(0)
    return tuple(notes)


def _outgoing(page: Page, provenance: Provenance | None) -> tuple[Page, tuple[str, ...]]:
    """A page whose metadata say what its output is; with notes on what had to go."""
    height, width = page.stored.shape[:2]
    metadata = for_output(
        page.embedded.metadata, provenance, width=width, height=height, turned=page.turned
    )
    embedded = replace(page.embedded, metadata=replace(metadata, notes=()))
    return replace(page, embedded=embedded), metadata.notes


def _write_jpeg(page: Page, file: BinaryIO, quality: int | None) -> tuple[str, ...]:
    with scratch.temporary_file() as bare:
        write_jpeg(page.stored, bare, page.coding.jpeg, quality=quality)
        return jpeg.insert(bare, file, page.embedded)


def _write_png(page: Page, file: BinaryIO, quality: int | None) -> tuple[str, ...]:
    with scratch.temporary_file() as bare:
        samples = interleaved(page)
        vips.save(samples, bare, "pngsave", page.colour, compression=_PNG_COMPRESSION)
        return png.insert(bare, file, page.embedded)


def _write_webp(page: Page, file: BinaryIO, quality: int | None) -> tuple[str, ...]:
    options = _lossless_or(page, "WEBP", quality)
    with scratch.temporary_file() as bare:
        # exact: colours under full transparency are somebody's pixels, too.
        vips.save(interleaved(page), bare, "webpsave", page.colour, exact=True, **options)
        return webp.insert(bare, file, page.embedded)


def _write_jpeg2000(page: Page, file: BinaryIO, quality: int | None) -> tuple[str, ...]:
    with scratch.temporary_file() as bare:
        write_jpeg2000(page, interleaved(page), bare, quality)
        return jp2.insert(bare, file, page.embedded)


def _write_avif(page: Page, file: BinaryIO, quality: int | None) -> tuple[str, ...]:
    metadata, block = page.embedded.metadata, exif_of(page)
    vips.save(
        shifted(interleaved(page), page.bits),
        file,
        "heifsave",
        page.colour,
        blobs={
            "exif-data": b"Exif\0\0" + block if block else None,
            "xmp-data": metadata.xmp,
            "icc-profile-data": page.icc_profile,
        },
        dpi=page.embedded.dpi,
        compression="av1",
        bitdepth=8 if page.bits <= 8 else 10 if page.bits <= 10 else 12,
        subsample_mode="off",
        **_lossless_or(page, "AVIF", quality),
    )
    notes = _without_a_place(page, "an AVIF")
    if metadata.exif and _MAKER_NOTE.search(metadata.exif):
        notes.append("the camera's maker notes are left out: AVIF is written without them")
    return tuple(notes)


def _write_heic(page: Page, file: BinaryIO, quality: int | None) -> tuple[str, ...]:
    write_heic(page, interleaved(page), file, quality or _LOSSY_QUALITY["HEIF"])
    unplaced = exif.unplaced(page.embedded.metadata.exif, page.embedded.dpi, "a HEIC")
    return (*_without_a_place(page, "a HEIC"), *unplaced)


def _without_a_place(page: Page, container: str) -> list[str]:
    """What neither AVIF nor HEIC has a place for."""
    metadata = page.embedded.metadata
    notes = list(lost_texts(metadata.texts, container.split()[-1]))
    if metadata.iptc:
        notes.append(f"IPTC records have no place in {container} file")
    if metadata.photoshop:
        notes.append(f"Photoshop's image resources have no place in {container} file")
    return notes


def _lossless_or(page: Page, name: str, quality: int | None) -> dict[str, Any]:
    if quality is None and page.coding.lossless:
        return {"lossless": True}
    return {"Q": quality or _LOSSY_QUALITY[name]}


def interleaved(page: Page) -> Samples:
    """Samples with the opacity as last channel; `stored` itself where there is none."""
    if page.alpha is None:
        return page.stored
    stored = page.stored if page.stored.ndim == 3 else page.stored[..., None]
    out = scratch.empty((*stored.shape[:2], stored.shape[2] + 1), stored.dtype.type)
    out[..., :-1] = stored
    out[..., -1] = page.alpha
    return out


_WRITERS: Final[Mapping[str, Callable[[Page, BinaryIO, int | None], tuple[str, ...]]]] = {
    "JPEG": _write_jpeg,
    "PNG": _write_png,
    "WEBP": _write_webp,
    "JPEG2000": _write_jpeg2000,
    "AVIF": _write_avif,
    "HEIF": _write_heic,
}
"""The writer of each format; TIFF, the one with pages, has its own."""
