from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from flows.cli import main
from restoration.errors import UsageError
from restoration.models import read_network
from restoration.networks import Network, UNetConfig
from restoration.quality import psnr_db
from restoration.training import degradations as d
from restoration.training.batches import batches_for
from restoration.training.data import PhotoSet, centre_crop, load_photos
from restoration.training.journal import read_log
from restoration.training.optimization import schedule_at, tame_gradients
from restoration.training.options import Progress, Tick, TrainingOptions
from restoration.training.state import load_checkpoint, new_state, save_checkpoint
from restoration.training.tasks import TASKS, Denoise, TrainingTask
from restoration.training.trainer import train
from restoration.training.validation import mean_psnr_db
from tests.scenes import scene

CPU = torch.device("cpu")
RNG = np.random.default_rng


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean") / "nested"
    folder.mkdir()
    for i in range(26):
        Image.fromarray(scene(180, 200, seed=i)).save(folder / f"{i:02}.png")
    (folder / "broken.jpg").write_bytes(b"nothing")
    return folder.parent


@settings(max_examples=40, deadline=None)
@given(
    sigma_x=st.floats(0.5, 4), sigma_y=st.floats(0.5, 4), angle=st.floats(0, 3.1),
    radius=st.floats(0.8, 5), length=st.floats(5, 27), seed=st.integers(0, 99),
)  # fmt: skip
def test_kernels_keep_brightness(sigma_x, sigma_y, angle, radius, length, seed) -> None:
    kernels = (
        d.gaussian_kernel(sigma_x, sigma_y, angle),
        d.disk_kernel(radius),
        d.motion_kernel(length, RNG(seed)),
    )
    for kernel in kernels:
        assert kernel.sum() == pytest.approx(1, abs=1e-4)
        assert kernel.min() >= 0
        assert all(side % 2 == 1 for side in kernel.shape)


def test_gaussian_kernel_has_its_sigma() -> None:
    kernel = d.gaussian_kernel(2.0)
    offsets = np.arange(len(kernel)) - len(kernel) // 2
    assert np.sqrt((kernel.sum(0) * offsets**2).sum()) == pytest.approx(2.0, rel=0.01)


def test_noise_has_its_sigma_and_grain_is_correlated() -> None:
    flat = np.full((300, 300, 3), 128, np.float32)
    assert d.white_noise(flat, 12, RNG(0)).std() == pytest.approx(12, rel=0.02)
    grain = d.film_grain(flat, 12, 0.8, RNG(0)) - 128
    assert grain.std() == pytest.approx(12, rel=0.02)
    assert np.ptp(grain, axis=2).max() < 1e-3
    assert np.corrcoef(grain[:, :-1, 0].ravel(), grain[:, 1:, 0].ravel())[0, 1] > 0.4


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_batches_are_shaped_for_the_network(task: TrainingTask, photos: Path) -> None:
    task = replace(task, batch=4, patch=64)
    data = load_photos([photos], minimum_side=task.minimum_side)
    inputs, targets = batches_for(task, data, 0, CPU)()
    config = task.config
    assert inputs.shape == (task.batch, config.in_channels, task.patch, task.patch)
    side = round(task.patch * config.scale)
    assert targets.shape == (task.batch, config.out_channels, side, side)
    assert inputs.min() >= 0
    assert inputs.max() <= 1
    again, _ = batches_for(task, data, 0, CPU)()
    torch.testing.assert_close(inputs, again)
    other, _ = batches_for(task, data, 1, CPU)()
    assert not torch.equal(inputs, other)


def test_a_sharp_deblur_sample_is_its_own_target() -> None:
    data = PhotoSet([np.full((180, 180, 3), 90, np.uint8)], ())
    inputs, targets = batches_for(replace(TASKS["deblur"], batch=32), data, 0, CPU)()
    torch.testing.assert_close(targets, torch.full_like(targets, 90 / 255))
    assert (inputs - targets).abs().max() < 60 / 255


