"""Pages made to fit a format, with a note of everything that it cannot hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from restoration import scratch
from restoration.codec.colour_management import from_srgb
from restoration.codec.formats import Format
from restoration.codec.icc import SRGB_PROFILE
from restoration.codec.pages import ColourModel, Page
from restoration.codec.reading import narrowed
from restoration.samples import Samples, eight_bits, full_scale

_STRIP_ROWS: Final = 512
_WHOLE_BYTES: Final = frozenset({"PNG", "TIFF"})
"""Formats that are written with 8 or 16 bits and nothing between; JPEG 2000 has any number."""


def restored_page(page: Page, after: Samples | None) -> Page:
    """A page with restored pixels, in the file's own colours and depth.

    Args:
        page: as decoded.
        after: what became of `page.pixels`, of the same shape; None where nothing changed.
    """
    if after is None:
        return page
    stored = from_srgb(page.stored, page.pixels, after, page.colour, page.icc_profile)
    return replace(page, stored=stored, pixels=after)


def colorized_page(page: Page, colorized: Samples) -> Page:
    """A colorized interpretation of a page: sRGB, whatever the page's own colours are.

    Args:
        page: as decoded.
        colorized: (H, W, 3) sRGB.
    """
    if page.bits <= 8:  # seen in 16 for its profile alone
        colorized = eight_bits(colorized)
    return replace(
        page,
        stored=colorized,
        pixels=colorized,
        colour=ColourModel.RGB,
        bits=8 if colorized.dtype == np.uint8 else max(page.bits, 9),
        alpha=_as_deep(page.alpha, colorized),
        embedded=replace(page.embedded, icc_profile=SRGB_PROFILE, png_colour=()),
    )


def fitted(page: Page, target: Format) -> tuple[Page, tuple[str, ...]]:
    """A page as a format can hold it.

    Returns:
        The page, and one line for everything that it lost.
    """
    notes = _unplaced_colour(page, target)
    if page.colour not in target.colours:
        notes.append(f"{page.colour} became sRGB: {target.name} holds no {page.colour}")
        page = _as_srgb(page)
    if page.alpha is not None and not target.alpha:
        if not _is_opaque(page.alpha):
            notes.append(f"transparency is laid on white: {target.name} holds none")
        page = replace(page, stored=_on_white(page), alpha=None)
    if page.bits > target.bits:
        notes.append(f"{page.bits} bits became {target.bits}: {target.name} holds no more")
        page = _of_fewer_bits(page, target.bits)
    elif 8 < page.bits < 16 and target.name in _WHOLE_BYTES:
        notes.append(f"{page.bits} bits became 16: a {target.name} is written with 8 or 16")
        page = replace(page, bits=16)
    elif page.bits < 8 and not (page.bits == 1 and target.pages):
        notes.append(f"{page.bits} bits became 8, which restored tones need")
        page = replace(page, bits=8)
    return page, tuple(notes)


def _unplaced_colour(page: Page, target: Format) -> list[str]:
    """A note on what a PNG says about its colours where the output cannot say it.

    Neither sRGB's own chunk, beside which the others only repeat it, nor a profile need one.
    """
    kinds = dict(page.embedded.png_colour)
    if not kinds or b"sRGB" in kinds or target.name == "PNG" or page.icc_profile is not None:
        return []
    names = ", ".join(kind.decode("ascii") for kind in kinds)
    return [f"PNG's own colour description ({names}) has no place in {target.name}"]


def _as_srgb(page: Page) -> Page:
    pixels = eight_bits(page.pixels) if page.bits <= 8 else page.pixels
    return replace(
        page,
        stored=pixels,
        colour=ColourModel.GRAY if pixels.ndim == 2 else ColourModel.RGB,
        bits=8 if pixels.dtype == np.uint8 else 16,
        alpha=_as_deep(page.alpha, pixels),
        embedded=replace(
            page.embedded,
            icc_profile=SRGB_PROFILE if pixels.ndim == 3 else None,
            png_colour=(),
        ),
    )


def _as_deep(alpha: Samples | None, samples: Samples) -> Samples | None:
    """Opacity in the type of the samples beside it."""
    if alpha is None or alpha.dtype == samples.dtype:
        return alpha
    if samples.dtype == np.uint16:
        return alpha.astype(np.uint16) * np.uint16(257)
    return eight_bits(alpha)


def _of_fewer_bits(page: Page, bits: int) -> Page:
    if bits > 8:
        return replace(page, bits=bits, stored=narrowed_to(page.stored, bits))
    alpha = None if page.alpha is None else eight_bits(page.alpha)
    return replace(page, bits=8, stored=eight_bits(page.stored), alpha=alpha)


def narrowed_to(samples: Samples, bits: int) -> Samples:
    """uint16 samples rounded to so many bits, and spread over the whole range again."""
    steps = narrowed(samples, bits)
    return (steps << np.uint16(16 - bits)) | (steps >> np.uint16(2 * bits - 16))


def _is_opaque(alpha: Samples) -> bool:
    return bool(alpha.min() == np.iinfo(alpha.dtype).max)


def _on_white(page: Page) -> Samples:
    """Samples laid over white by their opacity; ink models have their white at 0."""
    stored, alpha = page.stored, page.alpha
    assert alpha is not None
    is_ink = page.colour is ColourModel.CMYK
    out = scratch.empty(stored.shape, stored.dtype.type)
    for top in range(0, len(stored), _STRIP_ROWS):
        rows = slice(top, top + _STRIP_ROWS)
        out[rows] = laid_on_white(stored[rows], alpha[rows], is_ink=is_ink)
    return out


def laid_on_white(samples: Samples, alpha: Samples, *, is_ink: bool = False) -> Samples:
    """Samples over white by their opacity: rows of a picture, since they are floats meanwhile.

    Args:
        samples: (H, W) or (H, W, C).
        alpha: (H, W), uint8 or uint16.
        is_ink: whether white is 0 and not the largest sample.

    Returns:
        An array of the samples' shape and type.
    """
    white = np.float32(0 if is_ink else full_scale(samples.dtype))
    share = alpha.astype(np.float32) / np.float32(full_scale(alpha.dtype))
    share = share if samples.ndim == 2 else share[..., None]
    return np.rint(white + share * (samples - white)).astype(samples.dtype)
