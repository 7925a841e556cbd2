from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from flows.cli import main
from restoration.catalogue import WEIGHTS_FOLDER, card_for
from restoration.errors import UsageError
from restoration.models import read_network
from restoration.networks import UNetConfig
from restoration.training.batched import Draws
from restoration.training.batches import batches_for
from restoration.training.data import PairSet, PhotoSet
from restoration.training.neighbours import SelfSupervisedDenoise, neighbours
from restoration.training.options import TrainingOptions
from restoration.training.paired import overlap, read_pairs, shift_between
from restoration.training.tasks import DENOISE_NETWORK, TASKS, Denoise
from restoration.training.trainer import train
from restoration.training.weights import fitted, read_initial, save_weights
from tests.scenes import noisy, scene

TINY = UNetConfig(widths=(12, 16))
CPU = torch.device("cpu")


# Starting from weights


@pytest.mark.parametrize("task", sorted(TASKS))
def test_the_shipped_weights_start_every_task(task: str) -> None:
    initial = read_initial("shipped", task, TASKS[task].config, keep_shape=False)
    shipped = read_network(WEIGHTS_FOLDER / card_for(task).file)
    assert initial.config == shipped.config
    assert initial.misfits == ()
    for name, tensor in shipped.state_dict().items():
        assert torch.equal(initial.weights[name], tensor)


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    other = UNetConfig(widths=(12, 20)).build()
    save_weights(other.state_dict(), other.config, path, task="denoise")
    initial = read_initial(str(path), "denoise", TINY, keep_shape=True)
    assert initial.config == TINY
    assert "head.weight" in initial.weights
    assert "downs.0.weight starts untrained: 20 x 12 x 2 x 2 instead of 16 x 12 x 2 x 2" in (
        initial.misfits
    )
    assert len(initial.weights) + len(initial.misfits) == len(TINY.build().state_dict())


def test_tensors_that_are_new_or_have_no_place_are_said() -> None:
    deeper = UNetConfig(widths=(12, 16, 16)).build()
    assert any(text.endswith("has no place") for text in fitted(deeper, TINY).misfits)
    shallow = TINY.build()
    assert any(text.endswith("new") for text in fitted(shallow, deeper.config).misfits)


def test_weights_for_other_pictures_are_refused() -> None:
    colorize = str(WEIGHTS_FOLDER / card_for("colorize").file)
    with pytest.raises(UsageError, match="from 1 to 2 channels; denoise needs one from 3 to 3"):
        read_initial(colorize, "denoise", DENOISE_NETWORK, keep_shape=False)
    with pytest.raises(UsageError, match="missing"):
        read_initial("nowhere.safetensors", "denoise", DENOISE_NETWORK, keep_shape=False)


# Pairs


@settings(max_examples=25, deadline=None)
@given(st.integers(-8, 8), st.integers(-8, 8), st.floats(0, 20), st.integers(0, 9))
def test_shifts_are_found_and_undone(down: int, right: int, sigma: float, seed: int) -> None:
    whole = scene(130, 150, seed=seed)
    clean, moved = whole[10:-10, 10:-10], whole[10 - down : 120 - down, 10 - right : 140 - right]
    degraded = noisy(cv2.GaussianBlur(moved, (0, 0), 1.0), sigma, seed=seed)
    gray = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (clean, degraded)]
    assert shift_between(*gray) == (down, right)
    first, second = overlap(clean, moved, down, right)
    np.testing.assert_array_equal(first, second)


def write_pairs(folder: Path, count: int = 12, sigma: float = 25.0) -> Path:
    for part in ("clean", "degraded"):
        (folder / part).mkdir(parents=True)
    for i in range(count):
        clean = scene(90, 100, seed=i)
        Image.fromarray(clean).save(folder / "clean" / f"{i}.png")
        Image.fromarray(noisy(clean, sigma, seed=i)).save(folder / "degraded" / f"{i}.webp",
                                                          lossless=True)  # fmt: skip
    return folder


def test_pairs_are_read_registered_and_held_out(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path / "p")
    whole = scene(100, 110, seed=50)
    Image.fromarray(whole[5:95, 5:105]).save(folder / "clean" / "moved.png")
    Image.fromarray(whole[3:93, 9:109]).save(folder / "degraded" / "moved.png")
    Image.fromarray(scene(90, 100, seed=60)).save(folder / "clean" / "wrong.png")
    Image.fromarray(255 - scene(90, 100, seed=61)).save(folder / "degraded" / "wrong.png")
    pairs = read_pairs(folder, minimum_side=64)
    assert (len(pairs.train), len(pairs.validation)) == (11, 2)
    assert "moved: a shift of -4 x 2 pixels was undone" in pairs.notes
    assert any(note.startswith("wrong: left out") for note in pairs.notes)
    moved = next(p for p in [*pairs.train, *pairs.validation] if p.shape == (88, 96, 6))
    np.testing.assert_array_equal(moved[..., :3], moved[..., 3:])


