"""JPEG 2000 (ISO/IEC 15444-1), which libvips as packaged does not read."""

from __future__ import annotations

from typing import Any, BinaryIO, Final

import imagecodecs
import numpy as np
from PIL import Image, UnidentifiedImageError

from restoration.codec.metadata import jp2
from restoration.codec.orientation import QUARTER_TURNED, orientation_of, upright
from restoration.codec.pages import Coding, ColourModel, Page
from restoration.codec.reading import (
    Decoded,
    Picture,
    Request,
    narrowed,
    separated,
    widened,
)
from restoration.errors import DecodeError, EncodeError, UnsupportedPhoto, no_room
from restoration.samples import Samples

_SIZ: Final = b"\xff\x4f\xff\x51"
_COD: Final = b"\xff\x52"
_CODESTREAM_HEAD: Final = 1 << 20
_CONTRADICTION: Final = "the JPEG 2000 data is not what its header says"
_LOSSY_PSNR_DB: Final = 50
"""Of what was lossy: another pass loses far less than what restoring changed."""


def read_jpeg2000(file: BinaryIO, request: Request) -> list[Picture]:
    """Read a JP2 file or a bare codestream (ISO/IEC 15444-1) of gray or RGB, up to 16 bits.

    Raises:
        DecodeError: damaged or cut off.
        TooLarge: over one of the limits.
        UnsupportedPhoto: more than 16 bits, or channels that mean nothing to us.
    """
    layout = jp2.layout(file)
    file.seek(layout.codestream)
    head = _Codestream(file.read(_CODESTREAM_HEAD))
    request.check_page(head.width, head.height)
    if head.is_signed:
        raise UnsupportedPhoto("samples with a sign are not supported")
    if head.bits > 16:
        raise UnsupportedPhoto(f"{head.bits} bits are not supported; up to 16 are")
    samples = _up_to_8_bits(file, head, layout) if head.bits <= 8 else _by_openjpeg(file, head)
    embedded = jp2.read(file, limit_bytes=request.limits.metadata_bytes)
    orientation = orientation_of(embedded.metadata)
    decoded = separated(upright(samples, orientation), request)
    colour = ColourModel.GRAY if decoded.stored.ndim == 2 else ColourModel.RGB
    alpha = None if decoded.alpha is None else widened(decoded.alpha, head.bits)
    turned = orientation in QUARTER_TURNED
    decoded = Decoded(widened(decoded.stored, head.bits), alpha, turned)
    coding = Coding(compression="jpeg2000", lossless=head.is_reversible)
    return [Picture(decoded, colour, head.bits, embedded, coding)]


def _up_to_8_bits(file: BinaryIO, head: _Codestream, layout: jp2.Layout) -> Any:  # noqa: ANN401
    """By Pillow, which refuses some sound files with extensions (JPX) that OpenJPEG reads."""
    try:
        return _by_pillow(file, head)
    except DecodeError:
        if not layout.is_plain or head.bits != 8:
            raise
        return _by_openjpeg(file, head)


def _by_pillow(file: BinaryIO, head: _Codestream) -> Any:  # noqa: ANN401
    """Up to 8 bits: Pillow knows palettes, YCbCr and subsampled channels."""
    file.seek(0)
    try:
        with Image.open(file, formats=("JPEG2000",)) as image:
            if image.size != (head.width, head.height):
                raise DecodeError(_CONTRADICTION)
            image.load()
            if image.mode not in ("L", "LA", "RGB", "RGBA"):
                raise UnsupportedPhoto(f"JPEG 2000 of mode {image.mode} is not supported")
            return np.asarray(image)
    except (DecodeError, UnsupportedPhoto, MemoryError):
        raise
    except UnidentifiedImageError as error:  # its message names our file object, not the problem
        raise _damaged("its boxes make no sense") from error
    except Exception as error:  # Pillow raises anything from OSError to struct.error
        raise _damaged(error) from error


def _by_openjpeg(file: BinaryIO, head: _Codestream) -> Any:  # noqa: ANN401
    file.seek(0)
    try:
        samples = imagecodecs.jpeg2k_decode(file.read())
    except Exception as error:  # one class of its own for each codec
        raise _damaged(error) from error
    kind = np.uint8 if head.bits <= 8 else np.uint16
    if samples.shape[:2] != (head.height, head.width) or samples.dtype != kind:
        raise DecodeError(_CONTRADICTION)
    if samples.ndim == 3 and samples.shape[2] > 4:
        raise UnsupportedPhoto(f"{samples.shape[2]} channels are not supported")
    return samples


def _damaged(error: Exception | str) -> DecodeError:
    return DecodeError(
        f"the JPEG 2000 data is damaged or cut off ({error}); look for another copy of the file"
    )


class _Codestream:
    """What SIZ and COD say (ISO/IEC 15444-1, annex A.5.1 and A.6.1).

    Args:
        head: the first bytes of the codestream.

    Raises:
        DecodeError: they are none.
    """

    def __init__(self, head: bytes) -> None:
        siz = head[4 : 4 + 38 + 3]
        if not head.startswith(_SIZ) or len(siz) < 41:
            raise DecodeError("the JPEG 2000 header is damaged or cut off")
        numbers = [int.from_bytes(siz[at : at + 4], "big") for at in range(4, 36, 4)]
        self.width = numbers[0] - numbers[2]
        self.height = numbers[1] - numbers[3]
        depth = siz[38]
        self.bits = (depth & 0x7F) + 1
        self.is_signed = bool(depth & 0x80)
        if self.width < 1 or self.height < 1:
            raise DecodeError(f"the header says {self.width} x {self.height} pixels")
        cod = head.find(_COD)
        # The last byte of COD's first part: 1 is the reversible 5-3 wavelet.
        self.is_reversible = 0 <= cod < len(head) - 13 and head[cod + 13] == 1


def write_jpeg2000(page: Page, samples: Samples, file: BinaryIO, quality: int | None) -> None:
    """Write a JP2 file without metadata, without loss where the source had none.

    Args:
        page: whose depth and coding count.
        samples: (H, W) or (H, W, C) with its opacity as the last channel.
        file: written from where it stands.
        quality: PSNR in dB for a lossy file; None for what suits the source.

    Raises:
        EncodeError: the encoder refused.
    """
    options: dict[str, Any] = {"reversible": True}
    if quality is not None or not page.coding.lossless:
        options = {"level": quality or _LOSSY_PSNR_DB}
    try:
        file.write(
            imagecodecs.jpeg2k_encode(
                np.ascontiguousarray(narrowed(samples, page.bits)),
                codecformat="jp2",
                bitspersample=page.bits,
                **options,
            )
        )
    except MemoryError:
        raise
    except Exception as error:  # a class of its own for each codec
        if (ours := no_room(error)) is not None:
            raise ours from error
        raise EncodeError(f"the JPEG 2000 encoder failed: {error}") from error
