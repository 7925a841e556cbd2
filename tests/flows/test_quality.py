"""What rows say of quality, what is withheld, and what a person is to look at."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from flows.cli import main
from flows.commands.restore import colorized_path
from flows.measured import SALVAGED
from flows.photo import process
from flows.rows import Workshop
from restoration.cards import read_card
from restoration.catalogue import WEIGHTS_FOLDER, card_for, file_sha256
from restoration.codec import shared_decoder
from restoration.models import read_network
from restoration.networks import header_of
from restoration.recipe import Options
from restoration.restore import Restorer
from storage import open_destination, open_source
from storage.manifest import ManifestRow, Status, WorkItem
from tests.pictures import jpeg, tiff
from tests.restoration.test_camera import block
from tests.scenes import encoded, gray_scene, noisy, scene


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped models, but a denoise network that adds what it is to take away."""
    folder = tmp_path_factory.mktemp("weights")
    shutil.copytree(WEIGHTS_FOLDER, folder, dirs_exist_ok=True)
    card = card_for("denoise")
    path = folder / card.file
    network = read_network(path)
    tensors = load_file(path)
    last = [name for name, weight in network.named_parameters() if weight.ndim >= 2][-1]
    tensors[last] = -tensors[last]
    path.unlink()
    save_file(tensors, path, metadata=header_of(network.config, "denoise"))
    changed = json.loads((folder / f"{card.name}.json").read_text(encoding="utf-8"))
    changed["sha256"] = file_sha256(path)
    (folder / f"{card.name}.json").write_text(json.dumps(changed), encoding="utf-8")
    assert read_card(folder / f"{card.name}.json").sha256 != card.sha256
    return folder


