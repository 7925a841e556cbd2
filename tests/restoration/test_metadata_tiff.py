from __future__ import annotations

import functools
import io
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from restoration.codec.metadata import exif, tiff
from restoration.codec.metadata.ifd import read_header, read_raw
from restoration.codec.metadata.limits import Budget, DamagedMetadata
from restoration.codec.metadata.model import Metadata
from restoration.errors import RestorationError, TooLarge
from tests.restoration.metadata_files import (
    COPYRIGHT_FLAG,
    FULL,
    ICC,
    IPTC,
    MAKER_NOTE,
    PICTURE,
    XMP,
    exif_block,
    inserted,
    read,
)

LAYOUTS = [("<", False), (">", False), ("<", True), (">", True)]
METADATA = replace(FULL.metadata, texts=())


def plain(order: str = "<", big: bool = False, *, pages: int = 1, **options: Any) -> io.BytesIO:
    """A TIFF file without metadata, of 16 bits."""
    buffer = io.BytesIO()
    options.setdefault("metadata", None)
    options.setdefault("software", False)
    options.setdefault("resolution", (300, 300))
    with tifffile.TiffWriter(buffer, bigtiff=big, byteorder=order) as writer:
        for number in range(pages):
            picture = (PICTURE.astype(np.uint16) * 257) ^ number
            writer.write(picture, photometric="rgb", resolutionunit=2, iccprofile=ICC, **options)
    return buffer


@pytest.mark.parametrize(("order", "big"), LAYOUTS)
@pytest.mark.parametrize("block_order", "<>")
def test_what_is_written_is_read(order: str, big: bool, block_order: str) -> None:
    file = plain(order, big, pages=3, compression="zlib")
    metadata = replace(METADATA, exif=exif_block(block_order))
    other = Metadata(xmp=b"<other/>")
    said = tiff.insert(file, [metadata, other])
    assert [len(notes) for notes in said] == [1, 0]  # the maker note moved
    first, second, third = tiff.read_pages(file)
    assert (first.metadata.xmp, first.metadata.iptc) == (XMP, IPTC)
    assert (first.metadata.photoshop, first.icc_profile) == (COPYRIGHT_FLAG, ICC)
    assert first.dpi == (300, 300)
    assert second.metadata == other
    assert third.metadata == Metadata()
    assert tiff.read(file, 1) == second
    again, _, notes = exif.tree(first.metadata.exif or b"")
    assert notes == ()
    child = again.child(0x8769)
    assert child is not None
    assert child.find(37500).data == MAKER_NOTE  # type: ignore[union-attr]
    with tifffile.TiffFile(io.BytesIO(file.getvalue())) as found:
        assert len(found.pages) == 3
        for number, page in enumerate(found.pages):
            assert np.array_equal(page.asarray(), (PICTURE.astype(np.uint16) * 257) ^ number)
        tags = found.pages[0].tags  # type: ignore[union-attr]
        assert tags[34665].value["MakerNote"] == MAKER_NOTE
        assert tags[34853].value["GPSLatitude"] == (48, 1, 12, 1, 3, 1)
        assert tags[271].value == "Foocam"


@pytest.mark.parametrize(("order", "big"), LAYOUTS[:3])  # Pillow opens no big-endian BigTIFF
def test_pillow_reads_them(order: str, big: bool) -> None:
    file = plain(order, big, pages=2)
    tiff.insert(file, [Metadata(), METADATA])
    with Image.open(file) as image:
        image.seek(1)
        assert image.info["dpi"] == (300, 300)
        assert image.info["icc_profile"] == ICC
        assert image.info["xmp"] == XMP
        found = image.getexif()
        assert 0x0112 not in image.tag_v2  # type: ignore[attr-defined]
        assert found.get_ifd(0x8769) == {0xA002: 31, 0xA003: 20, 37500: MAKER_NOTE}
        assert found.get_ifd(0x8825) == {1: "N", 2: (48.0, 12.0, 3.0)}


