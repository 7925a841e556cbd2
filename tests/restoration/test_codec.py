from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from restoration.codec import decode, encode, read_header, upright
from restoration.errors import DecodeError, EncodeError, TooLarge, UnsupportedPhoto
from tests.scenes import encoded, gray_scene, scene

LOSSLESS = ("PNG", "TIFF")


def reopened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("gray", [False, True])
def test_decodes_at_full_resolution(file_format: str, gray: bool) -> None:
    image = gray_scene(90, 131) if gray else scene(90, 131)
    if file_format == "WEBP" and gray:
        pytest.skip("WebP has no gray mode")
    photo = decode(io.BytesIO(encoded(image, file_format, quality=95)))
    assert photo.format == file_format
    assert photo.pixels.shape == image.shape
    assert np.abs(photo.pixels.astype(int) - image).mean() < 4


@settings(max_examples=40, deadline=None)
@given(
    file_format=st.sampled_from(LOSSLESS),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.sampled_from([1, 2, 3, 4]),
    seed=st.integers(0, 1000),
)
def test_lossless_round_trip(
    file_format: str, height: int, width: int, channels: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
    data = encoded(image[..., 0] if channels == 1 else image, file_format)
    photo = decode(io.BytesIO(data))
    again = decode(io.BytesIO(encode(photo, photo.pixels)))
    assert again.mode == photo.mode
    np.testing.assert_array_equal(again.pixels, photo.pixels)
    if channels in (2, 4):
        assert again.extras.alpha is not None
        np.testing.assert_array_equal(again.extras.alpha, image[..., -1])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_and_reset(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "a description"
    data = encoded(scene(64, 96), "PNG", exif=exif.tobytes())
    photo = decode(io.BytesIO(data))
    expected = np.asarray(ImageOps.exif_transpose(reopened(data)))
    np.testing.assert_array_equal(photo.pixels, expected)
    written = reopened(encode(photo, photo.pixels))
    assert written.getexif().get(0x0112, 1) == 1
    assert written.getexif()[0x010E] == "a description"
    np.testing.assert_array_equal(np.asarray(written), expected)


@given(orientation=st.integers(1, 8), height=st.integers(1, 9), width=st.integers(1, 9))
def test_upright_moves_pixels_and_loses_none(orientation: int, height: int, width: int) -> None:
    image = np.arange(height * width, dtype=np.uint8).reshape(height, width)
    turned = upright(image, orientation)
    assert turned.shape == ((height, width) if orientation < 5 else (width, height))
    assert sorted(turned.ravel()) == sorted(image.ravel())


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF"])
def test_profile_and_resolution_survive(file_format: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(scene(40, 50), file_format, icc_profile=profile, dpi=(600, 600))
    photo = decode(io.BytesIO(data))
    written = reopened(encode(photo, photo.pixels))
    assert written.info["icc_profile"] == profile
    assert written.info["dpi"][0] == pytest.approx(600, abs=0.5)


def test_descriptions_of_a_tiff_survive() -> None:
    data = encoded(scene(40, 50), "TIFF", description="Harbour", artist="Anon", compression="raw")
    written = reopened(encode(decode(io.BytesIO(data)), scene(40, 50)))
    assert written.tag_v2[270] == "Harbour"
    assert written.tag_v2[315] == "Anon"


def test_lossless_webp_stays_lossless() -> None:
    image = scene(60, 60)
    photo = decode(io.BytesIO(encoded(image, "WEBP", lossless=True)))
    np.testing.assert_array_equal(np.asarray(reopened(encode(photo, photo.pixels))), image)


def test_jpeg_is_written_without_chroma_subsampling() -> None:
    photo = decode(io.BytesIO(encoded(scene(64, 64), "JPEG", quality=80)))
    written = reopened(encode(photo, photo.pixels))
    assert all((h, v) == (1, 1) for _, h, v, _ in written.layer)


def test_jpeg_refuses_transparency() -> None:
    image = np.dstack([scene(20, 20), gray_scene(20, 20)])
    photo = decode(io.BytesIO(encoded(image, "PNG")))
    with pytest.raises(EncodeError, match="transparency"):
        encode(photo, photo.pixels, file_format="JPEG")


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_truncated_files_are_refused(file_format: str, share: float) -> None:
    data = encoded(scene(200, 200), file_format)
    with pytest.raises(DecodeError):
        decode(io.BytesIO(data[: int(len(data) * share)]))


@settings(max_examples=60, deadline=None)
@given(
    file_format=st.sampled_from(["JPEG", "PNG", "TIFF", "WEBP"]),
    position=st.floats(0, 1),
    garbage=st.binary(min_size=1, max_size=40),
)
def test_damage_anywhere_gives_pixels_or_our_error(
    file_format: str, position: float, garbage: bytes
) -> None:
    data = bytearray(encoded(scene(48, 48), file_format))
    at = int(position * (len(data) - 1))
    data[at : at + len(garbage)] = garbage
    try:
        photo = decode(io.BytesIO(bytes(data)), max_megapixels=10)
    except (DecodeError, UnsupportedPhoto, TooLarge):
        return
    assert photo.pixels.dtype == np.uint8


@pytest.mark.parametrize("data", [b"", b"hello, I am a letter", b"\xff\xd8\xff", b"II*\0"])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(io.BytesIO(data))


def sixteen_bit_png() -> bytes:
    # Written by hand: Pillow has no 16-bit RGB.
    def chunk(kind: bytes, body: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + crc

    header = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + bytes(24) for _ in range(4))
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def sixteen_bit_gray(file_format: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 900).save(buffer, file_format)
    return buffer.getvalue()


def converted(mode: str, file_format: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(scene(24, 24)).convert(mode).save(buffer, file_format)
    return buffer.getvalue()


def two_pages() -> bytes:
    buffer = io.BytesIO()
    pages = [Image.fromarray(scene(16, 16, seed=i)) for i in range(2)]
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (sixteen_bit_png(), "16 bits"),
        (sixteen_bit_gray("PNG"), "16 bits"),
        (sixteen_bit_gray("TIFF"), "16 bits"),
        (converted("CMYK", "JPEG"), "CMYK"),
        (converted("P", "PNG"), "mode P"),
        (converted("1", "TIFF"), "mode 1"),
        (two_pages(), "2 pages"),
    ],
)
def test_what_would_lose_something_is_left_alone(data: bytes, word: str) -> None:
    with pytest.raises(UnsupportedPhoto, match=word):
        decode(io.BytesIO(data))


def test_a_bomb_is_refused_from_its_header() -> None:
    data = bytearray(encoded(scene(8, 8), "PNG"))
    data[16:24] = struct.pack(">II", 100_000, 100_000)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    with pytest.raises(TooLarge, match="10000 megapixels"):
        decode(io.BytesIO(bytes(data)))


def test_header_needs_only_the_head_of_a_file() -> None:
    data = encoded(scene(300, 400), "JPEG")
    header = read_header(io.BytesIO(data[:2000]))
    assert (header.width, header.height, header.format) == (400, 300, "JPEG")


def test_a_gray_profile_is_not_put_on_colour() -> None:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[16:20] = b"GRAY"
    data = encoded(gray_scene(40, 50), "JPEG", icc_profile=bytes(profile))
    photo = decode(io.BytesIO(data))
    assert reopened(encode(photo, photo.pixels)).info["icc_profile"] == bytes(profile)
    assert "icc_profile" not in reopened(encode(photo, scene(40, 50))).info


def test_unknown_resolution_is_left_out() -> None:
    data = encoded(scene(20, 20), "TIFF", x_resolution=(0, 0), y_resolution=(300, 1))
    photo = decode(io.BytesIO(data))
    assert photo.extras.dpi is None
    assert reopened(encode(photo, photo.pixels)).size == (20, 20)
