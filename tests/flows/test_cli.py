from __future__ import annotations

import argparse
import importlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flows.cli import COMMANDS, main
from flows.parser import CommandParser, sentence
from restoration.catalogue import card_for
from restoration.colour import luma8
from tests.scenes import encoded, gray_scene, noisy, scene

DENOISE = card_for("denoise").name


def call(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "noisy.jpg").write_bytes(encoded(noisy(gray_scene(), 25), "JPEG", quality=95))
    (folder / "clean.png").write_bytes(encoded(scene(), "PNG"))
    (folder / "broken.png").write_bytes(encoded(scene(), "PNG")[:999])
    return folder


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "required"),
        (["frobnicate"], "invalid choice"),
        (["run"], "required"),
        (["run", "PHOTOS", "OUT", "--steps", "sharpen"], "unknown step 'sharpen'"),
        (["run", "PHOTOS", "OUT", "--steps", "colorize,denoise"], "order"),
        (["run", "PHOTOS", "OUT", "--device", "tpu"], "unknown device"),
        (["run", "PHOTOS", "OUT", "--limit", "0"], "--limit"),
        (["run", "PHOTOS", "OUT", "--limit", "many"], "--limit: 'many' is not a whole number"),
        (["run", "PHOTOS", "OUT", "--batch-megapixels", "0"], "--batch-megapixels"),
        (["run", "PHOTOS", "OUT", "--batch-megapixels", "nan"], "--batch-megapixels"),
        (["run", "PHOTOS", "OUT", "--max-megapixels", "-1"], "--max-megapixels"),
        (["run", "PHOTOS", "OUT", "--strength", "1.5"], "--strength must be between 0 and 1"),
        (["run", "PHOTOS", "OUT", "--strength", "nan"], "--strength must be between 0 and 1"),
        (["run", "PHOTOS", "OUT", "--keep-grain", "-1"], "--keep-grain must be between 0 and 1"),
        (["run", "PHOTOS", "OUT", "--keep-grain", "some"], "'some' is not a number"),
        (["run", "PHOTOS", "OUT", "--passes", "3"], "--passes must be 1, 2, 4 or 8, not 3"),
        (["run", "PHOTOS", "OUT", "--passes", "0"], "--passes must be 1, 2, 4 or 8, not 0"),
        (["run", "PHOTOS", "OUT", "--passes", "all"], "'all' is not a whole number"),
        (["run", "PHOTOS", "OUT", "--model", "big"], "no model is named 'big'; there are denoise"),
        (["run", "PHOTOS", "OUT", "--model", f"colorize={DENOISE}"], "is a model for denoise"),
        (["run", "PHOTOS", "OUT", "--memory", "0"], "--memory must be a positive number of GB"),
        (["run", "PHOTOS", "OUT", "--memory", "inf"], "--memory must be a positive number of GB"),
        (["run", "PHOTOS", "OUT", "--gpu-memory", "-1"], "--gpu-memory must be a positive number"),
        (["run", "PHOTOS", "OUT", "--threads", "0"], "--threads must be at least 1"),
        (["run", "PHOTOS", "OUT", "--threads", "some"], "'some' is not a whole number"),
        (
            ["run", "PHOTOS", "OUT", "--precision", "int4"],
            "unknown --precision 'int4'",
        ),
        (["run", "PHOTOS", "OUT", "--device", "cpu", "--precision", "fp16"], "fp16 is for GPUs"),
        (
            [
                "restore",
                "PHOTOS/noisy.jpg",
                "-o",
                "OUT.png",
                "--device",
                "cpu",
                "--precision",
                "fp16",
            ],
            "fp16 is for GPUs",
        ),
        (["restore", "PHOTOS/noisy.jpg", "-o", "OUT.png", "--gpu-memory", "nan"], "--gpu-memory"),
        (["run", "PHOTOS", "OUT", "--quiet", "--verbose"], "not allowed with"),
        (["run", "PHOTOS", "OUT", "--include", ""], "--include"),
        (["run", "PHOTOS", "OUT", "--dry-run", "--json"], "--dry-run"),
        (["run", "a\nb", "OUT"], "a\\nb"),
        (["evaluate", "denoise", "--data", "PHOTOS", "--limit", "0"], "--limit"),
        (["run", "PHOTOS", "OUT", "--include", "../a.jpg"], "no path in a crawl has '..'"),
        (["run", "PHOTOS", "OUT", "--exclude", "[a.jpg"], "not closed"),
        (["run", "PHOTOS", "OUT", "--include", "PHOTOS/a/*.jpg"], "begins with the source"),
        (["run", "PHOTOS", "OUT", "--steps", "denoise,"], "missing beside a comma"),
        (["run", "PHOTOS", "OUT", "--access-quality", "0"], "give --access FORMAT:EDGE"),
        (["run", "PHOTOS", "OUT", "--access-quality", "80"], "give --access FORMAT:EDGE"),
        (
            ["run", "PHOTOS", "OUT", "--access", "jpeg:9", "--access-quality", "0"],
            "between 1 and 100",
        ),
        (["run", "PHOTOS", "OUT", "--device", "cpu", "--workers", "local:1000"], "at most"),
        (["run", "PHOTOS/none", "OUT"], "PHOTOS/none"),
        (["run", "PHOTOS", "PHOTOS"], "PHOTOS"),
        (["run", "PHOTOS", "PHOTOS/restored"], "PHOTOS"),
        (["run", "s3://Bad_Bucket/x", "OUT"], "no name of a bucket"),
        (["run", "PHOTOS", "s3://bucket/a//b"], "names no folder of a bucket"),
        (["restore", "PHOTOS/none.jpg", "-o", "x.jpg"], "no such photo"),
        (["restore", "PHOTOS/noisy.jpg", "-o", "OUT.png", "--strength", "2"], "--strength"),
        (["restore", "PHOTOS/noisy.jpg", "-o", "OUT.png", "--model", "x=y"], "named 'y'"),
        (["restore", "PHOTOS/noisy.jpg", "-o", "OUT.gif"], "suffix"),
        (["restore", "PHOTOS/noisy.jpg", "-o", "PHOTOS/noisy.jpg"], "overwrite"),
        (["restore", "PHOTOS/noisy.jpg", "-o", "nowhere/x.jpg"], "nowhere"),
        (["restore", "PHOTOS", "-o", "x.jpg"], "PHOTOS is a folder; `run` restores whole folders"),
        (["restore", "s3://a/b.jpg", "-o", "x.jpg"], "argument PHOTO: a local path is needed, not"),
        (
            ["restore", "PHOTOS/noisy.jpg", "-o", "s3://a/b.jpg"],
            "a local path is needed, not s3://",
        ),
        (["restore", "PHOTOS/noisy.jpg", "-o", "PHOTOS/clean.png"], "exists already; --overwrite"),
        (["assess", "s3://a/b.jpg"], "a local path is needed, not s3://a/b.jpg; `run` is what"),
        (["sheet", "PHOTOS", "-o", "s3://a/b.jpg"], "a local path is needed, not s3://a/b.jpg"),
        (["run", "PHOTOS", "OUT", "--lim", "1"], "arguments: --lim 1 (see restore-archive run --h"),
        (["review", "list", "PHOTOS", "--x"], "--x (see restore-archive review list --help)"),
        (["verify", "PHOTOS/none"], "there is no folder PHOTOS/none"),
        (["verify", "PHOTOS"], "PHOTOS holds no manifest; give the destination of a run"),
        (["query", "PHOTOS/none", "totals"], "there is no folder PHOTOS/none"),
        (["show", "PHOTOS/none", "a.jpg"], "there is no folder PHOTOS/none"),
        (["show", "PHOTOS", "a.jpg"], "PHOTOS holds no manifest"),
        (["report", "PHOTOS/none"], "there is no folder PHOTOS/none"),
        (["report", "PHOTOS"], "PHOTOS holds no manifest"),
        (["review", "list", "PHOTOS/none"], "there is no folder PHOTOS/none"),
        (["bag", "PHOTOS/none", "OUT"], "there is no folder PHOTOS/none"),
        (["diff", "PHOTOS/none", "first", "latest"], "there is no folder PHOTOS/none"),
        (["sheet", "PHOTOS/none", "-o", "x.jpg"], "there is no folder PHOTOS/none"),
        (["train", "denoise", "--data", "PHOTOS", "--minutes", "0", "--output", "x"], "--minutes"),
        (["evaluate", "denoise", "--data", "PHOTOS/none"], "no such folder"),
    ],
)
def test_bad_arguments_are_one_clear_line(
    words: list[str], complaint: str, photos: Path, tmp_path: Path, capsys
) -> None:
    placed = [
        word.replace("PHOTOS", str(photos)).replace("OUT", str(tmp_path / "out")) for word in words
    ]
    before = sorted(tmp_path.rglob("*"))
    assert call(*placed) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("restore-archive: ")
    assert captured.err.count("\n") == 1
    assert complaint.replace("PHOTOS", str(photos)) in captured.err
    assert sorted(tmp_path.rglob("*")) == before, "nothing may be written"


