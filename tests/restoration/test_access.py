"""Access copies: small, sRGB, opaque, and true to the picture's areas."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from restoration import samples, scratch
from restoration.codec import AccessCopies, ColourModel, access_page
from restoration.codec.access import WEB_FORMATS
from restoration.errors import UsageError
from tests.pictures import page_of, written


@pytest.mark.parametrize("text", ["jpeg", "jpeg:", "jpeg:0", "jpeg:-5", "tiff:100", "jpeg:9999999",
                                  "jpeg:1e3", "jpeg: 5", "gif:100", ":100", "jpeg:٣"])  # fmt: skip
def test_what_is_no_access_copy(text: str) -> None:
    with pytest.raises(UsageError, match="--access must be FORMAT:EDGE, such as jpeg:2048"):
        AccessCopies.parse(text)


def test_what_is_one() -> None:
    assert AccessCopies.parse("avif:1600", 70) == AccessCopies("AVIF", 1600, 70)
    with pytest.raises(UsageError, match="--access-quality must be between 1 and 100, not 0"):
        AccessCopies.parse("avif:1600", 0)


@pytest.mark.parametrize("file_format", WEB_FORMATS)
@pytest.mark.parametrize("colour", ColourModel)
@pytest.mark.parametrize("bits", [8, 16])
def test_every_page_becomes_srgb_of_8_bits(
    file_format: str, colour: ColourModel, bits: int
) -> None:
    page = page_of(colour, bits)
    height, width = page.stored.shape[:2]
    small = access_page(page, width // 2)
    data, _ = written([small], file_format, quality=85)
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == file_format
        assert image.size == (width // 2, round(height / 2))
        # AVIF has no gray of its own.
        modes = {"L", "RGB"} if colour is ColourModel.GRAY else {"RGB"}
        assert image.mode in modes
        assert ("icc_profile" in image.info) == (colour is not ColourModel.GRAY)
        shown = np.asarray(image.convert("RGB"), np.float64)
    expected = page.pixels.astype(np.float64) / (257 if page.pixels.dtype == np.uint16 else 1)
    mean = expected.reshape(-1, 3 if expected.ndim == 3 else 1).mean(0)
    assert np.abs(shown.mean((0, 1)) - mean).max() < 2


@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    edge=st.integers(1, 100),
    channels=st.sampled_from([0, 3]),
    kind=st.sampled_from([np.uint8, np.uint16]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_pixels_are_means_over_areas(
    height: int, width: int, edge: int, channels: int, kind: type, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    shape = (height, width, channels) if channels else (height, width)
    pixels = rng.integers(0, np.iinfo(kind).max, shape, kind, endpoint=True)
    colour = ColourModel.RGB if channels else ColourModel.GRAY
    page = replace(page_of(colour, 8), stored=pixels, pixels=pixels, alpha=None)
    small = access_page(page, edge).stored
    assert small.dtype == np.uint8
    assert max(small.shape[:2]) == min(edge, max(height, width))
    full = pixels / (257 if kind is np.uint16 else 1)
    across, down = area_weights(width, small.shape[1]), area_weights(height, small.shape[0])
    expected = np.einsum("ah,hw...,bw->ab...", down, full, across)
    assert np.abs(small - expected).max() < 0.52


def area_weights(length: int, parts: int) -> np.ndarray:
    """(parts, length): how much of each sample lies in each part, over the part's size."""
    edges = np.linspace(0, length, parts + 1)
    starts, ends = edges[:-1, None], edges[1:, None]
    at = np.arange(length)
    overlap = np.clip(np.minimum(ends, at + 1) - np.maximum(starts, at), 0, None)
    return overlap * parts / length


def test_strips_and_files_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 65535, (301, 203, 3), np.uint16)
    alpha = rng.integers(0, 65535, (301, 203), np.uint16)
    page = replace(page_of(ColourModel.RGB, 16), stored=pixels, pixels=pixels, alpha=alpha)
    whole = access_page(page, 77).stored
    monkeypatch.setattr(samples, "_STRIP_ROWS", 7)
    monkeypatch.setattr(scratch, "LARGE_BYTES", 1)
    assert np.array_equal(access_page(page, 77).stored, whole)


def test_what_is_transparent_lies_on_white() -> None:
    page = page_of(ColourModel.RGB, 8, alpha=True)
    assert page.alpha is not None
    clear = replace(page, alpha=np.zeros_like(page.alpha))
    assert (access_page(clear, 10).stored == 255).all()
    assert access_page(clear, 10).alpha is None


def test_the_print_keeps_its_size() -> None:
    page = page_of(ColourModel.GRAY, 8)
    page = replace(page, embedded=replace(page.embedded, dpi=(600.0, 300.0)))
    height, width = page.stored.shape[:2]
    small = access_page(page, max(height, width) // 2)
    assert small.embedded.dpi == pytest.approx((300, 150), rel=0.1)
    assert access_page(page, 10**6).embedded.dpi == (600.0, 300.0)
