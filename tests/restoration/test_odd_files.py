"""Files of kinds that old archives hold and few writers write; and those that lie."""

from __future__ import annotations

import io
import struct
import tracemalloc
from collections.abc import Callable, Iterator

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from restoration.codec import ColourModel, DecoderProcess, Limits, decode, tiff_samples
from restoration.codec.formats import sniff
from restoration.codec.metadata import jp2 as jp2_file
from restoration.codec.metadata import jpeg as jpeg_file
from restoration.codec.metadata import png as png_file
from restoration.codec.metadata import webp as webp_file
from restoration.codec.metadata.model import Embedded, Metadata
from restoration.codec.orientation import upright
from restoration.codec.reading import Request
from restoration.errors import DecodeError, DecoderDied, TooLarge, UnsupportedPhoto
from tests.pictures import (
    SRGB,
    deep,
    jpeg,
    page_of,
    png_bomb,
    raw_tiff,
    tiff,
    tiff_tags,
    written,
)
from tests.scenes import gray_scene, scene


def by_pillow(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("picture", [scene(40, 50), deep(scene(40, 50))], ids=["8", "16"])
def test_tiles_with_a_plane_for_each_channel(picture: np.ndarray) -> None:
    planes = np.moveaxis(picture, -1, 0)
    data = tiff(planes, "rgb", planarconfig="separate", tile=(16, 16), compression="lzw")
    np.testing.assert_array_equal(decode(io.BytesIO(data)).main.stored, picture)


@pytest.mark.parametrize("orientation", [1, 6])
def test_samples_are_decoded_to_where_they_are_wanted(orientation: int) -> None:
    picture = np.add.outer(np.arange(0, 60_000, 100), np.arange(500))  # a small file
    picture = np.dstack([picture.astype(np.uint16)] * 3)
    stored = np.zeros((500, 600, 3) if orientation == 6 else (600, 500, 3), np.uint16)
    request = Request(Limits(), False, lambda shape, kind: stored, lambda megapixels: None)
    with tifffile.TiffFile(
        io.BytesIO(tiff(picture, "rgb", compression="lzma", tile=(16, 16)))
    ) as tif:
        page = tif.pages[0]
        tracemalloc.start()
        decoded, _ = tiff_samples.read_samples(page, orientation, request)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert decoded.stored is stored
    np.testing.assert_array_equal(stored, upright(picture, orientation))
    assert (peak > stored.nbytes) is (orientation != 1)  # a turned one needs an array in between


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
def test_a_page_of_as_many_rows_and_columns_as_channels(byteorder: str, planarconfig: str) -> None:
    picture = np.random.default_rng(0).integers(0, 65536, (3, 3, 3), np.uint16)
    lying = picture if planarconfig == "contig" else np.moveaxis(picture, -1, 0)
    options = {"planarconfig": planarconfig, "compression": "lzma"}
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, byteorder=byteorder) as writer:
        writer.write(lying, photometric="rgb", metadata=None, **options)
    np.testing.assert_array_equal(decode(buffer).main.stored, picture)


def test_lzma_with_opacity() -> None:
    picture = np.dstack([scene(40, 50), gray_scene(40, 50)])
    data = tiff(picture, "rgb", extrasamples=["unassalpha"], compression="lzma")
    page = decode(io.BytesIO(data)).main
    np.testing.assert_array_equal(page.stored, picture[..., :3])
    np.testing.assert_array_equal(page.alpha, picture[..., 3])


@pytest.mark.parametrize("is_deep", [False, True], ids=["8", "16"])
def test_premultiplied_colours_are_the_same_by_either_decoder(is_deep: bool) -> None:
    opacity = gray_scene(40, 50).copy()
    opacity[:8] = 0
    picture = np.dstack([scene(40, 50) * (opacity[..., None] / 255), opacity]).astype(np.uint8)
    picture = picture.astype(np.uint16) * 257 if is_deep else picture
    pages = [
        decode(io.BytesIO(tiff(picture, "rgb", extrasamples=["assocalpha"], compression=name)))
        for name in ("lzw", "lzma")
    ]
    by_libvips, by_tifffile = (photo.main.stored.astype(int) for photo in pages)
    assert np.abs(by_libvips - by_tifffile).max() <= 1
    np.testing.assert_array_equal(by_tifffile[:8], 0)
    assert by_tifffile[8:].mean() > picture[8:, :, :3].mean() * 1.1
    assert pages[0].notes == pages[1].notes != ()