def test_colorize_learns_the_photos_own_chroma() -> None:
    """Of a photograph of one colour, at a quarter of the patch's resolution."""
    data = PhotoSet([np.full((170, 180, 3), (200, 100, 50), np.uint8)], ())
    _, chroma = batches_for(TASKS["colorize"], data, 0, CPU)()
    y = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    expected = torch.tensor([(50 - y) / 1.772, (200 - y) / 1.402]) / 255
    torch.testing.assert_close(chroma, expected[:, None, None].expand_as(chroma), atol=1e-5, rtol=0)


def test_colorize_sees_photos_at_all_working_sizes() -> None:
    sizes = [min(p.shape[:2]) for p in TASKS["colorize"].prepared([scene(220, 240)] * 60)]
    assert (min(sizes), max(sizes)) == (160, 216)
    assert max(np.diff(sorted(sizes))) <= 3
    small = scene(170, 180)
    assert max(p.shape[0] for p in TASKS["colorize"].prepared([small] * 9)) == 170


def test_validation_photos_are_not_trained_on(photos: Path) -> None:
    data = load_photos([photos], minimum_side=100, validation=6)
    assert (len(data.train), len(data.validation)) == (20, 6)
    assert not any(np.array_equal(a, b) for a in data.train for b in data.validation)
    with pytest.raises(ValueError, match="usable photographs"):
        load_photos([photos], minimum_side=5000)


@pytest.mark.parametrize(
    ("task", "names"),
    [
        ("denoise", ["sigma 15", "sigma 25", "sigma 50", "grain, JPEG"]),
        ("deblur", ["sharp", "Gaussian 1.6", "Gaussian 2.4", "motion"]),
        ("colorize", ["PSNR", "colourfulness"]),
    ],
)
def test_validation_returns_named_scores(task: str, names: list[str], photos: Path) -> None:
    data = load_photos([photos], minimum_side=64, validation=2)
    validator = TASKS[task].validator(data, CPU)
    network = TASKS[task].config.build().eval()
    scores = validator.scores(network)
    assert [score.name for score in scores] == names
    assert scores == validator.scores(network), "on fixed degradations"
    sample = validator.sample(network)
    assert sample.clean is not None
    assert sample.clean.shape == sample.degraded.shape == sample.restored.shape


def test_scores_of_the_identity_are_those_of_the_input(photos: Path) -> None:
    data = load_photos([photos], minimum_side=64, validation=3)
    scores = {s.name: s.value for s in TASKS["denoise"].validator(data, CPU).scores(_identity())}
    crops = [centre_crop(photo, 180) for photo in data.validation]
    expected = np.mean([
        psnr_db(d.quantise(d.white_noise(crop.astype(np.float32), 25, RNG(i))), crop)
        for i, crop in enumerate(crops)
    ])  # fmt: skip
    assert scores["sigma 25"] == pytest.approx(expected, abs=0.01)
    sharp = TASKS["deblur"].validator(data, CPU).scores(_identity())[0]
    assert (sharp.name, sharp.value) == ("sharp", 50.0), "capped"


TINY = Denoise(config=UNetConfig(widths=(12, 16)), patch=48, batch=8)


def _identity() -> Network:
    return TINY.config.build().eval()  # residual: a new network changes nothing


def test_training_learns_and_writes_half_precision_weights(photos: Path, tmp_path: Path) -> None:
    data = load_photos([photos], minimum_side=60, validation=4)
    output = tmp_path / "tiny.safetensors"
    lines: list[Progress] = []
    ticks: list[Tick] = []
    options = TrainingOptions(minutes=1, steps=120, warmup_steps=10, report_every_s=2)
    last = train(TINY, data, output, options, report=lines.append, tick=ticks.append)
    before = mean_psnr_db(TINY.validator(data, CPU).scores(_identity()))
    assert last.psnr_db > before + 1
    assert last.steps == 120
    network = read_network(output)
    assert network.config == TINY.config
    assert [line.steps for line in read_log(output.with_suffix(".csv"))] == [
        line.steps for line in lines
    ]
    assert {"tiny.png", "tiny.samples"} <= {path.name for path in tmp_path.iterdir()}
    assert not output.with_suffix(".checkpoint").exists(), "removed when finished"


