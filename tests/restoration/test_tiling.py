from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restoration.errors import GuardError
from restoration.execution import Lanes, engine_for
from restoration.networks import UNet, UNetConfig
from restoration.tiling import Tiling, run_tiled, spans
from tests.scenes import noisy, scene

ENGINE = engine_for(torch.device("cpu"))
SMALL = Tiling(side=128, context=24, blend=8)


def identity(tiles: torch.Tensor) -> torch.Tensor:
    return tiles


@given(
    length=st.integers(1, 3000),
    side=st.sampled_from([160, 192, 512]),
    context=st.sampled_from([0, 16, 48]),
    blend=st.sampled_from([2, 8, 16]),
)
def test_weights_of_all_tiles_add_up_to_one_everywhere(
    length: int, side: int, context: int, blend: int
) -> None:
    tiling = Tiling(side=side, context=context, blend=blend)
    total = np.zeros(length)
    cut = spans(length, tiling, side)
    for span in cut:
        assert span.start % tiling.multiple == 0
        assert span.first >= span.start
        assert span.first + len(span.weights) <= min(span.start + span.length, length)
        total[span.first : span.first + len(span.weights)] += span.weights
    np.testing.assert_allclose(total, 1, atol=1e-6)


@given(length=st.integers(1, 3000), multiple=st.sampled_from([2, 4, 8, 16]))
def test_weights_of_the_smallest_tiles_add_up_too(length: int, multiple: int) -> None:
    half = multiple // 2
    config = UNetConfig(unshuffle=half, upshuffle=half, widths=(8, 16))
    tiling = Tiling.suited_to(config, pixels=1)
    assert tiling.multiple == multiple
    least = math.isqrt(tiling.pixels or 0) - multiple
    total = np.zeros(length)
    for span in spans(length, tiling, least):
        total[span.first : span.first + len(span.weights)] += span.weights
    np.testing.assert_allclose(total, 1, atol=1e-6)


@given(length=st.integers(600, 3000), context=st.sampled_from([16, 48]))
def test_inner_borders_keep_their_context(length: int, context: int) -> None:
    cut = spans(length, Tiling(side=256, context=context, blend=16), 256)
    for left, right in pairwise(cut):
        assert right.first - right.start >= context
        assert left.start + left.length - (left.first + len(left.weights)) >= context


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 400), width=st.integers(1, 400))
def test_identity_network_returns_every_pixel(height: int, width: int) -> None:
    image = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    (result,) = run_tiled(identity, [image], SMALL, ENGINE)
    np.testing.assert_array_equal(result, image)


def test_sixteen_bit_results_keep_eight_bit_values_exactly() -> None:
    image = scene(200, 300)
    (fine,) = run_tiled(identity, [image], SMALL, ENGINE, dtype=np.uint16)
    assert fine.dtype == np.uint16
    np.testing.assert_array_equal(np.rint(fine / 257), image)
    (back,) = run_tiled(identity, [fine], SMALL, ENGINE)
    np.testing.assert_array_equal(back, image)


def trained_like_network() -> UNet:
    """A network whose every layer contributes, with the size of the shipped ones."""
    torch.manual_seed(3)
    network = UNet(UNetConfig())
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("weight"):
                fan_in = parameter[0].numel()
                parameter.normal_(0, 0.7 / fan_in**0.5)
        network.tail.weight.mul_(0.2)
    return network.eval()


def test_tiled_equals_whole_within_one_level() -> None:
    network = trained_like_network()
    image = noisy(scene(500, 700, seed=2), 20)
    whole = Tiling(side=1024, context=48, blend=16)
    with torch.inference_mode():
        (untiled,) = run_tiled(network, [image], whole, ENGINE)
        (tiled,) = run_tiled(network, [image], Tiling(side=256, context=48, blend=16), ENGINE)
    assert np.abs(untiled.astype(int) - image).max() > 3, "the network must do something"
    assert np.abs(untiled.astype(int) - tiled).max() <= 1


@settings(deadline=None)
@given(
    height=st.integers(1, 20_000),
    width=st.integers(1, 20_000),
    pixels=st.sampled_from([60_000, 300_000, 2_250_000]),
)
def test_fitted_tiles_are_small_enough_and_waste_little(
    height: int, width: int, pixels: int
) -> None:
    tiling = Tiling(pixels=pixels)
    down, across = tiling.sides(height, width)
    assert down * across <= pixels
    rows, columns = spans(height, tiling, down), spans(width, tiling, across)
    for cut, length in ((rows, height), (columns, width)):
        covered = np.zeros(length)
        for span in cut:
            covered[span.first : span.first + len(span.weights)] += span.weights
        np.testing.assert_allclose(covered, 1, atol=1e-6)
    padded = (height + 8) * (width + 8)
    assert len(rows) * len(columns) * down * across >= height * width
    if padded <= pixels:
        assert len(rows) == len(columns) == 1
    elif pixels == 2_250_000 and min(height, width) > 1000 and max(height, width) < 8000:
        assert len(rows) * len(columns) * down * across <= 1.35 * padded