@pytest.mark.parametrize("compression", [None, "lzma"], ids=["libvips", "tifffile"])
@pytest.mark.parametrize(
    ("photometric", "channels", "extra"),
    [("rgb", 4, [0]), ("minisblack", 2, [0]), ("separated", 5, [0]), ("rgb", 5, [2, 0])],
    ids=["infrared", "gray", "spot", "opacity and another"],
)
def test_extra_channels_that_are_no_opacity_are_not_supported(
    photometric: str, channels: int, extra: list[int], compression: str | None
) -> None:
    picture = np.dstack([scene(16, 16)] * 2)[..., :channels]
    data = tiff(picture, photometric, extrasamples=extra, compression=compression)
    with pytest.raises(UnsupportedPhoto, match=r"extra channel.*infrared"):
        decode(io.BytesIO(data))


@pytest.mark.parametrize("photometric", [0, 1])
def test_twelve_bits_are_spread_over_the_whole_range(photometric: int) -> None:
    samples = np.random.default_rng(0).integers(0, 4096, (6, 8), np.uint16)
    digits = "".join(f"{sample:03x}" for sample in samples.ravel())
    tags = tiff_tags(8, 6, bits=12, photometric=photometric, size=72)
    page = decode(io.BytesIO(raw_tiff(bytes.fromhex(digits), *tags))).main
    shown = samples if photometric else 4095 - samples
    np.testing.assert_array_equal(page.stored, shown << 4 | shown >> 8)
    assert (page.bits, page.colour) == (12, ColourModel.GRAY)


def test_jpeg_in_the_way_of_tiff_6() -> None:
    stream = jpeg(gray_scene(32, 48), quality=95)
    tags = tiff_tags(48, 32, compression=6, size=len(stream), jpeg_offset=8, jpeg_size=len(stream))
    page = decode(io.BytesIO(raw_tiff(stream, *tags))).main
    np.testing.assert_array_equal(page.stored, np.asarray(Image.open(io.BytesIO(stream))))


def test_what_tifffile_would_take_for_black_is_damage() -> None:
    with pytest.raises(DecodeError, match="lacks parts"):
        decode(io.BytesIO(raw_tiff(bytes(72), *tiff_tags(8, 6, bits=12, size=0))))


def test_floats_in_planar_tiles_are_not_supported() -> None:
    planes = np.moveaxis(scene(40, 50), -1, 0).astype(np.float32)
    data = tiff(planes, "rgb", planarconfig="separate", tile=(16, 16))
    with pytest.raises(UnsupportedPhoto, match="float32"):
        decode(io.BytesIO(data))


def test_a_chain_of_pages_that_leads_back_ends_there() -> None:
    data = bytearray(tiff([gray_scene(8, 9), gray_scene(10, 11)], "minisblack"))
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        first, last = tif.pages[0].offset, tif.pages[1].offset
    at = last + 2 + 12 * int.from_bytes(data[last : last + 2], "little")
    data[at : at + 4] = struct.pack("<I", first)
    photo = decode(io.BytesIO(data))
    assert [page.stored.shape for page in photo.pages] == [(8, 9), (10, 11)]
    assert "leads back" in photo.notes[0]


@pytest.mark.parametrize("sizes", [(4, 90_000), (90_000, 4)])
def test_a_width_that_comes_twice_gets_round_no_limit(sizes: tuple[int, int]) -> None:
    first, second = sizes
    tags = tiff_tags(first, 90_000, size=360_000)
    data = raw_tiff(bytes(100), tags[0], (256, second), *tags[1:])
    with pytest.raises((DecodeError, TooLarge)):
        decode(io.BytesIO(data), Limits(max_megapixels=1))


def test_animations_are_no_photographs() -> None:
    frames = [Image.fromarray(scene(20, 30, seed=seed)) for seed in range(3)]
    data = by_pillow(frames[0], "PNG", save_all=True, append_images=frames[1:])
    with pytest.raises(UnsupportedPhoto, match="animation of 3"):
        decode(io.BytesIO(data))
    assert decode(io.BytesIO(by_pillow(frames[0], "PNG", save_all=True))).pages