def test_an_empty_source_is_a_bad_argument(tmp_path: Path, capsys) -> None:
    for folder in ("photos/deep", "photos/.hidden", "photos/lost+found"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "photos" / ".hidden" / "a.jpg").write_bytes(b"x")
    for more in ((), ("--dry-run",)):
        assert call("run", tmp_path / "photos", tmp_path / "out", *more) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        nothing = f"there is nothing in {tmp_path / 'photos'}: is it mounted"
        assert captured.err.startswith(f"restore-archive: {nothing}")
        assert captured.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def paged(*pages: Image.Image) -> bytes:
    """A TIFF of several pages."""
    buffer = io.BytesIO()
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    return buffer.getvalue()


def test_each_page_is_planned_as_a_run_does(photos: Path, tmp_path: Path, capsys) -> None:
    colour = Image.fromarray(scene(90, 120))
    gray = Image.fromarray(gray_scene(60, 80))
    (photos / "pages.tif").write_bytes(paged(colour, gray, colour))
    (photos / "two tones.tif").write_bytes(paged(Image.fromarray(gray_scene(90, 120)).convert("1")))
    call("run", photos, tmp_path / "out", "--dry-run", "--include", "*.tif")
    pages, tones = capsys.readouterr().out.splitlines()[1:3]
    assert pages.startswith("would restore")
    assert "colorize" in pages
    assert tones.startswith("nothing to do")
    assert call("assess", photos / "pages.tif", photos / "two tones.tif") == 0
    plans = [line.partition("plan: ")[2] for line in capsys.readouterr().out.splitlines()]
    assert plans == ["nothing to do", "colorize", "nothing to do", "nothing to do"]