def test_fitted_tiles_equal_whole_within_one_level() -> None:
    network = trained_like_network()
    image = noisy(scene(500, 700, seed=2), 20)
    fitted = Tiling(pixels=120_000)
    assert len(spans(500, fitted, fitted.sides(500, 700)[0])) > 1
    assert len(spans(700, fitted, fitted.sides(500, 700)[1])) > 1
    (untiled,) = run_tiled(network, [image], Tiling(pixels=10**6), ENGINE)
    (tiled,) = run_tiled(network, [image], fitted, ENGINE)
    assert np.abs(untiled.astype(int) - tiled).max() <= 1


def test_photos_that_share_an_engine_do_not_mix() -> None:
    shapes = [(130, 300), (260, 128), (128, 128), (40, 500)]
    images = [scene(h, w, seed=i) for i, (h, w) in enumerate(shapes)]

    def darken(tiles: torch.Tensor) -> torch.Tensor:
        return tiles * 0.5

    together = run_tiled(darken, images, SMALL, ENGINE)
    for image, result in zip(images, together, strict=True):
        (alone,) = run_tiled(darken, [image], SMALL, ENGINE)
        np.testing.assert_array_equal(result, alone)
        assert np.abs(result - image / 2).max() <= 0.5


def test_a_tile_that_does_not_fit_is_halved_from_then_on_with_the_same_result() -> None:
    image = scene(300, 420)
    calls: list[int] = []

    def starved(tiles: torch.Tensor) -> torch.Tensor:
        calls.append(tiles[0, 0].numel())
        if calls[-1] > 256 * 256:
            raise torch.OutOfMemoryError("pretend")
        return tiles

    for tiling in (Tiling(side=512), Tiling(pixels=10**6)):
        engine = Lanes(1, 1)
        (result,) = run_tiled(starved, [image], tiling, engine)
        np.testing.assert_array_equal(result, image)
        assert calls[-1] <= 256 * 256 < calls[0]
        calls.clear()
        (again,) = run_tiled(starved, [image], tiling, engine)
        np.testing.assert_array_equal(again, image)
        assert max(calls) <= 256 * 256
        calls.clear()
        engine.close()


def test_what_fitted_a_network_that_sees_less_far_is_no_smaller_than_another_needs() -> None:
    far = Tiling.suited_to(UNetConfig(widths=(8, 16, 24, 32, 40)))
    assert far.context > Tiling.context
    image, engine = scene(700, 500), Lanes(1, 1)
    engine.tile_pixels = (128 + 2 * Tiling.context) ** 2
    (result,) = run_tiled(identity, [image], far, engine)
    np.testing.assert_array_equal(result, image)
    engine.close()


class Announcing(Lanes):
    """Lanes that say when tiles have been halved."""

    def __init__(self) -> None:
        self.halved = threading.Event()
        super().__init__(2, 1)

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name == "tile_pixels":
            self.halved.set()


def test_two_photos_that_do_not_fit_at_the_same_time_halve_tiles_once() -> None:
    engine, image, tiling = Announcing(), scene(300, 420), Tiling(pixels=130_000)
    in_work = threading.Event()

    def starved(tiles: torch.Tensor) -> torch.Tensor:
        if tiles[0, 0].numel() > 65_000:
            if not in_work.is_set():
                in_work.set()
                assert engine.halved.wait(60), "the other photo fails meanwhile"
            raise torch.OutOfMemoryError("pretend")
        return tiles

    with ThreadPoolExecutor(1) as threads:
        early = threads.submit(run_tiled, starved, [image], tiling, engine)
        assert in_work.wait(60)
        (late,) = run_tiled(starved, [image], tiling, engine)
        np.testing.assert_array_equal(late, image)
        np.testing.assert_array_equal(early.result(60)[0], image)
    assert engine.tile_pixels == 65_000
    engine.close()


def test_out_of_memory_for_the_smallest_tile_is_raised() -> None:
    def hopeless(tiles: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("pretend")

    engine = Lanes(1, 1)
    with pytest.raises(torch.OutOfMemoryError):
        run_tiled(hopeless, [scene(300, 300)], SMALL, engine)
    engine.close()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_not_finite_output_is_refused(bad: float) -> None:
    def broken(tiles: torch.Tensor) -> torch.Tensor:
        out = tiles.clone()
        out[0, 0, 0, 0] = bad
        return out

    with pytest.raises(GuardError):
        run_tiled(broken, [scene(64, 64)], SMALL, ENGINE)


@pytest.mark.parametrize("wrong", [{"side": 100}, {"side": 128, "context": 60}, {"blend": 7}])
def test_geometry_without_overlap_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="tile"):
        Tiling(**wrong)
