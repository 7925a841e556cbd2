from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from flows.cli import main
from restoration.models import read_network
from restoration.networks import UNetConfig
from restoration.training import degradations as d
from restoration.training.data import load_photos, random_patch
from restoration.training.tasks import TASKS, Denoise
from restoration.training.trainer import Progress, TrainingOptions, train
from tests.scenes import scene

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
def test_batches_are_shaped_for_the_network(task, photos: Path) -> None:
    data = load_photos([photos], minimum_side=128)
    inputs, targets = task.draw_batch(data, RNG(0))
    config = task.config
    assert inputs.shape == (task.batch, config.in_channels, task.patch, task.patch)
    side = task.patch * config.upshuffle // config.unshuffle
    assert targets.shape == (task.batch, config.out_channels, side, side)
    assert inputs.min() >= 0
    assert inputs.max() <= 1
    again, _ = task.draw_batch(data, RNG(0))
    torch.testing.assert_close(inputs, again)


def test_validation_photos_are_not_trained_on(photos: Path) -> None:
    data = load_photos([photos], minimum_side=100, validation=6)
    assert (len(data.train), len(data.validation)) == (20, 6)
    assert not any(np.array_equal(a, b) for a in data.train for b in data.validation)
    with pytest.raises(ValueError, match="usable photographs"):
        load_photos([photos], minimum_side=5000)


def test_patches_come_from_the_photo() -> None:
    photo = scene(40, 50)
    patch = random_patch(photo, 40, RNG(1))
    assert sorted(patch.sum(2).ravel())[0] >= photo.sum(2).min()
    assert patch.shape == (40, 40, 3)


class TinyDenoise(Denoise):
    config = UNetConfig(widths=(12, 16))
    patch = 48
    batch = 8


def test_training_learns_and_writes_half_precision_weights(photos: Path, tmp_path: Path) -> None:
    data = load_photos([photos], minimum_side=60, validation=4)
    output = tmp_path / "tiny.safetensors"
    lines: list[Progress] = []
    options = TrainingOptions(minutes=1, steps=120, warmup_steps=10, report_every_s=2)
    last = train(TinyDenoise(), data, output, options, report=lines.append)
    before = TinyDenoise().validate(_untrained(), data, torch.device("cpu"))
    assert last.psnr_db > before + 1
    assert last.steps == 120
    network = read_network(output)
    assert network.config == TinyDenoise.config
    logged = [json.loads(line) for line in output.with_suffix(".jsonl").read_text().splitlines()]
    assert [entry["steps"] for entry in logged] == [line.steps for line in lines]
    assert not output.with_suffix(".checkpoint").exists(), "removed when finished"


def _untrained():
    from restoration.networks import UNet

    return UNet(TinyDenoise.config)


def test_an_interrupted_run_goes_on_from_its_checkpoint(photos: Path, tmp_path: Path) -> None:
    data = load_photos([photos], minimum_side=60, validation=4)
    output = tmp_path / "tiny.safetensors"
    options = TrainingOptions(
        minutes=10, warmup_steps=5, report_every_s=0.5, checkpoint_every_s=0.01
    )

    class InterruptedRunError(Exception):
        pass

    def interrupt(progress: Progress) -> None:
        raise InterruptedRunError

    with pytest.raises(InterruptedRunError):
        train(TinyDenoise(), data, output, options, report=interrupt)
    assert output.with_suffix(".checkpoint").exists()
    assert not output.exists()
    steps = json.loads(output.with_suffix(".jsonl").read_text().splitlines()[0])["steps"]
    resumed = train(TinyDenoise(), data, output, TrainingOptions(minutes=1.5 / 60, warmup_steps=5))
    assert resumed.steps >= steps - 2
    assert output.exists()


def test_train_command(photos: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setitem(TASKS, "denoise", TinyDenoise())
    output = tmp_path / "w.safetensors"
    words = ["train", "denoise", "--data", photos, "--minutes", "0.02", "--output", output]
    assert main([str(word) for word in words]) == 0
    assert "validation" in capsys.readouterr().out
    assert main([str(w) for w in [*words, "--init", output]]) == 0


def test_calibration_scales_the_chroma(photos: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    from restoration.models import WEIGHTS_FOLDER, card_for
    from restoration.training import calibrate

    weights = WEIGHTS_FOLDER / card_for("colorize").file
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
        "sys.argv", ["calibrate", str(weights), "--data", str(photos), "--photos", "2"]
    )
    calibrate.main()
    assert capsys.readouterr().out.count("colourfulness") == len(calibrate.FACTORS)
