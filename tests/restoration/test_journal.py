from __future__ import annotations

import csv
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restoration.training.curves import Curve, draw_curves, ticks
from restoration.training.journal import Journal, read_log
from restoration.training.live import duration
from restoration.training.options import Progress
from restoration.training.samples import SHEET, SHEET_PICTURES
from restoration.training.validation import Sample, Score
from tests.scenes import noisy, scene


def progress(steps: int, psnr: float = 30.0) -> Progress:
    scores = (Score("sigma 15", psnr), Score("sigma 50", psnr - 4), Score("colours", 17.0, ""))
    return Progress(steps, steps / 2, 0.03, scores, 1e-3, 80.0)


def sample(seed: int = 0) -> Sample:
    clean = scene(40, 48)
    return Sample(clean, noisy(clean, 25), noisy(clean, 5, seed=seed))


def read_png(path: Path) -> np.ndarray:
    return cv2.imread(str(path))[..., ::-1]


def test_the_mean_leaves_out_what_is_not_in_db() -> None:
    assert progress(1, 30.0).psnr_db == pytest.approx(28.0)


def test_the_log_holds_every_score_and_survives_a_resume(tmp_path: Path) -> None:
    output = tmp_path / "w.safetensors"
    seen: list[Progress] = []
    journal = Journal(output, resumed_at=0, report=seen.append)
    for steps in (10, 20, 30):
        journal.add(progress(steps), sample())
    assert [line.steps for line in seen] == [10, 20, 30]
    # The checkpoint that the run goes on from was written after step 20.
    Journal(output, resumed_at=20, report=seen.append).add(progress(25), sample())
    with (tmp_path / "w.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["steps"] for row in rows] == ["10", "20", "25"]
    assert rows[0]["sigma 15 (dB)"] == "30"
    assert rows[0]["colours"] == "17"
    strips = {path.name for path in (tmp_path / "w.samples").iterdir()}
    assert strips == {"step-0000010.png", "step-0000020.png", "step-0000025.png", SHEET}
    Journal(output, resumed_at=0, report=seen.append).add(progress(5), sample())
    assert [line.steps for line in read_log(tmp_path / "w.csv")] == [5]


def test_a_log_of_something_else_is_no_log(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text("name,age\nAda,36\n")
    assert read_log(tmp_path / "w.csv") == []
    assert read_log(tmp_path / "none.csv") == []


def test_strips_show_clean_degraded_and_restored(tmp_path: Path) -> None:
    shown = sample()
    Journal(tmp_path / "w.safetensors", resumed_at=0, report=lambda _: None).add(progress(1), shown)
    strip = read_png(tmp_path / "w.samples" / "step-0000001.png")
    height, width = shown.restored.shape[:2]
    assert shown.clean is not None
    np.testing.assert_array_equal(strip[-height:, :width], shown.clean)
    np.testing.assert_array_equal(strip[-height:, -width:], shown.restored)
    gap = (strip.shape[1] - 3 * width) // 2
    middle = slice(width + gap, 2 * width + gap)
    np.testing.assert_array_equal(strip[-height:, middle], shown.degraded)


def test_the_sheet_grows_and_is_thinned_out(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "w.safetensors", resumed_at=0, report=lambda _: None)
    areas = []
    for steps in range(1, SHEET_PICTURES + 8):
        journal.add(progress(steps), sample(steps))
        areas.append(read_png(tmp_path / "w.samples" / SHEET).size)
    assert areas[0] < areas[10] < areas[-1]
    assert areas[-1] == areas[-5], "no larger than SHEET_PICTURES pictures"


def test_a_sample_without_clean_photo(tmp_path: Path) -> None:
    degraded = scene(40, 48)
    Journal(tmp_path / "w.safetensors", resumed_at=0, report=lambda _: None).add(
        progress(1), Sample(None, degraded, degraded)
    )
    assert read_png(tmp_path / "w.samples" / "step-0000001.png").shape[1] < 3 * 48


def test_curves_rise_where_values_rise() -> None:
    rising = Curve("loss", tuple((float(x), float(x)) for x in range(10)))
    picture = draw_curves([[rising]], x_label="minutes").astype(int)
    inside = picture[35:-55, 95:-215]
    rows, columns = np.nonzero(inside.sum(2) < 60)
    assert np.corrcoef(columns, rows)[0, 1] < -0.95
    assert (picture[:, :90].sum(2) < 400).any(), "labels of the vertical axis"
    assert (picture[-45:].sum(2) < 400).any(), "labels of the horizontal axis"


@pytest.mark.parametrize("points", [(), ((1.0, 2.0),), ((0.0, 5.0), (1.0, 5.0))])
def test_curves_of_little_data_are_drawn(points: tuple[tuple[float, float], ...]) -> None:
    panels = [[Curve("a", points)], [Curve("b", points), Curve("c", points)]]
    assert draw_curves(panels, x_label="minutes").shape[2] == 3


@settings(max_examples=60, deadline=None)
@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e4))
def test_ticks_are_few_round_numbers_inside(low: float, extent: float) -> None:
    high = low + extent
    values = ticks(low, high)
    assert 2 <= len(values) <= 11
    step = values[1] - values[0]
    mantissa = step / 10 ** math.floor(math.log10(step) + 1e-6)
    assert min(abs(mantissa - m) for m in (1, 2, 5)) < 1e-3
    assert all(low - 1e-3 * extent <= value <= high + 1e-3 * extent for value in values)


@pytest.mark.parametrize(("seconds", "text"), [(5, "0:05"), (125, "2:05"), (3725, "1:02:05")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
