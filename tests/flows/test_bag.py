"""Bags: whole, valid, and never at the archive's expense."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

import bagit
import pytest

from flows.cli import main
from tests.flows.runs import latest, run
from tests.flows.test_verify import flip_one_byte
from tests.s3.server import BUCKET, S3Server
from tests.scenes import encoded, gray_scene, noisy, scene

pytestmark = pytest.mark.usefixtures("prefect_harness")


def state(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Everything about a folder's files that must not change, links apart."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mode, path.stat().st_mtime_ns, path.stat().st_ino, path.read_bytes()
        )
        for path in folder.rglob("*")
        if path.is_file()
    }  # fmt: skip


def test_a_bag_is_valid_and_the_archive_as_it_was(tmp_path: Path, capsys) -> None:
    source, results, bag = tmp_path / "photos", tmp_path / "restored", tmp_path / "bag"
    (source / "a b").mkdir(parents=True)
    gray = encoded(noisy(gray_scene(64, 64), 20), "PNG")
    (source / "a b" / "Gräy 50%.png").write_bytes(gray)
    (source / "line\nbreak.png").write_bytes(encoded(scene(32, 32), "PNG"))
    (source / "broken.jpg").write_bytes(b"no photo")
    run(source, results, access="jpeg:20", sidecar=True)
    before = state(results)
    words = ["--source-organization", "Städtisches Archiv", "--bag-count", "1 of 2"]
    assert main(["bag", str(results), str(bag), *words]) == 0
    assert state(results) == before
    made = bagit.Bag(str(bag))
    made.validate()
    assert made.algorithms == ["sha256"]
    assert made.info["Source-Organization"] == "Städtisches Archiv"
    assert made.info["Bag-Count"] == "1 of 2"
    payload = {p.relative_to(bag / "data").as_posix(): p.read_bytes()
               for p in (bag / "data").rglob("*") if p.is_file()}  # fmt: skip
    public = {name: held[3] for name, held in before.items() if not name.startswith(".restore")}
    assert payload == public
    rows = latest(source, results)
    assert rows["a b/Gräy 50%.png"].colorized_path in payload
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    assert capsys.readouterr().out.startswith(f"{bag}: {len(payload)} files, ")

    # A run replaces files; those in the bag stay what they are.
    run(source, results, force=True)
    made.validate()
    random_file = random.Random(1).choice(sorted(payload))
    flip_one_byte(bag / "data" / random_file, 5)
    with pytest.raises(bagit.BagValidationError, match="sha256"):
        bagit.Bag(str(bag)).validate()


def archive_of_two(tmp_path: Path) -> Path:
    source, results = tmp_path / "photos", tmp_path / "restored"
    source.mkdir()
    for seed in (0, 1):
        (source / f"{seed}.png").write_bytes(encoded(scene(16, 16, seed=seed), "PNG"))
    run(source, results)
    return results


def test_files_are_copied_where_they_cannot_be_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, bag = archive_of_two(tmp_path), tmp_path / "bag"

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", refuse)
    assert main(["bag", str(results), str(bag)]) == 0
    bagit.Bag(str(bag)).validate()
    for name in ("0.png", "1.png"):
        original, copy = results / "restored" / name, bag / "data/restored" / name
        assert original.stat().st_ino != copy.stat().st_ino
        assert original.read_bytes() == copy.read_bytes()


def altered(results: Path) -> str:
    flip_one_byte(results / "restored/1.png", 2)
    return "restored/1.png has other bytes than were written"


def missing(results: Path) -> str:
    (results / "restored/0.png").unlink()
    return "restored/0.png is missing"


def foreign(results: Path) -> str:
    (results / "restored/whose.png").write_bytes(b"?")
    return "restored/whose.png is in no row of the manifest"


@pytest.mark.parametrize("damage", [altered, missing, foreign])
def test_a_damaged_archive_gets_no_bag(tmp_path: Path, capsys, damage) -> None:
    results, bag = archive_of_two(tmp_path), tmp_path / "bag"
    problem = damage(results)
    assert main(["bag", str(results), str(bag)]) == 1
    message = f"restore-archive: {problem}; `restore-archive verify` lists all\n"
    assert capsys.readouterr().err == message
    assert not bag.exists()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_how_many_files_are_wrong_is_said_as_far_as_it_is_known(tmp_path: Path, capsys) -> None:
    results, bag = archive_of_two(tmp_path), tmp_path / "bag"
    for name in ("0.png", "1.png"):
        flip_one_byte(results / "restored" / name, 2)
    assert main(["bag", str(results), str(bag)]) == 1
    told = "and 1 more file is not as recorded; `restore-archive verify` lists all\n"
    assert capsys.readouterr().err.endswith(f"has other bytes than were written, {told}")
    missing(results)
    foreign(results)
    assert main(["bag", str(results), str(bag)]) == 1
    # That a third one was altered is not known before it is read.
    assert capsys.readouterr().err.endswith(f"is missing, and at least {told.removeprefix('and ')}")


def test_a_name_that_bags_cannot_list(tmp_path: Path, capsys) -> None:
    source, results, bag = tmp_path / "photos", tmp_path / "restored", tmp_path / "bag"
    source.mkdir()
    (source / "two\u2028lines.png").write_bytes(encoded(scene(16, 16), "PNG"))
    run(source, results)
    assert main(["bag", str(results), str(bag)]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("restore-archive: no bag can be made of it: ")
    assert not bag.exists()


def test_bad_arguments_are_one_line(tmp_path: Path, capsys) -> None:
    results = archive_of_two(tmp_path)

    def refusal(*words: str) -> str:
        assert main(["bag", *words]) == 2
        [line] = capsys.readouterr().err.splitlines()
        return line

    there = tmp_path / "there"
    there.mkdir()
    assert refusal(str(results), str(there)).endswith("exists already; a bag is never overwritten")
    assert refusal(str(results), str(tmp_path / "x/y")).endswith("does not exist")
    assert "would be inside" in refusal(str(results), str(results / "restored" / "bag"))
    assert refusal(str(there), str(tmp_path / "bag")).endswith("give the destination of a run")
    line = refusal(str(results), str(tmp_path / "bag"), "--contact-name", "two\nlines")
    assert line == "restore-archive: --contact-name must be one line of text, not 'two\\nlines'"
    assert not (tmp_path / "bag").exists()


def test_a_bucket_is_copied_first(
    s3_server: S3Server, s3_folder: str, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    location = f"s3://{BUCKET}/{s3_folder}"
    assert main(["bag", location, str(tmp_path / "bag")]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line == f"restore-archive: a bag is made of a folder: copy {location} to one first"
