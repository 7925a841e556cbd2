"""libvips: compressed samples to arrays, strip by strip, and back. The only door to pyvips.

libvips decodes 16 bits, every TIFF compression, CMYK and AV1, streams instead of holding whole
pictures, and has been fuzzed for years. What it does to metadata we leave alone: it is asked for
samples only, and writes files without any.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, BinaryIO, Final

import numpy as np
import pyvips

from restoration import scratch
from restoration.codec.pages import ColourModel
from restoration.errors import DecodeError, EncodeError, UnsupportedPhoto, no_room
from restoration.samples import Samples

# Operations are cached by file name and arguments: a file that was replaced would come back as it
# was before.
pyvips.cache_set_max(0)

# Its warnings about odd files would be third-party noise in everybody's log.
logging.getLogger("pyvips").setLevel(logging.CRITICAL)

MM_PER_INCH: Final = 25.4
"""libvips counts pixels per millimetre; where it knows no resolution, it writes 1."""

_STRIP_ROWS: Final = 256
_UNKNOWN_TAG: Final = "set_get_field_type"
"""In libtiff's complaints of private tags that it does not know, hundreds of them in some files."""
_LOADERS: Final = {
    "JPEG": "jpegload_source",
    "PNG": "pngload_source",
    "TIFF": "tiffload_source",
    "WEBP": "webpload_source",
    "AVIF": "heifload_source",
}
_COLOURS: Final = {
    "b-w": ColourModel.GRAY,
    "grey16": ColourModel.GRAY,
    "srgb": ColourModel.RGB,
    "rgb16": ColourModel.RGB,
    "rgb": ColourModel.RGB,
    "cmyk": ColourModel.CMYK,
}
_DTYPES: Final[Mapping[str, np.dtype[Any]]] = {
    "uchar": np.dtype(np.uint8),
    "ushort": np.dtype(np.uint16),
}


@dataclass(frozen=True)
class Opened:
    """A picture whose header was read; its samples are decoded when they are copied.

    Attributes:
        width: pixels, as stored.
        height: pixels, as stored.
        colour: what the samples mean.
        has_alpha: whether the last channel is opacity.
        bits: per sample in the file.
        dtype: uint8 or uint16.
        icc_profile: embedded, or None.
        exif: the block from its byte-order mark on, or None.
        xmp: the packet, or None.
        orientation: EXIF's (1-8), as libvips knows it; of a TIFF its own tag.
        pages: pictures in the file.
    """

    image: Any
    source: Any
    """Kept alive: libvips reads from it when samples are asked for."""
    width: int
    height: int
    colour: ColourModel
    has_alpha: bool
    bits: int
    dtype: np.dtype[Any]
    icc_profile: bytes | None
    exif: bytes | None
    xmp: bytes | None
    orientation: int
    pages: int


def open_picture(
    file: BinaryIO, file_format: str, *, page: int = 0, salvage: bool = False
) -> Opened:
    """Read one picture's header.

    Args:
        file: seekable; it must stay open until the samples were copied.
        file_format: JPEG, PNG, TIFF, WEBP or AVIF; no other decoder is tried.
        page: of a TIFF, from 0.
        salvage: decode damaged files as far as they go.

    Raises:
        DecodeError: the header is damaged.
        UnsupportedPhoto: floating-point samples, or channels that mean nothing to us.
    """
    options: dict[str, Any] = {"access": "sequential", "fail_on": "none" if salvage else "error"}
    if file_format == "TIFF":
        options["page"] = page
    try:
        loader = getattr(pyvips.Image, _LOADERS[file_format])
        source = _source(file)
        image = loader(source, **options)
    except pyvips.Error as error:
        _unless_memory(error)
        raise DecodeError(f"the {file_format} header is damaged: {_reason(error)}") from error
    return _described(image, source)


def copy_samples(opened: Opened, samples: Samples, alpha: Samples | None) -> None:
    """Decode into arrays, strip by strip.

    Args:
        opened: from `open_picture`; its samples can be read once.
        samples: (H, W) or (H, W, C), written; may be a view that turns the picture.
        alpha: (H, W), written; None where the picture has none.

    Raises:
        DecodeError: the file is damaged or cut off.
    """
    region = pyvips.Region.new(opened.image)
    channels = opened.colour.channels
    for top in range(0, opened.height, _STRIP_ROWS):
        rows = min(_STRIP_ROWS, opened.height - top)
        try:
            data = region.fetch(0, top, opened.width, rows)
        except pyvips.Error as error:
            _unless_memory(error)
            raise DecodeError(
                f"the data is damaged or cut off ({_reason(error)}); "
                "look for another copy of the file, or take what there is with --salvage"
            ) from error
        strip = np.frombuffer(data, opened.dtype).reshape(rows, opened.width, -1)
        colour = strip[..., 0] if channels == 1 else strip[..., :channels]
        samples[top : top + rows] = colour
        if alpha is not None:
            alpha[top : top + rows] = strip[..., -1]
            scratch.release(alpha)
        scratch.release(samples)