def rows_of(
    folder: Path, target: Path, *, weights: Path = WEIGHTS_FOLDER, **options: object
) -> dict[str, ManifestRow]:
    """Every photo of a folder, through the whole way, without Prefect."""
    chosen = Options(**options)
    source = open_source(str(folder))
    workshop = Workshop(
        source,
        open_destination(str(target), source),
        Restorer(torch.device("cpu"), options=chosen, folder=weights),
        chosen,
        "run-1",
        shared_decoder(),
    )
    items = [
        WorkItem(path.name, path.stat().st_size, path.stat().st_mtime_ns, "file", "", 0.1, "")
        for path in sorted(folder.iterdir())
    ]
    return {item.path: process(item, workshop).row for item in items}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    exif = b"Exif\0\0" + block("Canon", "Canon EOS 5D")
    files = {
        "clean.png": encoded(scene(seed=1), "PNG"),
        "gray.png": encoded(noisy(gray_scene(seed=2), 12), "PNG"),
        "noisy.jpg": jpeg(noisy(scene(), 12), quality=97, exif=exif),
        "pages.tif": tiff([gray_scene(seed=3), noisy(gray_scene(200, 200), 12)], "minisblack"),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def test_rows_tell_all_measures(photos: Path, target: Path) -> None:
    rows = rows_of(photos, target)
    row = rows["noisy.jpg"]
    assert row.camera == "Canon EOS 5D"
    assert row.plan == ("denoise",)
    assert row.withheld == ()
    assert row.niqe_after < row.niqe_before
    assert row.blur_sigma_after < 1
    assert row.blockiness_before > 0.9
    assert row.change_delta_e00 > 1
    assert row.faces in (0, None)
    assert row.faces_ssim is None
    assert row.colour_uncertainty is None
    assert rows["gray.png"].colour_uncertainty > 0


def test_what_was_not_changed_is_the_same_before_and_after(photos: Path, target: Path) -> None:
    row = rows_of(photos, target)["clean.png"]
    assert (row.status, row.plan) == (Status.NOTHING_TO_DO, ())
    for name in ("noise_sigma", "blur_sigma"):
        assert getattr(row, f"{name}_after") == getattr(row, name)
    for name in ("sharpness", "contrast", "colourfulness", "blockiness", "niqe"):
        assert getattr(row, f"{name}_after") == getattr(row, f"{name}_before")
    assert (row.change_psnr_db, row.change_ssim, row.change_delta_e00) == (None, None, None)
    assert (row.faces, row.needs_review, row.review_reasons) == (None, False, ())


def test_ordinary_photos_need_nobody(photos: Path, target: Path) -> None:
    rows = rows_of(photos, target)
    assert [name for name, row in rows.items() if row.withheld] == []
    flagged = {name: row.review_reasons for name, row in rows.items() if row.needs_review}
    # Colours of a drawing are a guess, and are told as one.
    assert all("colour" in reason for found in flagged.values() for reason in found), flagged


def test_a_photo_that_is_no_better_keeps_its_bytes(
    photos: Path, target: Path, damaged: Path
) -> None:
    rows = rows_of(photos, target, weights=damaged, sidecar=True)
    row = rows["noisy.jpg"]
    assert (row.status, row.plan, row.withheld) == (Status.NOTHING_TO_DO, (), ("denoise",))
    assert (target / row.restored_path).read_bytes() == (photos / "noisy.jpg").read_bytes()
    assert row.restored_sha256 == row.source_sha256
    assert (row.models, row.strength, row.keep_grain) == ((), None, None)
    (note,) = (each for each in row.notes if "no better" in each)
    assert "denoise: the noise is hardly less: sigma" in note
    assert row.needs_review
    assert note in row.review_reasons
    assert row.noise_sigma_after == row.noise_sigma
    assert (row.change_psnr_db, row.change_ssim, row.change_delta_e00) == (100, 1, 0)
    said = json.loads((target / row.sidecar_path).read_bytes())
    assert said["withheld"] == ["denoise"]


def test_colour_comes_all_the_same(photos: Path, target: Path, damaged: Path) -> None:
    row = rows_of(photos, target, weights=damaged)["gray.png"]
    assert (row.status, row.plan, row.withheld) == (Status.RESTORED, ("colorize",), ("denoise",))
    assert row.restored_sha256 == row.source_sha256
    assert row.colorized_path is not None


def test_pages_are_judged_one_by_one(photos: Path, target: Path, damaged: Path) -> None:
    row = rows_of(photos, target, weights=damaged)["pages.tif"]
    assert row.withheld == ("denoise",)
    assert row.restored_sha256 == row.source_sha256
    found = [reason for reason in row.review_reasons if "no better" in reason]
    assert [reason.partition(":")[0] for reason in found] == ["page 2"]


def test_it_is_kept_where_that_is_asked_for(photos: Path, target: Path, damaged: Path) -> None:
    row = rows_of(photos, target, weights=damaged, even_if_worse=True)["noisy.jpg"]
    assert (row.status, row.plan, row.withheld) == (Status.RESTORED, ("denoise",), ())
    assert row.restored_sha256 != row.source_sha256
    assert row.needs_review
    assert any("kept as asked" in reason for reason in row.review_reasons)
    assert row.noise_sigma_after > row.noise_sigma


def test_a_salvaged_photo_needs_eyes(tmp_path: Path, target: Path) -> None:
    folder = tmp_path / "cut"
    folder.mkdir()
    whole = encoded(scene(), "JPEG", quality=90)
    (folder / "cut.jpg").write_bytes(whole[: len(whole) * 3 // 4])
    row = rows_of(folder, target, salvage=True)["cut.jpg"]
    assert row.status in (Status.RESTORED, Status.NOTHING_TO_DO)
    assert row.review_reasons[0] == SALVAGED
    assert not rows_of(folder, target)["cut.jpg"].needs_review, "a failure is told as one"


def test_the_option_reaches_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(encoded(noisy(scene(64, 64), 15), "PNG"))
    out = tmp_path / "out.png"
    words = ["restore", photo, "-o", out, "--even-if-worse", "--steps", "denoise"]
    assert main([str(word) for word in words]) == 0
    assert "wrote" in capsys.readouterr().out
    assert not colorized_path(out).exists()
    assert np.any(np.frombuffer(out.read_bytes(), np.uint8))
