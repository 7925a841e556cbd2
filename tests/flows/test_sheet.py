"""Contact sheets of a restored archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flows.cli import main
from tests.flows.runs import run


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An archive of two photos, and what a run made of it."""
    from tests.scenes import encoded, gray_scene, noisy, scene

    root = tmp_path_factory.mktemp("sheet")
    (root / "photos" / "gray").mkdir(parents=True)
    (root / "photos" / "gray" / "noisy.png").write_bytes(
        encoded(noisy(gray_scene(120, 160), 20), "PNG")
    )
    (root / "photos" / "clean.png").write_bytes(encoded(scene(120, 160, seed=1), "PNG"))
    run(root / "photos", root / "restored")
    return root / "photos", root / "restored"


def colours_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def holds(page: np.ndarray, picture: np.ndarray) -> bool:
    """Whether a page shows a picture pixel for pixel."""
    height, width = picture.shape[:2]
    rows, columns = np.nonzero((page == picture[0, 0]).all(-1))
    return any(
        np.array_equal(page[top : top + height, left : left + width], picture)
        for top, left in zip(rows, columns, strict=True)
    )


def test_all_pictures_of_all_photos_are_on_it(places, tmp_path: Path, capsys):
    _, target = places
    sheet = tmp_path / "sheet.png"
    assert main(["sheet", str(target), "-o", str(sheet), "--width", "200"]) == 0
    assert capsys.readouterr().out == f"{sheet}\n"
    page = colours_of(sheet)
    for path in (
        places[0] / "gray/noisy.png",
        target / "restored/gray/noisy.png",
        target / "colorized/gray/noisy.png",
        places[0] / "clean.png",
    ):
        assert holds(page, colours_of(path)), path


def test_a_folder_or_a_query_chooses_and_pages_are_numbered(places, tmp_path: Path, capsys):
    _, target = places
    sheet = tmp_path / "sheet.jpg"
    assert main(["sheet", str(target), "-o", str(sheet), "--folder", "gray"]) == 0
    one = colours_of(sheet).shape[0]
    assert main(["sheet", str(target), "-o", str(sheet), "--per-page", "1"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "sheet-001.jpg",
        "sheet-002.jpg",
        "sheet.jpg",
    ]
    query = "SELECT source FROM photos WHERE is_monochrome"
    assert main(["sheet", str(target), "-o", str(tmp_path / "q.jpg"), "--query", query]) == 0
    assert colours_of(tmp_path / "q.jpg").shape[0] == one
    named = ["--query", "most-changed", "--limit", "1"]
    assert main(["sheet", str(target), "-o", str(tmp_path / "n.jpg"), *named]) == 0
    assert colours_of(tmp_path / "n.jpg").shape[0] == one


def test_without_the_originals_it_says_so(places, tmp_path: Path):
    photos, target = places
    sheet, empty = tmp_path / "sheet.png", tmp_path / "empty"
    empty.mkdir()
    arguments = ["sheet", str(target), "-o", str(sheet), "--source", str(empty)]
    assert main(arguments) == 0
    page = colours_of(sheet)
    assert not holds(page, colours_of(photos / "gray/noisy.png"))
    assert holds(page, colours_of(target / "restored/gray/noisy.png"))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["-o", "sheet.gif"], "a .jpg or .png file"),
        (["-o", "/nowhere/sheet.jpg"], "folder /nowhere does not exist"),
        (["-o", "s.jpg", "--width", "9"], "--width must be between 64 and 4,096"),
        (["-o", "s.jpg", "--folder", "none"], "no photo of the manifest is meant"),
        (["-o", "s.jpg", "--query", "SELECT 1 AS x"], "a column `source`"),
        (["-o", "s.jpg", "--query", "SELEKT"], "SELEKT"),
    ],
)
def test_bad_arguments_are_a_line(places, capsys, options, complaint):
    assert main(["sheet", str(places[1]), *options]) == 2
    assert complaint in capsys.readouterr().err
