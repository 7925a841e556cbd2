from __future__ import annotations

import io
import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from restoration.codec.metadata import jpeg, xmp_packet
from restoration.codec.metadata.model import Embedded, Metadata
from restoration.errors import TooLarge
from tests.restoration.metadata_files import (
    FULL,
    IPTC,
    PICTURE,
    XMP,
    encoded,
    exif_block,
    inserted,
    read,
)


def with_segments(*segments: tuple[int, bytes]) -> bytes:
    data = encoded("JPEG")
    packed = b"".join(struct.pack(">BBH", 255, m, len(d) + 2) + d for m, d in segments)
    return data[:2] + packed + data[2:]


def big_xmp(properties: int, size: int) -> bytes:
    fields = "".join(f"<dc:p{i}>{i:02}{'x' * size}</dc:p{i}>" for i in range(properties))
    return XMP.replace(b'17"/>', f'17">{fields}</rdf:Description>'.encode())


@pytest.mark.parametrize(("properties", "size"), [(1, 300_000), (8, 40_000), (300, 400)])
def test_xmp_of_over_64_kib_is_extended_and_joined_again(properties: int, size: int) -> None:
    packet = big_xmp(properties, size)
    data, notes = inserted("JPEG", Embedded(Metadata(xmp=packet)))
    assert notes == ()
    assert b"http://ns.adobe.com/xmp/extension/\0" in data
    found = read("JPEG", data)
    assert found.metadata.notes == ()
    root = xmp_packet.parse(found.metadata.xmp or b"")
    assert xmp_packet.value_of(root, xmp_packet.TIFF, "Orientation") == "6"
    for i in range(properties):
        value = xmp_packet.value_of(root, "http://purl.org/dc/elements/1.1/", f"p{i}")
        assert value == f"{i:02}{'x' * size}"
    assert b"HasExtendedXMP" not in (found.metadata.xmp or b"")


def test_a_long_attribute_is_extended_too() -> None:
    packet = XMP.replace(b"Glass plate 17", b"y" * 90_000)
    data, _ = inserted("JPEG", Embedded(Metadata(xmp=packet)))
    root = xmp_packet.parse(read("JPEG", data).metadata.xmp or b"")
    assert xmp_packet.value_of(root, "http://purl.org/dc/elements/1.1/", "source") == "y" * 90_000


def test_pillow_reads_the_main_part_of_extended_xmp() -> None:
    data, _ = inserted("JPEG", Embedded(Metadata(xmp=big_xmp(3, 50_000))))
    with Image.open(io.BytesIO(data)) as image:
        assert b"Glass plate 17" in image.info["xmp"]


def test_padding_is_what_a_long_packet_loses_first() -> None:
    packet = XMP.replace(b"<?xpacket end", b" " * 70_000 + b"<?xpacket end")
    data, notes = inserted("JPEG", Embedded(Metadata(xmp=packet)))
    assert notes == ()
    assert b"xmp/extension" not in data
    assert b"Glass plate 17" in (read("JPEG", data).metadata.xmp or b"")


def test_an_extension_with_a_part_missing_is_left_out_and_said() -> None:
    data, _ = inserted("JPEG", Embedded(Metadata(xmp=big_xmp(1, 200_000))))
    second = data.index(b"xmp/extension", data.index(b"xmp/extension") + 1)
    found = read("JPEG", data[:second] + b"XXX" + data[second + 3 :])
    assert any("extension of the XMP" in note for note in found.metadata.notes)
    assert b"Glass plate 17" in (found.metadata.xmp or b"")


def test_xmp_that_is_no_xml_and_too_long_is_left_out_and_said() -> None:
    data, notes = inserted("JPEG", Embedded(Metadata(xmp=b"<" * 70_000)))
    assert read("JPEG", data).metadata.xmp is None
    assert "XMP" in notes[0]


def test_a_long_exif_block_loses_its_maker_note_and_says_so() -> None:
    block = exif_block(maker_note=bytes(80_000))
    data, notes = inserted("JPEG", Embedded(Metadata(exif=block)))
    assert any("37500" in note for note in notes)
    with Image.open(io.BytesIO(data)) as image:
        assert image.getexif()[271] == "Foocam"


def test_profiles_and_resources_of_many_segments() -> None:
    others = b"8BIM\x04\x0b\0\0" + struct.pack(">I", 200_000) + bytes(200_000)
    embedded = Embedded(Metadata(iptc=IPTC, photoshop=others), bytes(range(256)) * 2000)
    data, _ = inserted("JPEG", embedded)
    assert read("JPEG", data) == embedded
    with Image.open(io.BytesIO(data)) as image:
        assert image.info["icc_profile"] == embedded.icc_profile


def test_a_profile_with_a_chunk_missing_is_left_out_and_said() -> None:
    chunk = b"ICC_PROFILE\0\x01\x02" + b"half of it"
    found = read("JPEG", with_segments((0xE2, chunk)))
    assert found.icc_profile is None
    assert any("ICC profile is incomplete" in note for note in found.metadata.notes)
    assert jpeg.icc(io.BytesIO(inserted("JPEG", FULL)[0])) == FULL.icc_profile


