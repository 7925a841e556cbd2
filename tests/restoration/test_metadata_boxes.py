"""What is peculiar to WebP and JPEG 2000 files."""

from __future__ import annotations

import io
import struct
from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from restoration.codec.metadata import jp2, webp
from restoration.codec.metadata.limits import DamagedMetadata
from restoration.codec.metadata.model import Embedded, Metadata
from tests.restoration.metadata_files import (
    FULL,
    ICC,
    IPTC,
    PICTURE,
    encoded,
    exif_block,
    inserted,
    read,
)


def webp_file(*, lossless: bool, alpha: bool) -> bytes:
    picture = np.dstack([PICTURE, PICTURE[..., 0]]) if alpha else PICTURE
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "WEBP", lossless=lossless, exact=True)
    return buffer.getvalue()


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
def test_webp_of_every_kind_keeps_its_pixels_and_size(lossless: bool, alpha: bool) -> None:
    before = webp_file(lossless=lossless, alpha=alpha)
    data, _ = inserted("WEBP", FULL, before)
    assert data[12:16] == b"VP8X"
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    assert bool(data[20] & 0x10) == alpha
    with Image.open(io.BytesIO(before)) as expected, Image.open(io.BytesIO(data)) as found:
        assert found.size == (31, 20)
        assert found.mode == expected.mode
        assert np.array_equal(np.asarray(found), np.asarray(expected))


def test_webp_without_metadata_needs_no_extended_head() -> None:
    before = webp_file(lossless=True, alpha=False)
    assert inserted("WEBP", Embedded(), before)[0] == before


def test_webp_says_where_a_resolution_has_no_place() -> None:
    assert read("WEBP", inserted("WEBP", Embedded(dpi=(240.0, 240.0)))[0]).dpi == (240.0, 240.0)
    block = exif_block().replace(struct.pack("<HH", 282, 5), struct.pack("<HH", 282, 7))
    _, notes = inserted("WEBP", Embedded(Metadata(exif=block), dpi=(240.0, 240.0)))
    assert "resolution" in notes[0]


def test_other_webp_chunks_are_named() -> None:
    data = encoded("WEBP")
    extra = data + b"C2PA" + struct.pack("<I", 3) + b"xyz\0"
    extra = extra[:4] + struct.pack("<I", len(extra) - 8) + extra[8:]
    assert read("WEBP", extra).metadata.notes == ("WebP chunk 'C2PA' (3 bytes): left out",)
    assert b"C2PA" not in inserted("WEBP", FULL, extra)[0]


def test_a_webp_whose_picture_is_damaged_takes_no_metadata() -> None:
    data = bytearray(encoded("WEBP"))
    data[23:26] = b"???"  # the start code of the key frame
    with pytest.raises(DamagedMetadata, match="damaged"):
        webp.insert(io.BytesIO(data), io.BytesIO(), FULL)


def test_a_bare_codestream_has_no_metadata_and_takes_none() -> None:
    bare = bytes(imagecodecs.jpeg2k_encode(PICTURE, codecformat="j2k"))
    assert read("JPEG2000", bare) == Embedded()
    data, notes = inserted("JPEG2000", FULL, bare)
    assert data == bare
    assert "codestream" in notes[0]


@given(st.floats(0.01, 30_000), st.floats(0.01, 30_000))
def test_jp2_keeps_any_resolution(across: float, down: float) -> None:
    file = inserted("JPEG2000", Embedded(dpi=(across, down)), JP2)[0]
    assert read("JPEG2000", file).dpi == pytest.approx((across, down), rel=1e-4)


JP2 = encoded("JPEG2000")


def test_a_jp2s_profile_replaces_what_it_says_of_colour() -> None:
    once, _ = inserted("JPEG2000", FULL)
    assert once.count(b"colr") == 1
    twice, _ = inserted("JPEG2000", replace(FULL, icc_profile=ICC + b"x"), once)
    assert twice.count(b"colr") == 1
    assert read("JPEG2000", twice).icc_profile == ICC + b"x"


def test_a_jp2_with_long_and_open_boxes() -> None:
    data, _ = inserted("JPEG2000", Embedded())
    start = data.index(b"jp2c") - 4
    size = len(data) - start
    for head in (
        struct.pack(">I4s", 0, b"jp2c"),
        struct.pack(">I4sQ", 1, b"jp2c", size + 8),
    ):
        file = data[:start] + head + data[start + 8 :]
        again, _ = inserted("JPEG2000", FULL, file)
        assert read("JPEG2000", again).metadata.exif == FULL.metadata.exif
        assert np.array_equal(imagecodecs.jpeg2k_decode(again), PICTURE)


def test_other_jp2_boxes_are_named() -> None:
    boxes = struct.pack(">I4s", 11, b"xml ") + b"<a>"
    boxes += struct.pack(">I4s", 24, b"uuid") + bytes(range(16))
    found = read("JPEG2000", JP2[:12] + boxes + JP2[12:])
    assert ["xml" in found.metadata.notes[0], "0001" in found.metadata.notes[1]] == [True, True]


def test_iptc_within_photoshops_box() -> None:
    block = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC
    box = b"uuid" + bytes.fromhex("2c4c0100850440b9a03e562148d6dfeb") + block
    file = JP2[:12] + struct.pack(">I", len(box) + 4) + box + JP2[12:]
    assert jp2.read(io.BytesIO(file)).metadata == Metadata(iptc=IPTC)
