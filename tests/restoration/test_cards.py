from __future__ import annotations

import csv
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import load_file

from flows.cli import main
from restoration.cards import card_markdown, cards_markdown, duration, read_card, write_card
from restoration.catalogue import WEIGHTS_FOLDER, available_models, card_for
from restoration.errors import WeightsError
from restoration.evaluation import card as tool
from restoration.models import read_network
from restoration.training.journal import LogLine, write_log
from restoration.training.trainer import save_weights
from tests.scenes import scene


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A copy of the shipped cards with the denoise weights."""
    folder = tmp_path / "weights"
    folder.mkdir()
    card = card_for("denoise")
    for name in (card.file, f"{card.name}.json", "README.md"):
        shutil.copy(WEIGHTS_FOLDER / name, folder / name)
    return folder


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    """Summary of a real evaluation of the shipped denoise model."""
    photos = tmp_path / "scenes"
    photos.mkdir()
    for seed in range(2):
        Image.fromarray(scene(64, 80, seed=seed)).save(photos / f"{seed}.png")
    words = ["evaluate", "denoise", "--data", photos, "--csv", tmp_path / "s.csv"]
    assert main([str(word) for word in words]) == 0
    return tmp_path / "s-summary.csv"


def test_the_readme_holds_the_cards_as_the_command_prints_them(capsys) -> None:
    assert main(["models", "--markdown"]) == 0
    printed = capsys.readouterr().out
    assert printed in (WEIGHTS_FOLDER / "README.md").read_text(encoding="utf-8")
    assert printed.strip() == cards_markdown(available_models())


def test_shipped_cards_say_all_that_a_card_is_to_say() -> None:
    for card in available_models():
        assert card.licence
        assert card.training_device
        assert card.training_seconds > 0
        for metric in card.metrics:
            assert metric.photos > 0
            assert metric.command.startswith(f"restore-archive evaluate {card.task} --data ")
            assert f"--data {metric.dataset}" in metric.command
        if card.failures_picture:
            assert (WEIGHTS_FOLDER / card.failures_picture).is_file()


def test_models_prints_and_dumps_the_cards(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["models", "--json"]) == 0
    dumped = json.loads(capsys.readouterr().out)
    assert dumped == json.loads(json.dumps([asdict(card) for card in available_models()]))
    assert main(["models"]) == 0
    printed = capsys.readouterr().out
    for text in ("sigma 25: PSNR dB", "licence", "training", "evaluate colorize"):
        assert text in printed


def test_a_card_survives_its_file(tmp_path: Path) -> None:
    for card in available_models():
        write_card(card, tmp_path / "card.json")
        assert read_card(tmp_path / "card.json") == card
    for change in ({"extra": 1}, {"metrics": [{"value": 1}]}, {"metrics": 3}):
        values = asdict(card_for("denoise")) | change
        (tmp_path / "card.json").write_text(json.dumps(values), encoding="utf-8")
        with pytest.raises(WeightsError, match=r"card\.json"):
            read_card(tmp_path / "card.json")


def test_markdown_shows_the_picture_and_every_figure() -> None:
    card = replace(card_for("deblur"), failures_picture="pictures/bad.jpg")
    text = card_markdown(card)
    assert "![what it does badly](pictures/bad.jpg)" in text
    for metric in card.metrics:
        assert f"| {metric.condition} |" in text
    assert "Not measured yet" in card_markdown(replace(card, metrics=()))


def test_durations() -> None:
    assert duration(1680) == "28 minutes"
    assert duration(3 * 3600 + 1800) == "3.5 hours"


def test_the_tool_fills_a_card_from_an_evaluation(weights: Path, scores: Path) -> None:
    path = weights / f"{card_for('denoise').name}.json"
    log = weights / "denoise.csv"
    write_log(log, [LogLine(n, s, {"steps": n, "seconds": s}) for n, s in ((1, 59.9), (2, 120.26))])
    words = [path, scores, "--log", log, "--device", "one GPU"]
    assert tool.main([str(word) for word in words]) == 0
    card = read_card(path)
    with scores.open(encoding="utf-8", newline="") as file:
        (row,) = (
            row for row in csv.DictReader(file)
            if row["condition"] == "sigma 25" and row["weights_sha256"] == card.sha256
        )  # fmt: skip
    assert (card.training_seconds, card.training_device) == (120.3, "one GPU")
    (metric,) = (m for m in card.metrics if m.condition == "sigma 25" and m.measure == "PSNR dB")
    assert metric.value == pytest.approx(float(row["psnr_db"]), abs=1e-4)
    assert metric.input_value == pytest.approx(float(row["input_psnr_db"]), abs=1e-4)
    assert (metric.dataset, metric.photos) == ("scenes", 2)
    assert metric.command == "restore-archive evaluate denoise --data scenes"
    (clean,) = (m for m in card.metrics if m.condition == "clean" and m.measure == "PSNR dB")
    assert clean.input_value is None, "an identical input has no PSNR to show"
    assert {m.measure for m in card.metrics} == {"PSNR dB", "SSIM"}
    readme = (weights / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("# weights")
    assert readme.endswith(card_markdown(card) + "\n")
    assert readme.count(f"## {card.name}") == 1


def test_a_colour_card_holds_colourfulness_beside_that_of_the_true_photos(tmp_path: Path) -> None:
    photos = tmp_path / "scenes"
    photos.mkdir()
    for seed in range(2):
        Image.fromarray(scene(64, 80, seed=seed)).save(photos / f"{seed}.png")
    words = ["evaluate", "colorize", "--data", photos, "--csv", tmp_path / "s.csv"]
    assert main([str(word) for word in words]) == 0
    metrics = tool.metrics_from(tmp_path / "s-summary.csv", card_for("colorize").sha256)
    found = {(m.condition, m.measure): m for m in metrics}
    assert found["gray", "colourfulness"].input_value == 0
    assert found["true photos", "colourfulness"].value > found["gray", "colourfulness"].value
    assert ("gray", "PSNR dB") in found
    assert ("gray", "SSIM") not in found, "luma is not touched"


def test_the_tool_refuses_figures_of_other_weights(weights: Path, scores: Path, capsys) -> None:
    path = weights / f"{card_for('denoise').name}.json"
    before = path.read_bytes()
    file = weights / card_for("denoise").file
    changed = {name: tensor * 1.01 for name, tensor in load_file(file).items()}
    save_weights(changed, read_network(file).config, file, task="denoise")
    for words in ([path], [path, scores]):
        assert tool.main([str(word) for word in words]) == 2
    complaints = capsys.readouterr().err
    assert "measured anew" in complaints
    assert "no row measured" in complaints
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "weights_sha256\n"])
def test_the_tool_refuses_what_is_no_summary(
    content: str, weights: Path, tmp_path: Path, capsys
) -> None:
    summary = tmp_path / "other.csv"
    summary.write_text(content, encoding="utf-8")
    assert tool.main([str(*weights.glob("*.json")), str(summary)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_tool_refuses_what_is_no_log(weights: Path, tmp_path: Path, capsys) -> None:
    log = tmp_path / "log.csv"
    (card,) = weights.glob("*.json")
    before = card.read_bytes()
    for content in ("", "a,b\n1,2\n", "steps,seconds\n", "nothing"):
        log.write_text(content, encoding="utf-8")
        assert tool.main([str(card), "--log", str(log)]) == 2
        assert "no training log" in capsys.readouterr().err
    assert card.read_bytes() == before
