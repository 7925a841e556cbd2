"""Image files to upright pixels, refusing what would lose something on the way."""

from __future__ import annotations

import io
import math
import warnings
from dataclasses import replace
from typing import Any, BinaryIO, Final, cast

import numpy as np
from PIL import Image, ImageFile, TiffImagePlugin, UnidentifiedImageError

from restoration.codec.photo import Byte, Extras, Header, Photo
from restoration.errors import DecodeError, TooLarge, UnsupportedPhoto

# The limit on pixels is ours (`max_megapixels`), checked from the header before anything is
# decoded; Pillow's own would refuse a 20,000 x 15,000 scan.
Image.MAX_IMAGE_PIXELS = None
ImageFile.LOAD_TRUNCATED_IMAGES = False

DEFAULT_MAX_MEGAPIXELS: Final = 500.0
_STRIP_ROWS: Final = 1024
_ORIENTATION_TAG: Final = 0x0112
# Text tags of TIFF 6.0 that describe the picture rather than its encoding.
_TIFF_TEXT_TAGS: Final = (269, 270, 271, 272, 285, 305, 306, 315, 316, 33432)


def read_header(file: BinaryIO) -> Header:
    """Read format and size without decoding pixels.

    Raises:
        DecodeError: not an image of a supported format.
    """
    with _open(file) as image:
        return _header(image)


def decode(file: BinaryIO, *, max_megapixels: float = DEFAULT_MAX_MEGAPIXELS) -> Photo:
    """Decode a photograph at full resolution, upright.

    Args:
        file: seekable, opened for reading in binary mode.
        max_megapixels: refuse larger images from their header alone.

    Raises:
        DecodeError: damaged, empty, or no image of a supported format.
        TooLarge: over `max_megapixels`.
        UnsupportedPhoto: 16 bits, CMYK, palette or several pages.
    """
    with _open(file) as image:
        header = _header(image)
        if header.megapixels > max_megapixels:
            raise TooLarge(
                f"{header.width} x {header.height} pixels are {header.megapixels:.0f} megapixels; "
                f"the limit is {max_megapixels:g} (--max-megapixels)"
            )
        try:
            _refuse_what_would_be_lost(image, file)
            image.load()
            planes, orientation = _pixels(image), _orientation(image)
            extras = _extras(image, file, orientation)
        except (MemoryError, UnsupportedPhoto):
            raise
        except Exception as error:  # Pillow raises anything from OSError to struct.error here
            raise DecodeError(
                f"the {header.format} data is damaged or cut off ({error}); "
                "look for another copy of the file"
            ) from error
    pixels, alpha = _split_alpha(upright(planes, orientation))
    if alpha is not None:
        extras = replace(extras, alpha=alpha)
    return Photo(pixels, header.format, header.mode, extras)


def upright(pixels: Byte, orientation: int) -> Byte:
    """Turn stored pixels (H, W, ...) upright by their EXIF orientation (1-8, CIPA DC-008)."""
    if orientation in (2, 4, 5, 7):  # mirrored variants
        pixels = pixels[:, ::-1]
    # np.rot90 turns counter-clockwise.
    turns = {3: 2, 4: 2, 6: 3, 5: 1, 8: 1, 7: 3}.get(orientation, 0)
    return np.ascontiguousarray(np.rot90(pixels, turns))


def _open(file: BinaryIO) -> Image.Image:
    file.seek(0, io.SEEK_END)
    if file.tell() == 0:
        raise DecodeError("the file is empty (0 bytes)")
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Image.open(file, formats=("JPEG", "PNG", "TIFF", "WEBP", "MPO"))
    except UnidentifiedImageError as error:
        raise DecodeError("not a JPEG, PNG, TIFF or WebP image, whatever its name says") from error
    except MemoryError:
        raise
    except Exception as error:  # a header may break Pillow in many ways
        raise DecodeError(f"the image header is damaged: {error}") from error


def _header(image: Image.Image) -> Header:
    width, height = image.size
    if width < 1 or height < 1:
        raise DecodeError(f"the header says {width} x {height} pixels")
    return Header(image.format or "", width, height, image.mode)


