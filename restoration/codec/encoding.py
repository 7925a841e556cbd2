"""Pixels to image files, with the profile, EXIF and resolution of the photo they came from."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image

from restoration.codec.photo import Byte, Extras, Photo
from restoration.errors import EncodeError


def encode(photo: Photo, pixels: Byte, *, file_format: str | None = None) -> bytes:
    """Encode `pixels` in the photo's own format, with its profile, EXIF and resolution.

    Args:
        photo: where the pixels came from.
        pixels: (H, W) or (H, W, 3) uint8.
        file_format: another format than the source's.

    Raises:
        EncodeError: the encoder refused.
    """
    target = file_format or photo.format
    extras = photo.extras
    image = Image.fromarray(_join_alpha(pixels, extras.alpha))
    if target == "JPEG" and image.mode in ("LA", "RGBA"):
        raise EncodeError("JPEG holds no transparency; choose PNG, TIFF or WebP")
    buffer = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image.save(buffer, format=target, **_save_options(target, extras, image.mode))
    except MemoryError:
        raise
    except Exception as error:  # encoders raise OSError, ValueError, struct.error...
        raise EncodeError(f"the {target} encoder failed: {error}") from error
    return buffer.getvalue()


def _join_alpha(pixels: Byte, alpha: Byte | None) -> Byte:
    return pixels if alpha is None else np.dstack([pixels, alpha])


def _save_options(file_format: str, extras: Extras, mode: str) -> dict[str, object]:
    options: dict[str, object] = {}
    if extras.icc_profile and _fits(extras.icc_profile, mode):
        options["icc_profile"] = extras.icc_profile
    if extras.dpi and file_format != "WEBP":
        options["dpi"] = extras.dpi
    if extras.exif and file_format != "TIFF":
        options["exif"] = extras.exif
    if extras.xmp and file_format in ("JPEG", "WEBP"):
        options["xmp"] = extras.xmp
    if file_format == "JPEG":
        # 4:4:4 at 95: a restored photo must not get new blocks or coarser chroma than it had.
        options |= {"quality": 95, "subsampling": 0, "optimize": True}
    elif file_format == "WEBP":
        options |= {"lossless": True} if extras.lossless else {"quality": 95}
    elif file_format == "TIFF":
        options |= _tiff_options(extras)
    return options


def _fits(profile: bytes, mode: str) -> bool:
    """Whether a profile's colour space (ICC.1:2022, header bytes 16-19) is that of the pixels.

    A gray scan's profile would make its colorized RGB interpretation an invalid file.
    """
    return profile[16:20] == (b"GRAY" if mode in ("L", "LA") else b"RGB ")


def _tiff_options(extras: Extras) -> dict[str, object]:
    # JPEG inside TIFF would add a second loss: such a source becomes Deflate.
    lossless = ("raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits")
    same = extras.compression if extras.compression in lossless else "tiff_adobe_deflate"
    options: dict[str, object] = {"compression": same}
    if extras.tiff_tags:
        options["tiffinfo"] = dict(extras.tiff_tags)
    return options
