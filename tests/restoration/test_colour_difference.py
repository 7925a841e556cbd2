from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restoration.colour_difference import MOST_SAMPLES, ciede2000, mean_difference
from tests.scenes import gray_scene, noisy, scene

# Sharma, Wu and Dalal's supplementary test data (2005), table 1: L1 a1 b1 L2 a2 b2 difference.
PUBLISHED = np.array(
    [
        [50.0000, 2.6772, -79.7751, 50.0000, 0.0000, -82.7485, 2.0425],
        [50.0000, 3.1571, -77.2803, 50.0000, 0.0000, -82.7485, 2.8615],
        [50.0000, 2.8361, -74.0200, 50.0000, 0.0000, -82.7485, 3.4412],
        [50.0000, -1.3802, -84.2814, 50.0000, 0.0000, -82.7485, 1.0000],
        [50.0000, -1.1848, -84.8006, 50.0000, 0.0000, -82.7485, 1.0000],
        [50.0000, -0.9009, -85.5211, 50.0000, 0.0000, -82.7485, 1.0000],
        [50.0000, 0.0000, 0.0000, 50.0000, -1.0000, 2.0000, 2.3669],
        [50.0000, -1.0000, 2.0000, 50.0000, 0.0000, 0.0000, 2.3669],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0009, 7.1792],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0010, 7.1792],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0011, 7.2195],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0012, 7.2195],
        [50.0000, -0.0010, 2.4900, 50.0000, 0.0009, -2.4900, 4.8045],
        [50.0000, -0.0010, 2.4900, 50.0000, 0.0010, -2.4900, 4.8045],
        [50.0000, -0.0010, 2.4900, 50.0000, 0.0011, -2.4900, 4.7461],
        [50.0000, 2.5000, 0.0000, 50.0000, 0.0000, -2.5000, 4.3065],
        [50.0000, 2.5000, 0.0000, 73.0000, 25.0000, -18.0000, 27.1492],
        [50.0000, 2.5000, 0.0000, 61.0000, -5.0000, 29.0000, 22.8977],
        [50.0000, 2.5000, 0.0000, 56.0000, -27.0000, -3.0000, 31.9030],
        [50.0000, 2.5000, 0.0000, 58.0000, 24.0000, 15.0000, 19.4535],
        [50.0000, 2.5000, 0.0000, 50.0000, 3.1736, 0.5854, 1.0000],
        [50.0000, 2.5000, 0.0000, 50.0000, 3.2972, 0.0000, 1.0000],
        [50.0000, 2.5000, 0.0000, 50.0000, 1.8634, 0.5757, 1.0000],
        [50.0000, 2.5000, 0.0000, 50.0000, 3.2592, 0.3350, 1.0000],
        [60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644],
        [63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630],
        [61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620, 1.8731],
        [35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645],
        [22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373],
        [36.4612, 47.8580, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146],
        [90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441],
        [90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381],
        [6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377],
        [2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082],
    ]
)

LAB = st.tuples(st.floats(0, 100), st.floats(-100, 100), st.floats(-100, 100))


def test_the_published_data() -> None:
    first, second, differences = PUBLISHED[:, :3], PUBLISHED[:, 3:6], PUBLISHED[:, 6]
    np.testing.assert_allclose(ciede2000(first, second), differences, atol=5e-5)
    np.testing.assert_allclose(ciede2000(second, first), differences, atol=5e-5)


@given(LAB, LAB)
def test_a_difference_is_symmetric_and_none_of_equals(a: tuple[float], b: tuple[float]) -> None:
    first, second = np.array(a), np.array(b)
    assert ciede2000(first, first) == pytest.approx(0, abs=1e-6)
    assert ciede2000(first, second) >= 0
    assert ciede2000(first, second) == pytest.approx(ciede2000(second, first), abs=1e-6)


def test_photographs_are_compared_as_scikit_image_does() -> None:
    color = pytest.importorskip("skimage.color")
    photo, other = scene(60, 80), noisy(scene(60, 80), 12)
    expected = color.deltaE_ciede2000(color.rgb2lab(photo), color.rgb2lab(other)).mean()
    assert mean_difference(photo, other) == pytest.approx(expected, rel=1e-3)


def test_a_sample_of_the_pixels_will_do() -> None:
    photo, other = scene(600, 800), noisy(scene(600, 800), 12)
    assert photo.shape[0] * photo.shape[1] > 20 * MOST_SAMPLES
    tiles = [
        mean_difference(photo[y : y + 100, x : x + 100], other[y : y + 100, x : x + 100])
        for y in range(0, 600, 100) for x in range(0, 800, 100)
    ]  # fmt: skip
    assert mean_difference(photo, other) == pytest.approx(np.mean(tiles), rel=0.03)


def test_depth_and_channels_make_no_difference() -> None:
    gray, other = gray_scene(50, 60), noisy(gray_scene(50, 60), 8)
    expected = mean_difference(gray, other)
    deep = (image.astype(np.uint16) * 257 for image in (gray, other))
    assert mean_difference(*deep) == pytest.approx(expected)
    triple = (np.repeat(image[..., None], 3, 2) for image in (gray, other))
    assert mean_difference(*triple) == pytest.approx(expected, abs=1e-3)