def test_assess_is_one_line_per_photo(photos: Path, capsys) -> None:
    code = call("assess", *sorted(photos.iterdir()))
    lines = capsys.readouterr().out.splitlines()
    assert code == 1, "one of them is broken"
    assert len(lines) == 3
    assert "damaged" in lines[0]
    assert "plan: nothing to do" in lines[1]
    assert "monochrome" in lines[2]
    assert "plan: denoise, colorize" in lines[2]


def test_assess_gives_reasons(photos: Path, capsys) -> None:
    assert call("assess", "--reasons", photos / "clean.png") == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_assess_looks_into_folders_and_speaks_json(photos: Path, capsys) -> None:
    (photos / "1923").mkdir()
    (photos / "1923" / "small\n.png").write_bytes(encoded(scene(30, 40), "PNG"))
    (photos / "letter.txt").write_bytes(b"no photo")
    assert call("assess", "--json", photos, photos / "none.jpg") == 1
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    by_name = {Path(each["path"]).relative_to(photos).as_posix(): each for each in found}
    assert list(by_name) == ["1923/small\n.png", "broken.png", "clean.png", "noisy.jpg", "none.jpg"]
    assert "damaged" in by_name["broken.png"]["error"]
    assert by_name["none.jpg"]["error"] == "No such file or directory"
    small, noisy_one = by_name["1923/small\n.png"], by_name["noisy.jpg"]
    assert (small["width"], small["height"]) == (40, 30)
    assert noisy_one["noise"]["sigma"] == pytest.approx(25, abs=4)
    assert noisy_one["noise"]["unit"] == "8-bit levels"
    assert noisy_one["blur"]["unit"] == "pixels"
    assert noisy_one["monochrome"]["is_monochrome"] is True
    assert 0 < noisy_one["monochrome"]["confidence"] <= 1
    assert noisy_one["plan"] == ["denoise", "colorize"]
    assert len(noisy_one["reasons"]) == 3