@pytest.mark.parametrize(
    ("marker", "payload", "words"),
    [
        (0xE2, b"MPF\0rest", "MPF"),
        (0xE2, b"urn:iso:std:iso:ts:21496:-1\0", "gain map"),
        (0xEB, b"JP\0\x01rest", "C2PA"),
        (0xE0, b"JFXX\0\x10", "thumbnail"),
        (0xEC, b"Ducky\0\x01", "APP12 'Ducky'"),
        (0xE4, b"", "APP4"),
        (0xE1, b"\xff\xfe\n\0", "APP1"),
    ],
)
def test_segments_that_stay_behind_are_named(marker: int, payload: bytes, words: str) -> None:
    data = with_segments((marker, payload))
    [note] = read("JPEG", data).metadata.notes
    assert words in note
    assert "\n" not in note
    out, _ = inserted("JPEG", FULL, data)
    assert read("JPEG", out).metadata == FULL.metadata


def test_an_exif_block_in_two_segments_is_joined_and_a_second_one_is_not() -> None:
    block = exif_block(maker_note=bytes(70_000))
    parts = [(0xE1, b"Exif\0\0" + block[i : i + 60_000]) for i in (0, 60_000)]
    assert read("JPEG", with_segments(*parts)).metadata.exif == block
    twice = read("JPEG", with_segments(*[(0xE1, b"Exif\0\0" + exif_block())] * 2)).metadata
    assert twice.exif == exif_block()
    assert "second EXIF" in twice.notes[0]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=3))
def test_comments_keep_their_bytes(comments: list[bytes]) -> None:
    found = read("JPEG", with_segments(*[(0xFE, comment) for comment in comments]))
    again, _ = inserted("JPEG", found)
    assert read("JPEG", again).metadata.texts == found.metadata.texts
    assert all(b"\xff\xfe" + struct.pack(">H", len(c) + 2) + c in again for c in comments)


def test_texts_of_other_formats_are_lost_with_a_note() -> None:
    texts = (("Author", "A. Nony"), ("Comment", "kept"))
    data, notes = inserted("JPEG", Embedded(Metadata(texts=texts)))
    assert read("JPEG", data).metadata.texts == (("Comment", "kept"),)
    assert notes == ("the text 'Author' has no place in a JPEG file",)


@pytest.mark.parametrize("dpi", [(300.0, 300.0), (72.0, 96.0), (254.0, 508.0), (299.72, 299.72)])
def test_resolution_is_read_by_others(dpi: tuple[float, float]) -> None:
    data, _ = inserted("JPEG", Embedded(dpi=dpi))
    assert read("JPEG", data).dpi == pytest.approx(dpi)
    with Image.open(io.BytesIO(data)) as image:
        assert image.info["dpi"] == pytest.approx(dpi)


def test_cmyk_keeps_adobes_segment_and_its_colours() -> None:
    ink = Image.fromarray(np.dstack([PICTURE, PICTURE[..., :1]]), "CMYK")
    buffer = io.BytesIO()
    ink.save(buffer, "JPEG", quality=95)
    data, _ = inserted("JPEG", replace(FULL, dpi=(600.0, 600.0)), buffer.getvalue())
    assert b"JFIF\0" not in data
    with Image.open(io.BytesIO(data)) as image, Image.open(buffer) as before:
        assert image.mode == "CMYK"
        assert np.array_equal(np.asarray(image), np.asarray(before))
    no_exif = replace(FULL, metadata=Metadata(), dpi=(600.0, 600.0))
    assert read("JPEG", inserted("JPEG", no_exif, buffer.getvalue())[0]).dpi == (600.0, 600.0)


def test_xmp_and_iptc_within_photoshops_resources() -> None:
    def resource(number: int, data: bytes) -> bytes:
        return b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + bytes(len(data) % 2)

    kept = resource(0x07D0, b"a path")
    block = resource(0x0409, b"thumbnail") + resource(0x0424, XMP) + kept + resource(0x0404, IPTC)
    found = read("JPEG", with_segments((0xED, b"Photoshop 3.0\0" + block))).metadata
    assert (found.xmp, found.iptc, found.photoshop) == (XMP, IPTC, kept)
    assert "thumbnail" in found.notes[0]
    broken = read("JPEG", with_segments((0xED, b"Photoshop 3.0\0" + kept + b"8BIMxxxxxxxxxxxx")))
    assert broken.metadata.photoshop == kept
    assert "damaged" in broken.metadata.notes[0]


def test_endless_segments_are_refused() -> None:
    data = b"\xff\xd8" + struct.pack(">BBH", 255, 0xFE, 2) * 100_001
    with pytest.raises(TooLarge, match="100,000 blocks"):
        read("JPEG", data)


@pytest.mark.parametrize("between", [b"\xff", b"\xff\xff\xff\xff", b"\xff\0junk", b"junk" * 99])
def test_fill_bytes_and_junk_between_segments_are_passed_over(between: bytes) -> None:
    data, _ = inserted("JPEG", FULL)
    start = data.index(b"\xff\xe1")
    assert read("JPEG", data[:start] + between + data[start:]) == read("JPEG", data)


def test_junk_without_end_is_not_searched() -> None:
    for junk in (b"\0" * 200_000, b"\0\xff\xd0" * 1000):
        [note] = read("JPEG", b"\xff\xd8" + junk + encoded("JPEG")[2:]).metadata.notes
        assert "damaged" in note
