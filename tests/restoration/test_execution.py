"""Tiles of several photos and threads on one device, and what precision and sharing may change."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from restoration import execution
from restoration.assess import Assessment
from restoration.device import resolve_precision
from restoration.errors import DeviceLost, GuardError, UsageError
from restoration.execution import (
    Batcher,
    Engine,
    Lanes,
    engine_for,
    lanes_for,
    limit_gpu_memory,
    memory_of_networks_gb,
    tile_pixels,
)
from restoration.plan import Step, make_plan
from restoration.precision import TOLERANCE, Precision
from restoration.recipe import Options
from restoration.resources import Resources, available_cores
from restoration.restore import Job, Restored, Restorer
from restoration.tiling import Tiling, run_tiled
from tests.scenes import gray_scene, noisy, scene

CPU = torch.device("cpu")
SMALL = Tiling(side=128, context=24, blend=8)


def halved(tiles: torch.Tensor) -> torch.Tensor:
    return tiles * 0.5


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    engine = Batcher(CPU)
    yield engine
    engine.close()


@pytest.fixture
def lanes() -> Iterator[Lanes]:
    engine = Lanes(2, 1)
    yield engine
    engine.close()


@pytest.fixture(params=["batcher", "lanes"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return request.getfixturevalue(request.param)


class Gate:
    """A network that waits until it is let go, and remembers how many tiles came at once."""

    def __init__(self, most: int | None = None) -> None:
        self.sizes: list[int] = []
        self.opened = threading.Event()
        self.entered = threading.Event()
        self._most = most

    def __call__(self, tiles: torch.Tensor) -> torch.Tensor:
        self.entered.set()
        assert self.opened.wait(60)
        self.sizes.append(len(tiles))
        if self._most is not None and len(tiles) > self._most:
            raise torch.OutOfMemoryError("pretend")
        return tiles * 0.5


def tile(value: int, shape: tuple[int, int] = (16, 24)) -> np.ndarray:
    return np.full((*shape, 3), value, np.uint8)


def test_each_promise_gets_its_own_tile(engine: Engine) -> None:
    shapes = [(16, 24), (24, 16), (16, 24), (8, 8)] * 10
    promises = [engine.submit(halved, tile(i, shape)) for i, shape in enumerate(shapes)]
    for i, (shape, promise) in enumerate(zip(shapes, promises, strict=True)):
        result = promise.result(60)
        assert result.shape == (*shape, 3)
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, i / 255 / 2, atol=1e-6)


def test_float_tiles_are_taken_as_they_are(engine: Engine) -> None:
    values = np.random.default_rng(1).random((16, 16, 3), np.float32)
    np.testing.assert_allclose(engine.submit(halved, values).result(60), values / 2, atol=1e-7)


def test_waiting_tiles_of_equal_shape_go_together(batcher: Batcher) -> None:
    gate = Gate()
    first = batcher.submit(gate, tile(0))
    assert gate.entered.wait(60)  # the others wait meanwhile
    alike = [batcher.submit(gate, tile(i)) for i in range(5)]
    other = batcher.submit(gate, tile(9, (8, 8)))
    late = batcher.submit(gate, tile(6))
    stranger = batcher.submit(halved, tile(7))
    gate.opened.set()
    for promise in (first, *alike, other, late, stranger):
        promise.result(60)
    assert gate.sizes == [1, 6, 1]


def test_batches_are_bounded() -> None:
    batcher = Batcher(CPU, megapixels=3 * 16 * 24 / 1e6)
    gate = Gate()
    promises = [batcher.submit(gate, tile(0))]
    assert gate.entered.wait(60)
    promises += [batcher.submit(gate, tile(i)) for i in range(7)]
    gate.opened.set()
    for promise in promises:
        promise.result(60)
    assert gate.sizes == [1, 3, 3, 1]
    batcher.close()


def test_a_batch_that_does_not_fit_is_halved_and_that_is_remembered(batcher: Batcher) -> None:
    gate = Gate(most=2)
    promises = [batcher.submit(gate, tile(0))]
    assert gate.entered.wait(60)
    promises += [batcher.submit(gate, tile(i)) for i in range(1, 9)]
    gate.opened.set()
    for i, promise in enumerate(promises):
        np.testing.assert_allclose(promise.result(60), i / 255 / 2, atol=1e-6)
    assert gate.sizes == [1, 8, 4, 2, 2, 2, 2]
    assert batcher.megapixels == pytest.approx(2 * 16 * 24 / 1e6)


def test_a_tile_that_does_not_fit_alone_fails(batcher: Batcher) -> None:
    gate = Gate(most=0)
    gate.opened.set()
    with pytest.raises(torch.OutOfMemoryError):
        batcher.submit(gate, tile(1)).result(60)
    np.testing.assert_allclose(batcher.submit(halved, tile(2)).result(60), 1 / 255, atol=1e-6)


def test_one_bad_tile_costs_no_other(engine: Engine) -> None:
    def broken(tiles: torch.Tensor) -> torch.Tensor:
        return torch.where(tiles == 1, torch.nan, tiles)

    promises = [engine.submit(broken, tile(value)) for value in (10, 255, 20)]
    np.testing.assert_allclose(promises[0].result(60), 10 / 255, atol=1e-6)
    with pytest.raises(GuardError):
        promises[1].result(60)
    np.testing.assert_allclose(promises[2].result(60), 20 / 255, atol=1e-6)


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit])
def test_an_error_reaches_who_asked_and_the_engine_goes_on(
    engine: Engine, error: type[BaseException]
) -> None:
    def failing(tiles: torch.Tensor) -> torch.Tensor:
        raise error("on purpose")

    with pytest.raises(error):
        engine.submit(failing, tile(1)).result(60)
    np.testing.assert_allclose(engine.submit(halved, tile(2)).result(60), 1 / 255, atol=1e-6)


def test_a_gpu_that_broke_down_is_told_from_a_photo_that_did(
    batcher: Batcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(tiles: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal"):
        batcher.submit(failing, tile(1)).result(60)
    monkeypatch.setattr("restoration.execution._is_lost", lambda _: True)  # no processor ever is
    with pytest.raises(DeviceLost, match=r"illegal memory access .*run the same command again"):
        batcher.submit(failing, tile(1)).result(60)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, ZeroDivisionError, GuardError])
def test_nothing_of_a_photo_that_failed_stays_in_memory(
    engine: Engine, error: type[Exception]
) -> None:
    kept: list[weakref.ref[object]] = []

    def failing(tiles: torch.Tensor) -> torch.Tensor:
        inner = tiles * torch.nan
        kept.append(weakref.ref(inner))
        if error is GuardError:
            return inner  # which the engine refuses
        raise error("on purpose")

    image = scene(300, 300)
    kept.append(weakref.ref(image))
    gc.disable()  # it would come by, but who knows when
    try:
        with pytest.raises(error):
            run_tiled(failing, [image], SMALL, engine)
        engine.close()
        del image
        assert all(each() is None for each in kept)
    finally:
        gc.enable()


def test_results_do_not_depend_on_the_engine_or_on_who_else_uses_it(
    lanes: Lanes, batcher: Batcher
) -> None:
    shapes = [(130, 300), (260, 128), (128, 128), (40, 500), (130, 300), (300, 130)]
    images = [scene(h, w, seed=i) for i, (h, w) in enumerate(shapes)]
    for engine in (lanes, batcher):
        with ThreadPoolExecutor(len(images)) as threads:
            results = list(
                threads.map(lambda image: run_tiled(halved, [image], SMALL, engine)[0], images)  # noqa: B023
            )
        for image, result in zip(images, results, strict=True):
            (alone,) = run_tiled(halved, [image], SMALL, engine_for(CPU))
            np.testing.assert_array_equal(result, alone)
            assert np.abs(result - image / 2).max() <= 0.5


def jobs(seed: int = 0) -> list[Job]:
    plan = make_plan(Assessment(20, 1, 2, 1, False, 1), (Step.DENOISE, Step.DEBLUR))
    pictures = [
        noisy(scene(240, 320, seed=seed), 20),
        noisy(gray_scene(200, 150, seed=seed + 1), 15),
        noisy(scene(320, 240, seed=seed + 2), 30),
        (noisy(scene(100, 260, seed=seed + 3), 20).astype(np.uint16) * 257),
    ]
    return [Job(pixels, plan, 20) for pixels in pictures]


def pixels_of(result: Restored | Exception) -> np.ndarray:
    assert isinstance(result, Restored), result
    assert result.pixels is not None
    return result.pixels


def restorer(precision: str = "fp32", threads: int = 1) -> Restorer:
    options = Options(even_if_worse=True)
    return Restorer(CPU, options=options, resources=Resources(threads=threads, precision=precision))


def test_threads_that_share_a_restorer_get_what_one_gets_alone() -> None:
    plain, shared = restorer(), restorer(threads=4)
    wanted = jobs()
    with ThreadPoolExecutor(len(wanted)) as threads:
        results = [each[0] for each in threads.map(lambda job: shared.restore([job]), wanted)]
    for job, result in zip(wanted, results, strict=True):
        (alone,) = plain.restore([job])
        difference = pixels_of(alone).astype(int) - pixels_of(result)
        assert np.abs(difference).max() <= (1 if job.pixels.dtype == np.uint8 else 257)


def test_bf16_stays_within_its_tolerance() -> None:
    exact, fast = restorer("fp32"), restorer("bf16")
    for job, a, b in zip(jobs(5), exact.restore(jobs(5)), fast.restore(jobs(5)), strict=True):
        scale = 1 if job.pixels.dtype == np.uint8 else 257
        difference = np.abs(pixels_of(a).astype(int) - pixels_of(b)) / scale
        # Two networks one after the other.
        assert 0 < difference.max() <= 2 * TOLERANCE
        assert difference.mean() < 0.5
        change = np.abs(
            pixels_of(a).astype(int) - np.atleast_3d(job.pixels).reshape(pixels_of(a).shape)
        )
        assert change.max() / scale > 2 * TOLERANCE, "the networks must do more than round"


def test_who_asks_for_nothing_gets_what_the_processor_calculates_with() -> None:
    known = torch.cpu.get_capabilities()
    is_fast = bool(known.get("avx512_bf16") or known.get("amx_bf16"))
    expected = Precision.BF16 if is_fast else Precision.FP32
    assert resolve_precision("auto", CPU) is expected
    assert resolve_precision("fp32", CPU) is Precision.FP32
    assert resolve_precision("bf16", CPU) is Precision.BF16


@pytest.mark.parametrize("wanted", ["fp16", "int8", ""])
def test_precisions_that_make_no_sense_are_refused(wanted: str) -> None:
    with pytest.raises(UsageError, match="--precision"):
        resolve_precision(wanted, CPU)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("memory_gb", 0.0),
        ("memory_gb", float("nan")),
        ("memory_gb", float("inf")),
        ("memory_gb", 1e300),
        ("gpu_memory_gb", -1.0),
        ("threads", 0),
        ("precision", "double"),
    ],
)
def test_resources_that_make_no_sense_are_refused(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=name.removesuffix("_gb").replace("_", "-")):
        Resources(**{name: value})


def test_the_model_calculates_as_asked_and_is_the_same_object_for_all() -> None:
    for wanted in ("fp32", "bf16"):
        first, second = restorer(wanted), restorer(wanted, threads=3)
        assert first.model(Step.DENOISE) is second.model(Step.DENOISE)
        assert first.model(Step.DENOISE).precision == wanted
        assert first.model(Step.COLORIZE).precision is Precision.FP32


def test_less_memory_makes_smaller_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for threads in (1, 2, 64):
        before = tile_pixels(CPU, Resources(threads=threads))
        for memory in (16.0, 4.0, 1.0, 0.5):
            resources = Resources(threads=threads, memory_gb=memory)
            now = tile_pixels(CPU, resources)
            assert now <= before
            assert memory_of_networks_gb(CPU, resources) <= max(
                0.5 * memory, 0.04 * available_cores()
            )
            before = now


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, int]]:
    """Shares of memory and GPUs, as PyTorch was told: below that nothing is there without a GPU."""
    told: list[tuple[float, int]] = []
    whole = SimpleNamespace(total_memory=80 * 10**9)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _device: whole)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 3)
    monkeypatch.setattr(torch.cuda.memory, "_lazy_init", lambda: None)
    setter = "_cuda_setMemoryFraction"
    monkeypatch.setattr(torch._C, setter, lambda *given: told.append(given), raising=False)
    return told


def test_memory_of_a_gpu_is_limited_as_pytorch_takes_it(limits: list[tuple[float, int]]) -> None:
    limit_gpu_memory(torch.device("cuda"), 20.0)
    limit_gpu_memory(torch.device("cuda:1"), 800.0)
    assert limits == [(0.25, 3), (1.0, 1)]


def test_each_run_of_a_process_gets_the_memory_of_the_gpu_that_it_asks_for(
    limits: list[tuple[float, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "_engines", {})
    monkeypatch.setattr(execution, "Batcher", lambda _device: Batcher(CPU))
    for gigabytes in (20.0, None, 20.0):
        engine_for(torch.device("cuda"), Resources(gpu_memory_gb=gigabytes))
    assert [share for share, _ in limits] == [0.25, 1.0, 0.25]
    for engine in execution._engines.values():
        engine.close()


def test_lanes_are_no_more_than_cores_and_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = available_cores()
    assert lanes_for(Resources()) == 1
    assert lanes_for(Resources(threads=1000)) == cores
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert available_cores() == 1
    assert lanes_for(Resources(threads=8)) == 1
