"""The way in and out: every kind of file, read back by somebody else."""

from __future__ import annotations

import errno
import io
import itertools
import os
from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
import pyvips
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps

from restoration.codec import (
    FORMATS,
    ColourModel,
    Limits,
    colorized_page,
    decode,
    heic,
    lab,
    read_header,
    restored_page,
    upright,
)
from restoration.codec.jpeg_coding import _buffer_for, read_coding
from restoration.codec.metadata.model import Metadata
from restoration.codec.orientation import as_stored, upright_size
from restoration.codec.reading import narrowed, shifted, unshifted, widened
from restoration.errors import DecodeError, EncodeError, NoRoom, TooLarge, UnsupportedPhoto
from tests.pictures import (
    SRGB,
    ccitt_tiff,
    deep,
    jpeg,
    page_of,
    palette_png,
    png,
    png_bomb,
    samples_of,
    tiff,
    written,
    ycck_jpeg,
)
from tests.scenes import encoded, gray_scene, scene

GRAY, RGB, CMYK, LAB = ColourModel.GRAY, ColourModel.RGB, ColourModel.CMYK, ColourModel.LAB


def opened(data: bytes) -> io.BytesIO:
    return io.BytesIO(data)


# ---- the matrix: what is kept, and what a note says of the rest ----


def kinds():
    for colour, bits, alpha in itertools.product(ColourModel, (8, 16), (False, True)):
        if not (alpha and colour in (CMYK, LAB)):
            yield colour, bits, alpha


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize(("colour", "bits", "alpha"), kinds(), ids=lambda value: str(value).lower())
def test_what_is_written_is_read_back_or_noted(
    file_format: str, colour: ColourModel, bits: int, alpha: bool
) -> None:
    target, page = FORMATS[file_format], page_of(colour, bits, alpha=alpha)
    data, notes = written([page], file_format)
    photo = decode(opened(data))
    (again,) = photo.pages
    said = " ".join(notes)
    assert photo.format == file_format
    assert ("sRGB" in said) == (colour not in target.colours)
    assert ("transparency" in said) == (alpha and not target.alpha)
    assert (f"16 bits became {target.bits}" in said) == (bits > target.bits)
    assert again.bits == min(bits, target.bits)
    assert (again.alpha is not None) == (alpha and target.alpha)
    assert again.embedded.dpi == pytest.approx((300, 300), abs=0.5)
    if not notes and file_format in ("PNG", "TIFF", "JPEG2000"):
        assert (again.colour, again.mode) == (colour, page.mode)
        # TIFF's steps of a* and b* are not quite ICC's.
        step = int((colour, bits) == (LAB, 16))
        np.testing.assert_allclose(again.stored.astype(int), page.stored, rtol=0, atol=step)
        if alpha:
            np.testing.assert_array_equal(again.alpha, page.alpha)
    elif "transparency" not in said:
        assert mean_difference(again.pixels, page.pixels) < 6


def mean_difference(a, b) -> float:
    """Between pictures of any depth, gray or RGB: 8-bit units."""

    def plain(image):
        scale = 255 / np.iinfo(image.dtype).max
        return np.atleast_3d(image).astype(float) * scale + np.zeros(3)

    return float(np.abs(plain(a) - plain(b)).mean())


@pytest.mark.parametrize("file_format", [name for name in FORMATS if name != "JPEG"])
def test_a_colorized_page_is_srgb_with_its_profile(file_format: str) -> None:
    page = page_of(GRAY, 16, alpha=True, icc_profile=None)
    colour = deep(scene(48, 64))
    photo = decode(opened(written([colorized_page(page, colour)], file_format)[0]))
    (again,) = photo.pages
    assert again.colour is RGB
    assert again.icc_profile is not None
    assert again.icc_profile[16:20] == b"RGB "
    assert mean_difference(again.pixels, colour) < 6


def test_colour_is_as_deep_as_its_photo() -> None:
    colour = deep(scene(48, 64))
    assert colorized_page(page_of(GRAY, 8), colour).mode == "rgb8"
    assert colorized_page(page_of(GRAY, 16), colour).mode == "rgb16"


# ---- reading what others wrote ----