def test_bad_pairs_are_refused(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path / "p", count=3)
    Image.fromarray(scene(90, 100)).save(folder / "clean" / "alone.png")
    with pytest.raises(UsageError, match="without a counterpart: alone"):
        read_pairs(folder, minimum_side=64)
    Image.fromarray(scene(90, 101)).save(folder / "degraded" / "alone.png")
    with pytest.raises(UsageError, match="100x90 pixels and degraded/alone 101x90"):
        read_pairs(folder, minimum_side=64)
    (folder / "degraded" / "alone.png").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="degraded/alone cannot be read"):
        read_pairs(folder, minimum_side=64)
    (folder / "degraded" / "alone.jpg").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="two photographs named alone"):
        read_pairs(folder, minimum_side=64)
    with pytest.raises(UsageError, match="does not exist"):
        read_pairs(tmp_path, minimum_side=64)


def test_batches_of_pairs_and_of_both_kinds() -> None:
    clean = [scene(80, 90, seed=i) for i in range(4)]
    pairs = PairSet([np.concatenate([image, 255 - image], 2) for image in clean], ())
    task = Denoise(config=TINY, patch=32, batch=6)
    inputs, targets = batches_for(task, PhotoSet((), (), pairs=pairs), 0, CPU)()
    torch.testing.assert_close(inputs, 1 - targets, atol=1e-6, rtol=0)
    inputs, targets = batches_for(task, PhotoSet(clean, (), pairs=pairs), 0, CPU)()
    assert inputs.shape == targets.shape == (6, 3, 32, 32)
    torch.testing.assert_close(inputs[3:], 1 - targets[3:], atol=1e-6, rtol=0)
    assert not torch.allclose(inputs[:3], 1 - targets[:3], atol=0.1)
    with pytest.raises(UsageError, match="patches need"):
        batches_for(Denoise(patch=96), PhotoSet((), (), pairs=pairs), 0, CPU)


def test_training_on_pairs(tmp_path: Path, capsys) -> None:
    folder = write_pairs(tmp_path / "p", count=8)
    weights = tmp_path / "tiny.safetensors"
    save_weights(TINY.build().state_dict(), TINY, weights, task="denoise")
    words = ["train", "denoise", "--paired", folder, "--init", weights, "--minutes", "0.02",
             "--patch", "48", "--batch", "4", "--output", tmp_path / "w.safetensors"]  # fmt: skip
    assert main([str(word) for word in words]) == 0
    assert "7 pairs, 1 held out" in capsys.readouterr().out
    assert read_network(tmp_path / "w.safetensors").config == TINY
    header = (tmp_path / "w.csv").read_text().splitlines()[0]
    assert header.endswith(",pairs (dB)")


# Without a clean photograph


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(0, 99))
def test_neighbours_are_two_different_adjacent_pixels_of_a_cell(count, rows, columns, seed) -> None:
    height, width = 2 * rows, 2 * columns
    grid = torch.stack(torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"))
    images = grid[None].expand(count, -1, -1, -1).float()
    choice = Draws(seed, CPU).integers(count * rows * columns, 8).view(count, 1, rows, columns)
    first, second = neighbours(images, choice)
    assert first.shape == (count, 2, rows, columns)
    assert ((first - second).abs().sum(1) == 1).all(), "side by side, not diagonal"
    cell = images[..., ::2, ::2]
    for chosen in (first, second):
        assert ((chosen - cell >= 0) & (chosen - cell <= 1)).all()


def test_self_supervised_training_denoises_white_noise(tmp_path: Path) -> None:
    clean = [scene(96, 96, seed=i) for i in range(12)]
    photos = [noisy(image, 30, seed=i) for i, image in enumerate(clean)]
    task = SelfSupervisedDenoise(config=TINY, patch=48, batch=8)
    data = PhotoSet(photos[:10], photos[10:])
    options = TrainingOptions(minutes=1, steps=120, warmup_steps=10)
    output = tmp_path / "w.safetensors"
    train(task, data, output, options)
    network = read_network(output)
    before, after = [], []
    for truth, degraded in zip(clean[10:], photos[10:], strict=True):
        image = torch.from_numpy(degraded).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            restored = network(image)[0].permute(1, 2, 0).numpy() * 255
        before.append(np.square(degraded.astype(float) - truth).mean())
        after.append(np.square(restored - truth).mean())
    assert np.mean(after) < 0.75 * np.mean(before), "without having seen a clean photo"


@pytest.mark.parametrize("stride", [1, 2])
def test_self_supervised_batches(stride: int) -> None:
    task = SelfSupervisedDenoise(config=TINY, patch=32, batch=2, stride=stride)
    photos = PhotoSet([scene(60, 60)], [scene(50, 60)])
    noisy_patches, choice = batches_for(task, photos, 0, CPU)()
    assert choice.shape == (2, 1, 16 // stride, 16 // stride)
    output, loss = task.objective(lambda x: x, noisy_patches, choice)
    assert output.shape == (2, 3, 16 // stride, 16 // stride)
    assert loss > 0
