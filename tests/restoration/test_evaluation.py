from __future__ import annotations

import csv
import runpy
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from flows.cli import main
from restoration.catalogue import WEIGHTS_FOLDER, card_for
from restoration.colour import as_gray, luma8
from restoration.errors import UsageError
from restoration.evaluation.card import metrics_from
from restoration.evaluation.methods import Truth
from restoration.evaluation.peers import deblurring_peers, denoising_peers
from restoration.evaluation.protocols import (
    Condition,
    colorize_conditions,
    deblur_conditions,
    denoise_conditions,
    read_kernels,
)
from restoration.networks import UNet, UNetConfig
from restoration.quality import psnr_db, ssim
from restoration.training.degradations import gaussian_kernel
from restoration.training.trainer import save_weights
from tests.scenes import Byte, gray_scene, scene

RNG = np.random.default_rng
NAMES = ("a.png", "b.png", "deeper/c.png")


def shipped(task: str) -> str:
    return f"{card_for(task).name} (shipped)"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set") / "scenes"
    for seed, name in enumerate(NAMES):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene(72, 96, seed=seed)).save(path)
    return folder


@pytest.fixture(scope="module")
def gray_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gray-set")
    for seed in range(2):
        Image.fromarray(gray_scene(72, 96, seed=seed)).save(folder / f"{seed}.png")
    return folder