@pytest.mark.parametrize(
    ("data", "mode"),
    [
        (jpeg(gray_scene(48, 64)), "gray8"),
        (jpeg(scene(48, 64), quality=95), "rgb8"),
        (jpeg(scene(48, 64), quality=95, progressive=True), "rgb8"),
        (jpeg(scene(48, 64), quality=95, subsampling=0), "rgb8"),
        (jpeg(scene(48, 64), "CMYK", quality=95), "cmyk8"),
        (ycck_jpeg(scene(48, 64)), "cmyk8"),
        (png(gray_scene(48, 64)), "gray8"),
        (png(deep(gray_scene(48, 64))), "gray16"),
        (png(deep(scene(48, 64))), "rgb16"),
        (palette_png(scene(48, 64)), "rgb8"),
        (encoded(np.dstack([scene(48, 64), gray_scene(48, 64)]), "PNG"), "rgb8+alpha"),
        (tiff(gray_scene(48, 64), "minisblack"), "gray8"),
        (tiff(255 - gray_scene(48, 64), "miniswhite"), "gray8"),
        (tiff(deep(scene(48, 64)), "rgb", compression="lzw", predictor=True), "rgb16"),
        (tiff(deep(scene(48, 64)), "rgb", compression="zlib", tile=(32, 32)), "rgb16"),
        (tiff(deep(scene(48, 64)), "rgb", bigtiff=True), "rgb16"),
        (tiff(scene(48, 64), "rgb", compression="packbits"), "rgb8"),
        (encoded(scene(48, 64), "TIFF", compression="jpeg", quality=95), "rgb8"),
        (tiff(np.moveaxis(deep(scene(48, 64)), -1, 0), "rgb", planarconfig="separate"), "rgb16"),
        (tiff(samples_of(CMYK, 16), "separated"), "cmyk16"),
        (encoded(scene(48, 64), "WEBP", quality=95), "rgb8"),
        (encoded(scene(48, 64), "WEBP", lossless=True), "rgb8"),
        (encoded(scene(48, 64), "AVIF", quality=90), "rgb8"),
        (imagecodecs.jpeg2k_encode(deep(scene(48, 64)), codecformat="jp2", level=0), "rgb16"),
        (imagecodecs.jpeg2k_encode(gray_scene(48, 64), codecformat="j2k", level=0), "gray8"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_reads(data: bytes, mode: str) -> None:
    (page,) = decode(opened(data)).pages
    expected = gray_scene(48, 64) if mode.startswith("gray") else scene(48, 64)
    assert page.mode == mode
    # Inks do not reach all of these colours; taken for their own negative, they would be 100 off.
    assert mean_difference(page.pixels, expected) < (32 if mode.startswith("cmyk") else 8)


def test_two_tones_are_read_as_what_they_are() -> None:
    (page,) = decode(opened(ccitt_tiff())).pages
    assert page.bits == 1
    np.testing.assert_array_equal(page.stored > 0, gray_scene(48, 64) > 120)
    data, notes = written([page], "TIFF")
    assert "Deflate" in " ".join(notes)
    with tifffile.TiffFile(opened(data)) as tif:
        assert tif.pages[0].bitspersample == 1
        np.testing.assert_array_equal(tif.pages[0].asarray() > 0, page.stored > 0)


@pytest.mark.parametrize("bits", [8, 16])
def test_lab_is_what_tiff_says_it_is(bits: int) -> None:
    page = page_of(LAB, bits)
    with tifffile.TiffFile(opened(written([page], "TIFF")[0])) as tif:
        assert tif.pages[0].photometric == 8
        samples = tif.pages[0].asarray()
    steps = 1 << (bits - 8)  # of a* and b* in TIFF, per unit
    lightness = samples[..., 0] / ((1 << bits) - 1) * 100
    chroma = samples[..., 1:].view(f"i{bits // 8}") / steps
    unit = np.iinfo(page.stored.dtype).max / 255
    np.testing.assert_allclose(lightness, page.stored[..., 0] / unit / 2.55, atol=1e-4)
    np.testing.assert_allclose(chroma, page.stored[..., 1:] / unit - 128, atol=0.003)


@given(st.integers(0, 65535 - 255))
def test_sixteen_bits_of_lab_come_back_exactly(value: int) -> None:
    samples = np.full((1, 1, 3), value, np.uint16)
    samples ^= np.uint16(1 << 15)
    before = samples.copy()
    lab.from_tiff(samples)
    lab.to_tiff(samples)
    np.testing.assert_array_equal(samples, before)


def test_every_page_of_a_tiff_is_kept_with_its_own_size_and_depth() -> None:
    pages = [page_of(RGB, 16), page_of(GRAY, 8, alpha=True), page_of(CMYK, 8)]
    data, notes = written(pages, "TIFF")
    again = decode(opened(data))
    assert not notes
    assert [page.mode for page in again.pages] == ["rgb16", "gray8+alpha", "cmyk8"]
    for page, other in zip(pages, again.pages, strict=True):
        np.testing.assert_array_equal(page.stored, other.stored)
    with tifffile.TiffFile(opened(data)) as tif:
        assert len(tif.pages) == 3


def test_several_pages_are_refused_by_formats_of_one() -> None:
    with pytest.raises(EncodeError, match="one page and the photo has 2"):
        written([page_of(GRAY, 8), page_of(GRAY, 8)], "PNG")


def test_copies_and_masks_of_a_page_are_left_out_with_a_note() -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(scene(64, 64), photometric="rgb", metadata=None)
        writer.write(scene(32, 32), photometric="rgb", metadata=None, subfiletype=1)
    photo = decode(buffer)
    assert len(photo.pages) == 1
    assert "1 reduced copies or masks" in " ".join(photo.notes)


@pytest.mark.parametrize("compression", ["lzw", "zlib", "packbits", None])
def test_a_tiff_keeps_its_compression_tiles_and_offsets(compression: str | None) -> None:
    data = tiff(deep(scene(64, 96)), "rgb", compression=compression, tile=(32, 48), bigtiff=True)
    again, _ = written(decode(opened(data)).pages, "TIFF")
    with tifffile.TiffFile(opened(data)) as before, tifffile.TiffFile(opened(again)) as after:
        assert before.pages[0].compression == after.pages[0].compression
        assert before.pages[0].tile == after.pages[0].tile
        assert after.is_bigtiff
        np.testing.assert_array_equal(before.pages[0].asarray(), after.pages[0].asarray())


# ---- lossy formats are written at least as finely as they came ----


@pytest.mark.parametrize("quality", [30, 75, 95, 99])
def test_jpeg_steps_are_never_coarser_than_the_sources(quality: int) -> None:
    data = jpeg(scene(64, 96), quality=quality, progressive=quality == 75)
    again, _ = written(decode(opened(data)).pages, "JPEG")
    before, after = read_coding(opened(data)), read_coding(opened(again))
    for coarse, fine in zip(before.tables, after.tables, strict=True):
        assert all(new <= old for new, old in zip(fine, coarse, strict=True))
    assert set(after.subsampling) == {(1, 1)}
    assert after.progressive == before.progressive


def test_a_jpeg_as_tiff_is_no_jpeg_inside_tiff() -> None:
    photo = decode(opened(jpeg(scene(64, 96), quality=95)))
    assert written(photo.pages, "TIFF")[1] == ()
    inside = decode(opened(encoded(scene(48, 64), "TIFF", compression="jpeg")))
    assert "jpeg compression became Deflate" in " ".join(written(inside.pages, "TIFF")[1])


def test_threads_do_not_take_the_buffer_from_each_other() -> None:
    """Pillow has one setting for the size of all buffers."""
    own = ImageFile.MAXBLOCK
    first = _buffer_for((1000, 1000), is_whole=True)
    second = _buffer_for((2000, 1000), is_whole=True)
    third = _buffer_for((9000, 9000), is_whole=False)
    with third:
        assert own == ImageFile.MAXBLOCK
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert ImageFile.MAXBLOCK >= 2 * 2000 * 1000
    second.__exit__(None, None, None)
    assert own == ImageFile.MAXBLOCK


@pytest.mark.parametrize("progressive", [False, True])
def test_noise_at_the_finest_steps_can_be_written(progressive: bool) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (600, 800, 3), dtype=np.uint8)
    source = jpeg(scene(64, 96), quality=100, progressive=progressive)
    page = replace(decode(opened(source)).main, stored=noise)
    again = decode(opened(written([page], "JPEG")[0])).main
    assert mean_difference(again.stored, noise) < 2


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE])
def test_a_full_disk_is_no_photos_fault(number: int) -> None:
    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    for data in (png(scene(20, 20)), tiff(scene(20, 20), "rgb"), jpeg(scene(20, 20))):
        with pytest.raises(NoRoom, match="out of room") as caught:
            decode(opened(data), allocate=full)
        assert not caught.value.is_permanent


