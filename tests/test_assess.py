from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from restoration.assess import (
    ASSESSMENT_VERSION,
    BLURRED_SIGMA,
    NOISY_SIGMA,
    Assessment,
    assess,
)
from restoration.assess.windows import WHOLE_AREA, native_windows, without_margins
from restoration.catalogue import card_for
from restoration.evaluation.assessment import evaluate_assessment
from tests.test_assess_scenes import gray_scene, scene, with_blur, with_noise


def test_a_good_colour_photograph_has_no_degradation() -> None:
    found = assess(scene(0))
    assert found.noise_sigma < NOISY_SIGMA
    assert found.blur_sigma < BLURRED_SIGMA
    assert not found.is_monochrome


def test_several_degradations_are_found_at_once() -> None:
    found = assess(with_noise(with_blur(gray_scene(0), 2.4), 15))
    assert found.noise_sigma >= NOISY_SIGMA
    assert found.blur_sigma >= BLURRED_SIGMA
    assert found.is_monochrome


def test_the_result_is_reproducible_and_has_a_version() -> None:
    assert assess(scene(1)) == assess(scene(1))
    assert ASSESSMENT_VERSION.endswith("-" + card_for("assess").sha256[:8])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 300), st.integers(1, 12), st.booleans(), st.integers(0, 9))
@example(1, 9, True, 0)  # the cut of a margin must leave something
def test_any_shape_is_assessed(long: int, short: int, colour: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for shape in ((long, short), (short, long)):
        found = assess(rng.integers(0, 256, (*shape, 3) if colour else shape, dtype=np.uint8))
        assert isinstance(found, Assessment)
        assert math.isfinite(found.noise_sigma + found.blur_sigma)
        for sure in (found.noise_confidence, found.blur_confidence, found.monochrome_confidence):
            assert 0 <= sure <= 1


def test_a_view_with_negative_strides_is_assessed() -> None:
    photo = scene(2)
    assert assess(photo[::-1, ::-1]) == assess(np.ascontiguousarray(photo[::-1, ::-1]))


def test_a_read_only_photograph_is_assessed() -> None:
    photo = scene(2)
    photo.flags.writeable = False
    assert assess(photo) == assess(scene(2))


@pytest.mark.parametrize("shape", [(4,), (4, 4, 4), (4, 4, 1), (0, 4), (2, 2, 2, 2)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shape"):
        assess(np.zeros(shape, np.uint8))


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match="uint8"):
        assess(np.zeros((4, 4), np.float32))  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_windows_are_bounded_whatever_the_size(height: int, width: int) -> None:
    # One byte broadcast to any size costs nothing.
    image = np.broadcast_to(np.uint8(0), (height, width))
    windows = native_windows(image)
    assert windows
    assert 0 < sum(window.size for window in windows) <= WHOLE_AREA


def test_windows_spread_over_the_whole_frame() -> None:
    image = np.arange(3000 * 4000, dtype=np.uint32).reshape(3000, 4000)
    windows = native_windows(image)  # type: ignore[arg-type]
    assert min(int(window.min()) for window in windows) == 0
    assert max(int(window.max()) for window in windows) == image[-1, -1]


def test_margins_are_cut_and_pictures_are_not() -> None:
    photo = scene(3)
    assert without_margins(photo).shape == photo.shape
    height, width = photo.shape[:2]
    framed = np.full((height + 36, width + 33, 3), 240, np.uint8)
    framed[16:-20, 8:-25] = photo
    assert np.array_equal(without_margins(framed), photo)
    # Off the grid of JPEG's blocks the cut is at the next of its lines.
    framed = np.full((height + 30, width + 30, 3), 240, np.uint8)
    framed[10:-20, 5:-25] = photo
    assert np.array_equal(without_margins(framed), photo[6:, 3:])


def test_the_evaluation_scores_decisions_and_estimates() -> None:
    report = evaluate_assessment([scene(0, 128, 160), scene(1, 128, 160)])
    assert report.photos == 2
    for decision in report.decisions:
        assert decision.positives == 2
        assert decision.recall == 1
        assert decision.precision == 1
    white = {row.level: row for row in report.errors if row.name == "white noise"}
    assert white[25.0].mean_absolute_error < 4
    assert white[25.0].within_tolerance == 1
    soft = {row.name for row in report.errors if row.quantity == "blur" and row.level == 2}
    assert {f"Gaussian blur, noise {sigma}" for sigma in ("0", "2.55", "10")} < soft
    skies = [row for row in report.alarms if row.name.startswith("clean skies")]
    assert [(row.photos, row.noisy, row.blurred) for row in skies] == [(2, 0, 0)] * 2
    assert sum(one.count for one in report.reliability if one.quantity == "blur") == 2 * sum(
        row.quantity == "blur" for row in report.errors
    )


def test_the_evaluation_notices_a_blind_assessor() -> None:
    blind = Assessment(0.0, 1.0, 0.0, 1.0, True, 1.0)
    report = evaluate_assessment([scene(0, 64, 64)], assessor=lambda _: blind)
    noisy, blurred, _more_blurred, gray = report.decisions[:4]
    assert (noisy.recall, blurred.recall) == (0, 0)
    assert math.isnan(noisy.precision)
    assert (gray.recall, gray.precision) == (1, 0.5)
    assert report.errors[0].mean_absolute_error == 0
    assert report.errors[1].mean_absolute_error == report.errors[1].level
    (sure,) = [one for one in report.reliability if one.quantity == "blur"]
    assert (sure.confidence, sure.within_tolerance) == (1, 0), "and one that is wrongly sure"


def test_the_evaluation_needs_photographs() -> None:
    with pytest.raises(ValueError, match="no photographs"):
        evaluate_assessment([])
