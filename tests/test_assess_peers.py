from __future__ import annotations

import numpy as np
import pytest

from restoration.evaluation.assessment_peers import (
    cleanvision_verdicts,
    laplacian_verdicts,
    peer_judges,
    peer_noise_estimators,
    scikit_image_sigma,
    scikit_image_verdicts,
)
from tests.test_assess_scenes import gray_scene, scene, with_blur, with_noise


def test_scikit_image_measures_white_noise() -> None:
    pytest.importorskip("skimage")
    assert "scikit-image" in peer_noise_estimators()
    noisy = with_noise(scene(0), 15)
    assert scikit_image_sigma(noisy) == pytest.approx(15, abs=2)
    clean = np.full((64, 64, 3), 90, np.uint8)
    assert [verdict.is_noisy for verdict in scikit_image_verdicts([noisy, clean])] == [True, False]


def test_the_laplacian_tells_blurred_from_sharp_and_takes_noise_for_sharpness() -> None:
    blurred = with_blur(scene(0), 4)
    found = laplacian_verdicts([scene(0), blurred, with_noise(blurred, 15)])
    assert [verdict.is_blurred for verdict in found] == [False, True, False]
    assert found[0].is_noisy is None


def soft_ramp() -> np.ndarray:
    """What cleanvision calls blurred: no edges, a dark border, and all of its tones alike."""
    y, x = np.mgrid[0:256, 0:256]
    return np.repeat((x / 2 + y / 128).astype(np.uint8)[..., None], 3, axis=2)


def test_cleanvision_sees_gray_and_extreme_blur_and_has_no_opinion_on_noise() -> None:
    pytest.importorskip("cleanvision")
    assert "cleanvision" in peer_judges()
    colour, blurred, gray = cleanvision_verdicts([scene(0), soft_ramp(), gray_scene(1)[..., 0]])
    assert (colour.is_blurred, colour.is_monochrome, colour.is_noisy) == (False, False, None)
    assert blurred.is_blurred
    assert gray.is_monochrome


def test_verdicts_come_in_the_order_of_the_photographs(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("cleanvision")
    photos = [scene(0)] * 11 + [soft_ramp()]
    assert [verdict.is_blurred for verdict in cleanvision_verdicts(photos)] == [False] * 11 + [True]
    assert capsys.readouterr() == ("", "")
