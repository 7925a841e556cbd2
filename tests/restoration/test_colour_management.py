"""Colours of a file to sRGB and back: what must not change, does not; what did, arrives."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageCms

from restoration.codec.colour_management import from_srgb, to_srgb
from restoration.codec.icc import SRGB_PROFILE, fits, transform
from restoration.codec.matrix_shaper import LARGEST_ERROR, matrix_shaper
from restoration.codec.pages import ColourModel
from tests.scenes import gray_scene, noisy, scene

GRAY, RGB, CMYK, LAB = ColourModel.GRAY, ColourModel.RGB, ColourModel.CMYK, ColourModel.LAB
D65 = (0.3127, 0.3290, 1.0)


def gamma_profile(primaries: list[float], gamma: float) -> bytes:
    return imagecodecs.cms_profile("rgb", whitepoint=D65, primaries=primaries, gamma=gamma)


DISPLAY_P3 = bytes(pyvips.Operation.call("profile_load", "p3"))
ADOBE_RGB = imagecodecs.cms_profile("adobergb")
LINEAR = gamma_profile([0.64, 0.33, 0.30, 0.60, 0.15, 0.06], 1.0)
PROPHOTO = gamma_profile([0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001], 1.8)
INK = bytes(pyvips.Operation.call("profile_load", "cmyk"))
GRAY_22 = imagecodecs.cms_profile("gray", whitepoint=D65, gamma=2.2)
PILLOW_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def without_blue(profile: bytes) -> bytes:
    """With the red primary in the place of the blue one: there is no way back."""
    places = {}
    for number in range(struct.unpack_from(">I", profile, 128)[0]):
        tag, start, size = struct.unpack_from(">4sII", profile, 132 + 12 * number)
        places[tag] = slice(start, start + size)
    changed = bytearray(profile)
    changed[places[b"bXYZ"]] = profile[places[b"rXYZ"]]
    return bytes(changed)


PROFILES: list[tuple[ColourModel, bytes | None]] = [
    (GRAY, None), (GRAY, GRAY_22), (GRAY, SRGB_PROFILE), (RGB, None), (RGB, SRGB_PROFILE),
    (RGB, PILLOW_SRGB), (RGB, DISPLAY_P3), (RGB, ADOBE_RGB), (RGB, LINEAR), (RGB, GRAY_22),
    (CMYK, None), (CMYK, INK), (LAB, None), (LAB, INK),
]  # fmt: skip
DTYPES = st.sampled_from([np.uint8, np.uint16])
SIDES = st.tuples(st.integers(1, 5), st.integers(1, 5))


def shape_of(sides: tuple[int, int], colour: ColourModel) -> tuple[int, ...]:
    return sides if colour is GRAY else (*sides, colour.channels)


def wide(image: np.ndarray) -> np.ndarray:
    """8-bit samples in 16."""
    return image.astype(np.uint16) * np.uint16(257)


def lab_of(samples: np.ndarray, colour: ColourModel, profile: bytes) -> np.ndarray:
    """CIE L*a*b* of 16-bit samples, relative colorimetric, by LittleCMS in 16 bits."""
    encoded = imagecodecs.cms_transform(
        samples, profile, imagecodecs.cms_profile("lab4"), colorspace=colour.value,
        outcolorspace="lab", outdtype=np.uint16, intent=1,
        flags=imagecodecs.CMS.FLAGS.NOOPTIMIZE,
    )  # fmt: skip
    scaled = encoded.astype(float) / 257
    return np.dstack([scaled[..., 0] * 100 / 255, scaled[..., 1] - 128, scaled[..., 2] - 128])


def difference(a: np.ndarray, b: np.ndarray, colour: ColourModel, profile: bytes) -> np.ndarray:
    """ΔE00 of two pictures of one profile."""
    colours = pytest.importorskip("skimage.color")
    found: np.ndarray = colours.deltaE_ciede2000(
        lab_of(a, colour, profile), lab_of(b, colour, profile)
    )
    return found


@pytest.mark.parametrize("profile", [DISPLAY_P3, ADOBE_RGB, LINEAR, PROPHOTO, PILLOW_SRGB])
@pytest.mark.parametrize("largest", [65535, 2000])
def test_a_matrix_and_curves_make_what_littlecms_makes(profile: bytes, largest: int) -> None:
    colours = np.random.default_rng(0).integers(0, largest + 1, (40, 500, 3), dtype=np.uint16)
    for source, target in ((profile, SRGB_PROFILE), (SRGB_PROFILE, profile)):
        shaper = matrix_shaper(source, target)
        assert shaper is not None
        wanted = transform(colours, RGB, source, RGB, target).astype(int)
        assert np.abs(shaper(colours) - wanted).max() <= LARGEST_ERROR


@pytest.mark.parametrize("profile", [GRAY_22, INK, without_blue(LINEAR), b"none"])
def test_what_is_no_matrix_and_curves_stays_with_littlecms(profile: bytes) -> None:
    assert matrix_shaper(profile, SRGB_PROFILE) is None
    assert matrix_shaper(SRGB_PROFILE, profile) is None


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(PROFILES), SIDES, DTYPES)
def test_what_was_not_restored_comes_back_bit_for_bit(
    data: st.DataObject, kind: tuple[ColourModel, bytes | None], sides: tuple[int, int], dtype: type
) -> None:
    colour, profile = kind
    stored = data.draw(arrays(dtype, shape_of(sides, colour)))
    before, _ = to_srgb(stored, colour, profile)
    np.testing.assert_array_equal(from_srgb(stored, before, before.copy(), colour, profile), stored)
    assert before.shape == (sides if colour is GRAY else (*sides, 3))
    # One pixel changed: all others stay, whatever that one becomes.
    after = before.copy()
    after[0, 0] = data.draw(st.integers(0, int(np.iinfo(after.dtype).max)))
    changed = from_srgb(stored, before, after, colour, profile)
    assert changed.dtype == stored.dtype
    others = np.ones(sides, bool)
    others[0, 0] = False
    np.testing.assert_array_equal(changed[others], stored[others])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("colour", "profile"),
    [(GRAY, None), (RGB, None), (RGB, SRGB_PROFILE), (RGB, PILLOW_SRGB),
     (RGB, imagecodecs.cms_profile("srgb"))],
)  # fmt: skip
def test_srgb_is_left_as_it_is(colour: ColourModel, profile: bytes | None, dtype: type) -> None:
    rng = np.random.default_rng(0)
    stored = rng.integers(0, np.iinfo(dtype).max + 1, shape_of((40, 50), colour)).astype(dtype)
    shown, notes = to_srgb(stored, colour, profile)
    assert shown is stored
    assert notes == ()
    after = stored // 2
    np.testing.assert_array_equal(from_srgb(stored, shown, after, colour, profile), after)


@pytest.mark.parametrize("profile", [ADOBE_RGB, DISPLAY_P3, LINEAR, gamma_profile(
    [0.64, 0.33, 0.30, 0.60, 0.15, 0.06], 2.2)])  # fmt: skip
def test_other_spaces_are_not_taken_for_srgb(profile: bytes) -> None:
    stored = scene(20, 30)
    shown, notes = to_srgb(stored, RGB, profile)
    assert shown.dtype == np.uint16
    assert notes == ()
    assert np.abs(shown / 257 - stored).max() > 2


def pillow_srgb(pixels: np.ndarray, mode: str, profile: bytes) -> np.ndarray:
    """LittleCMS in 8 bits, by way of Pillow."""
    transformed = ImageCms.profileToProfile(
        Image.fromarray(pixels, mode=mode), ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"), renderingIntent=ImageCms.Intent.PERCEPTUAL,
        outputMode="RGB", flags=ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.NOOPTIMIZE,
    )  # fmt: skip
    return np.asarray(transformed)


def vips_srgb(pixels: np.ndarray, interpretation: str, profile: bytes) -> np.ndarray:
    image: Any = pyvips.Image.new_from_array(pixels, interpretation=interpretation).copy()
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    found: np.ndarray = image.icc_transform(
        "srgb", embedded=True, intent="perceptual", black_point_compensation=True, depth=8
    ).numpy()
    return found


@pytest.mark.parametrize(
    ("colour", "profile", "mode"),
    [(RGB, ADOBE_RGB, "RGB"), (RGB, DISPLAY_P3, "RGB"), (RGB, LINEAR, "RGB"), (CMYK, INK, "CMYK")],
)
def test_srgb_is_what_independent_engines_make(
    colour: ColourModel, profile: bytes, mode: str
) -> None:
    photo = scene(120, 160)
    stored = photo if colour is RGB else np.dstack([255 - photo, photo[..., 1] // 3])
    shown = to_srgb(stored, colour, profile)[0] / 257
    assert np.abs(shown - pillow_srgb(stored, mode, profile)).max() <= 1.01
    # libvips lets LittleCMS sample the profile on a grid, which is off in single dark colours.
    interpretation = "srgb" if colour is RGB else "cmyk"
    error = np.abs(shown - vips_srgb(stored, interpretation, profile))
    assert error.mean() < 0.5
    assert np.quantile(error, 0.99) <= 2


def test_gray_with_a_profile_is_what_pillow_makes() -> None:
    stored = np.arange(256, dtype=np.uint8).reshape(16, 16)
    shown = to_srgb(stored, GRAY, GRAY_22)[0] / 257
    assert shown.shape == stored.shape
    assert np.abs(shown - pillow_srgb(stored, "L", GRAY_22)[..., 1]).max() <= 1.01


def test_lab_is_that_of_the_formulas_and_of_d50() -> None:
    photo = scene(60, 80)
    encoded = photo / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    # sRGB to XYZ, adapted to D50 after Bradford (IEC 61966-2-1, ICC.1:2022 annex E).
    matrix = np.array([[0.4360747, 0.3850649, 0.1430804],
                       [0.2225045, 0.7168786, 0.0606169],
                       [0.0139322, 0.0971045, 0.7141733]])  # fmt: skip
    x, y, z = np.moveaxis(np.cbrt(linear @ matrix.T / [0.9642, 1.0, 0.8249]), -1, 0)
    assert (linear @ matrix.T).min() > 0.0089, "below, L*a*b* is linear"
    lab = np.dstack([116 * y - 16, 500 * (x - y), 200 * (y - z)])
    stored = np.rint(np.dstack([lab[..., 0] * 2.55, lab[..., 1:] + 128]) * 257).astype(np.uint16)
    assert np.abs(to_srgb(stored, LAB, None)[0] / 257 - photo).max() < 0.5


@pytest.mark.parametrize("profile", [DISPLAY_P3, ADOBE_RGB])
@pytest.mark.parametrize("sigma", [2, 5])
def test_a_small_change_arrives_in_a_wide_gamut(profile: bytes, sigma: float) -> None:
    photo = scene(120, 160).astype(float)
    mean = photo.mean(-1, keepdims=True)
    clean = np.clip(mean + 1.6 * (photo - mean), 0, 255)  # a seventh to a quarter is beyond sRGB
    noise = sigma * np.random.default_rng(1).standard_normal(clean.shape)
    stored = np.rint(np.clip(clean + noise, 0, 255) * 257).astype(np.uint16)
    truth = np.rint(clean * 257).astype(np.uint16)
    before, after = to_srgb(stored, RGB, profile)[0], to_srgb(truth, RGB, profile)[0]
    assert 0.1 < (before == 0).any(-1).mean() < 0.5, "sRGB must lack some of it"
    back = from_srgb(stored, before, after, RGB, profile)
    error = difference(truth, back, RGB, profile)
    assert error.mean() < 0.15
    assert np.quantile(error, 0.95) < 1
    assert error.mean() < difference(truth, stored, RGB, profile).mean() / 15


@pytest.mark.parametrize("black", ["none", "all that can be"])
def test_a_change_arrives_in_ink_however_it_was_separated(black: str) -> None:
    ink = 255 - scene(120, 160).astype(float)
    key = ink.min(-1, keepdims=True) if black == "all that can be" else 0 * ink[..., :1]
    clean = np.dstack([ink - key, key])
    noise = 3 * np.random.default_rng(1).standard_normal(clean.shape) * (clean > 0)
    stored = np.rint(np.clip(clean + noise, 0, 255) * 257).astype(np.uint16)
    truth = np.rint(clean * 257).astype(np.uint16)
    before, after = to_srgb(stored, CMYK, INK)[0], to_srgb(truth, CMYK, INK)[0]
    error = difference(truth, from_srgb(stored, before, after, CMYK, INK), CMYK, INK)
    assert error.mean() < 0.5
    assert error.mean() < difference(truth, stored, CMYK, INK).mean() / 3


@pytest.mark.parametrize("profile", [DISPLAY_P3, ADOBE_RGB, LINEAR])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_gray_stays_gray_in_rgb(profile: bytes, dtype: type) -> None:
    gray = gray_scene(60, 80)
    stored = np.repeat((gray if dtype == np.uint8 else wide(gray))[..., None], 3, 2)
    before, _ = to_srgb(stored, RGB, profile)
    for shown in (before, from_srgb(stored, before, before // 3 * 2, RGB, profile)):
        np.testing.assert_array_equal(shown, np.repeat(shown[..., :1], 3, 2))


def test_gray_stays_gray_in_lab() -> None:
    stored = np.full((60, 80, 3), 128, np.uint8)
    stored[..., 0] = gray_scene(60, 80)
    before, _ = to_srgb(stored, LAB, None)
    np.testing.assert_array_equal(before, np.repeat(before[..., :1], 3, 2))
    back = from_srgb(stored, before, before // 2, LAB, None)
    assert (back[..., 1:] == 128).all()
    assert back[..., 0].mean() < stored[..., 0].mean() - 20


def test_a_change_beyond_the_range_is_clipped() -> None:
    stored = np.array([[[65500, 40, 30000]]], np.uint16)
    before, _ = to_srgb(stored, RGB, LINEAR)
    for value, expected in ((65535, [65535, 65535, 65535]), (0, [0, 0, 0])):
        back = from_srgb(stored, before, np.full_like(before, value), RGB, LINEAR)
        assert np.abs(back.astype(int) - expected).max() < 64


def test_low_bits_of_what_was_changed_survive() -> None:
    stored = np.random.default_rng(2).integers(0, 65536, (50, 60, 3)).astype(np.uint16)
    before, _ = to_srgb(stored, RGB, DISPLAY_P3)
    after = np.clip(before.astype(int) + 1, 0, 65535).astype(np.uint16)
    moved = from_srgb(stored, before, after, RGB, DISPLAY_P3).astype(int) - stored
    assert np.abs(moved).max() < 64
    assert moved.any()


def test_tall_pages_are_transformed_in_strips_without_a_seam() -> None:
    rng = np.random.default_rng(5)
    stored = rng.integers(0, 65536, (2060, 4, 3)).astype(np.uint16)
    before, _ = to_srgb(stored, RGB, ADOBE_RGB)
    whole = from_srgb(stored, before, before // 2, RGB, ADOBE_RGB)
    parts = []
    for top in range(0, 2060, 206):
        part = stored[top : top + 206]
        shown, _ = to_srgb(part, RGB, ADOBE_RGB)
        np.testing.assert_array_equal(shown, before[top : top + 206])
        parts.append(from_srgb(part, shown, shown // 2, RGB, ADOBE_RGB))
    np.testing.assert_array_equal(whole, np.concatenate(parts))


@pytest.mark.parametrize(
    ("colour", "profile", "word"),
    [(RGB, GRAY_22, "'GRAY'"), (GRAY, SRGB_PROFILE, "'RGB'"), (RGB, INK, "'CMYK'"),
     (CMYK, DISPLAY_P3, "'RGB'"), (RGB, b"", "not an ICC profile"), (LAB, INK, "'CMYK'"),
     (RGB, DISPLAY_P3[:300], "both ways"), (RGB, imagecodecs.cms_profile("lab4"), "class")],
)  # fmt: skip
def test_a_profile_that_does_not_fit_is_ignored_with_a_note(
    colour: ColourModel, profile: bytes, word: str
) -> None:
    stored = np.random.default_rng(0).integers(0, 256, shape_of((8, 9), colour)).astype(np.uint8)
    shown, notes = to_srgb(stored, colour, profile)
    assert "the embedded ICC profile is ignored" in notes[0]
    assert word in notes[0]
    expected, more = to_srgb(stored, colour, None)
    np.testing.assert_array_equal(shown, expected)
    assert notes[1:] == more
    assert fits(profile, colour) == (word == "both ways")


def test_a_profile_without_a_way_back_is_ignored() -> None:
    # A2B tables alone, as of a scanner; the way to ink is renamed away.
    one_way = INK.replace(b"B2A", b"x2A")
    stored = np.full((3, 3, 4), 99, np.uint8)
    shown, notes = to_srgb(stored, CMYK, one_way)
    assert "both ways" in notes[0]
    np.testing.assert_array_equal(from_srgb(stored, shown, shown, CMYK, one_way), stored)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([GRAY, RGB, CMYK, LAB]),
    st.one_of(
        st.binary(max_size=400),
        st.tuples(
            st.sampled_from([SRGB_PROFILE, ADOBE_RGB, GRAY_22, DISPLAY_P3]),
            st.lists(st.tuples(st.integers(0, 900), st.integers(0, 255)), max_size=8),
            st.integers(100, 900),
        ),
    ),
)
def test_no_profile_however_broken_raises(
    colour: ColourModel, given_profile: bytes | tuple[bytes, list[tuple[int, int]], int]
) -> None:
    if isinstance(given_profile, tuple):
        sound, edits, length = given_profile
        damaged = bytearray(sound[:length])
        for place, value in edits:
            if place < len(damaged):
                damaged[place] = value
        profile = bytes(damaged)
    else:
        profile = given_profile
    stored = np.random.default_rng(0).integers(0, 65536, shape_of((4, 5), colour)).astype(np.uint16)
    before, _ = to_srgb(stored, colour, profile)
    np.testing.assert_array_equal(from_srgb(stored, before, before, colour, profile), stored)


def test_our_profile_is_small_and_always_the_same() -> None:
    assert len(SRGB_PROFILE) < 1000
    code = (
        "import sys, restoration.codec.colour_management;"
        "from restoration.codec.icc import SRGB_PROFILE as p;"
        "assert 'torch' not in sys.modules; sys.stdout.write(p.hex())"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert bytes.fromhex(done.stdout) == SRGB_PROFILE


def test_ink_without_a_profile_is_noted() -> None:
    stored = np.zeros((2, 2, 4), np.uint8)
    shown, notes = to_srgb(stored, CMYK, None)
    assert "built-in" in notes[0]
    assert (shown > 65000).all(), "no ink is white"
    full, _ = to_srgb(np.full((2, 2, 4), 255, np.uint8), CMYK, None)
    assert (full < 3000).all(), "all ink is black"


def test_the_input_is_not_written_to() -> None:
    stored = noisy(scene(20, 30), 5)
    before, _ = to_srgb(stored, RGB, ADOBE_RGB)
    kept = stored.copy(), before.copy()
    after = before // 2
    from_srgb(stored, before, after, RGB, ADOBE_RGB)
    np.testing.assert_array_equal(stored, kept[0])
    np.testing.assert_array_equal(before, kept[1])


def toned_gray_profile() -> bytes:
    """A printer's profile for one black ink on yellowish paper: gray by name, not by look."""
    ramp = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))

    def table(inputs: int, outputs: int, grid: bytes) -> bytes:
        head = b"mft1" + bytes(4) + bytes((inputs, outputs, 2, 0)) + matrix
        return head + ramp * inputs + grid + ramp * outputs

    # Lab in 8 bits: black, and a white of b* 30; back, lightness alone counts.
    tags = {
        b"A2B0": table(1, 3, bytes((0, 128, 128, 242, 128, 158))),
        b"B2A0": table(3, 1, bytes((0, 0, 0, 0, 255, 255, 255, 255))),
    }
    offset = 128 + 4 + 12 * len(tags)
    directory, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        padded = data + bytes(-len(data) % 4)
        directory += name + struct.pack(">II", offset + len(body), len(data))
        body += padded
    size = 128 + len(directory) + len(body)
    head = struct.pack(">I4xI", size, 0x02400000) + b"prtrGRAYLab " + bytes(12) + b"acsp"
    head += bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + directory + body


def test_a_gray_profile_with_a_tint_is_ignored_with_a_note() -> None:
    stored = np.arange(256, dtype=np.uint8).reshape(16, 16)
    seen, notes = to_srgb(stored, GRAY, toned_gray_profile())
    assert seen is stored
    assert "tint" in " ".join(notes)
    assert from_srgb(stored, seen, seen, GRAY, toned_gray_profile()).tobytes() == stored.tobytes()
