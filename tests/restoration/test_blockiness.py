from __future__ import annotations

import cv2
import numpy as np
import pytest

from restoration.blockiness import blockiness
from restoration.training.degradations import jpeg_round_trip
from tests.scenes import gray_scene, noisy, scene


@pytest.fixture(scope="module")
def photo(sample_archive) -> np.ndarray:
    path = sample_archive / "farms" / "cat-in-colour.png"
    return np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])


def test_the_stronger_the_compression_the_more_blocks(photo: np.ndarray) -> None:
    found = [blockiness(photo), *(blockiness(jpeg_round_trip(photo, q)) for q in (60, 30, 10))]
    assert found == sorted(found)
    assert found[0] < 1.15
    assert found[-1] > 1.5


def test_blocks_are_found_wherever_they_begin(photo: np.ndarray) -> None:
    blocky = jpeg_round_trip(photo, 15)
    whole = blockiness(blocky)
    for part in (blocky[3:, 5:], np.rot90(blocky), blocky[::-1, ::-1]):
        assert blockiness(np.ascontiguousarray(part)) == pytest.approx(whole, rel=0.1)


def test_noise_and_sharpness_are_no_blocks() -> None:
    for picture in (noisy(scene(), 20), noisy(gray_scene(), 5), np.zeros((90, 90), np.uint8)):
        assert 1 <= blockiness(picture) < 1.1


def test_a_step_too_small_to_be_seen_is_none() -> None:
    steps = np.repeat(np.arange(20, dtype=np.uint8), 8)
    assert blockiness(np.broadcast_to(100 + steps, (64, 160))) < 1.6
    assert blockiness(np.broadcast_to(20 + 10 * steps, (64, 160))) > 4


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (9, 3), (5, 400), (17, 16, 3)])
def test_any_size_has_a_figure(shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert np.isfinite(blockiness(picture))
    assert blockiness(picture.astype(np.uint16) * 257) == blockiness(picture)