@pytest.mark.parametrize(("order", "big"), LAYOUTS)
def test_libvips_reads_them(order: str, big: bool) -> None:
    file = plain(order, big, pages=2)
    tiff.insert(file, [METADATA, METADATA])
    for page in range(2):
        image = pyvips.Image.new_from_buffer(file.getvalue(), "", page=page, fail_on="warning")
        assert np.array_equal(image.numpy(), (PICTURE.astype(np.uint16) * 257) ^ page)
        assert image.get("icc-profile-data") == ICC
        assert image.get("xmp-data") == XMP
        assert image.get("iptc-data") == IPTC
        assert image.get("photoshop-data") == COPYRIGHT_FLAG
        assert image.xres * 25.4 == pytest.approx(300)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_exiftool_reads_them(tmp_path: Path) -> None:
    for order in "<>":
        file = plain(order)
        tiff.insert(file, [METADATA])
        path = tmp_path / "photo.tif"
        path.write_bytes(file.getvalue())
        command = ["exiftool", "-s3", "-n", "-GPSLatitude", "-XMP-dc:Source", "-Make"]
        command += ["-IPTC:Caption-Abstract", "-ExifIFD:ExifImageWidth", "-ProfileDescription"]
        said = subprocess.run([*command, str(path)], capture_output=True, text=True, check=True)
        expected = ["48.2008333333333", "Glass plate 17", "Foocam", "hello", "31", "sRGB built-in"]
        assert said.stdout.split("\n")[:-1] == expected


@settings(max_examples=25, deadline=None)
@given(
    text=st.binary(min_size=1, max_size=80).map(lambda b: b.replace(b"\0", b"?") + b"\0"),
    private=st.binary(max_size=60),
    layout=st.sampled_from(LAYOUTS),
    other=st.sampled_from(LAYOUTS),
)
def test_descriptions_and_private_tags_keep_their_bytes(
    text: bytes, private: bytes, layout: tuple[str, bool], other: tuple[str, bool]
) -> None:
    file = plain(*layout, extratags=[(315, 2, None, text, True), (65_000, 7, None, private, True)])
    block = tiff.read(file).metadata.exif
    assert block is not None
    again = plain(*other)
    assert tiff.insert(again, [Metadata(exif=block)]) == ((),)
    directory, _, _ = exif.tree(tiff.read(again).metadata.exif or b"")
    assert directory.find(315).data == text  # type: ignore[union-attr]
    assert directory.find(65_000).data == private  # type: ignore[union-attr]


def test_from_tiff_to_jpeg_and_back() -> None:
    file = plain(extratags=[(270, 2, None, "Grüße".encode() + b"\0", True)])
    tiff.insert(file, [METADATA])
    first = tiff.read(file)
    data, notes = inserted("JPEG", first)
    assert notes == ()
    with Image.open(io.BytesIO(data)) as image:
        found = image.getexif()
        assert found[271] == "Foocam"
        assert float(found[282]) == 300
        assert 0x0100 not in found
        assert found.get_ifd(0x8769)[37500] == MAKER_NOTE
    back = plain(">", big=True)
    tiff.insert(back, [read("JPEG", data).metadata])
    last = tiff.read(back)
    assert replace(last.metadata, exif=None, notes=()) == replace(
        first.metadata, exif=None, notes=()
    )
    with tifffile.TiffFile(io.BytesIO(back.getvalue())) as found_again:
        tags = found_again.pages[0].tags  # type: ignore[union-attr]
        assert tags[270].value == "Grüße"
        assert tags[34665].value["PixelXDimension"] == 31


def test_tags_of_the_samples_do_not_travel() -> None:
    file = plain("<", compression="zlib", predictor=True, tile=(16, 16))
    tiff.insert(file, [Metadata(exif=exif_block(orientation=6))])
    assert exif.orientation(tiff.read(file).metadata.exif or b"") == 1
    again = plain(">")
    tiff.insert(again, [tiff.read(file).metadata])
    with tifffile.TiffFile(io.BytesIO(again.getvalue())) as found:
        tags = found.pages[0].tags  # type: ignore[union-attr]
        assert {322, 323, 317, 274}.isdisjoint(tags.keys())
        assert tags[258].value == (16, 16, 16)


def test_what_stays_behind_is_said() -> None:
    layers = [(37724, 7, None, b"layers", True), (301, 3, None, bytes(512), True)]
    notes = tiff.read(plain(extratags=layers)).metadata.notes
    assert any("layers" in note for note in notes)
    assert any("TransferFunction" in note for note in notes)
    [said] = tiff.insert(plain(), [Metadata(texts=(("Comment", "hello"),))])
    assert "'Comment'" in said[0]
    [said] = tiff.insert(plain(), [Metadata(exif=b"no block")])
    assert "EXIF" in said[0]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("turned", [False, True])
