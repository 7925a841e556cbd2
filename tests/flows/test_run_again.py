"""Runs after runs: what is done again, what goes on, what is cleaned up."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.dataset as ds
import pytest

import restoration.recipe
from flows.progress import SilentReporter, reporting_to
from flows.stopping import StopSignals, request_stop, stop_requested
from restoration.catalogue import available_models
from restoration.models import ModelCard
from storage import LocalDestination, open_destination, open_source
from storage.manifest import ManifestRow, Status, WorkItem, write_worklist
from tests.flows.runs import COLORIZE, DENOISE, latest, run
from tests.scenes import encoded, noisy, scene

pytestmark = pytest.mark.usefixtures("prefect_harness")


def test_a_second_run_decodes_nothing(archive: Path, target: Path, decoded: list[str]) -> None:
    run(archive, target)
    first = len(decoded)
    assert first == 5
    stamps = {p: p.stat().st_mtime_ns for p in target.rglob("*") if p.is_file()}
    summary = run(archive, target)
    assert len(decoded) == first
    assert (summary.unchanged, summary.unchanged_failures) == (6, 1)
    assert not summary.all_well, "the broken photo is still broken"
    stamps.pop(target / ".restore-archive" / "lock", None)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())


def test_exactly_what_changed_is_done_again(
    archive: Path, target: Path, decoded: list[str]
) -> None:
    run(archive, target)
    decoded.clear()
    (archive / "a" / "clean.png").write_bytes(encoded(noisy(scene(seed=1), 30), "PNG"))
    (target / "restored" / "a" / "b" / "noisy.png").unlink()
    (archive / "new.png").write_bytes(encoded(scene(64, 64, seed=9), "PNG"))
    summary = run(archive, target)
    assert len(decoded) == 3
    assert summary.unchanged == 4
    assert latest(archive, target)["a/clean.png"].status == Status.RESTORED
    assert (target / "restored" / "a" / "b" / "noisy.png").exists()


def test_a_touched_photo_is_read_but_not_redone(
    archive: Path, target: Path, decoded: list[str]
) -> None:
    run(archive, target)
    decoded.clear()
    os.utime(archive / "a" / "b" / "noisy.png", ns=(10**18, 10**18))
    before = latest(archive, target)["a/b/noisy.png"]
    summary = run(archive, target)
    assert (summary.restored, summary.unchanged) == (0, 6)
    assert decoded == []
    after = latest(archive, target)["a/b/noisy.png"]
    assert after.source_mtime_ns == 10**18
    assert after.restored_sha256 == before.restored_sha256
    assert run(archive, target).unchanged == 6


def test_other_options_redo(archive: Path, target: Path, decoded: list[str]) -> None:
    run(archive, target, steps="denoise")
    assert not (target / "colorized").exists()
    decoded.clear()
    run(archive, target)
    assert len(decoded) == 5
    assert (target / "colorized" / "print.tif").exists()
    decoded.clear()
    run(archive, target, force=True)
    assert len(decoded) == 5


def test_strength_and_grain_are_recorded_and_redo_only_what_they_concern(
    archive: Path, target: Path, decoded: list[str]
) -> None:
    choice = {"models": [f"denoise={DENOISE}", COLORIZE], "strength": 0.5}
    run(archive, target, keep_grain=0.2, **choice)
    rows = latest(archive, target)
    recorded = {name: (row.strength, row.keep_grain, row.models) for name, row in rows.items()}
    assert recorded["a/b/noisy.png"] == (0.5, 0.2, (DENOISE,))
    assert recorded["a/Gräy noisy.JPG"] == (0.5, 0.2, (DENOISE, COLORIZE))
    assert recorded["print.tif"] == (None, None, (COLORIZE,))
    assert recorded["a/clean.png"] == (None, None, ())
    half_way = rows["a/b/noisy.png"].change_psnr_db
    for row in rows.values():
        shas = {card.name: card.sha256 for card in available_models()}
        assert row.model_sha256 == tuple(shas[name] for name in row.models)

    decoded.clear()
    run(archive, target, keep_grain=0.7, strength=0.5)  # the same models, unnamed
    assert len(decoded) == 2, "the two denoised ones"
    row = latest(archive, target)["a/b/noisy.png"]
    assert row.keep_grain == 0.7
    assert row.change_psnr_db > half_way


def test_passes_are_recorded_and_redo_only_what_they_concern(
    archive: Path, target: Path, decoded: list[str]
) -> None:
    run(archive, target)
    once = latest(archive, target)
    assert {name for name, row in once.items() if row.passes == 1} == {
        "a/b/noisy.png",
        "a/Gräy noisy.JPG",
    }
    decoded.clear()
    run(archive, target, passes=2)
    assert len(decoded) == 2, "the two denoised ones"
    twice = latest(archive, target)
    assert {name: row.passes for name, row in twice.items()} == {
        name: row.passes and 2 for name, row in once.items()
    }
    noisy_once, noisy_twice = (rows["a/b/noisy.png"] for rows in (once, twice))
    assert noisy_once.restored_sha256 != noisy_twice.restored_sha256
    said = target / "restored" / "a" / "b" / "noisy.png"
    assert b"<restore:passes>2</restore:passes>" in said.read_bytes()
    assert b"; passes 2" in said.read_bytes()
    decoded.clear()
    assert run(archive, target, passes=2).unchanged == 6
    assert decoded == []
    run(archive, target, passes=1)  # as a run that does not name them
    assert latest(archive, target)["a/b/noisy.png"].restored_sha256 == noisy_once.restored_sha256
    assert b"restore:passes" not in said.read_bytes()


def test_another_model_redoes_only_the_photos_it_restored(
    archive: Path, target: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(archive, target)
    decoded.clear()
    real = restoration.recipe.card_for

    def newer(task: str, folder: Path, **choice: object) -> ModelCard:
        card = real(task, folder, **choice)
        return replace(card, sha256="f" * 64) if task == "denoise" else card

    monkeypatch.setattr(restoration.recipe, "card_for", newer)
    summary = run(archive, target)
    assert len(decoded) == 2, "the two denoised ones"
    assert summary.unchanged == 4


def test_stopping_keeps_what_was_done_and_goes_on_later(
    archive: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(archive / "a")
    for i in range(5):
        (archive / f"p{i}.png").write_bytes(encoded(noisy(scene(96, 96, seed=i), 20), "PNG"))
    asked = iter([False, False, True])
    monkeypatch.setattr("flows.batch.stop_requested", lambda _: next(asked, stop_requested()))
    first = run(archive, target)
    assert first.stopped
    done = set(latest(archive, target))
    assert 0 < len(done) < 8
    second = run(archive, target)
    assert not second.stopped
    table = ds.dataset(target / "manifest").to_table()
    assert sorted(table["source"].to_pylist()) == sorted(
        ["broken.jpg", "old.bmp", "print.tif", *(f"p{i}.png" for i in range(5))]
    )


def test_leftovers_of_a_killed_run_are_swept(archive: Path, target: Path) -> None:
    store = open_destination(str(target), open_source(str(archive)))
    items = [WorkItem("a/b/noisy.png", 1, 1, "file", "", 0.1, "")]
    write_worklist(store, "20200101T000000Z-000000", 0, items)
    stale = (
        target / "restored" / "a" / "b" / ".restore-archive-0123456789abcdef0123456789abcdef.part"
    )
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"half")
    run(archive, target)
    assert not stale.exists()
    assert not list(target.rglob("*.part"))


def test_of_a_killed_batch_only_unrecorded_colour_goes(archive: Path, target: Path) -> None:
    run(archive, target)
    recorded = (target / "colorized" / "print.tif").read_bytes()
    orphan = target / "colorized" / "a" / "clean.png"
    orphan.write_bytes(encoded(scene(seed=1), "PNG"))
    store = open_destination(str(target), open_source(str(archive)))
    items = [WorkItem(name, 1, 1, "file", "", 0.1, "") for name in ("a/clean.png", "print.tif")]
    write_worklist(store, "20200101T000000Z-000000", 0, items)
    run(archive, target)
    assert not orphan.exists()
    assert (target / "colorized" / "print.tif").read_bytes() == recorded


def test_an_output_that_is_no_longer_true_goes(archive: Path, target: Path) -> None:
    run(archive, target)
    assert (target / "colorized" / "print.tif").exists()
    (archive / "print.tif").write_bytes(encoded(scene(seed=4), "TIFF"))
    run(archive, target)
    assert latest(archive, target)["print.tif"].status == Status.NOTHING_TO_DO
    assert not (target / "colorized" / "print.tif").exists()


def test_a_colorized_photo_that_outlived_a_failure_goes_when_it_is_no_longer_true(
    archive: Path, target: Path
) -> None:
    run(archive, target)
    (archive / "print.tif").write_bytes(b"rotten")
    run(archive, target)
    assert (target / "colorized" / "print.tif").exists(), "a failure costs no good output"
    (archive / "print.tif").write_bytes(encoded(scene(seed=4), "TIFF"))
    run(archive, target)
    assert not (target / "colorized" / "print.tif").exists()


def test_photos_that_never_were_colorized_cost_no_delete(
    archive: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted: list[str] = []
    real = LocalDestination.delete

    def spy(self, path: str) -> None:
        deleted.append(path)
        real(self, path)

    monkeypatch.setattr(LocalDestination, "delete", spy)
    run(archive, target)
    run(archive, target, steps="denoise")
    colour = [path for path in deleted if path.startswith("colorized/")]
    assert sorted(colour) == ["colorized/a/Gräy noisy.JPG", "colorized/print.tif"]


def test_a_photo_that_breaks_keeps_its_last_good_output(archive: Path, target: Path) -> None:
    run(archive, target)
    good = (target / "restored" / "a" / "b" / "noisy.png").read_bytes()
    (archive / "a" / "b" / "noisy.png").write_bytes(b"rotten")
    run(archive, target)
    row = latest(archive, target)["a/b/noisy.png"]
    assert (row.status, row.restored_path) == (Status.FAILED, None)
    assert (target / "restored" / "a" / "b" / "noisy.png").read_bytes() == good


def test_a_touched_photo_that_is_still_broken_keeps_the_run_from_being_well(
    archive: Path, target: Path
) -> None:
    run(archive, target)
    os.utime(archive / "broken.jpg", ns=(10**18, 10**18))
    for _ in range(2):  # first carried over by its bytes, then known by its time
        summary = run(archive, target)
        assert (summary.failed, summary.unchanged, summary.unchanged_failures) == (0, 6, 1)
        assert not summary.all_well


class StopAfter(SilentReporter):
    """Asks to stop, as Ctrl-C does, once so many photos are done."""

    def __init__(self, photos: int) -> None:
        self.left = photos

    def done(self, row: ManifestRow, *, was_unchanged: bool = False) -> None:
        self.left -= 1
        if self.left == 0:
            request_stop()


@pytest.mark.parametrize("photos", [1, 3, 6])
def test_a_run_says_that_it_was_cut_short_exactly_when_photos_are_left(
    archive: Path, target: Path, photos: int
) -> None:
    with StopSignals(lambda _: None), reporting_to(StopAfter(photos)):
        summary = run(archive, target, batch_megapixels=0.01, threads=1)
    assert summary.stopped == (len(latest(archive, target)) < 6)
    assert summary.stopped == (photos < 6)
    assert not run(archive, target).stopped
    table = ds.dataset(target / "manifest").to_table()
    assert len(table) == len(set(table["source"].to_pylist())) == 6
