from __future__ import annotations

import io
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from restoration.codec.metadata.model import Embedded, Metadata
from restoration.errors import TooLarge
from tests.restoration.metadata_files import IPTC, PICTURE, XMP, encoded, exif_block, inserted, read

KEYWORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=79)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunks(*chunks: bytes) -> bytes:
    data = encoded("PNG")
    return data[:33] + b"".join(chunks) + data[33:]


def raw_profile(kind: bytes, name: str, data: bytes) -> bytes:
    text = f"\n{name}\n{len(data):8}\n".encode()
    text += b"\n".join(data.hex()[i : i + 72].encode() for i in range(0, 2 * len(data), 72))
    keyword = f"Raw profile type {name}".encode() + b"\0"
    return chunk(kind, keyword + (text if kind == b"tEXt" else b"\0" + zlib.compress(text)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(KEYWORDS, TEXTS), max_size=4))
def test_texts_go_round_and_pillow_reads_them(texts: list[tuple[str, str]]) -> None:
    texts = [text for text in texts if not text[0].startswith(("Raw profile", "XML:com"))]
    data, notes = inserted("PNG", Embedded(Metadata(texts=tuple(texts))))
    assert notes == ()
    assert read("PNG", data).metadata.texts == tuple(texts)
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert image.text == dict(texts)  # type: ignore[attr-defined]


def test_texts_of_pillow_in_all_three_kinds() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "Größe")
    info.add_text("Comment", "long " * 1000, zip=True)
    info.add_itxt("Title", "写真", lang="ja", tkey="題", zip=True)
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    buffer = io.BytesIO()
    Image.fromarray(PICTURE).save(buffer, "PNG", pnginfo=info)
    found = read("PNG", buffer.getvalue()).metadata
    expected = (("Author", "Größe"), ("Comment", "long " * 1000), ("Title", "写真"))
    assert found.texts == expected
    assert found.xmp == XMP
    assert found.notes == ("the language of the text 'Title' was left out",)


@pytest.mark.parametrize(
    "text", [("", "x"), ("k" * 80, "x"), ("k" * 9999, "x"), ("写", "x"), ("k", "a\0b")]
)
def test_texts_that_png_cannot_hold_are_said(text: tuple[str, str]) -> None:
    data, [note] = inserted("PNG", Embedded(Metadata(texts=(text,))))
    assert read("PNG", data).metadata.texts == ()
    assert repr(text[0])[:80] in note
    assert len(note) < 200


def test_a_comment_in_another_encoding_keeps_its_bytes() -> None:
    comment = b"Gr\xfc\xdfe".decode("utf-8", "surrogateescape")
    data, _ = inserted("PNG", Embedded(Metadata(texts=(("Comment", comment),))))
    assert b"Comment\0Gr\xfc\xdfe" in data
    assert read("PNG", data).metadata.texts == (("Comment", "Grüße"),)


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt"])
def test_profiles_in_hexadecimal(kind: bytes) -> None:
    resources = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC
    data = with_chunks(
        raw_profile(kind, "exif", b"Exif\0\0" + exif_block()),
        raw_profile(kind, "iptc", resources + b"\0"),
        raw_profile(kind, "xmp", XMP),
    )
    found = read("PNG", data).metadata
    assert found == Metadata(exif=exif_block(), xmp=XMP, iptc=IPTC)
    other_names = with_chunks(
        raw_profile(kind, "APP1", b"http://ns.adobe.com/xap/1.0/\0" + XMP),
        raw_profile(kind, "8bim", IPTC),
    )
    assert read("PNG", other_names).metadata == Metadata(xmp=XMP, iptc=IPTC)


def test_a_damaged_profile_in_hexadecimal_stays_a_text() -> None:
    text = b"Raw profile type exif\0\nexif\n      10\nzz"
    assert read("PNG", with_chunks(chunk(b"tEXt", text))).metadata.texts[0][1].endswith("zz")


def test_a_chunk_with_a_wrong_sum_is_left_out_and_said() -> None:
    data = with_chunks(chunk(b"eXIf", exif_block())[:-1] + b"?")
    found = read("PNG", data).metadata
    assert found.exif is None
    assert found.notes == ("PNG chunk eXIf is damaged and was left out",)


def test_a_text_bomb_is_refused() -> None:
    inflater = zlib.compressobj(9)
    bomb = b"".join(inflater.compress(bytes(1 << 20)) for _ in range(9)) + inflater.flush()
    assert len(bomb) < 10_000
    for kind, head in ((b"zTXt", b"k\0\0"), (b"iTXt", b"k\0\1\0\0\0"), (b"iCCP", b"k\0\0")):
        with pytest.raises(TooLarge, match="--max-metadata-mb"):
            read("PNG", with_chunks(chunk(kind, head + bomb)), limit_bytes=8 << 20)


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_what_cannot_be_inflated_is_left_out_and_said(kind: bytes) -> None:
    for content in (b"no stream", zlib.compress(b"x" * 1000)[:-6], b""):
        found = read("PNG", with_chunks(chunk(kind, b"name\0\0" + content)))
        assert found.icc_profile is None
        assert kind.decode() in found.metadata.notes[0]


def test_colour_chunks_travel_and_srgb_gives_way_to_a_profile() -> None:
    chunks = ((b"cICP", b"\x01\x0d\0\x01"), (b"sRGB", b"\0"), (b"gAMA", b"\0\0\xb1\x8f"))
    data, _ = inserted("PNG", Embedded(png_colour=chunks))
    found = read("PNG", data)
    assert found.png_colour == chunks
    with Image.open(io.BytesIO(data)) as image:
        assert (image.info["srgb"], image.info["gamma"]) == (0, 0.45455)
    data, _ = inserted("PNG", Embedded(icc_profile=b"profile", png_colour=chunks))
    assert [kind for kind, _ in read("PNG", data).png_colour] == [b"cICP", b"gAMA"]


def test_palettes_and_transparency_stay_in_order() -> None:
    buffer = io.BytesIO()
    Image.fromarray(PICTURE).quantize(16).save(buffer, "PNG", transparency=3)
    data, _ = inserted("PNG", Embedded(icc_profile=b"profile"), buffer.getvalue())
    assert data.index(b"iCCP") < data.index(b"PLTE") < data.index(b"tRNS") < data.index(b"IDAT")


def test_other_chunks_are_named() -> None:
    data = with_chunks(chunk(b"tIME", bytes(7)), chunk(b"caBX", b"x"), chunk(b"prVt", b"x"))
    notes = read("PNG", data).metadata.notes
    assert ["time" in notes[0], "C2PA" in notes[1], "prVt" in notes[2]] == [True] * 3


def test_metadata_after_the_pixels_are_found() -> None:
    data = encoded("PNG")
    end = chunk(b"IEND", b"")
    assert data.endswith(end)
    late = data[: -len(end)] + chunk(b"eXIf", exif_block()) + end
    assert read("PNG", late).metadata.exif == exif_block()


@pytest.mark.parametrize("dpi", [1.0, 72.0, 96.0, 150.0, 300.0, 600.0, 4800.0])
def test_whole_resolutions_stay_whole(dpi: float) -> None:
    assert read("PNG", inserted("PNG", Embedded(dpi=(dpi, dpi)))[0]).dpi == (dpi, dpi)
