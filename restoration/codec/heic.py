"""HEIC (ISO/IEC 23008-12, HEVC) by pillow-heif, an extra: its HEVC encoder is under the GPL."""

from __future__ import annotations

from typing import Any, BinaryIO, Final

import numpy as np

from restoration.codec.metadata import exif
from restoration.codec.metadata.model import Embedded, Metadata
from restoration.codec.pages import Coding, ColourModel, Page
from restoration.codec.reading import Picture, Request, separated, shifted, unshifted
from restoration.errors import DecodeError, EncodeError, ReaderMissing, no_room
from restoration.samples import Samples

_MODES: Final = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_NEEDED: Final = "HEIC files need pillow-heif: pip install 'restore-archive[heic]'"


def read_heic(file: BinaryIO, request: Request) -> list[Picture]:
    """Read the primary picture of a HEIC file; libheif turns it upright.

    Raises:
        DecodeError: damaged or cut off.
        TooLarge: over one of the limits.
        UnsupportedPhoto: pillow-heif is not installed.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise ReaderMissing(_NEEDED) from error
    file.seek(0)
    try:
        opened = pillow_heif.open_heif(file, convert_hdr_to_8bit=False)
        primary = opened[opened.primary_index]
        request.check_page(*primary.size)
        samples = np.asarray(primary)
    except (ValueError, RuntimeError, EOFError, OSError, SyntaxError) as error:
        raise DecodeError(
            f"the HEIC data is damaged or cut off ({error}); look for another copy of the file"
        ) from error
    return [_picture(primary, samples, request, others=len(opened) - 1)]


def _picture(primary: Any, samples: Any, request: Request, *, others: int) -> Picture:  # noqa: ANN401
    info = primary.info
    bits = int(info.get("bit_depth", 8)) if samples.dtype == np.uint16 else 8
    decoded = separated(unshifted(samples, bits), request)
    notes = [f"{others} more pictures in the file are left out"] if others else []
    notes += ["a depth map is left out"] if info.get("depth_images") else []
    block = _without_prefix(info.get("exif"))
    return Picture(
        decoded,
        ColourModel.GRAY if decoded.stored.ndim == 2 else ColourModel.RGB,
        bits,
        Embedded(
            Metadata(exif=block, xmp=info.get("xmp") or None),
            info.get("icc_profile") or None,
            exif.resolution(block) if block else None,
        ),
        Coding(compression="hevc"),
        tuple(notes),
    )


def _without_prefix(block: bytes | None) -> bytes | None:
    """An EXIF block from its byte-order mark on."""
    return block.removeprefix(b"Exif\0\0") if block else None


def write_heic(page: Page, samples: Samples, file: BinaryIO, quality: int) -> None:
    """Write one picture, upright, with its EXIF, XMP and profile.

    Args:
        page: what is written besides samples.
        samples: (H, W) or (H, W, C) with its opacity as the last channel.
        file: written from where it stands.
        quality: 1 to 100.

    Raises:
        EncodeError: the encoder refused, or pillow-heif is not installed.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise EncodeError(_NEEDED) from error
    channels = samples.shape[2] if samples.ndim == 3 else 1
    mode = _MODES[channels] + (";16" if samples.dtype == np.uint16 else "")
    metadata, block = page.embedded.metadata, exif_of(page)
    try:
        pillow_heif.encode(
            mode,
            (samples.shape[1], samples.shape[0]),
            shifted(samples, page.bits).tobytes(),
            file,
            quality=quality,
            chroma="444",
            # Of more than 8; the option SAVE_HDR_TO_12_BIT would be that of all threads.
            bit_depth=12 if page.bits > 10 else 10,
            exif=b"Exif\0\0" + block if block else None,
            xmp=metadata.xmp,
            icc_profile=page.icc_profile,
        )
    except MemoryError:
        raise
    except Exception as error:  # libheif's errors come as several classes
        if (ours := no_room(error)) is not None:
            raise ours from error
        raise EncodeError(f"the HEIC encoder failed: {error}") from error


def exif_of(page: Page) -> bytes | None:
    """A page's EXIF block; one of the resolution alone, which AVIF and HEIC hold nowhere else."""
    embedded = page.embedded
    if embedded.metadata.exif is None and embedded.dpi is not None:
        return exif.minimal(embedded.dpi)
    return embedded.metadata.exif
