"""What JPEG, PNG, WebP and JPEG 2000 files have in common."""

from __future__ import annotations

import io
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from restoration.codec.metadata.limits import DamagedMetadata
from restoration.codec.metadata.model import Embedded, Metadata
from restoration.errors import RestorationError, TooLarge
from tests.restoration.metadata_files import (
    CONTAINERS,
    COPYRIGHT_FLAG,
    FULL,
    ICC,
    IPTC,
    MAKER_NOTE,
    XMP,
    encoded,
    exif_block,
    inserted,
    read,
)

FORMATS = sorted(CONTAINERS)
WITH_IPTC = {"JPEG", "PNG", "JPEG2000"}
WITH_TEXTS = {"JPEG", "PNG"}


def pixels(file_format: str, data: bytes) -> np.ndarray:
    if file_format == "JPEG2000":
        return np.asarray(imagecodecs.jpeg2k_decode(data))
    return np.asarray(Image.open(io.BytesIO(data)))


def expected(file_format: str, metadata: Metadata) -> Metadata:
    """What a format holds of it, notes aside."""
    if file_format not in WITH_IPTC:
        metadata = replace(metadata, iptc=None, photoshop=None)
    return metadata if file_format in WITH_TEXTS else replace(metadata, texts=())


@pytest.mark.parametrize("file_format", FORMATS)
def test_what_is_written_is_read_and_what_is_not_is_said(file_format: str) -> None:
    data, notes = inserted(file_format, FULL)
    found = read(file_format, data)
    assert found.metadata == expected(file_format, FULL.metadata)
    assert found.icc_profile == ICC
    in_exif = (300.0, 300.0)
    assert found.dpi == pytest.approx(in_exif if file_format == "WEBP" else FULL.dpi, rel=1e-5)
    lost = {"IPTC", "Photoshop"} if file_format not in WITH_IPTC else set()
    lost |= {"Comment"} if file_format not in WITH_TEXTS else set()
    assert all(any(word in note for note in notes) for word in lost)
    assert len(notes) == len(lost)


@pytest.mark.parametrize("file_format", FORMATS)
def test_pixels_are_untouched(file_format: str) -> None:
    data, _ = inserted(file_format, FULL)
    assert np.array_equal(pixels(file_format, data), pixels(file_format, encoded(file_format)))


@pytest.mark.parametrize("file_format", FORMATS)
def test_nothing_to_insert_takes_out_what_was_there(file_format: str) -> None:
    data, _ = inserted(file_format, FULL)
    stripped, notes = inserted(file_format, Embedded(), data)
    found = read(file_format, stripped)
    assert found.metadata == Metadata()
    assert found.dpi is None
    assert notes == ()
    # A JP2's profile says what the samples are; without another one it stays.
    assert found.icc_profile == (ICC if file_format == "JPEG2000" else None)
    assert np.array_equal(pixels(file_format, stripped), pixels(file_format, data))


@pytest.mark.parametrize("file_format", FORMATS)
def test_inserting_twice_is_inserting_once(file_format: str) -> None:
    once, _ = inserted(file_format, FULL)
    assert inserted(file_format, FULL, once)[0] == once


@settings(max_examples=40, deadline=None)
@given(
    file_format=st.sampled_from(FORMATS),
    order=st.sampled_from("<>"),
    note=st.binary(max_size=400),
    packet=st.none() | st.binary(min_size=1, max_size=400),
    records=st.none() | st.binary(max_size=400).map(lambda b: b"\x1c" + b),
    profile=st.none() | st.binary(min_size=1, max_size=150_000),
    dpi=st.none() | st.integers(1, 4800).map(lambda n: (float(n), float(n))),
)
def test_round_trip(
    file_format: str,
    order: str,
    note: bytes,
    packet: bytes | None,
    records: bytes | None,
    profile: bytes | None,
    dpi: tuple[float, float] | None,
) -> None:
    block = exif_block(order, maker_note=note)
    embedded = Embedded(Metadata(exif=block, xmp=packet, iptc=records), profile, dpi)
    data, _ = inserted(file_format, embedded)
    found = read(file_format, data)
    assert found.metadata == expected(file_format, embedded.metadata)
    assert found.icc_profile == profile
    if dpi is not None and file_format != "WEBP":
        assert found.dpi == pytest.approx(dpi, rel=2e-5)


