"""Contact sheets, and the text in them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from restoration import lettering
from restoration.contact_sheet import Cell, Entry, check_suffix, cropped, draw, fitted, save
from restoration.errors import UsageError
from tests.scenes import scene

WIDTH = 160


def entry(*pictures: np.ndarray | None, flags: tuple[str, ...] = ()) -> Entry:
    labels = ("original", "restored", "colorized")
    cells = tuple(
        Cell(label, None if pixels is None else fitted(pixels, WIDTH), absence="not asked for")
        for label, pixels in zip(labels, pictures, strict=False)
    )
    return Entry("farms/和船 <b>.jpg", ("denoise; noise 12.1 → 1.9",), flags, cells)


class TestPictures:
    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(
        height=st.integers(1, 400),
        width=st.integers(1, 400),
        channels=st.sampled_from([0, 3]),
        dtype=st.sampled_from([np.uint8, np.uint16]),
    )
    def test_they_fit_their_cell_and_are_never_enlarged(self, height, width, channels, dtype):
        shape = (height, width, channels) if channels else (height, width)
        pixels = np.full(shape, np.iinfo(dtype).max // 2, dtype)
        small = fitted(pixels, WIDTH)
        assert small.dtype == np.uint8
        assert small.ndim == pixels.ndim
        assert small.shape[0] <= min(height, 1.25 * WIDTH)
        assert small.shape[1] <= min(width, WIDTH)
        assert abs(int(small.max()) - 127) <= 1
        assert abs(int(small.min()) - 127) <= 1

    def test_a_crop_shows_the_same_part_of_all_pictures_pixel_for_pixel(self):
        original = np.zeros((300, 400), np.uint8)
        original[200:260, 300:380] = scene(60, 80, seed=1)[..., 0]
        other = (original.astype(np.uint16) * 257)[..., None].repeat(3, -1)
        first, second = cropped(original, original, 100), cropped(other, original, 100)
        assert first.shape == (100, 100)
        assert np.array_equal(second[..., 1], first)
        assert first.any()


class TestSheets:
    def test_a_row_shows_each_picture_as_it_is(self):
        original = np.full((40, 60, 3), (10, 20, 30), np.uint8)
        restored = np.full((40, 60, 3), (40, 50, 60), np.uint8)
        page = np.asarray(draw([entry(original, restored, None)], "a title", width=WIDTH))
        for pixels in (original, restored):
            assert (page == pixels[0, 0]).all(-1).sum() == 40 * 60
        assert page.shape[1] > 3 * WIDTH
        blank = (page == 0xF0).all(-1).sum()
        assert 0.5 * 40 * 60 < blank < 40 * 60  # the reason why there is none is written on it
        assert not (page == 0).all(-1).any()

    def test_reasons_to_look_are_in_another_ink(self):
        photo = scene(90, 60, seed=2)
        plain = np.asarray(draw([entry(photo)], "t", width=WIDTH)).astype(int)
        flagged = np.asarray(draw([entry(photo, flags=("it is green",))], "t", width=WIDTH))
        assert flagged.shape[0] > plain.shape[0]
        red = (0x9C, 0x1C, 0x1C)
        assert (flagged == red).all(-1).any()
        assert not (plain == red).all(-1).any()

    def test_a_long_name_stays_on_the_page_and_keeps_its_end(self):
        font = lettering.own_font(17)
        name = "a" * 4000 + "-0017.tif"
        short = lettering.shortened(name, font, 200)
        assert font.getlength(short) <= 200
        assert short.startswith("aa")
        assert short.endswith("17.tif")
        assert lettering.shortened("a.tif", font, 200) == "a.tif"

    @pytest.mark.parametrize("suffix", [".png", ".jpg"])
    def test_it_is_written_in_the_format_of_its_suffix(self, suffix: str):
        page = draw([entry(scene(90, 60, seed=3))], "t", width=WIDTH)
        file = io.BytesIO()
        save(page, file, suffix)
        with Image.open(file) as image:
            assert image.size == page.size
            assert image.format == ("PNG" if suffix.lower() == ".png" else "JPEG")

    def test_another_format_is_refused_in_a_line(self):
        with pytest.raises(UsageError, match=r"a \.jpg or \.png file, not sheet\.gif"):
            check_suffix(Path("sheet.gif"))


class TestLettering:
    def test_pillows_own_font_is_taken_for_what_it_has(self):
        assert lettering.font_for("farm (1).jpg", 15) is lettering.own_font(15)

    def test_no_font_has_less_of_a_text_than_pillows_own(self):
        text = "長崎 Владивосток"
        shown = lettering.drawable(text, lettering.font_for(text, 15))
        assert shown.count("?") <= lettering.drawable(text, lettering.own_font(15)).count("?")
