"""ICC profiles: which fit a page, those that come along, and the engine (LittleCMS)."""

from __future__ import annotations

from typing import Final

import imagecodecs
import numpy as np
import pyvips
from numpy.typing import NDArray

from restoration.codec.pages import ColourModel

Word = NDArray[np.uint16]
ProfileError = imagecodecs.CmsError
"""A profile that LittleCMS cannot read or use."""

_PERCEPTUAL: Final = imagecodecs.CMS.INTENT.PERCEPTUAL
_FLAGS: Final = imagecodecs.CMS.FLAGS.NOOPTIMIZE | imagecodecs.CMS.FLAGS.BLACKPOINTCOMPENSATION
_SMALLEST_PROFILE: Final = 132
"""A header and the number of tags (ICC.1:2022, 7.2)."""
_DEVICE_CLASSES: Final = (b"scnr", b"mntr", b"prtr", b"spac")
"""Links between devices, abstract profiles and named colours say nothing about one picture."""
_SPACES: Final = {
    ColourModel.GRAY: b"GRAY",
    ColourModel.RGB: b"RGB ",
    ColourModel.CMYK: b"CMYK",
    ColourModel.LAB: b"Lab ",
}


def built_in(name: str) -> bytes:
    """A profile that libvips carries: srgb, p3 or cmyk."""
    return bytes(pyvips.Operation.call("profile_load", name))


SRGB_PROFILE: Final = built_in("srgb")
"""sRGB (IEC 61966-2-1), ICC version 4, 480 bytes: a Compact ICC Profile by Clinton Ingram, CC0."""

LAB_PROFILE: Final = imagecodecs.cms_profile("lab4")
"""CIE L*a*b* of D50 in ICC version 4's encoding; never embedded, for it bears today's date."""


_XYZ_PROFILE: Final = imagecodecs.cms_profile("xyz")


def fits(icc_profile: bytes, colour: ColourModel) -> bool:
    """Whether a profile's header is that of a device with such samples.

    One that does not fit must not be embedded again: readers would misread the file.
    """
    return misfit(icc_profile, colour) == ""


def misfit(icc_profile: bytes, colour: ColourModel) -> str:
    """What the header (ICC.1:2022, 7.2) says against using a profile, or nothing."""
    if len(icc_profile) < _SMALLEST_PROFILE or icc_profile[36:40] != b"acsp":
        return "it is not an ICC profile"
    if icc_profile[12:16] not in _DEVICE_CLASSES:
        return f"its class is {_word(icc_profile[12:16])}, not a device's"
    if icc_profile[16:20] != _SPACES[colour]:
        return f"it is for {_word(icc_profile[16:20])} samples, the page's are {colour}"
    return ""


def _word(signature: bytes) -> str:
    return ascii(signature.decode("latin-1").strip())


def transform(
    samples: Word, source: ColourModel, profile: bytes, target: ColourModel, out_profile: bytes
) -> Word:
    """Run LittleCMS, perceptually, over samples.

    Args:
        samples: (..., C) uint16, or (...) of gray.
        source: what they are.
        profile: theirs.
        target: what is wanted.
        out_profile: of that.

    Returns:
        (..., C) uint16, or (...) of gray.

    Raises:
        ProfileError: a profile cannot be read, is for other samples or has no such way.
    """
    gray_in, gray_out = source is ColourModel.GRAY, target is ColourModel.GRAY
    shape = samples.shape if gray_in else samples.shape[:-1]
    rows = samples.reshape((1, -1) if gray_in else (1, -1, samples.shape[-1]))
    out = imagecodecs.cms_transform(
        np.ascontiguousarray(rows),
        profile,
        out_profile,
        colorspace=source.value,
        planar=False,
        outcolorspace=target.value,
        outplanar=False,
        outdtype=np.uint16,
        intent=_PERCEPTUAL,
        flags=_FLAGS,
    )
    result: Word = out.reshape(shape if gray_out else (*shape, target.channels))
    return result


def linear_light(samples: Word, profile: bytes) -> NDArray[np.float64]:
    """CIE XYZ, relative colorimetric, of (..., 3) RGB samples; (..., 3), in float32's precision.

    Raises:
        ProfileError: the profile cannot be read or is for other samples.
    """
    out = imagecodecs.cms_transform(
        np.ascontiguousarray(samples.reshape(1, -1, 3)),
        profile,
        _XYZ_PROFILE,
        colorspace="rgb",
        planar=False,
        outcolorspace="xyz",
        outplanar=False,
        outdtype=np.float32,
        intent=imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC,
        flags=imagecodecs.CMS.FLAGS.NOOPTIMIZE,
    )
    return np.asarray(out, np.float64).reshape(samples.shape)