@pytest.mark.parametrize("file_format", FORMATS)
def test_pillow_reads_them(file_format: str) -> None:
    data, _ = inserted(file_format, FULL)
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        if file_format == "JPEG2000":  # Pillow reads nothing else of it
            assert image.info["dpi"] == pytest.approx(FULL.dpi)
            return
        assert image.info["icc_profile"] == ICC
        assert image.info["xmp"] == XMP
        assert image.getexif()[0x0112] == 6
        assert image.getexif().get_ifd(0x8769)[37500] == MAKER_NOTE
        assert image.getexif().get_ifd(0x8825)[2] == (48.0, 12.0, 3.0)
        if file_format == "JPEG":
            assert image.info["photoshop"] == {0x0404: IPTC, 0x040A: b"\x01"}
            assert image.info["comment"].decode() == "Grüße vom Wörthersee"
        if file_format != "WEBP":
            assert image.info["dpi"] == pytest.approx(FULL.dpi, abs=0.0127)  # half a dot a metre


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_libvips_reads_them(file_format: str) -> None:
    data, _ = inserted(file_format, replace(FULL, dpi=(300.0, 300.0)))
    image = pyvips.Image.new_from_buffer(data, "", fail_on="warning")
    image.avg()
    assert image.get("icc-profile-data") == ICC
    assert image.get("xmp-data") == XMP
    assert image.get("exif-data").removeprefix(b"Exif\0\0") == FULL.metadata.exif
    assert image.get("orientation") == 6
    if file_format != "WEBP":  # of WebP's EXIF blocks it takes no resolution
        assert image.xres * 25.4 == pytest.approx(300, rel=1e-5)
    if file_format == "JPEG":
        assert IPTC in image.get("iptc-data")


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize("file_format", FORMATS)
def test_exiftool_reads_them(file_format: str, tmp_path: Path) -> None:
    path = tmp_path / "photo"
    path.write_bytes(inserted(file_format, FULL)[0])
    command = ["exiftool", "-s3", "-n", "-GPSLatitude", "-XMP-dc:Source", "-ProfileDescription"]
    command += ["-IFD0:Orientation", "-IPTC:Caption-Abstract", "-CopyrightFlag", str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
    rest = ["hello", "1"] if file_format in WITH_IPTC else []
    if file_format in WITH_IPTC:
        assert said[-2] in ("1", "True")
        rest = ["hello", said[-2]]
    assert said == ["48.2008333333333", "Glass plate 17", "sRGB built-in", "6", *rest, ""]


@pytest.mark.parametrize("file_format", FORMATS)
def test_another_file_is_refused(file_format: str) -> None:
    for data in (b"", b"BM something else", encoded("PNG" if file_format != "PNG" else "JPEG")):
        with pytest.raises(DamagedMetadata, match="not a"):
            read(file_format, data)


@pytest.mark.parametrize("file_format", FORMATS)
def test_too_much_is_refused_with_the_option_to_change(file_format: str) -> None:
    data, _ = inserted(file_format, replace(FULL, icc_profile=bytes(300_000)))
    with pytest.raises(TooLarge, match=r"more than 0\.1\d* MiB .*--max-metadata-mb"):
        read(file_format, data, limit_bytes=150_000)
    assert read(file_format, data, limit_bytes=1_000_000).icc_profile == bytes(300_000)


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_cut_off_gives_what_comes_before_the_cut(file_format: str) -> None:
    data, _ = inserted(file_format, FULL)
    for end in range(20, len(data), 97):
        found = read(file_format, data[:end])
        assert found.metadata.exif in (None, FULL.metadata.exif)
        assert found.icc_profile in (None, ICC)


@settings(max_examples=300, deadline=None)
@given(file_format=st.sampled_from(FORMATS), data=st.data())
def test_damage_raises_nothing_but_our_own(file_format: str, data: st.DataObject) -> None:
    file = bytearray(inserted(file_format, FULL)[0])
    for _ in range(data.draw(st.integers(1, 12))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read(file_format, bytes(file), limit_bytes=1 << 20)
    except RestorationError:
        return
    assert len(found.metadata.exif or b"") <= len(file)


@pytest.mark.parametrize("others", [b"", COPYRIGHT_FLAG])
@pytest.mark.parametrize("file_format", sorted(WITH_IPTC))
def test_photoshops_resources_travel_without_iptc(file_format: str, others: bytes) -> None:
    embedded = Embedded(Metadata(photoshop=others or None))
    assert read(file_format, inserted(file_format, embedded)[0]) == embedded
