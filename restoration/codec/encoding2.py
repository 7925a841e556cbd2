"""Pages to image files: the one writer, with one way for each format."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final

from restoration import scratch
from restoration.codec import vips
from restoration.codec.fitting import fitted
from restoration.codec.formats import FORMATS
from restoration.codec.heic import write_heic
from restoration.codec.jpeg2000 import write_jpeg2000
from restoration.codec.jpeg_coding import write_jpeg
from restoration.codec.metadata import jp2, jpeg, png, webp
from restoration.codec.metadata.model import Provenance
from restoration.codec.metadata.xmp import with_provenance
from restoration.codec.pages import Page, Samples
from restoration.codec.reading import shifted
from restoration.codec.tiff_writing import write_tiff
from restoration.errors import EncodeError

_PNG_COMPRESSION: Final = 6
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
        ready.append(fit)
        where = f"page {number}: " if len(pages) > 1 else ""
        notes += [f"{where}{line}" for line in lost]
    if provenance is not None:
        ready[0], remarks = _labelled(ready[0], provenance)
        notes += remarks
    if target.pages:
        notes += _write_tiff(ready, file)
    else:
        _WRITERS[target.name](ready[0], file, quality)
    file.seek(0)
    return tuple(notes)


def _labelled(page: Page, provenance: Provenance) -> tuple[Page, tuple[str, ...]]:
    packet, notes = with_provenance(page.metadata.xmp, provenance)
    return replace(page, metadata=replace(page.metadata, xmp=packet)), notes


def _write_jpeg(page: Page, file: BinaryIO, quality: int | None) -> None:
    with tempfile.TemporaryFile() as bare:
        write_jpeg(page.stored, bare, page.coding.jpeg, quality=quality)
        jpeg.insert(bare, file, page.metadata, icc_profile=page.icc_profile, dpi=page.dpi)


def _write_png(page: Page, file: BinaryIO, quality: int | None) -> None:
    with tempfile.TemporaryFile() as bare:
        samples = interleaved(page)
        vips.save(samples, bare, "pngsave", page.colour, compression=_PNG_COMPRESSION)
        png.insert(bare, file, page.metadata, icc_profile=page.icc_profile, dpi=page.dpi)


def _write_webp(page: Page, file: BinaryIO, quality: int | None) -> None:
    options = _lossless_or(page, "WEBP", quality)
    with tempfile.TemporaryFile() as bare:
        # exact: colours under full transparency are somebody's pixels, too.
        vips.save(interleaved(page), bare, "webpsave", page.colour, exact=True, **options)
        webp.insert(bare, file, page.metadata, icc_profile=page.icc_profile)


def _write_jpeg2000(page: Page, file: BinaryIO, quality: int | None) -> None:
    with tempfile.TemporaryFile() as bare:
        write_jpeg2000(page, interleaved(page), bare, quality)
        jp2.insert(bare, file, page.metadata, icc_profile=page.icc_profile, dpi=page.dpi)


def _write_avif(page: Page, file: BinaryIO, quality: int | None) -> None:
    metadata = page.metadata
    vips.save(
        shifted(interleaved(page), page.bits),
        file,
        "heifsave",
        page.colour,
        blobs={
            "exif-data": b"Exif\0\0" + metadata.exif if metadata.exif else None,
            "xmp-data": metadata.xmp,
            "icc-profile-data": page.icc_profile,
        },
        compression="av1",
        bitdepth=8 if page.bits <= 8 else 10 if page.bits <= 10 else 12,
        subsample_mode="off",
        **_lossless_or(page, "AVIF", quality),
    )


def _write_heic(page: Page, file: BinaryIO, quality: int | None) -> None:
    write_heic(page, interleaved(page), file, quality or _LOSSY_QUALITY["HEIF"])


def _write_tiff(pages: Sequence[Page], file: BinaryIO) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory() as folder:  # tifffile and its tags want a name
        path = Path(folder, "pages.tif")
        notes = write_tiff(pages, path)
        with path.open("rb") as written:
            shutil.copyfileobj(written, file, 1 << 20)
    return notes


def _lossless_or(page: Page, name: str, quality: int | None) -> dict[str, bool | int]:
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


_WRITERS: Final[Mapping[str, Callable[[Page, BinaryIO, int | None], None]]] = {
    "JPEG": _write_jpeg,
    "PNG": _write_png,
    "WEBP": _write_webp,
    "JPEG2000": _write_jpeg2000,
    "AVIF": _write_avif,
    "HEIF": _write_heic,
}
"""The writer of each format; TIFF, the one with pages, has its own."""