def test_an_interrupted_run_goes_on_from_its_checkpoint(photos: Path, tmp_path: Path) -> None:
    data = load_photos([photos], minimum_side=60, validation=4)
    output = tmp_path / "tiny.safetensors"

    class InterruptedRunError(Exception):
        pass

    def interrupt(progress: Progress) -> None:
        raise InterruptedRunError

    long = TrainingOptions(minutes=10, warmup_steps=5, report_every_s=0.5, checkpoint_every_s=0.01)
    with pytest.raises(InterruptedRunError):
        train(TINY, data, output, long, report=interrupt)
    assert output.with_suffix(".checkpoint").exists()
    assert not output.exists()
    steps = read_log(output.with_suffix(".csv"))[0].steps
    short = TrainingOptions(minutes=10, steps=steps + 3, warmup_steps=5)
    resumed = train(TINY, data, output, short)
    assert resumed.steps == steps + 3
    assert output.exists()


def test_a_resumed_run_has_its_moments_back(photos: Path, tmp_path: Path) -> None:
    data = load_photos([photos], minimum_side=60, validation=4)
    options = TrainingOptions(minutes=10, steps=3)
    state = new_state(TINY, options, CPU, None)
    for parameter in state.network.parameters():
        parameter.grad = torch.ones_like(parameter)
    for optimizer in state.optimizers:
        optimizer.step()
    state.steps, state.seconds = 3, 7.5
    state.usual_norm.fill_(0.25)
    save_checkpoint(state, tmp_path / "c")
    fresh = new_state(TINY, replace(options, seed=5), CPU, None)
    load_checkpoint(fresh, tmp_path / "c")
    assert (fresh.steps, fresh.seconds, float(fresh.usual_norm)) == (3, 7.5, 0.25)
    for a, b in zip(state.network.parameters(), fresh.network.parameters(), strict=True):
        assert torch.equal(a, b)
    for mine, theirs in zip(state.optimizers, fresh.optimizers, strict=True):
        moments, others = ([*o.state_dict()["state"].values()] for o in (mine, theirs))
        assert len(moments) == len(others) > 0
        for one, two in zip(moments, others, strict=True):
            assert one.keys() == two.keys()
            for key in one:
                torch.testing.assert_close(one[key], two[key])
    train(TINY, data, tmp_path / "w.safetensors", options)


def test_another_networks_checkpoint_is_refused(photos: Path, tmp_path: Path) -> None:
    data = load_photos([photos], minimum_side=60, validation=4)
    options = TrainingOptions(minutes=1, steps=1)
    wider = replace(TINY, config=UNetConfig(widths=(16, 16)))
    save_checkpoint(new_state(wider, options, CPU, None), tmp_path / "w.checkpoint")
    with pytest.raises(UsageError, match="another network's checkpoint"):
        train(TINY, data, tmp_path / "w.safetensors", options)


def tamed(norm: float, usual: float, *, warming_up: bool = False) -> tuple[float, float]:
    """Norm of a gradient after taming, and the running mean after it."""
    gradients = [torch.full((4,), norm / 4), torch.full((3, 4), norm / 4)]
    mean = torch.tensor(usual)
    tame_gradients(gradients, mean, clip_factor=2.0, warming_up=warming_up)
    return float(torch.nn.utils.get_total_norm(gradients)), float(mean)


def test_gradients_are_tamed_relative_to_their_usual_norm() -> None:
    assert tamed(1.5, 1.0) == pytest.approx((1.5, 1.01), rel=1e-4)
    assert tamed(6.0, 1.0) == pytest.approx((2.0, 1.06), rel=1e-4)
    assert tamed(30.0, 1.0) == pytest.approx((0.0, 1.06), rel=1e-4)
    assert tamed(30.0, 0.0, warming_up=True) == pytest.approx((1.0, 30.0), rel=1e-4)
    for bad in (math.nan, math.inf):
        assert tamed(bad, 1.0) == (0.0, 1.0)
        assert tamed(bad, 1.0, warming_up=True) == (0.0, 1.0)


def test_the_schedule_warms_up_and_falls_to_zero() -> None:
    options = TrainingOptions(minutes=1, warmup_steps=10)
    assert schedule_at(options, 0, 0.0) == pytest.approx(0.1)
    assert schedule_at(options, 50, 0.5) == pytest.approx(0.5)
    assert schedule_at(options, 50, 1.0) == pytest.approx(0.0)