def save(
    samples: Samples,
    file: BinaryIO,
    saver: str,
    colour: ColourModel,
    *,
    blobs: Mapping[str, bytes | None] = MappingProxyType({}),
    dpi: tuple[float, float] | None = None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Encode an array, without any metadata that are not among `blobs`.

    Args:
        samples: (H, W) or (H, W, C), alpha included, uint8 or uint16.
        file: with a descriptor, written from where it stands.
        saver: pngsave, webpsave or heifsave.
        colour: what the samples mean.
        blobs: libvips' name and contents of metadata.
        dpi: written into the EXIF block, where there is one among `blobs`.
        options: of the saver.

    Raises:
        EncodeError: the encoder refused.
    """
    try:
        image = as_image(samples, colour)
        if dpi is not None:
            image = image.copy(xres=dpi[0] / MM_PER_INCH, yres=dpi[1] / MM_PER_INCH)
            image.set_type(pyvips.GValue.gstr_type, "resolution-unit", "in")
        for name, blob in blobs.items():
            if blob:
                image.set_type(pyvips.GValue.blob_type, name, blob)
        file.flush()
        target = pyvips.Target.new_to_descriptor(file.fileno())
        getattr(image, f"{saver}_target")(target, keep="all" if blobs else "none", **options)
    except pyvips.Error as error:
        if (ours := no_room(error)) is not None:
            raise ours from error
        raise EncodeError(f"the encoder failed: {_reason(error)}") from error
    file.seek(0, io.SEEK_END)


def as_image(samples: Samples, colour: ColourModel) -> Any:  # noqa: ANN401 - pyvips is untyped
    """A libvips picture over an array's memory, without a copy where it is contiguous."""
    data = np.ascontiguousarray(samples)
    height, width = data.shape[:2]
    bands = data.shape[2] if data.ndim == 3 else 1
    kind = "ushort" if data.dtype == np.uint16 else "uchar"
    image = pyvips.Image.new_from_memory(data.reshape(-1).data, width, height, bands, kind)
    wide = data.dtype == np.uint16
    names = {ColourModel.GRAY: ("b-w", "grey16"), ColourModel.RGB: ("srgb", "rgb16")}
    return image.copy(interpretation=names[colour][wide])


def _source(file: BinaryIO) -> Any:  # noqa: ANN401
    """A libvips source over a file, by its descriptor where it has one."""
    try:
        descriptor = file.fileno()
    except OSError:  # io.BytesIO
        file.seek(0)
        data = file.read()
        source = pyvips.Source.new_from_memory(data)
        source.data = data  # pyvips keeps no reference to the memory itself
        return source
    file.seek(0)
    return pyvips.Source.new_from_descriptor(descriptor)


def _described(image: Any, source: Any) -> Opened:  # noqa: ANN401
    interpretation = str(image.interpretation)
    colour = _COLOURS.get(interpretation)
    dtype = _DTYPES.get(str(image.format))
    if colour is None or dtype is None:
        raise UnsupportedPhoto(
            f"samples of type {image.format} ({interpretation}) are not supported; "
            "integers of up to 16 bits are"
        )
    spare = image.bands - colour.channels
    if spare not in (0, 1):
        raise UnsupportedPhoto(f"{image.bands} channels are {spare} more than {colour} has")
    bits = _field(image, "bits-per-sample", 8 * dtype.itemsize)
    if spare or colour is not ColourModel.GRAY or image.get_typeof("palette"):
        bits = max(bits, 8)  # of a palette these are the bits of its indices
    return Opened(
        image,
        source,
        image.width,
        image.height,
        colour,
        has_alpha=spare == 1,
        bits=bits,
        dtype=dtype,
        icc_profile=_blob(image, "icc-profile-data"),
        exif=(_blob(image, "exif-data") or b"").removeprefix(b"Exif\0\0") or None,
        xmp=_blob(image, "xmp-data"),
        orientation=_field(image, "orientation", 1),
        pages=_field(image, "n-pages", 1),
    )


def _field(image: Any, name: str, default: int) -> int:  # noqa: ANN401
    return int(image.get(name)) if image.get_typeof(name) else default


def _blob(image: Any, name: str) -> bytes | None:  # noqa: ANN401
    return bytes(image.get(name)) or None if image.get_typeof(name) else None


def _unless_memory(error: pyvips.Error) -> None:
    """Tell a want of memory, which is no photo's damage, by what libvips says of it.

    Raises:
        MemoryError: it is one.
    """
    if "out of memory" in str(error).lower():
        raise MemoryError(_reason(error)) from error


def _reason(error: pyvips.Error) -> str:
    """What libvips says: the last line, since it may still tell of earlier pictures before."""
    lines = [line.strip() for line in str(error.detail).splitlines()]
    telling = (line for line in reversed(lines) if line and _UNKNOWN_TAG not in line)
    last = next(telling, "it says no more")
    return last.partition(": ")[2] or last