def test_iptc_as_numbers_of_32_bits(order: str, turned: bool) -> None:
    padded = IPTC + bytes(-len(IPTC) % 4)
    stored = np.frombuffer(padded, "<u4").astype(">u4").tobytes() if turned else padded
    file = plain(order, extratags=[(33723, 4, None, stored, True)])
    assert tiff.read(file).metadata.iptc == IPTC


def test_iptc_within_photoshops_resources() -> None:
    block = COPYRIGHT_FLAG + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC
    found = tiff.read(plain(extratags=[(34377, 1, None, block, True)])).metadata
    assert (found.iptc, found.photoshop) == (IPTC, COPYRIGHT_FLAG)
    damaged = tiff.read(plain(extratags=[(33723, 7, None, b"none", True)])).metadata
    assert damaged.iptc is None
    assert "IPTC" in damaged.notes[0]


@pytest.mark.parametrize(
    ("note", "moves"), [(b"Nikon\0\x02\x10rest", False), (b"Canon's, from the start", True)]
)
def test_a_maker_note_that_may_break_is_said(note: bytes, moves: bool) -> None:
    file = plain()
    [said] = tiff.insert(file, [Metadata(exif=exif_block(maker_note=note))])
    assert any("maker note" in line for line in said) == moves
    found = tiff.read(file).metadata
    assert any("maker note" in line for line in found.notes) == moves
    assert tiff.insert(plain(), [found]) == ((),)  # said once


def test_64_bit_values_become_32_bit_ones_where_they_fit() -> None:
    values = [(65_001, 16, None, struct.pack("<Q", 7), True)]
    values.append((65_002, 16, None, struct.pack("<Q", 1 << 40), True))
    found = tiff.read(plain("<", big=True, extratags=values)).metadata
    directory, _, _ = exif.tree(found.exif or b"")
    assert directory.find(65_001).data == struct.pack("<I", 7)  # type: ignore[union-attr]
    assert directory.find(65_002) is None
    assert found.notes == ("tag 65002 has 64-bit values and was left out",)


def test_pages_and_limits() -> None:
    file = plain(pages=2)
    with pytest.raises(DamagedMetadata, match="no page 3"):
        tiff.read(file, 2)
    with pytest.raises(DamagedMetadata, match="3 pages"):
        tiff.insert(file, [Metadata()] * 3)
    tiff.insert(file, [Metadata(xmp=bytes(200_000))] * 2)
    with pytest.raises(TooLarge, match="--max-metadata-mb"):
        tiff.read(file, limit_bytes=100_000)
    with pytest.raises(TooLarge, match="--max-metadata-mb"):
        list(tiff.read_pages(file, limit_bytes=300_000))
    for data in (b"", b"II", b"PNG or so, but no TIFF"):
        with pytest.raises(DamagedMetadata):
            tiff.read(io.BytesIO(data))


def test_pages_in_a_circle_end() -> None:
    file = plain(pages=2)
    layout, first = read_header(file)
    budget = Budget()
    second = read_raw(file, layout, read_raw(file, layout, first, budget).next_offset, budget)
    file.seek(second.next_position or 0)
    file.write(layout.offset.pack(first))
    assert len(list(tiff.read_pages(file))) == 2


@functools.cache
def two_pages(order: str, big: bool) -> tuple[bytes, int]:
    """A file with metadata, and where they begin."""
    buffer = plain(order, big, pages=2)
    start = len(buffer.getvalue())
    tiff.insert(buffer, [METADATA, METADATA])
    return buffer.getvalue(), start


@settings(max_examples=300, deadline=None)
@given(layout=st.sampled_from(LAYOUTS), data=st.data())
def test_damage_raises_nothing_but_our_own(layout: tuple[str, bool], data: st.DataObject) -> None:
    whole, start = two_pages(*layout)
    file = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 12))):
        at = data.draw(st.integers(0, 15) | st.integers(start, len(file) - 1))
        file[at] = data.draw(st.integers(0, 255))
    try:
        found = list(tiff.read_pages(io.BytesIO(file), limit_bytes=1 << 20))
    except RestorationError:
        return
    assert len(found) <= len(file)
