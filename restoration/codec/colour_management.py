"""A file's own colours to sRGB, as the networks see them, and back.

To sRGB goes the way of ICC.1:2022 with the perceptual intent: colours that sRGB lacks are fitted
into it rather than cut off, so that a network sees the texture in them. (Profiles that are a matrix
and curves have one way for all intents, and cut off.) Black point compensation is on, since black
is to stay black. None of this reaches the file, because of how the way back is taken:

    out = stored + P(after) − P(before)

with P from sRGB to the file's profile. A pixel that nothing was done to comes back bit for bit,
also outside sRGB and also in its low bits; else the change is added to what was there.

LittleCMS computes, in 16 bits and without its optimisations: with them it samples a profile on a
grid of 33 points and is off by up to 15 (Display P3), 21 (Adobe RGB) or 20 (CMYK) levels of 255,
which is what libvips' `icc_transform` returns for 16 bits too. The price is 0.12-0.27 instead of
0.03-0.06 seconds per megapixel; but RGB profiles that are a matrix and curves, as nearly all are,
take 0.02 (`restoration.codec.matrix_shaper`), within a step or two of 65535 of LittleCMS.

Ink needs more than that. Black may stand for equal parts of the other three, and the file's maker
may have divided a colour otherwise than its profile does: then P changes black where there is none
to take away. So what S, the way to sRGB, makes of the sum is compared with `after`, and what is
missing goes to cyan, magenta and yellow, one against each of red, green and blue, in two rounds.
(Noise of sigma 3 in 255 taken out of a picture without any black leaves a mean ΔE00 of 0.25 so;
without the rounds 1.35.)

Without a profile, gray and RGB are sRGB, CMYK is ink on paper as libvips' own profile describes it
("Chemical proof" by Graeme Gill, public domain), and L*a*b* needs none: it is that of D50.

Nothing here needs torch: it also runs in the process that decodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from restoration import scratch
from restoration.codec.icc import (
    LAB_PROFILE,
    SRGB_PROFILE,
    ProfileError,
    Word,
    built_in,
    misfit,
    transform,
)
from restoration.codec.matrix_shaper import transform_rgb
from restoration.codec.pages import ColourModel
from restoration.colour import is_neutral
from restoration.samples import Samples, eight_bits, full_scale, sample_type, strips

_HALF_STEP: Final = 128
"""Half of a step of 8 bits in 16 bits: what rounding to 8 bits may hide."""
_LATTICE_POINTS: Final = 17
_INK_ROUNDS: Final = 2
"""Each about halves what is missing, and costs as much as showing the page does."""
_LAB_MIDDLE: Final = 0x8080
"""a* = 0 and b* = 0 in 16 bits (ICC.1:2022, 6.3.4.2)."""


def to_srgb(
    stored: Samples, colour: ColourModel, icc_profile: bytes | None
) -> tuple[Samples, tuple[str, ...]]:
    """What the networks are to see of a page.

    Args:
        stored: samples as the file has them, see `Page.stored`; without alpha. Not written to.
        colour: what they mean.
        icc_profile: the embedded profile, or None.

    Returns:
        `stored` itself where it is sRGB to within half a step of 8 bits, else sRGB as uint16,
        (H, W) of gray and (H, W, 3) of others; and notes on what was not done as the file asks.
    """
    route = _route(colour, icc_profile)
    if route.is_identity:
        return stored, route.notes
    axis = _neutral_axis(stored, route)
    shape = stored.shape[:2] if colour is ColourModel.GRAY else (*stored.shape[:2], 3)
    out = scratch.empty(shape, np.uint16)
    for rows in strips(stored):
        strip = stored[rows]
        if axis is None:
            out[rows] = route.to_srgb(_sixteen_bits(strip))
        else:
            gray = axis.to_srgb[_sixteen_bits(_first(strip))]
            out[rows] = gray if out.ndim == 2 else gray[..., None]
        scratch.release(stored, out)
    return out, route.notes


def from_srgb(
    stored: Samples,
    before: Samples,
    after: Samples,
    colour: ColourModel,
    icc_profile: bytes | None,
) -> Samples:
    """The restored page in the file's own colours and depth.

    Args:
        stored: samples as the file has them; not written to.
        before: what `to_srgb` made of them.
        after: what was made of `before`; of its shape.
        colour: what `stored` means.
        icc_profile: the embedded profile, or None.

    Returns:
        An array of `stored`'s shape and type: `stored` plus the change, clipped to its range;
        where `stored` is sRGB, `after`, rounded to its type.
    """
    route = _route(colour, icc_profile)
    if route.is_identity:
        return eight_bits(after) if stored.dtype == np.uint8 else _sixteen_bits(after)
    axis = _neutral_axis(stored, route)
    out = scratch.empty(stored.shape, sample_type(stored))
    for rows in strips(stored):
        old, new = _sixteen_bits(before[rows]), _sixteen_bits(after[rows])
        if np.array_equal(old, new):
            out[rows] = stored[rows]
        elif axis is None:
            out[rows] = route.changed(stored[rows], old, new)
        else:
            change = axis.from_srgb[_middle(new)].astype(np.int32) - axis.from_srgb[_middle(old)]
            out[rows] = stored[rows]
            if colour is ColourModel.LAB:
                out[rows, :, 0] = _moved(stored[rows, :, 0], change)
            else:
                out[rows] = _moved(stored[rows], change if stored.ndim == 2 else change[..., None])
        scratch.release(stored, before, after, out)
    return out


@dataclass(frozen=True)
class _NeutralAxis:
    """The way of gray samples, a table of 65536 each.

    Pictures that are gray all over take it, so that equal channels stay equal: three channels
    that are rounded one by one would not.
    """

    to_srgb: Word
    from_srgb: Word


@dataclass(frozen=True)
class _Route:
    """How samples become sRGB and come back.

    Attributes:
        colour: of the samples.
        profile: of the samples, or None where they are sRGB.
        notes: on what was not done as the file asks.
    """

    colour: ColourModel
    profile: bytes | None
    notes: tuple[str, ...] = ()

    @property
    def is_identity(self) -> bool:
        """Whether there is nothing to do."""
        return self.profile is None

    def to_srgb(self, samples: Word) -> Word:
        """Transform (..., C), or (...) of gray, to (..., 3)."""
        assert self.profile is not None
        if self.colour is ColourModel.RGB:
            return transform_rgb(samples, self.profile, SRGB_PROFILE)
        return transform(samples, self.colour, self.profile, ColourModel.RGB, SRGB_PROFILE)

    def from_srgb(self, samples: Word) -> Word:
        """Transform (..., 3) to (..., C), or (...) of gray."""
        assert self.profile is not None
        if self.colour is ColourModel.RGB:
            return transform_rgb(samples, SRGB_PROFILE, self.profile)
        return transform(samples, ColourModel.RGB, SRGB_PROFILE, self.colour, self.profile)

    def changed(self, stored: Samples, before: Word, after: Word) -> NDArray[np.int32]:
        """Stored samples (..., C) and the change, as `from_srgb` documents it, in their units."""
        change = self.from_srgb(after).astype(np.int32) - self.from_srgb(before)
        if self.colour is not ColourModel.CMYK:
            return _moved(stored, change)
        moved = _moved(_sixteen_bits(stored), change)
        is_changed = (before != after).any(-1, keepdims=True)
        for _ in range(_INK_ROUNDS):
            error = after.astype(np.int32) - self.to_srgb(moved.astype(np.uint16))
            moved[..., :3] = np.clip(moved[..., :3] - error * is_changed, 0, 65535)
        return _moved(np.zeros_like(stored), moved)

    @cached_property
    def neutral_axis(self) -> _NeutralAxis | None:
        """None where equal amounts are no gray: of ink, and of odd profiles."""
        if self.colour is ColourModel.CMYK:
            return None
        ramp = np.arange(1 << 16, dtype=np.uint16)
        triple = np.repeat(ramp[:, None], 3, axis=1)
        device = ramp if self.colour is ColourModel.GRAY else triple.copy()
        if self.colour is ColourModel.LAB:
            device[:, 1:] = _LAB_MIDDLE
        shown = self.to_srgb(device)
        if np.ptp(shown.astype(np.int32), axis=-1).max() > _HALF_STEP:
            return None
        back = self.from_srgb(triple)
        channel = 0 if self.colour is ColourModel.LAB else 1
        return _NeutralAxis(
            np.ascontiguousarray(shown[:, 1]),
            np.ascontiguousarray(back if back.ndim == 1 else back[:, channel]),
        )


@lru_cache(maxsize=8)
def _route(colour: ColourModel, icc_profile: bytes | None) -> _Route:
    notes: list[str] = []
    if icc_profile is not None:
        problem = misfit(icc_profile, colour)
        if not problem and colour is not ColourModel.LAB:
            route = _Route(colour, icc_profile)
            try:
                if _is_srgb(route):
                    return _Route(colour, None)
                if colour is not ColourModel.GRAY or route.neutral_axis is not None:
                    return route
                problem = "its grays have a tint"
            except (ProfileError, ValueError) as error:
                problem = f"it cannot be used both ways ({error})"
        if problem:
            notes.append(f"the embedded ICC profile is ignored: {problem}")
    if colour is ColourModel.CMYK:
        notes.append("CMYK without a profile is taken for libvips' built-in CMYK")
        return _Route(colour, built_in("cmyk"), tuple(notes))
    if colour is ColourModel.LAB:
        return _Route(colour, LAB_PROFILE, tuple(notes))
    return _Route(colour, None, tuple(notes))


def _is_srgb(route: _Route) -> bool:
    """Whether a route's profile is sRGB in effect, on a lattice of colours.

    Raises:
        CmsError: it cannot be used one way or the other.
    """
    ramp = np.linspace(0, 65535, 1024).round().astype(np.uint16)
    if route.colour is ColourModel.GRAY:
        device = ramp
    else:
        points = np.linspace(0, 65535, _LATTICE_POINTS).round().astype(np.uint16)
        channels = route.colour.channels
        grid = np.meshgrid(*[points] * min(channels, 3), *[points[::8]] * (channels - 3))
        device = np.stack([plane.ravel() for plane in grid], axis=-1)
    shown = route.to_srgb(device)
    route.from_srgb(shown)
    if route.colour is ColourModel.CMYK:
        return False
    same = np.repeat(ramp[:, None], 3, axis=1) if route.colour is ColourModel.GRAY else device
    return bool(np.abs(shown.astype(np.int32) - same).max() <= _HALF_STEP)


def _neutral_axis(stored: Samples, route: _Route) -> _NeutralAxis | None:
    """The tables of a picture that is gray all over, else None."""
    if route.colour is ColourModel.CMYK:
        return None
    if route.colour is ColourModel.RGB and not is_neutral(stored):
        return None
    if route.colour is ColourModel.LAB:
        middle = _LAB_MIDDLE if stored.dtype == np.uint16 else _LAB_MIDDLE // 257
        if not all(bool((stored[rows, :, 1:] == middle).all()) for rows in strips(stored)):
            return None
    return route.neutral_axis


def _first(samples: Samples) -> Samples:
    return samples if samples.ndim == 2 else samples[..., 0]


def _middle(samples: Word) -> Word:
    return samples if samples.ndim == 2 else samples[..., 1]


def _sixteen_bits(samples: Samples) -> Word:
    """Uint8 samples as uint16, 255 becoming 65535; uint16 as they are."""
    if samples.dtype == np.uint16:
        return samples.view(np.uint16)
    out = scratch.empty(samples.shape, np.uint16)
    for rows in strips(samples):
        np.multiply(samples[rows], np.uint16(257), out=out[rows], dtype=np.uint16)
        scratch.release(samples, out)
    return out


def _moved(stored: Samples, change: NDArray[np.int32]) -> NDArray[np.int32]:
    """Add a change in 16-bit units, clip, and round to the type of `stored`."""
    unit = 65535 // full_scale(stored.dtype)
    moved: NDArray[np.int32] = np.clip(stored.astype(np.int32) * unit + change, 0, 65535)
    return (moved + unit // 2) // unit
