"""Several passes: the mean of what a network makes of a photo turned and mirrored."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restoration.assess import Assessment
from restoration.errors import GuardError, UsageError
from restoration.execution import Batcher, Lanes
from restoration.networks import UNet, UNetConfig
from restoration.plan import Step, make_plan
from restoration.recipe import Options
from restoration.resources import Resources
from restoration.restore import Job, Restored, Restorer
from restoration.self_ensemble import TURNS, UPRIGHT, Turn, check_passes
from restoration.tiling import Tiling, run_tiled, spans
from tests.scenes import gray_scene, noisy, scene

CPU = torch.device("cpu")
ENGINE = Lanes(1, 1)
PASSES = tuple(TURNS)
CONFIG = UNetConfig(widths=(8, 16))
TILED = Tiling.suited_to(CONFIG, pixels=20_000)
WHOLE = Tiling.suited_to(CONFIG, pixels=10**6)

TURN = st.sampled_from(TURNS[8])
SIDE = st.integers(1, 200)


def network(config: UNetConfig = CONFIG) -> UNet:
    """Untrained: it makes something else of each turned photo."""
    torch.manual_seed(5)
    made = UNet(config)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name.endswith("weight"):
                parameter.normal_(0, 0.7 / parameter[0].numel() ** 0.5)
        made.tail.weight.mul_(0.1)
    return made.eval()


NETWORK = network()


def restored(image: np.ndarray, passes: int, tiling: Tiling = TILED) -> np.ndarray:
    (result,) = run_tiled(NETWORK, [image], tiling, ENGINE, passes=passes)
    return result


def difference(one: np.ndarray, other: np.ndarray) -> int:
    assert one.shape == other.shape
    return int(np.abs(one.astype(int) - other).max())


def plain(image: np.ndarray, turns: tuple[Turn, ...]) -> np.ndarray:
    """The mean over the photo as a whole, (H, W, 3) in [0, 1], as a textbook has it."""
    results = []
    for turn in turns:
        turned = turn.of(image)
        missing = [-side % CONFIG.multiple for side in turned.shape[:2]]
        padded = np.pad(turned, [(0, missing[0]), (0, missing[1]), (0, 0)], mode="reflect")
        values = torch.from_numpy(padded.astype(np.float32) / 255).permute(2, 0, 1)[None]
        with torch.inference_mode():
            made = NETWORK(values)[0].permute(1, 2, 0).numpy()
        results.append(turn.undone(made[: turned.shape[0], : turned.shape[1]]))
    return np.mean(results, axis=0)


def test_the_turns_are_the_dihedral_group_and_each_is_undone() -> None:
    square = np.arange(9).reshape(3, 3)
    images = {turn.of(square).tobytes() for turn in TURNS[8]}
    assert len(images) == 8
    for one, other in product(TURNS[8], TURNS[8]):
        assert one.of(other.of(square)).tobytes() in images
    oblong = np.arange(30).reshape(2, 5, 3)
    for turn in TURNS[8]:
        np.testing.assert_array_equal(turn.undone(turn.of(oblong)), oblong)
        assert turn.of(oblong).shape == ((5, 2, 3) if turn.transposes else (2, 5, 3))


def test_fewer_passes_are_among_more_and_the_first_is_upright() -> None:
    for passes, turns in TURNS.items():
        assert len(set(turns)) == passes
        assert turns[0] == UPRIGHT
        assert set(turns) <= set(TURNS[8])
    quarter = np.arange(6).reshape(2, 3)
    for times, turn in enumerate(TURNS[4]):
        np.testing.assert_array_equal(turn.of(quarter), np.rot90(quarter, -times))


@pytest.mark.parametrize("passes", [-1, 0, 3, 16])
def test_other_numbers_of_passes_are_refused(passes: int) -> None:
    for refuse in (check_passes, lambda passes: Options(passes=passes)):
        with pytest.raises(UsageError, match=f"--passes must be 1, 2, 4 or 8, not {passes}"):
            refuse(passes)


@settings(max_examples=15, deadline=None)
@given(height=SIDE, width=SIDE, turn=TURN)
def test_eight_passes_do_not_mind_how_the_photo_lies(height: int, width: int, turn: Turn) -> None:
    image = noisy(scene(height, width, seed=height), 20)
    made = restored(np.ascontiguousarray(turn.of(image)), 8)
    assert difference(made, turn.of(restored(image, 8))) <= 1


def test_one_pass_does_mind() -> None:
    image = noisy(scene(171, 203), 20)
    for turn in TURNS[8][1:]:
        made = restored(np.ascontiguousarray(turn.of(image)), 1)
        assert difference(made, turn.of(restored(image, 1))) > 3


@pytest.mark.parametrize("passes", PASSES)
@pytest.mark.parametrize("shape", [(171, 203), (176, 200), (90, 333)])
def test_tiles_give_the_mean_over_the_whole_photo(passes: int, shape: tuple[int, int]) -> None:
    image = noisy(scene(*shape, seed=passes), 20)
    down, across = TILED.sides(*shape)
    assert len(spans(shape[0], TILED, down)) * len(spans(shape[1], TILED, across)) > 1
    wanted = np.clip(plain(image, TURNS[passes]), 0, 1) * 255
    for tiling in (TILED, WHOLE):
        assert np.abs(restored(image, passes, tiling) - wanted).max() <= 0.51


def test_the_identity_returns_every_pixel_of_8_and_16_bits() -> None:
    for dtype, side in product((np.uint8, np.uint16), (7, 173)):
        values = np.random.default_rng(side).integers(0, np.iinfo(dtype).max, (side, 201, 3))
        image = values.astype(dtype)
        for passes in PASSES:
            (same,) = run_tiled(lambda x: x, [image], TILED, ENGINE, dtype=dtype, passes=passes)
            np.testing.assert_array_equal(same, image)


def test_results_are_the_same_bytes_whatever_else_is_in_work() -> None:
    shapes = [(171, 203), (203, 171), (60, 90), (171, 203)]
    images = [noisy(scene(*shape, seed=i), 20) for i, shape in enumerate(shapes)]
    alone = [restored(image, 8) for image in images]
    engine = Lanes(4, 1)
    with ThreadPoolExecutor(4) as threads:
        together = threads.map(
            lambda image: run_tiled(NETWORK, [image], TILED, engine, passes=8)[0], images
        )
        for one, other in zip(alone, together, strict=True):
            assert one.tobytes() == other.tobytes()
    for one, other in zip(alone, run_tiled(NETWORK, images, TILED, engine, passes=8), strict=True):
        assert one.tobytes() == other.tobytes()
    engine.close()


def test_turned_tiles_of_one_shape_go_together() -> None:
    engine = Batcher(CPU)
    calls: list[tuple[int, ...]] = []

    def counted(tiles: torch.Tensor) -> torch.Tensor:
        calls.append(tuple(tiles.shape))
        return NETWORK(tiles)

    image = noisy(scene(120, 90), 20)
    (result,) = run_tiled(counted, [image], WHOLE, engine, passes=8)
    engine.close()
    assert {shape[2:] for shape in calls} == {(120, 92), (92, 120)}
    assert sum(shape[0] for shape in calls) == 8
    assert difference(result, restored(image, 8, WHOLE)) <= 1


def test_memory_does_not_grow_with_the_passes() -> None:
    image = scene(400, 700)

    def peak(passes: int) -> int:
        tracemalloc.start()
        run_tiled(lambda x: x, [image], TILED, ENGINE, passes=passes)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)  # the first call imports and allocates what stays
    accumulator = 3 * 4 * 20_000
    assert peak(8) <= peak(1) + 2 * accumulator


def test_one_bad_pass_is_refused_and_smaller_tiles_are_tried() -> None:
    image = scene(150, 90)

    def broken(tiles: torch.Tensor) -> torch.Tensor:
        return tiles / (0.0 if tiles.shape[2] < tiles.shape[3] else 1.0)

    with pytest.raises(GuardError):
        run_tiled(broken, [image], WHOLE, ENGINE, passes=2)

    def starved(tiles: torch.Tensor) -> torch.Tensor:
        if tiles.shape[3] > 300:  # only when it is turned
            raise torch.OutOfMemoryError("pretend")
        return tiles

    engine = Lanes(1, 1)
    tall = scene(420, 200)
    (result,) = run_tiled(starved, [tall], Tiling(pixels=10**6), engine, passes=8)
    engine.close()
    np.testing.assert_array_equal(result, tall)


def jobs() -> list[Job]:
    plan = make_plan(Assessment(20, 1, 2, 1, False, 1), (Step.DENOISE, Step.DEBLUR))
    return [
        Job(pixels, plan, 20)
        for pixels in (
            noisy(scene(141, 203), 20),
            noisy(gray_scene(90, 121), 15),
            noisy(scene(64, 99), 20).astype(np.uint16) * 257,
        )
    ]


def pixels_of(passes: int, *, precision: str = "fp32") -> list[np.ndarray]:
    options = Options(passes=passes, even_if_worse=True)
    restorer = Restorer(CPU, options=options, resources=Resources(threads=1, precision=precision))
    made = []
    for result in restorer.restore(jobs()):
        assert isinstance(result, Restored), result
        assert result.pixels is not None
        made.append(result.pixels)
    return made


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_photos_of_any_kind_are_a_little_different_for_more_passes(precision: str) -> None:
    once, twice = pixels_of(1, precision=precision), pixels_of(2, precision=precision)
    for job, one, two in zip(jobs(), once, twice, strict=True):
        assert two.shape == job.pixels.shape
        assert two.dtype == job.pixels.dtype
        scale = 257 if two.dtype == np.uint16 else 1
        assert 0 < np.abs(one.astype(float) - two).mean() / scale < 1.5