@pytest.mark.parametrize("brand", [b"avis", b"hevc", b"msf1"])
def test_films_are_no_photographs(brand: bytes) -> None:
    with pytest.raises(UnsupportedPhoto, match="sequence"):
        sniff(b"\0\0\0\x1cftyp" + brand + bytes(4) + b"avifmif1")


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_two_colours_of_a_palette_are_colours(file_format: str) -> None:
    image = Image.new("P", (16, 12))
    image.putpalette([200, 30, 40, 20, 60, 90])
    image.putdata([(x + y) % 2 for y in range(12) for x in range(16)])
    page = decode(io.BytesIO(by_pillow(image, "PNG", bits=1))).main
    assert page.mode == "rgb8"
    again = decode(io.BytesIO(written([page], file_format)[0])).main
    np.testing.assert_array_equal(again.stored, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("profile", [None, SRGB + bytes(1 << 16)], ids=["bare", "large profile"])
def test_a_webp_is_lossless_whatever_comes_before_its_picture(
    lossless: bool, profile: bytes | None
) -> None:
    options = {"lossless": lossless, "icc_profile": profile}
    data = by_pillow(Image.fromarray(scene(20, 30)), "WEBP", **options)
    assert decode(io.BytesIO(data)).main.coding.lossless is lossless


TURNED_BY_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


def turned_exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[274] = orientation
    return block.tobytes().removeprefix(b"Exif\0\0")


def lying(file_format: str, **metadata: bytes) -> bytes:
    """A file whose picture is not upright, nor turned when it was written."""
    picture = Image.fromarray(scene(20, 30))
    bare = (
        jp2(scene(20, 30))
        if file_format == "JPEG2000"
        else by_pillow(
            picture, file_format, **({"lossless": True} if file_format == "WEBP" else {})
        )
    )
    modules = {"JPEG": jpeg_file, "PNG": png_file, "WEBP": webp_file, "JPEG2000": jp2_file}
    out = io.BytesIO()
    modules[file_format].insert(io.BytesIO(bare), out, Embedded(Metadata(**metadata)))
    return out.getvalue()


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "JPEG2000"])
@pytest.mark.parametrize(
    ("metadata", "quarters"),
    [
        ({"exif": turned_exif(6)}, 3),
        ({"xmp": TURNED_BY_XMP}, 3),
        ({"exif": turned_exif(8), "xmp": TURNED_BY_XMP}, 1),
        ({"xmp": TURNED_BY_XMP.replace(b'"6"', b'"60"')}, 0),
        ({"xmp": TURNED_BY_XMP[:-20]}, 0),
    ],
    ids=["EXIF", "XMP", "both", "nonsense", "damaged"],
)
def test_pictures_are_turned_upright_by_what_their_metadata_say(
    file_format: str, metadata: dict[str, bytes], quarters: int
) -> None:
    page = decode(io.BytesIO(lying(file_format, **metadata))).main
    as_it_lies = decode(io.BytesIO(lying(file_format))).main.stored
    np.testing.assert_array_equal(page.stored, np.rot90(as_it_lies, quarters))
    assert page.turned is (quarters in (1, 3))
    again = decode(io.BytesIO(written([page], "PNG")[0])).main
    np.testing.assert_array_equal(again.stored, page.stored)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "JPEG", "JPEG2000"])
def test_colours_as_png_alone_describes_them_are_missed(file_format: str) -> None:
    gamma = (b"gAMA", struct.pack(">I", 100_000))
    page = page_of(ColourModel.RGB, 8, png_colour=(gamma,))
    said = [note for note in written([page], file_format)[1] if "gAMA" in note]
    assert len(said) == (file_format != "PNG")
    named = page_of(ColourModel.RGB, 8, png_colour=(gamma, (b"sRGB", b"\0")))
    assert not [note for note in written([named], file_format)[1] if "gAMA" in note]


@pytest.mark.parametrize(
    ("file_format", "bits"), [("PNG", 16), ("TIFF", 16), ("JPEG2000", 12), ("AVIF", 12)]
)
def test_twelve_bits_that_become_sixteen_are_told_of(file_format: str, bits: int) -> None:
    tags = tiff_tags(8, 6, bits=12, size=72)
    page = decode(io.BytesIO(raw_tiff(bytes(range(72)), *tags))).main
    data, notes = written([page], file_format)
    assert any("12 bits became 16" in note for note in notes) is (bits == 16)
    again = decode(io.BytesIO(data)).main
    assert again.bits == bits
    if file_format != "AVIF":
        np.testing.assert_array_equal(again.stored >> 4, page.stored >> 4)


# ---- JPEG 2000 ----


def jp2(picture: np.ndarray) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(picture, codecformat="jp2", reversible=True))


def with_box(data: bytes, kind: bytes, content: bytes) -> bytes:
    """With one more box before the codestream's."""
    at = data.index(b"jp2c") - 4
    return data[:at] + struct.pack(">I4s", 8 + len(content), kind) + content + data[at:]


def test_a_codestream_behind_large_boxes_is_found() -> None:
    data = with_box(jp2(scene(20, 30)), b"xml ", bytes(3 << 20))
    np.testing.assert_array_equal(decode(io.BytesIO(data)).main.stored, scene(20, 30))


def test_a_codestream_within_a_box_gets_round_no_limit() -> None:
    small = jp2(scene(20, 30))
    decoy = small[small.index(b"\xff\x4f\xff\x51") :]
    data = with_box(jp2(scene(400, 300)), b"xml ", decoy)
    with pytest.raises(TooLarge):
        decode(io.BytesIO(data), Limits(max_megapixels=0.01))