def test_a_quality_overrules_the_source() -> None:
    photo = decode(opened(jpeg(scene(64, 96), quality=95)))
    small, _ = written(photo.pages, "JPEG", quality=40)
    assert len(small) < len(written(photo.pages, "JPEG")[0]) / 2


def test_lossless_files_stay_lossless() -> None:
    image = scene(60, 60)
    for data, file_format in (
        (encoded(image, "WEBP", lossless=True), "WEBP"),
        (imagecodecs.jpeg2k_encode(image, codecformat="jp2", reversible=True), "JPEG2000"),
        (png(image), "WEBP"),
        (png(image), "AVIF"),
    ):
        again, _ = written(decode(opened(data)).pages, file_format)
        np.testing.assert_array_equal(decode(opened(again)).pages[0].stored, image)


@given(bits=st.integers(9, 15), seed=st.integers(0, 99))
def test_depths_between_8_and_16_come_back_exactly(bits: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 1 << bits, (5, 7), dtype=np.uint16)
    wide = widened(values.copy(), bits)
    np.testing.assert_array_equal(narrowed(wide, bits), values)
    np.testing.assert_array_equal(unshifted(shifted(wide, bits), bits), wide)
    assert widened(np.full((1, 1), (1 << bits) - 1, np.uint16), bits)[0, 0] == 65535