def test_restore_one_photo(photos: Path, tmp_path: Path, capsys) -> None:
    output = tmp_path / "done.png"
    assert call("restore", photos / "noisy.jpg", "-o", output, "--device", "cpu") == 0
    gray = np.asarray(Image.open(output))
    colour = np.asarray(Image.open(tmp_path / "done-colorized.png"))
    np.testing.assert_array_equal(luma8(colour), gray)
    assert "wrote" in capsys.readouterr().out


def test_restore_takes_no_other_files_place_unless_told(
    photos: Path, tmp_path: Path, capsys
) -> None:
    others, output = tmp_path / "done-colorized.png", tmp_path / "done.png"
    others.write_bytes(b"somebody's")
    words = ["restore", photos / "noisy.jpg", "-o", output, "--steps", "denoise,colorize"]
    assert call(*words) == 2
    said = capsys.readouterr().err
    assert said == f"restore-archive: {others} exists already; --overwrite replaces it\n"
    assert (others.read_bytes(), output.exists()) == (b"somebody's", False)
    assert call(*words, "--overwrite") == 0
    with Image.open(others) as picture:
        assert picture.mode == "RGB"
    linked = tmp_path / "linked.png"
    linked.symlink_to(photos / "noisy.jpg")
    assert call("restore", photos / "noisy.jpg", "-o", linked, "--overwrite") == 2
    assert "would overwrite the original" in capsys.readouterr().err


def test_restore_without_colours_leaves_the_colorized_one_of_others_alone(
    photos: Path, tmp_path: Path
) -> None:
    others = tmp_path / "done-colorized.png"
    others.write_bytes(b"somebody's")
    words = ["restore", photos / "clean.png", "-o", tmp_path / "done.png", "--steps", "denoise"]
    assert call(*words) == 0
    assert others.read_bytes() == b"somebody's"


def test_restore_passes_a_clean_photo_through(photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "clean.png"
    assert call("restore", photos / "clean.png", "-o", output) == 0
    assert output.read_bytes() == (photos / "clean.png").read_bytes()


def test_restore_with_strength_0_or_all_grain_is_the_photo(photos: Path, tmp_path: Path) -> None:
    original = (photos / "noisy.jpg").read_bytes()
    for share in (["--strength", "0"], ["--steps", "denoise", "--keep-grain", "1"]):
        output = tmp_path / "same.jpg"
        assert call("restore", photos / "noisy.jpg", "-o", output, *share) == 0
        assert output.read_bytes() == original
        output.unlink()


def test_restore_says_why_it_cannot(photos: Path, tmp_path: Path, capsys) -> None:
    assert call("restore", photos / "broken.png", "-o", tmp_path / "x.png") == 1
    assert "damaged" in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()


def test_dry_run_writes_nothing(photos: Path, tmp_path: Path, capsys) -> None:
    assert call("run", photos, tmp_path / "out", "--dry-run") == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("would restore") and "noisy.jpg" in line for line in lines)
    assert any(line.startswith("nothing to do") and "clean.png" in line for line in lines)
    assert any(line.startswith("would fail") and "broken.png" in line for line in lines)
    assert not (tmp_path / "out").exists()


def test_dry_run_says_that_nothing_is_chosen(photos: Path, tmp_path: Path, capsys) -> None:
    assert call("run", photos, tmp_path / "out", "--dry-run", "--include", "none/*") == 0
    assert "--include and --exclude leave none" in capsys.readouterr().out


