from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from restoration.colour import is_neutral, join_chroma, luma8
from tests.scenes import gray_scene, scene


def test_luma_is_pillows_to_the_bit() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1500, 300, 3), dtype=np.uint8)
    np.testing.assert_array_equal(luma8(image), np.asarray(Image.fromarray(image).convert("L")))


@settings(max_examples=200)
@given(
    luma=hnp.arrays(np.uint8, (4, 5)),
    chroma=hnp.arrays(np.float32, (4, 5, 2), elements=st.floats(-0.5, 0.5, width=32)),
)
def test_joining_any_chroma_keeps_the_luma_exactly(luma: np.ndarray, chroma: np.ndarray) -> None:
    np.testing.assert_array_equal(luma8(join_chroma(luma, chroma)), luma)


def test_every_luma_survives_vivid_chroma() -> None:
    rng = np.random.default_rng(1)
    luma = np.tile(np.arange(256, dtype=np.uint8), (400, 1))
    chroma = rng.uniform(-0.5, 0.5, (400, 256, 2)).astype(np.float32)
    np.testing.assert_array_equal(luma8(join_chroma(luma, chroma)), luma)


def test_no_chroma_gives_neutral_gray() -> None:
    luma = gray_scene(40, 40)
    joined = join_chroma(luma, np.zeros((40, 40, 2), np.float32))
    assert is_neutral(joined)
    np.testing.assert_array_equal(joined[..., 0], luma)


def test_true_chroma_brings_the_photo_back() -> None:
    image = scene(80, 80)
    y = luma8(image)
    blue = (image[..., 2].astype(np.float32) - y) / 255 * 0.5 / (1 - 0.114)
    red = (image[..., 0].astype(np.float32) - y) / 255 * 0.5 / (1 - 0.299)
    joined = join_chroma(y, np.stack([blue, red], -1))
    assert np.abs(joined.astype(int) - image).max() <= 3


def test_neutral_is_seen() -> None:
    assert not is_neutral(scene(20, 20))
    assert is_neutral(np.repeat(gray_scene(20, 20)[..., None], 3, axis=2))
