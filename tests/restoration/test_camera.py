"""Who made a picture, by what it says of itself."""

from __future__ import annotations

import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from restoration.codec import decode
from restoration.codec.metadata.camera import LONGEST, camera_of, plain_line
from tests.pictures import jpeg, tiff
from tests.scenes import gray_scene, scene

MAKE, MODEL = 0x010F, 0x0110


def block(make: str | None, model: str | None) -> bytes:
    exif = Image.Exif()
    for tag, text in ((MAKE, make), (MODEL, model)):
        if text is not None:
            exif[tag] = text
    return exif.tobytes().removeprefix(b"Exif\0\0")


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Canon", "Canon EOS 5D", "Canon EOS 5D"),
        ("NIKON CORPORATION", "NIKON D70", "NIKON D70"),
        ("EASTMAN KODAK COMPANY", "Kodak DC210", "Kodak DC210"),
        ("EPSON   ", " Perfection  V850\n", "EPSON Perfection V850"),
        ("Canon", "CanoScan 9000F", "Canon CanoScan 9000F"),
        (None, "Expression 12000XL", "Expression 12000XL"),
        ("Hasselblad", None, "Hasselblad"),
        ("", " \t ", None),
        (None, None, None),
    ],
)
def test_make_and_model(make: str | None, model: str | None, camera: str | None) -> None:
    assert camera_of(block(make, model)) == camera


def test_it_is_short_however_long_it_is() -> None:
    assert camera_of(block("A" * 5000, "B " * 5000)) == "A" * LONGEST + " " + ("B " * 32).strip()


def test_hostile_text_is_text() -> None:
    text = "a\x1b[31m\u202eb\u2028c\x85 <script>\0hidden".encode()
    assert plain_line(text) == "a [31m b c <script>"
    assert plain_line(b"\xff\xfeLeitz") == "Leitz"


@given(st.binary(max_size=200))
def test_a_line_is_a_line(text: bytes) -> None:
    line = plain_line(text)
    assert len(line) <= LONGEST
    assert line == " ".join(line.split())
    assert not any(unicodedata.category(each)[0] == "C" for each in line)
    line.encode()


@given(st.binary(max_size=120))
def test_damage_is_no_camera(junk: bytes) -> None:
    for data in (junk, b"II*\0\x08\0\0\0" + junk, block("Leitz", "Leica")[:-1] + junk):
        found = camera_of(data)
        assert found is None or len(found) <= 2 * LONGEST + 1


def test_files_name_their_camera() -> None:
    photo = jpeg(scene(40, 40), quality=90, exif=b"Exif\0\0" + block("Canon", "Canon EOS 5D"))
    assert decode(io.BytesIO(photo)).camera == "Canon EOS 5D"
    tags = [(MAKE, 2, 0, "EPSON", True), (MODEL, 2, 0, "Expression 12000XL", True)]
    scan = tiff(scene(40, 40), "rgb", extratags=tags)
    assert decode(io.BytesIO(scan)).camera == "EPSON Expression 12000XL"
    assert decode(io.BytesIO(jpeg(scene(40, 40), quality=90))).camera is None


def test_any_page_may_name_it() -> None:
    first = Image.fromarray(gray_scene(40, 40))
    second = Image.fromarray(gray_scene(60, 60))
    second.encoderinfo = {"tiffinfo": {MAKE: "Leitz"}}  # type: ignore[attr-defined]
    out = io.BytesIO()
    first.save(out, "TIFF", save_all=True, append_images=[second])
    photo = decode(out)
    assert len(photo.pages) == 2
    assert photo.camera == "Leitz"