def test_dry_run_knows_the_strength(photos: Path, tmp_path: Path, capsys) -> None:
    call("run", photos, tmp_path / "out", "--dry-run", "--steps", "denoise", "--strength", "0")
    assert "would restore: 0" in capsys.readouterr().out


def test_dry_run_foresees_what_a_run_would_say_of_odd_entries(
    photos: Path, tmp_path: Path, capsys
) -> None:
    (photos / "linked").symlink_to(tmp_path)
    (photos / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
    (photos / "old.bmp").write_bytes(b"x")
    call("run", photos, tmp_path / "out", "--dry-run")
    outcomes = {
        line.split()[-1].rpartition("/")[2]: line[:14].strip()
        for line in capsys.readouterr().out.splitlines()
    }
    assert outcomes["linked"] == "would skip"
    assert outcomes["old.bmp"] == "would skip"
    assert outcomes["caf\\xe9.jpg"] == "would fail"


def test_models_come_with_their_cards(capsys) -> None:
    assert call("models", "--json") == 0
    cards = json.loads(capsys.readouterr().out)
    assert {card["task"] for card in cards} == {
        "denoise", "deblur", "colorize", "assess", "naturalness",
    }  # fmt: skip
    assert call("models", "--markdown") == 0
    readme = Path(__file__).parents[2] / "restoration" / "weights" / "README.md"
    assert capsys.readouterr().out.strip() in readme.read_text(encoding="utf-8")
    assert call("models") == 0
    rows = [line.split() for line in capsys.readouterr().out.replace("│", " ").splitlines()]
    for card in cards:
        cost = f"{card['gmac_per_megapixel']:.1f}"
        devices = ", ".join(card["default_for"]).split() or ["none"]
        assert [card["name"], card["task"], *devices, f"{card['parameters']:,}", cost] in rows


def test_run_from_a_shell_is_quiet_and_exits_with_1_for_a_broken_photo(
    photos: Path, tmp_path: Path, prefect_home: Path, prefect_harness: str
) -> None:
    photos = photos.rename(tmp_path / os.fsdecode(b"caf\xe9"))  # a name that is not UTF-8
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "run", photos, tmp_path / "out", "--json", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PREFECT_HOME": str(prefect_home)},
    )
    assert done.returncode == 1, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["restored"], summary["nothing_to_do"], summary["failed"]) == (1, 1, 1)
    assert done.stderr == "", "no third-party noise"
    quiet = subprocess.run(
        [sys.executable, "-m", "flows.cli", "run", photos, tmp_path / "out", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PREFECT_API_URL": prefect_harness},
    )
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (1, "", "")


def test_an_unreachable_prefect_server_is_one_line(photos: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "run", photos, tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PREFECT_API_URL": "http://127.0.0.1:9/api"},
    )
    assert done.returncode == 1
    assert "no answer from the Prefect server at http://127.0.0.1:9/api" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_reader_that_goes_away_stops_nothing(
    photos: Path, tmp_path: Path, prefect_harness: str
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "run", photos, tmp_path / "out", "--verbose"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PREFECT_API_URL": prefect_harness},
    )
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait() == 1, errors
    assert errors == b""
    assert len(list((tmp_path / "out" / "restored").iterdir())) == 2
    assert list((tmp_path / "out" / "manifest").rglob("*.parquet"))


def test_help_and_version(capsys) -> None:
    for words in (["--version"], ["--help"], ["run", "--help"], ["train", "--help"]):
        with pytest.raises(SystemExit) as stop:
            call(*words)
        assert stop.value.code == 0
    assert "PHOTOS" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_each_argument_is_explained(command: str) -> None:
    parser = CommandParser(prog="x")
    importlib.import_module(COMMANDS[command][0]).add_arguments(parser)
    for action in parser._actions:
        nested = isinstance(action, argparse._SubParsersAction)
        assert action.help or nested or command in ("train", "evaluate"), action.dest
        assert action.metavar != "DEST"


def test_descriptions_keep_the_capitals_of_names() -> None:
    assert sentence("make a BagIt bag, in SQL") == "Make a BagIt bag, in SQL."