def test_a_header_box_that_contradicts_the_codestream_is_refused() -> None:
    data = jp2(scene(20, 30)).replace(
        b"ihdr" + struct.pack(">II", 20, 30), b"ihdr" + struct.pack(">II", 20_000, 30_000)
    )
    with pytest.raises(DecodeError):
        decode(io.BytesIO(data))


def test_what_pillow_refuses_openjpeg_may_read() -> None:
    data = bytearray(jp2(scene(20, 30)))
    head = data.index(b"jp2h") - 4
    end = head + int.from_bytes(data[head : head + 4], "big")
    broken = struct.pack(">I4sI4s", 20, b"res ", 12, b"resc") + bytes(4)  # too short for one
    data[head : head + 4] = struct.pack(">I", end - head + len(broken))
    data[end:end] = broken
    with pytest.raises(OSError, match="cannot identify"):
        Image.open(io.BytesIO(data))
    np.testing.assert_array_equal(decode(io.BytesIO(data)).main.stored, scene(20, 30))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("colour", [ColourModel.GRAY, ColourModel.RGB])
def test_opacity_is_said_to_be_one(colour: ColourModel, bits: int) -> None:
    page = page_of(colour, bits, alpha=True)
    data = written([page], "JPEG2000")[0]
    at = data.index(b"cdef")
    colours = [(number, 0, number + 1) for number in range(colour.channels)]
    expected = [colour.channels + 1, *np.ravel(colours), colour.channels, 1, 0]
    assert list(struct.unpack_from(f">{len(expected)}H", data, at + 4)) == expected
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == ("LA" if colour is ColourModel.GRAY else "RGBA")
        image.load()
    again = decode(io.BytesIO(data)).main
    np.testing.assert_array_equal(again.stored, page.stored)
    np.testing.assert_array_equal(again.alpha, page.alpha)
    assert b"cdef" not in written([page_of(colour, bits)], "JPEG2000")[0]


# ---- ten gigapixels in a few hundred bytes ----

SIDE = 100_000


def jpeg_bomb() -> bytes:
    """65,500 is about as large as a JPEG gets."""
    data = bytearray(jpeg(scene(16, 24)))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 65_500, 65_500)
    return bytes(data)


def jp2_bomb() -> bytes:
    data = bytearray(jp2(scene(16, 24)))
    sides = struct.pack(">II", SIDE, SIDE)
    image, siz = data.index(b"ihdr"), data.index(b"\xff\x4f\xff\x51")
    data[image + 4 : image + 12] = data[siz + 8 : siz + 16] = data[siz + 24 : siz + 32] = sides
    return bytes(data)


def heif_bomb(file_format: str) -> bytes:
    data = bytearray(written([page_of(ColourModel.RGB, 8)], file_format)[0])
    size = data.index(b"ispe")
    data[size + 8 : size + 16] = struct.pack(">II", SIDE, SIDE)
    return bytes(data)


@pytest.fixture(scope="module")
def decoder() -> Iterator[DecoderProcess]:
    process = DecoderProcess()
    yield process
    process.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda: png_bomb(SIDE, SIDE),
        lambda: raw_tiff(bytes(100), *tiff_tags(SIDE, SIDE, size=100)),
        lambda: raw_tiff(bytes(100), *tiff_tags(SIDE, SIDE, size=100, bits=12)),
        lambda: raw_tiff(bytes(100), *tiff_tags(SIDE, SIDE, size=100, compression=34925)),
        jpeg_bomb,
        jp2_bomb,
    ],
    ids=["PNG", "TIFF", "12-bit TIFF", "LZMA TIFF", "JPEG", "JP2"],
)
def test_bombs_are_refused_by_their_header(
    decoder: DecoderProcess, make: Callable[[], bytes]
) -> None:
    # Ten gigapixels are ten gigabytes at least: that nobody asked for them shows in which of the
    # two limits is named.
    with pytest.raises(TooLarge, match="megapixels; the limit is 500"):
        decoder.decode(io.BytesIO(make()), Limits(decode_memory_gb=0.3))


@pytest.mark.parametrize("file_format", ["AVIF", "HEIF"])
def test_bombs_that_libheif_refuses_itself(decoder: DecoderProcess, file_format: str) -> None:
    if file_format == "HEIF":
        pytest.importorskip("pillow_heif")
    with pytest.raises((TooLarge, DecodeError)) as caught:
        decoder.decode(io.BytesIO(heif_bomb(file_format)), Limits(decode_memory_gb=0.3))
    assert "decode-memory" not in str(caught.value)
    assert not isinstance(caught.value, DecoderDied)