def test_samples_of_twelve_bits_in_jpeg_2000_come_back_exactly() -> None:
    values = deep(scene(40, 50)) >> 4
    data = imagecodecs.jpeg2k_encode(values, codecformat="jp2", reversible=True, bitspersample=12)
    (page,) = decode(opened(data)).pages
    assert page.mode == "rgb12"
    again, _ = written([page], "JPEG2000")
    np.testing.assert_array_equal(imagecodecs.jpeg2k_decode(again), values)


# ---- pixels ----


@settings(max_examples=30, deadline=None)
@given(
    file_format=st.sampled_from(["PNG", "TIFF"]),
    colour=st.sampled_from([GRAY, RGB]),
    deep_samples=st.booleans(),
    alpha=st.booleans(),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    seed=st.integers(0, 1000),
)
def test_lossless_round_trip(
    file_format: str, colour: ColourModel, deep_samples: bool, alpha: bool, height: int,
    width: int, seed: int,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    kind = np.uint16 if deep_samples else np.uint8
    channels = colour.channels + alpha
    image = rng.integers(0, np.iinfo(kind).max + 1, (height, width, channels), dtype=kind)
    plain = image[..., 0] if channels == 1 else image
    if file_format == "PNG":
        data = imagecodecs.png_encode(plain)
    else:
        extra = {"extrasamples": ["unassalpha"]} if alpha else {}
        data = tiff(plain, "rgb" if colour is RGB else "minisblack", **extra)
    photo = decode(opened(data))
    again = decode(opened(written(photo.pages, file_format)[0])).main
    assert again.mode == photo.main.mode
    expected = image[..., 0] if colour is GRAY else image[..., :3]
    np.testing.assert_array_equal(again.stored, expected)
    if alpha:
        np.testing.assert_array_equal(again.alpha, image[..., -1])


def test_pixels_that_no_network_changed_come_back_bit_for_bit() -> None:
    page = decode(opened(tiff(deep(scene(48, 64)), "rgb", iccprofile=SRGB))).main
    after = page.pixels.copy()
    after[:10] //= 2
    restored = restored_page(page, after)
    np.testing.assert_array_equal(restored.stored[10:], page.stored[10:])
    np.testing.assert_array_equal(restored.stored[:10], page.stored[:10] // 2)
    assert restored_page(page, None) is page


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_pixels_are_upright_and_the_tag_is_reset(file_format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "a description"
    data = encoded(scene(64, 96), file_format, exif=exif.tobytes(), quality=95)
    photo = decode(opened(data))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(opened(data))))
    assert photo.pixels.shape == expected.shape
    assert mean_difference(photo.pixels, expected) < 1
    assert photo.main.turned == (orientation >= 5)
    again = Image.open(opened(written(photo.pages, file_format)[0]))
    assert again.getexif().get(0x0112, 1) == 1
    assert again.getexif()[0x010E] == "a description"
    assert again.size == (expected.shape[1], expected.shape[0])


@given(orientation=st.integers(1, 8), height=st.integers(1, 9), width=st.integers(1, 9))
def test_upright_moves_pixels_and_loses_none(orientation: int, height: int, width: int) -> None:
    image = np.arange(height * width, dtype=np.uint8).reshape(height, width)
    turned = upright(image, orientation)
    assert turned.shape[::-1] == upright_size(width, height, orientation)
    assert sorted(turned.ravel()) == sorted(image.ravel())
    np.testing.assert_array_equal(as_stored(turned, orientation), image)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
def test_profile_and_resolution_are_seen_by_other_readers(file_format: str) -> None:
    page = page_of(RGB, 8, icc_profile=SRGB, dpi=(600.0, 600.0))
    data, _ = written([page], file_format)
    image = Image.open(opened(data))
    assert image.info["icc_profile"] == SRGB
    vips = pyvips.Image.new_from_buffer(data, "")
    assert vips.get("icc-profile-data") == SRGB
    if file_format in ("WEBP", "AVIF"):  # in EXIF
        assert image.getexif()[0x011A] == pytest.approx(600, abs=0.5)
    else:
        assert image.info["dpi"][0] == pytest.approx(600, abs=0.5)
        assert vips.xres * 25.4 == pytest.approx(600, abs=0.5)


# ---- what is refused ----


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF", "JPEG2000"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_truncated_files_are_refused(file_format: str, share: float) -> None:
    data = encoded(scene(200, 200), file_format)
    with pytest.raises(DecodeError):
        decode(opened(data[: int(len(data) * share)]))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF"])
def test_salvage_decodes_as_far_as_it_goes_and_says_so(file_format: str) -> None:
    data = encoded(scene(200, 200), file_format, **{"quality": 95, "compression": "raw"})
    cut = data[: int(len(data) * 0.6)] if file_format != "TIFF" else holed(data)
    photo = decode(opened(cut), salvage=True)
    assert photo.is_salvaged
    assert photo.notes[0].startswith("salvaged: ")
    assert mean_difference(photo.pixels[:90], decode(opened(data)).pixels[:90]) < 1
    whole = decode(opened(data), salvage=True)
    assert not whole.is_salvaged
    assert not whole.notes


def holed(data: bytes) -> bytes:
    """A TIFF whose later strips lie beyond its end: the directory comes first here."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, scene(200, 200), rowsperstrip=20, metadata=None, photometric="rgb")
    return buffer.getvalue()[: int(len(buffer.getvalue()) * 0.6)]


@pytest.mark.parametrize(
    ("data", "error", "word"),
    [
        (b"", DecodeError, "empty"),
        (b"hello, I am a letter", DecodeError, "known format"),
        (b"\xff\xd8\xff", DecodeError, "JPEG"),
        (b"II*\0", DecodeError, "TIFF"),
        (bytes(500), DecodeError, "zeros"),
        (b"%PDF-1.7 ...", UnsupportedPhoto, "PDF"),
        (b"%!PS-Adobe-3.0 EPSF", UnsupportedPhoto, "PostScript"),
        (b'<?xml version="1.0"?><svg/>', UnsupportedPhoto, "XML"),
        (b"  <svg xmlns='...'>", UnsupportedPhoto, "SVG"),
        (b"SIMPLE  =                    T", UnsupportedPhoto, "FITS"),
        (b"GIF89a....", UnsupportedPhoto, "GIF"),
        (tiff(scene(16, 16).astype(np.float32), "rgb"), UnsupportedPhoto, "float"),
        (
            tiff(np.dstack([scene(16, 16)] * 2), "rgb", extrasamples=[0, 0, 0]),
            UnsupportedPhoto,
            "channels",
        ),
    ],
)
def test_what_cannot_be_carried_through_is_refused(data: bytes, error: type, word: str) -> None:
    with pytest.raises(error, match=word):
        decode(opened(data))


def test_an_animation_is_no_photograph() -> None:
    buffer = io.BytesIO()
    frames = [Image.fromarray(scene(20, 20, seed=i)) for i in range(3)]
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:])
    with pytest.raises(UnsupportedPhoto, match="animation"):
        decode(buffer)


@settings(max_examples=150, deadline=None)
@given(
    file_format=st.sampled_from(["JPEG", "PNG", "TIFF", "WEBP", "AVIF", "JPEG2000"]),
    position=st.floats(0, 1),
    garbage=st.binary(min_size=1, max_size=40),
    salvage=st.booleans(),
)
def test_damage_anywhere_gives_pixels_or_our_error(
    file_format: str, position: float, garbage: bytes, salvage: bool
) -> None:
    data = bytearray(encoded(scene(48, 48), file_format))
    at = int(position * (len(data) - 1))
    data[at : at + len(garbage)] = garbage
    try:
        photo = decode(opened(bytes(data)), Limits(max_megapixels=10), salvage=salvage)
    except (DecodeError, UnsupportedPhoto, TooLarge):
        return
    assert photo.pixels.dtype in (np.uint8, np.uint16)


# ---- limits ----


def test_a_bomb_is_refused_from_its_header() -> None:
    with pytest.raises(TooLarge, match="10000 megapixels"):
        decode(opened(png_bomb(100_000, 100_000)))


def test_pages_count_together() -> None:
    data = tiff([gray_scene(100, 100)] * 5, "minisblack")
    assert len(decode(opened(data), Limits(max_megapixels=0.06)).pages) == 5
    with pytest.raises(TooLarge, match="with the pages before"):
        decode(opened(data), Limits(max_megapixels=0.045))
    with pytest.raises(TooLarge, match="--max-pages"):
        decode(opened(data), Limits(max_pages=4))


def test_a_large_file_is_refused_by_its_size() -> None:
    with pytest.raises(TooLarge, match="--max-file-gb"):
        decode(opened(png(scene(50, 50))), Limits(max_file_gb=1e-6))


def test_header_needs_only_the_head_of_a_file() -> None:
    data = encoded(scene(300, 400), "JPEG")
    header = read_header(opened(data[:2000]))
    assert (header.width, header.height, header.format) == (400, 300, "JPEG")


# ---- everything at once ----


def exif_block(orientation: int) -> bytes:
    block = Image.Exif()
    block[0x0112] = orientation
    block[0x013B] = "Anon"
    return block.tobytes().removeprefix(b"Exif\0\0")


@settings(max_examples=60, deadline=None)
@given(
    file_format=st.sampled_from(sorted(FORMATS)),
    colour=st.sampled_from(list(ColourModel)),
    bits=st.sampled_from([8, 16]),
    alpha=st.booleans(),
    profile=st.sampled_from([None, SRGB]),
    dpi=st.sampled_from([None, (72.0, 72.0), (600.0, 300.0)]),
    orientation=st.integers(1, 8),
    iptc=st.sampled_from([None, b"\x1c\x02\x05\x00\x04Boat"]),
    texts=st.sampled_from([(), (("Comment", "front"),), (("Title", "Harbour"),)]),
    pages=st.integers(1, 3),
)
def test_nothing_is_lost_without_a_word(
    file_format: str, colour: ColourModel, bits: int, alpha: bool, profile: bytes | None,
    dpi: tuple[float, float] | None, orientation: int, iptc: bytes | None,
    texts: tuple[tuple[str, str], ...], pages: int,
) -> None:  # fmt: skip
    target = FORMATS[file_format]
    profile = profile if colour is RGB else None
    metadata = Metadata(exif=exif_block(orientation), iptc=iptc, texts=texts)
    page = page_of(
        colour, bits, alpha=alpha and colour in (GRAY, RGB),
        metadata=metadata, icc_profile=profile, dpi=dpi,
    )  # fmt: skip
    pages = pages if target.pages else 1
    data, notes = written([page] * pages, file_format)
    photo = decode(opened(data))
    said = " ".join(notes)
    assert len(photo.pages) == pages
    for again in photo.pages:
        assert again.stored.shape[:2] == page.stored.shape[:2]
        assert again.bits == bits or f"{bits} bits became" in said
        assert again.colour is colour or "became sRGB" in said or not_gray(again, page)
        assert (again.alpha is None) == (page.alpha is None) or "transparency" in said
        assert again.icc_profile == profile or "became sRGB" in said
        found = again.embedded.dpi
        assert found == (dpi and pytest.approx(dpi, abs=1)) or "resolution" in said
        kept = again.embedded.metadata
        assert kept.iptc == iptc or "IPTC" in said
        assert set(texts) <= set(kept.texts) or texts[0][0] in said
        image = Image.Exif()
        image.load(b"Exif\0\0" + kept.exif)
        assert image[0x013B] == "Anon"
        assert image.get(0x0112, 1) == 1


def not_gray(again, page) -> bool:
    """Whether three equal channels stand for a gray page, in formats that have no other way."""
    return page.colour is GRAY and np.ptp(again.pixels.astype(int), axis=-1).max() <= 2


def test_the_depth_of_a_heic_is_its_own_whatever_other_threads_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("pillow_heif")
    depths: list[int] = []

    def depth_written(bits: int) -> int:
        data, _ = written([page_of(RGB, bits)], "HEIF")
        return decode(opened(data)).pages[0].bits

    def shifted_later(samples: np.ndarray, bits: int) -> np.ndarray:
        if not depths:  # another thread's, which comes between
            depths.append(0)
            depths[0] = depth_written(10)
        return shifted(samples, bits)

    monkeypatch.setattr(heic, "shifted", shifted_later)
    depths.append(depth_written(12))
    assert depths == [10, 12]
