from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from restoration.codec.metadata import exif
from restoration.codec.metadata.limits import DamagedMetadata
from tests.restoration.metadata_files import MAKER_NOTE, exif_block

ORDERS = st.sampled_from(["<", ">"])


def opened(block: bytes) -> Image.Exif:
    found = Image.Exif()
    found.load(exif.PREFIX + block)
    return found


def changed(before: bytes, after: bytes) -> set[int]:
    assert len(before) == len(after)
    return {i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b}


@settings(max_examples=60, deadline=None)
@given(
    order=ORDERS,
    value=st.integers(1, 8),
    note=st.binary(min_size=5, max_size=300),
    thumbnail=st.binary(max_size=100),
)
def test_upright_changes_the_orientation_and_unhooks_the_thumbnail_and_nothing_else(
    order: str, value: int, note: bytes, thumbnail: bytes
) -> None:
    block = exif_block(order, orientation=value, maker_note=note, thumbnail=thumbnail)
    assert exif.orientation(block) == value
    fixed = exif.upright(block)
    assert exif.orientation(fixed) == 1
    # At most one byte of each orientation, and the four of the second directory's offset.
    assert len(changed(block, fixed)) <= 2 + 4
    found = opened(fixed)
    assert found[0x0112] == 1
    assert found.get_ifd(0x8769)[37500] == note
    assert not found.get_ifd(ExifTags.IFD.IFD1)


def test_the_thumbnail_stays_where_it_is_wanted() -> None:
    block = exif_block(orientation=8, thumbnail=b"small picture")
    fixed = opened(exif.upright(block, drop_thumbnail=False))
    assert fixed.get_ifd(ExifTags.IFD.IFD1)[0x0201] == b"small picture"
    assert fixed.get_ifd(ExifTags.IFD.IFD1)[0x0112] == 1


@given(order=ORDERS, value=st.integers(0, 65_535).filter(lambda v: not 1 <= v <= 8))
def test_nonsense_is_upright(order: str, value: int) -> None:
    assert exif.orientation(exif_block(order, orientation=value)) == 1


def test_an_orientation_of_32_bits_is_read_and_set() -> None:
    for order in "<>":
        entry = struct.pack(order + "HHII", 0x0112, 4, 1, 6)
        head = struct.pack(order + "2sHIH", b"II" if order == "<" else b"MM", 42, 8, 1)
        block = head + entry + bytes(4)
        assert exif.orientation(block) == 6
        assert opened(exif.upright(block))[0x0112] == 1


@given(order=ORDERS, width=st.integers(1, 1 << 31), height=st.integers(1, 1 << 31))
def test_dimensions_are_set_in_place(order: str, width: int, height: int) -> None:
    block = exif_block(order)
    found = opened(exif.with_dimensions(block, width, height)).get_ifd(0x8769)
    assert (found[0xA002], found[0xA003]) == (width, height)
    assert found[37500] == MAKER_NOTE


def test_a_block_cut_off_within_its_first_directory_is_still_put_upright() -> None:
    block = exif_block()[:60]  # make, orientation, and part of the resolution
    assert exif.orientation(exif.upright(block)) == 1
    assert exif.upright(block)[:20] == block[:20]


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"no TIFF structure at all",
        b"II*\0\xff\xff\xff\xff",
        b"II*\0\x04\0\0\0" + bytes(20),
        b"MM\0*\0\0\0\x08",
    ],
)
def test_a_block_without_a_directory_is_refused_and_upright(block: bytes) -> None:
    assert exif.orientation(block) == 1
    with pytest.raises(DamagedMetadata):
        exif.upright(block)


def test_directories_that_point_to_themselves_end() -> None:
    entry = struct.pack("<HHII", 0x8769, 4, 1, 8)
    block = struct.pack("<2sHIH", b"II", 42, 8, 1) + entry + struct.pack("<I", 8)
    assert len(exif.upright(block)) == len(block)
    directory, _, _ = exif.tree(block)
    assert directory.child(0x8769) is not None


@settings(max_examples=300, deadline=None)
@given(data=st.data(), order=ORDERS)
def test_damage_raises_nothing_but_our_own(data: st.DataObject, order: str) -> None:
    block = bytearray(exif_block(order, thumbnail=b"small picture"))
    for _ in range(data.draw(st.integers(1, 6))):
        block[data.draw(st.integers(0, len(block) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(block[: data.draw(st.integers(0, len(block)))])
    assert 1 <= exif.orientation(damaged) <= 8
    exif.resolution(damaged)
    exif.fitted(damaged, 100)
    for change in (exif.upright, lambda b: exif.with_dimensions(b, 7, 9)):
        with contextlib.suppress(DamagedMetadata):
            assert len(change(damaged)) == len(damaged)


def test_a_block_that_is_too_long_loses_its_largest_values_and_says_which() -> None:
    block = exif_block(maker_note=bytes(70_000), thumbnail=bytes(100))
    fitted, notes = exif.fitted(block, 65_000)
    assert fitted is not None
    assert len(fitted) < 1000
    assert opened(fitted)[271] == "Foocam"
    assert opened(fitted).get_ifd(0x8769) == {0xA002: 31, 0xA003: 20}
    assert notes == ("EXIF tag 37500 (70000 bytes) does not fit and was left out",)
    assert exif.fitted(block, len(block)) == (block, ())


@given(st.floats(1, 20_000), st.floats(1, 20_000))
def test_a_minimal_block_holds_the_resolution(across: float, down: float) -> None:
    found = exif.resolution(exif.minimal((across, down)))
    assert found == pytest.approx((across, down), rel=1e-3)
    assert float(opened(exif.minimal((across, down)))[282]) == pytest.approx(across, rel=1e-3)


@pytest.mark.parametrize(("unit", "expected"), [(1, None), (2, 300.0), (3, 762.0)])
def test_resolution_in_inches_centimetres_and_no_unit(unit: int, expected: float | None) -> None:
    block = exif_block()
    assert block.count(struct.pack("<HHIH", 296, 3, 1, 2)) == 1
    found = exif.resolution(
        block.replace(struct.pack("<HHIH", 296, 3, 1, 2), struct.pack("<HHIH", 296, 3, 1, unit))
    )
    assert found == (None if expected is None else pytest.approx((expected, expected)))


def test_a_resolution_in_whole_numbers_is_read() -> None:
    ratio = struct.pack("<HHI", 282, 5, 1)
    block = exif_block()
    at = block.index(ratio)
    block = block[:at] + struct.pack("<HHII", 282, 4, 1, 72) + block[at + 12 :]
    assert exif.resolution(block) == (72, 300)
