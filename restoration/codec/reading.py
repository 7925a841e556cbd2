"""One reader for each format: a file to upright samples and what is said about them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

import numpy as np

from restoration.codec import vips
from restoration.codec.limits import Limits
from restoration.codec.metadata.model import NOTHING_EMBEDDED, Embedded
from restoration.codec.orientation import QUARTER_TURNED, as_stored, upright_size
from restoration.codec.pages import UNKNOWN_CODING, Coding, ColourModel
from restoration.samples import Samples

Allocate = Callable[[tuple[int, ...], Any], Any]
"""Makes an array of a shape and a NumPy type."""


@dataclass(frozen=True)
class Request:
    """How files are to be read.

    Attributes:
        limits: what a file may cost.
        salvage: whether damaged files are decoded as far as they go.
        allocate: where large arrays come from.
        on_size: told the megapixels so far, once they are known and within the limits.
    """

    limits: Limits
    salvage: bool
    allocate: Allocate
    on_size: Callable[[float], object]

    def check_page(self, width: int, height: int, so_far: float = 0.0) -> float:
        """Refuse a page of too many pixels, see `Limits.check_page`.

        Returns:
            Megapixels with this page's.

        Raises:
            TooLarge: too many.
        """
        total = self.limits.check_page(width, height, so_far)
        self.on_size(total)
        return total


@dataclass(frozen=True)
class Decoded:
    """Samples of one picture, upright.

    Attributes:
        stored: see `Page`.
        alpha: see `Page`.
        turned: see `Page`.
    """

    stored: Samples = field(repr=False)
    alpha: Samples | None = field(repr=False)
    turned: bool = False


@dataclass(frozen=True)
class Picture:
    """A page as a reader hands it over: everything but its colours as the networks see them.

    Attributes:
        decoded: the samples.
        colour: what they mean.
        bits: per sample in the file.
        embedded: as in the file; the EXIF block still has the orientation of the file.
        coding: how it was compressed.
        notes: what could not be carried over, one line each.
    """

    decoded: Decoded
    colour: ColourModel
    bits: int
    embedded: Embedded = NOTHING_EMBEDDED
    coding: Coding = UNKNOWN_CODING
    notes: tuple[str, ...] = ()


def read_with_vips(
    opened: vips.Opened, request: Request, *, orientation: int | None = None
) -> Decoded:
    """Decode a picture whose header was read and is within the limits.

    Args:
        opened: the picture.
        request: where the arrays come from.
        orientation: 1 to 8; None for what libvips found.

    Raises:
        DecodeError: damaged or cut off.
    """
    turn = opened.orientation if orientation is None else orientation
    width, height = upright_size(opened.width, opened.height, turn)
    channels = opened.colour.channels
    shape = (height, width) if channels == 1 else (height, width, channels)
    kind = opened.dtype.type
    stored = request.allocate(shape, kind)
    alpha = request.allocate((height, width), kind) if opened.has_alpha else None
    vips.copy_samples(
        opened, as_stored(stored, turn), None if alpha is None else as_stored(alpha, turn)
    )
    return Decoded(stored, alpha, turned=turn in QUARTER_TURNED)


def widened(samples: Samples, bits: int) -> Samples:
    """Spread samples of 9 to 15 bits in uint16 over its whole range, in place.

    The high bits are repeated in the low ones (0 stays 0, all ones become 65535), so that a shift
    to the right gives the sample back exactly.
    """
    if samples.dtype == np.uint16 and 8 < bits < 16:
        for rows in _strips(samples.shape[0]):
            part = samples[rows]
            samples[rows] = (part << np.uint16(16 - bits)) | (part >> np.uint16(2 * bits - 16))
    return samples


def narrowed(samples: Samples, bits: int) -> Samples:
    """The inverse of `widened`: rounded to the nearest of 9 to 15 bits, a new uint16 array."""
    if samples.dtype != np.uint16 or not 8 < bits < 16:
        return samples
    out = np.empty_like(samples)
    full = np.uint32((1 << bits) - 1)
    for rows in _strips(samples.shape[0]):
        out[rows] = (samples[rows] * full + np.uint32(32767)) // np.uint32(65535)
    return out


def shifted(samples: Samples, bits: int) -> Samples:
    """Samples of 9 to 15 bits rounded, at the top of uint16: as libheif's callers expect them."""
    if samples.dtype != np.uint16 or not 8 < bits < 16:
        return samples
    return narrowed(samples, bits) << np.uint16(16 - bits)


def unshifted(samples: Samples, bits: int) -> Samples:
    """The inverse: what libheif's callers get, spread over the whole range of uint16."""
    if samples.dtype != np.uint16 or not 8 < bits < 16:
        return samples
    return widened(samples >> np.uint16(16 - bits), bits)


def separated(pixels: Samples, request: Request) -> Decoded:
    """Split decoded (H, W), (H, W, 2), (H, W, 3) or (H, W, 4) samples into colour and alpha."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    has_alpha = channels in (2, 4)
    colours = channels - has_alpha
    shape = pixels.shape[:2] if colours == 1 else (*pixels.shape[:2], colours)
    stored = request.allocate(shape, pixels.dtype.type)
    planes = pixels if pixels.ndim == 3 else pixels[..., None]
    stored[...] = planes[..., 0] if colours == 1 else planes[..., :colours]
    alpha = None
    if has_alpha:
        alpha = request.allocate(pixels.shape[:2], pixels.dtype.type)
        alpha[...] = planes[..., -1]
    return Decoded(stored, alpha)


def head_of(file: BinaryIO, length: int) -> bytes:
    """The first bytes of a file, which stands at its start again afterwards."""
    file.seek(0)
    head = file.read(length)
    file.seek(0)
    return head


def size_of(file: BinaryIO) -> int:
    """Size of a seekable file in bytes; it stands at its start afterwards."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size


def _strips(height: int) -> list[slice]:
    return [slice(top, top + _STRIP_ROWS) for top in range(0, height, _STRIP_ROWS)]


_STRIP_ROWS: Final = 512