def _refuse_what_would_be_lost(image: Image.Image, file: BinaryIO) -> None:
    pages = getattr(image, "n_frames", 1)
    if pages > 1:
        raise UnsupportedPhoto(f"{pages} pages or pictures in one file are not supported yet")
    bits = _bits_per_channel(image, file)
    if bits > 8:
        raise UnsupportedPhoto(f"{bits} bits per channel are not supported yet (8 are)")
    if image.mode not in ("L", "LA", "RGB", "RGBA") or "transparency" in image.info:
        raise UnsupportedPhoto(
            f"pixel mode {image.mode} is not supported yet (gray and RGB, with or without alpha)"
        )
    if isinstance(image, TiffImagePlugin.TiffImageFile) and _is_planar_oddity(image):
        raise UnsupportedPhoto("this TIFF has extra channels, which are not supported yet")


def _bits_per_channel(image: Image.Image, file: BinaryIO) -> int:
    # Pillow opens 16-bit RGB PNG and TIFF as 8-bit RGB, so its mode cannot be asked.
    if image.format == "PNG":
        position = file.tell()
        file.seek(24)  # IHDR: signature 8, length 4, type 4, width 4, height 4, then bit depth
        depth = file.read(1)
        file.seek(position)
        return depth[0] if depth else 8
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return int(max(image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (8,))))
    return 16 if image.mode.startswith("I") else 32 if image.mode == "F" else 8


def _is_planar_oddity(image: TiffImagePlugin.TiffImageFile) -> bool:
    samples = int(image.tag_v2.get(TiffImagePlugin.SAMPLESPERPIXEL, len(image.getbands())))
    return samples != len(image.getbands()) and image.tag_v2.get(262) != 6


def _pixels(image: Image.Image) -> Byte:
    # In strips: np.asarray of a whole 100-megapixel image holds it three times for a moment.
    width, height = image.size
    shape = (height, width, *((len(image.getbands()),) if len(image.getbands()) > 1 else ()))
    out = np.empty(shape, np.uint8)
    for top in range(0, height, _STRIP_ROWS):
        bottom = min(top + _STRIP_ROWS, height)
        out[top:bottom] = np.asarray(image.crop((0, top, width, bottom)))
    return out


def _orientation(image: Image.Image) -> int:
    value = image.getexif().get(_ORIENTATION_TAG, 1)
    return int(value) if isinstance(value, int) and 1 <= value <= 8 else 1


def _extras(image: Image.Image, file: BinaryIO, orientation: int) -> Extras:
    exif = image.getexif()
    if orientation != 1:
        exif[_ORIENTATION_TAG] = 1
    is_tiff = isinstance(image, TiffImagePlugin.TiffImageFile)
    dpi = image.info.get("dpi")
    xmp = image.info.get("xmp")
    return Extras(
        icc_profile=image.info.get("icc_profile") or None,
        # A TIFF's EXIF block is the file's own directory with offsets in it: only texts travel.
        exif=exif.tobytes() if len(exif) and not is_tiff else None,
        xmp=xmp if isinstance(xmp, bytes) else None,
        dpi=_sound_dpi(dpi),
        tiff_tags=_tiff_texts(cast(TiffImagePlugin.TiffImageFile, image)) if is_tiff else (),
        compression=str(image.info.get("compression", "")) if is_tiff else "",
        lossless=image.format == "WEBP" and _is_lossless_webp(file),
    )


def _sound_dpi(value: Any) -> tuple[float, float] | None:  # noqa: ANN401 - whatever a file holds
    """Scanners write 0/0 for 'unknown'; such a resolution cannot be written again."""
    try:
        dpi = (float(value[0]), float(value[1]))
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None
    return dpi if all(math.isfinite(side) and side > 0 for side in dpi) else None


def _tiff_texts(image: TiffImagePlugin.TiffImageFile) -> tuple[tuple[int, str], ...]:
    values = ((tag, image.tag_v2.get(tag)) for tag in _TIFF_TEXT_TAGS)
    return tuple((tag, value) for tag, value in values if isinstance(value, str) and value)


def _is_lossless_webp(file: BinaryIO) -> bool:
    position = file.tell()
    file.seek(0)
    head = file.read(4096)
    file.seek(position)
    return b"VP8L" in head


def _split_alpha(pixels: Byte) -> tuple[Byte, Byte | None]:
    if pixels.ndim == 2 or pixels.shape[2] == 3:
        return pixels, None
    alpha = np.ascontiguousarray(pixels[..., -1])
    colour = pixels[..., 0] if pixels.shape[2] == 2 else pixels[..., :3]
    return np.ascontiguousarray(colour), alpha