def evaluate(*words: object) -> int:
    return main(["evaluate", *map(str, words)])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("task", "width", "expected"),
    [
        ("denoise", 80, ["input", shipped("denoise"), "sigma 25", "clean", "GMAC/MP"]),
        ("denoise", 240, ["input", shipped("denoise"), "sigma 25", "clean", "GMAC/MP"]),
        ("deblur", 80, [shipped("deblur"), "Gaussian 1.6", "sharp, clean", "parameters"]),
        ("colorize", 100, ["input", shipped("colorize"), "true photos", "colourfulness"]),
        ("assess", 240, ["recall", "false alarms", "mean absolute error"]),
    ],
)
def test_evaluate_prints_tables_that_fit(
    task: str, width: int, expected: list[str], photos: Path, capsys, monkeypatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert evaluate(task, "--data", photos, "--limit", 1) == 0
    printed = capsys.readouterr().out
    for text in expected:
        assert text in printed
    assert max(map(len, printed.splitlines())) <= width


def test_the_rows_of_a_run_are_true(photos: Path, tmp_path: Path) -> None:
    target = tmp_path / "scores.csv"
    assert evaluate("denoise", "--data", photos, "--csv", target, "--peers") == 0
    found = rows(target)
    methods = ["input", shipped("denoise"), *(m.name for m in denoising_peers())]
    conditions = denoise_conditions()
    assert len(found) == len(methods) * len(conditions) * len(NAMES)
    assert {row["photo"] for row in found} == set(NAMES)
    for index, name in enumerate(NAMES):
        clean = scene(72, 96, seed=index)
        for condition in conditions:
            degraded = condition.degrade(clean, RNG(index))
            (row,) = (
                r for r in found
                if (r["photo"], r["condition"], r["method"]) == (name, condition.name, "input")
            )  # fmt: skip
            assert float(row["psnr_db"]) == pytest.approx(psnr_db(clean, degraded))
            assert float(row["ssim"]) == pytest.approx(ssim(clean, degraded))
    ours = [r for r in found if r["method"] == shipped("denoise") and r["condition"] != "clean"]
    assert all(float(r["gain_db"]) > 0 for r in ours)
    assert {r["parameters"] for r in ours} == {str(card_for("denoise").parameters)}


def test_passes_are_measured_under_a_name_of_their_own(photos: Path, tmp_path: Path) -> None:
    network = UNet(UNetConfig(widths=(4, 8)))
    with torch.no_grad():  # one that would else return its input, whichever way that lies
        network.tail.weight.normal_(0, 0.05, generator=torch.Generator().manual_seed(1))
    weights = tmp_path / "w.safetensors"
    save_weights(network.state_dict(), network.config, weights, task="denoise")
    words = ["denoise", "--data", photos, "--limit", 1, "--no-shipped", "--weights", weights]
    found = {}
    for passes in (1, 8):
        path = tmp_path / f"{passes}.csv"
        assert evaluate(*words, "--passes", passes, "--csv", path) == 0
        found[passes] = [r for r in rows(path.with_stem(f"{passes}-summary")) if r["parameters"]]
    for one, eight in zip(found[1], found[8], strict=True):
        assert (one["method"], eight["method"]) == ("w", "w, 8 passes")
        assert "--passes" not in one["command"]
        assert " --passes 8 " in eight["command"]
        assert float(eight["gmac_per_megapixel"]) == 8 * float(one["gmac_per_megapixel"])
        assert float(eight["psnr_db"]) != float(one["psnr_db"])


def test_the_summary_is_the_mean_and_names_the_worst_photo(photos: Path, tmp_path: Path) -> None:
    target = tmp_path / "scores.csv"
    assert evaluate("deblur", "--data", photos, "--csv", target) == 0
    found, summaries = rows(target), rows(tmp_path / "scores-summary.csv")
    assert len(summaries) == 2 * 4
    for summary in summaries:
        own = [
            r for r in found
            if (r["condition"], r["method"]) == (summary["condition"], summary["method"])
        ]  # fmt: skip
        assert int(summary["photos"]) == len(own) == len(NAMES)
        mean = np.mean([float(r["psnr_db"]) for r in own])
        assert float(summary["psnr_db"]) == pytest.approx(mean)
        worst = min(own, key=lambda r: float(r["gain_db"]))
        assert summary["worst_photo"] == worst["photo"]
        assert summary["command"] == "restore-archive evaluate deblur --data scenes"


def test_parquet_holds_what_csv_holds(photos: Path, tmp_path: Path) -> None:
    words = ["denoise", "--data", photos, "--limit", 1]
    targets = ["--csv", tmp_path / "s.csv", "--parquet", tmp_path / "s.parquet"]
    assert evaluate(*words, *targets) == 0
    for stem in ("s", "s-summary"):
        table = pq.read_table(tmp_path / f"{stem}.parquet").to_pylist()
        for row, line in zip(table, rows(tmp_path / f"{stem}.csv"), strict=True):
            assert {k: "" if v is None else str(v) for k, v in row.items()} == line
    assert not list(tmp_path.glob("*.part"))


def test_assessment_rows_are_exported(photos: Path, tmp_path: Path) -> None:
    assert evaluate("assess", "--data", photos, "--limit", 1, "--csv", tmp_path / "a.csv") == 0
    assert {row["quantity"] for row in rows(tmp_path / "a.csv")} == {"noise", "blur"}
    assert "recall" in rows(tmp_path / "a-decisions.csv")[0]
    assert "noisy" in rows(tmp_path / "a-alarms.csv")[0]
    assert "confidence" in rows(tmp_path / "a-reliability.csv")[0]


def test_the_assessments_figures_are_means_of_its_rows(photos: Path, tmp_path: Path) -> None:
    words = ["assess", "--data", photos, "--limit", 1, "--peers", "--csv", tmp_path / "a.csv"]
    assert evaluate(*words) == 0
    own = [row for row in rows(tmp_path / "a.csv") if row["method"] == "restore-archive"]
    figures = {
        (m.condition, m.measure): m.value
        for m in metrics_from(tmp_path / "a-summary.csv", card_for("assess").sha256)
    }
    errors = [float(r["mean_absolute_error"]) for r in own if r["name"] == "white noise"]
    assert figures["white noise, 0-50 sigma", "mean error"] == pytest.approx(np.mean(errors))
    assert figures["white noise, 0-50 sigma", "at the worst level"] == pytest.approx(max(errors))
    relative = [
        100 * float(r["mean_absolute_error"]) / float(r["level"])
        for r in own if r["name"] == "defocus disk, noise 2.55"
    ]  # fmt: skip
    found = figures["defocus disk, noise 2.55, 0.8-4 px", "mean error %"]
    assert found == pytest.approx(np.mean(relative), abs=1e-4)
    alarms = rows(tmp_path / "a-alarms.csv")
    assert {"restore-archive", "OpenCV Laplacian"} <= {row["method"] for row in alarms}
    assert figures["clean skies, banded", "called noisy %"] == 0


def test_a_gray_set_is_measured_as_gray(gray_photos: Path, tmp_path: Path, capsys) -> None:
    assert evaluate("denoise", "--data", gray_photos, "--csv", tmp_path / "s.csv", "--peers") == 0
    assert "(gray)" in capsys.readouterr().out
    clean = gray_scene(72, 96, seed=0)
    noisy = denoise_conditions()[1].degrade(clean, RNG(0))
    assert noisy.ndim == 2
    first = next(r for r in rows(tmp_path / "s.csv") if r["condition"] == "sigma 25")
    assert float(first["psnr_db"]) == pytest.approx(psnr_db(clean, noisy))
    restored = [r for r in rows(tmp_path / "s.csv") if "shipped" in r["method"]]
    assert all(float(r["gain_db"]) > 1 for r in restored if r["condition"].startswith("sigma"))
    assert all(float(r["colourfulness"]) == 0 for r in restored)


def test_gray_reduces_a_colour_set_to_its_luma(photos: Path, tmp_path: Path) -> None:
    assert evaluate("deblur", "--data", photos, "--gray", "--csv", tmp_path / "s.csv") == 0
    clean = luma8(scene(72, 96, seed=0))
    blurred = next(c for c in deblur_conditions() if c.name == "Gaussian 1.6")
    row = next(r for r in rows(tmp_path / "s.csv") if r["condition"] == "Gaussian 1.6")
    expected = psnr_db(clean, blurred.degrade(clean, RNG(0)))
    assert float(row["psnr_db"]) == pytest.approx(expected)


@pytest.mark.parametrize(
    "condition",
    [*denoise_conditions(), *deblur_conditions([gaussian_kernel(1.0, 2.0, 0.3)])],
    ids=lambda condition: condition.name,
)
def test_conditions_are_seeded_and_keep_the_shape(condition: Condition) -> None:
    for clean in (scene(40, 60), gray_scene(40, 60)):
        degraded = condition.degrade(clean, RNG(3))
        assert degraded.shape == clean.shape
        assert degraded.dtype == np.uint8
        np.testing.assert_array_equal(degraded, condition.degrade(clean, RNG(3)))
        is_told = condition.sigma > 0 or condition.kernel is not None
        assert is_told == (not np.array_equal(degraded, clean))


def test_grain_of_a_gray_photo_is_that_of_its_three_equal_channels() -> None:
    grain = denoise_conditions()[3]
    gray = gray_scene(48, 64)
    in_colour = grain.degrade(as_gray(gray), RNG(1))
    np.testing.assert_array_equal(grain.degrade(gray, RNG(1)), luma8(in_colour))


def test_colorize_starts_from_neutral_gray() -> None:
    photo = scene(30, 40)
    (condition,) = colorize_conditions()
    np.testing.assert_array_equal(condition.degrade(photo, RNG(0)), as_gray(photo))


@pytest.mark.parametrize("make", [scene, gray_scene], ids=["colour", "gray"])
def test_denoising_peers_denoise_and_leave_a_clean_photo_alone(make) -> None:
    pytest.importorskip("skimage")
    pytest.importorskip("pywt")
    clean: Byte = make(96, 128)
    noisy = denoise_conditions()[1].degrade(clean, RNG(0))
    peers = denoising_peers()
    assert [peer.name.split(",")[0] for peer in peers] == [
        "OpenCV NLM", "scikit-image NLM", "scikit-image TV", "scikit-image wavelet",
    ]  # fmt: skip
    for peer in peers:
        assert peer.name.endswith("told sigma")
        restored = peer.restore(noisy, Truth(clean, 25.0))
        assert psnr_db(clean, restored) > psnr_db(clean, noisy) + 2, peer.name
        np.testing.assert_array_equal(peer.restore(clean, Truth(clean)), clean)


@pytest.mark.parametrize("make", [scene, gray_scene], ids=["colour", "gray"])
def test_deblurring_peers_deblur_and_leave_a_sharp_photo_alone(make) -> None:
    pytest.importorskip("skimage")
    clean: Byte = make(96, 128)
    condition = next(c for c in deblur_conditions() if c.name == "Gaussian 1.6")
    blurred = condition.degrade(clean, RNG(0))
    unsharp, *told = deblurring_peers()
    assert unsharp.restore(blurred, Truth(clean)).shape == clean.shape
    assert len(told) == 2
    for peer in told:
        assert peer.name.endswith("told the kernel")
        restored = peer.restore(blurred, Truth(clean, condition.sigma, condition.kernel))
        assert psnr_db(clean, restored) > psnr_db(clean, blurred) + 0.5, peer.name
        np.testing.assert_array_equal(peer.restore(clean, Truth(clean)), clean)


def test_without_scikit_image_its_peers_are_left_out_with_a_note(
    photos: Path, capsys, monkeypatch
) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    assert evaluate("deblur", "--data", photos, "--limit", 1, "--peers") == 0
    captured = capsys.readouterr()
    assert "unsharp mask" in captured.out
    assert "Wiener" not in captured.out
    assert "not installed: scikit-image" in captured.err


def test_any_weights_are_rows_in_the_order_given(photos: Path, tmp_path: Path) -> None:
    # A new residual network is the identity, also one whose stride is wider than a tile's.
    for folder, widths in (("one", (4, 8)), ("two", (4,) * 8)):
        (tmp_path / folder).mkdir()
        network = UNet(UNetConfig(widths=widths))
        target = tmp_path / folder / "best.safetensors"
        save_weights(network.state_dict(), network.config, target, task="denoise")
    files = [tmp_path / folder / "best.safetensors" for folder in ("one", "two")]
    named = [word for file in files for word in ("--weights", file)]
    csv_file = tmp_path / "s.csv"
    assert evaluate("denoise", "--data", photos, "--limit", 1, *named, "--csv", csv_file) == 0
    found = rows(csv_file)
    assert [row["method"] for row in found[:4]] == [
        "input", shipped("denoise"), "best", "two/best",
    ]  # fmt: skip
    for row in found:
        if "best" in row["method"]:
            assert row["psnr_db"] == row["input_psnr_db"]
    words = ["denoise", "--data", photos, "--limit", 1, *named[:2], "--no-shipped"]
    assert evaluate(*words, "--csv", csv_file) == 0
    assert [row["method"] for row in rows(csv_file)[:2]] == ["input", "best"]


def test_unreadable_photos_are_named_and_left_out(tmp_path: Path, capsys) -> None:
    Image.fromarray(scene(60, 80)).save(tmp_path / "sound.png")
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    (tmp_path / "empty.png").write_bytes(b"")
    assert evaluate("deblur", "--data", tmp_path) == 0
    captured = capsys.readouterr()
    assert "deblur on 1 photograph of" in captured.out
    assert "'broken.jpg'" in captured.err
    assert "'empty.png'" in captured.err


def test_kernels_are_read_and_add_up_to_one(photos: Path, tmp_path: Path, capsys) -> None:
    path = tmp_path / "k.npz"
    np.savez(path, k00=3 * gaussian_kernel(1.0), k01=gaussian_kernel(2.0, 1.0))
    assert [kernel.sum() for kernel in read_kernels(path)] == pytest.approx([1, 1])
    assert evaluate("deblur", "--data", photos, "--limit", 1, "--kernels", path) == 0
    assert "motion 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"k": np.ones((4, 4))},
        {"k": np.ones(3)},
        {"k": np.zeros((3, 3))},
        {"k": np.array([["a"]])},
        {"k": np.array([np.ones((3, 3)), None], dtype=object)},
        {"good": np.ones((3, 3)), "bad": np.ones((2, 3))},
    ],
    ids=["empty", "even", "flat", "zero", "text", "objects", "one bad"],
)
def test_what_is_no_kernel_file_is_refused(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    path = tmp_path / "k.npz"
    np.savez(path, **arrays)
    with pytest.raises(UsageError, match="kernels"):
        read_kernels(path)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["denoise", "--data", "NOWHERE"], "no such folder"),
        (["denoise", "--data", "EMPTY"], "no photographs"),
        (["denoise", "--data", "PHOTOS", "--limit", "0"], "--limit"),
        (["denoise", "--data", "PHOTOS", "--kernels", "k.npz"], "deblur only"),
        (["deblur", "--data", "PHOTOS", "--kernels", "NOWHERE/k.npz"], "no .npz file"),
        (["colorize", "--data", "PHOTOS", "--gray"], "--gray"),
        (["denoise", "--data", "PHOTOS", "--passes", "3"], "--passes must be 1, 2, 4 or 8"),
        (["colorize", "--data", "PHOTOS", "--passes", "2"], "denoise and deblur only"),
        (["assess", "--data", "PHOTOS", "--passes", "2"], "denoise and deblur only"),
        (["colorize", "--data", "GRAY"], "needs colour photographs"),
        (["assess", "--data", "GRAY"], "needs colour photographs"),
        (["assess", "--data", "PHOTOS", "--grid", "EMPTY/g.png"], "no networks"),
        (["denoise", "--data", "PHOTOS", "--weights", "NOWHERE"], "no such file"),
        (["denoise", "--data", "PHOTOS", "--weights", "PHOTOS/a.png"], "no usable weights"),
        (["denoise", "--data", "PHOTOS", "--weights", "COLOUR"], "3 channels in"),
        (["denoise", "--data", "PHOTOS", "--no-shipped"], "nothing to measure"),
        (["denoise", "--data", "PHOTOS", "--csv", "EMPTY/s.txt"], ".csv"),
        (["denoise", "--data", "PHOTOS", "--csv", "NOWHERE/s.csv"], "does not exist"),
        (["denoise", "--data", "PHOTOS", "--parquet", "EMPTY/s.csv"], ".parquet"),
        (["denoise", "--data", "PHOTOS", "--grid", "EMPTY/g.gif"], ".png or .jpg"),
        (["denoise", "--data", "PHOTOS", "--grid-photos", "0"], "--grid-photos"),
        (["denoise", "--data", "PHOTOS", "--grid-condition", "clean"], "--grid only"),
        (
            ["denoise", "--data", "PHOTOS", "--grid", "EMPTY/g.png", "--grid-condition", "x"],
            "choose one of sigma 15",
        ),
        (["denoise", "--data", "PHOTOS", "--device", "tpu"], "tpu"),
    ],
)
def test_wrong_arguments_are_one_line(
    words: list[str], complaint: str, photos: Path, gray_photos: Path, tmp_path: Path, capsys
) -> None:
    places = {
        "PHOTOS": photos,
        "GRAY": gray_photos,
        "EMPTY": tmp_path,
        "NOWHERE": tmp_path / "nowhere",
        "COLOUR": WEIGHTS_FOLDER / card_for("colorize").file,
    }
    for name, place in places.items():
        words = [word.replace(name, str(place)) for word in words]
    assert evaluate(*words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert complaint in captured.err
    assert not any(tmp_path.iterdir()), "nothing may be written"


def test_the_command_of_a_row_names_no_folder_of_this_machine(photos: Path, tmp_path: Path) -> None:
    network = UNet(UNetConfig(widths=(4, 8)))
    weights = tmp_path / "w.safetensors"
    save_weights(network.state_dict(), network.config, weights, task="deblur")
    kernels = tmp_path / "my kernels.npz"
    np.savez(kernels, k=gaussian_kernel(1.0))
    words = ["deblur", "--data", photos, "--limit", 1, "--gray", "--kernels", kernels]
    words += ["--weights", weights, "--no-shipped", "--peers", "--device", "cpu"]
    assert evaluate(*words, "--csv", tmp_path / "s.csv") == 0
    assert rows(tmp_path / "s-summary.csv")[0]["command"] == (
        "restore-archive evaluate deblur --data scenes --limit 1 --gray "
        "--kernels 'my kernels.npz' --weights w.safetensors --no-shipped --peers --device cpu"
    )


def test_it_runs_as_a_module_where_the_command_is_not_installed(
    photos: Path, capsys, monkeypatch
) -> None:
    words = ["deblur", "--data", str(photos), "--limit", "1"]
    for extra, code in (([], 0), (["--grid-photos", "0"], 2)):
        monkeypatch.setattr("sys.argv", ["evaluation", *words, *extra])
        with pytest.raises(SystemExit) as exit_:
            runpy.run_module("restoration.evaluation", run_name="__main__")
        assert exit_.value.code == code
    captured = capsys.readouterr()
    assert "deblur on 1 photograph of scenes" in captured.out
    assert "--grid-photos must be at least 1" in captured.err