def test_train_command(photos: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setitem(TASKS, "denoise", TINY)
    output = tmp_path / "w.safetensors"
    words = ["train", "denoise", "--data", photos, "--minutes", "0.02", "--output", output,
             "--patch", "40", "--batch", "4", "--limit", "25"]  # fmt: skip
    assert main([str(word) for word in words]) == 0
    printed = capsys.readouterr().out
    assert "validation" in printed
    assert "12 held out" in printed
    assert main([str(w) for w in [*words, "--init", output, "--exclude", photos / "nested"]]) == 2
    assert "0 usable photographs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["denoise", "--data", "PHOTOS", "--minutes", "0"], "--minutes must be positive"),
        (["denoise", "--minutes", "1"], "--data DIR or --paired DIR is needed"),
        (["colorize", "--minutes", "1"], "--data DIR is needed"),
        (["denoise", "--data", "/no/such", "--minutes", "1"], "--data /no/such: no such folder"),
        (["denoise", "--data", "PHOTOS", "--minutes", "1", "--batch", "0"], "--batch must be"),
        (["denoise", "--data", "PHOTOS", "--minutes", "1", "--patch", "5000"], "5000 pixels"),
        (["denoise", "--data", "PHOTOS", "--minutes", "1", "--init", "none"], "--init: weights"),
        (["denoise", "--paired", "PHOTOS", "--minutes", "1"], "clean does not exist"),
        (["denoise", "--data", "PHOTOS", "--paired", "PHOTOS", "--minutes", "1",
          "--self-supervised"], "no --paired photographs"),
        (["sharpen", "--data", "PHOTOS"], "invalid choice"),
        (["colorize", "--data", "PHOTOS", "--minutes", "1", "--paired", "PHOTOS"], "unrecognized"),
    ],
)  # fmt: skip
def test_bad_arguments_are_one_line(words, message, photos, tmp_path, capsys) -> None:
    words = [str(photos) if word == "PHOTOS" else word for word in words]
    assert main(["train", *words, "--output", str(tmp_path / "w.safetensors")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_calibration_scales_the_chroma(photos: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    from restoration.training import calibrate
    from restoration.training.weights import save_weights

    config = replace(TASKS["colorize"].config, bin_step=0.0)
    torch.manual_seed(0)
    network = config.build()
    torch.nn.init.normal_(network.tail.weight, std=0.1)  # a new network says gray
    weights = tmp_path / "regression.safetensors"
    save_weights(network.state_dict(), config, weights, task="colorize")
    vivid = tmp_path / "vivid.safetensors"
    monkeypatch.setattr(
        "sys.argv", ["calibrate", str(weights), "--factor", "2", "--output", str(vivid)]
    )
    calibrate.main()
    gray = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(
            read_network(vivid)(gray), 2 * read_network(weights)(gray), atol=1e-3, rtol=1e-2
        )
    monkeypatch.setattr(
        "sys.argv",
        ["calibrate", str(weights), "--data", str(photos), "--held-out", "2", "--patch", "64"],
    )
    calibrate.main()
    assert capsys.readouterr().out.count("colourfulness") == 1 + len(calibrate.FACTORS)


def test_the_psnr_loss_is_what_samples_lack_to_50_db() -> None:
    task = replace(TASKS["denoise"], loss_kind="psnr")
    target = torch.zeros(2, 3, 4, 4)
    output = torch.stack([torch.full((3, 4, 4), 0.1), torch.full((3, 4, 4), 0.01)])
    # 20 and 40 dB: 30 and 10 to go, a little less for the floor of 1e-5.
    assert float(task.loss(output, target)) == pytest.approx(20, abs=0.5)
    assert float(task.loss(target, target)) == pytest.approx(0, abs=1e-5), "nothing to win"
    weak, strong = (
        torch.autograd.functional.jacobian(lambda x: task.loss(x[None], target[:1]), sample)
        for sample in output.flip(0)
    )
    assert float(weak.norm()) > float(strong.norm()), "weak noise weighs as much as strong"
