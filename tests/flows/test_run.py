"""The flow on real photographs, through Prefect's test harness."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.dataset as ds
import pytest
from PIL import Image

import flows.photo
import restoration.recipe
from flows.progress import SilentReporter, reporting_to
from flows.publishing import VerifyingReader
from flows.restore_archive import RunSummary, new_run_id, restore_archive
from flows.stopping import request_stop, stop_requested, stopping_on_interrupt
from restoration.colour import luma8
from restoration.errors import UsageError
from restoration.models import ModelCard, available_models, card_for
from restoration.quality import measure
from storage import DestinationBusy, OutOfSpace, StorageError, open_destination, open_source
from storage.manifest import ManifestRow, Status, read_manifest, rows_of
from tests.scenes import encoded, gray_scene, noisy, scene

DENOISE, COLORIZE = (card_for(task).name for task in ("denoise", "colorize"))

pytestmark = pytest.mark.usefixtures("prefect_harness")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Six small photos of every fate, two folders deep."""
    source = tmp_path / "photos"
    (source / "a" / "b").mkdir(parents=True)
    files = {
        "a/b/noisy.png": encoded(noisy(scene(), 25), "PNG"),
        "a/clean.png": encoded(scene(seed=1), "PNG"),
        "a/Gräy noisy.JPG": encoded(noisy(gray_scene(seed=2), 20), "JPEG", quality=95),
        "broken.jpg": encoded(scene(seed=3), "JPEG")[:3000],
        "letter.txt": b"no photo",
        "old.bmp": encoded(scene(20, 20), "BMP"),
        "print.tif": encoded(gray_scene(seed=4), "TIFF", compression="tiff_lzw"),
    }
    for name, data in files.items():
        (source / name).write_bytes(data)
    return source


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "restored"


def run(archive: Path, target: Path, **options: object) -> RunSummary:
    return restore_archive(str(archive), str(target), device="cpu", **options)


def latest(archive: Path, target: Path) -> dict[str, ManifestRow]:
    store = open_destination(str(target), open_source(str(archive)))
    return {row.source: row for row in rows_of(read_manifest(store))}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Counts real decodes by watching the seam where the flow calls the codec."""
    seen: list[str] = []
    real: Callable[..., object] = flows.photo.decode

    def spy(file, **options):
        seen.append(file.name if hasattr(file, "name") else "?")
        return real(file, **options)

    monkeypatch.setattr(flows.photo, "decode", spy)
    return seen


def test_every_photo_has_its_fate_and_its_row(archive: Path, target: Path) -> None:
    before = {path: sha256(path) for path in archive.rglob("*") if path.is_file()}
    summary = run(archive, target)
    assert (summary.restored, summary.nothing_to_do) == (3, 1)
    assert (summary.skipped, summary.failed) == (1, 1)
    assert (summary.photos, summary.other_files) == (6, 1)
    assert not summary.all_well
    assert summary.failures == (
        "failed: broken.jpg: " + latest(archive, target)["broken.jpg"].error_message,
    )

    rows = latest(archive, target)
    assert {name: row.status for name, row in rows.items()} == {
        "a/b/noisy.png": Status.RESTORED,
        "a/clean.png": Status.NOTHING_TO_DO,
        "a/Gräy noisy.JPG": Status.RESTORED,
        "broken.jpg": Status.FAILED,
        "old.bmp": Status.SKIPPED,
        "print.tif": Status.RESTORED,
    }
    assert rows["broken.jpg"].error_class == "DecodeError"
    assert "truncated" in rows["broken.jpg"].error_message
    assert rows["a/b/noisy.png"].plan == ("denoise",)
    assert rows["a/Gräy noisy.JPG"].plan == ("denoise", "colorize")
    assert rows["print.tif"].plan == ("colorize",)
    for path, digest in before.items():
        assert sha256(path) == digest
        if path.relative_to(archive).as_posix() in rows:
            assert rows[path.relative_to(archive).as_posix()].source_sha256 in (digest, None)


def test_outputs_are_what_the_manifest_says(archive: Path, target: Path) -> None:
    run(archive, target)
    outputs = {p.relative_to(target).as_posix() for top in ("restored", "colorized")
               for p in (target / top).rglob("*") if p.is_file()}  # fmt: skip
    listed = set()
    for row in latest(archive, target).values():
        for path, digest, size in (
            (row.restored_path, row.restored_sha256, row.restored_size),
            (row.colorized_path, row.colorized_sha256, row.colorized_size),
        ):
            if path is None:
                continue
            listed.add(path)
            assert sha256(target / path) == digest
            assert (target / path).stat().st_size == size
            with Image.open(target / path) as image, Image.open(archive / row.source) as original:
                image.load()
                assert image.format == original.format == row.format
                assert image.size == original.size == (row.width, row.height)
    assert outputs == listed
    assert len(outputs) == 6


def test_untouched_photos_pass_byte_for_byte(archive: Path, target: Path) -> None:
    run(archive, target)
    for name in ("a/clean.png", "print.tif"):
        assert (target / "restored" / name).read_bytes() == (archive / name).read_bytes()
    colorized = np.asarray(Image.open(target / "colorized" / "print.tif"))
    np.testing.assert_array_equal(luma8(colorized), gray_scene(seed=4))


def test_rows_measure_before_and_after(archive: Path, target: Path) -> None:
    run(archive, target)
    row = latest(archive, target)["a/b/noisy.png"]
    assert row.noise_sigma == pytest.approx(25, abs=4)
    assert row.noise_sigma_after < 8
    assert row.change_psnr_db < 30
    assert 0 < row.change_ssim < 1
    assert row.sharpness_before > 0
    assert row.contrast_after == pytest.approx(measure(scene()).contrast, rel=0.05)
    assert row.contrast_before > row.contrast_after, "noise counts as contrast"
    assert row.seconds_restore > 0
    assert row.models == (DENOISE,)
    assert len(row.model_sha256[0]) == 64


def test_the_manifest_is_one_dataset(archive: Path, target: Path) -> None:
    summary = run(archive, target, batch_megapixels=0.1)
    table = ds.dataset(target / "manifest").to_table()
    assert table.num_rows == 6
    assert set(table["run_id"].to_pylist()) == {summary.run_id}
    assert len(list((target / "manifest").rglob("*.parquet"))) >= 4, "one part per batch"
    assert not list((target / ".restore-archive" / "worklists").rglob("*.parquet"))


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


def test_strength_0_passes_every_photos_bytes(archive: Path, target: Path) -> None:
    summary = run(archive, target, strength=0)
    assert (summary.restored, summary.nothing_to_do) == (2, 2), "colour is another output"
    for row in latest(archive, target).values():
        if row.restored_path is not None:
            assert row.restored_sha256 == row.source_sha256 == sha256(archive / row.source)
            assert (row.strength, row.change_psnr_db) == (None, None)


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


def test_selection(archive: Path, target: Path) -> None:
    summary = run(archive, target, include=["a/**"], exclude=["*.JPG"])
    assert sorted(latest(archive, target)) == ["a/b/noisy.png", "a/clean.png"]
    assert summary.all_well
    assert run(archive, target, limit=1).photos >= 1
    assert len(latest(archive, target)) == 3


def test_a_busy_destination_is_refused(archive: Path, target: Path) -> None:
    store = open_destination(str(target), open_source(str(archive)))
    with store.lock(), pytest.raises(DestinationBusy):
        run(archive, target)


def test_stopping_keeps_what_was_done_and_goes_on_later(
    archive: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(archive / "a")
    for i in range(5):
        (archive / f"p{i}.png").write_bytes(encoded(noisy(scene(96, 96, seed=i), 20), "PNG"))
    monkeypatch.setattr("flows.batch.GROUP_PHOTOS", 2)
    asked = iter([False, False, True])
    monkeypatch.setattr("flows.batch.stop_requested", lambda: next(asked, stop_requested()))
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
    from storage.manifest import WorkItem, write_worklist

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
    from storage.manifest import WorkItem, write_worklist

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
    from storage import LocalDestination

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


def test_a_photo_that_changes_while_it_is_copied_is_not_published(tmp_path: Path) -> None:
    original = tmp_path / "a.png"
    original.write_bytes(b"other bytes than were assessed")
    (tmp_path / "archive").mkdir()
    store = open_destination(str(tmp_path / "out"), open_source(str(tmp_path / "archive")))
    with original.open("rb") as file, pytest.raises(StorageError, match="changed while"):
        store.put("restored/a.png", VerifyingReader(file, "0" * 64))
    assert store.size("restored/a.png") is None
    digest = sha256(original)
    with original.open("rb") as file:
        assert store.put("restored/a.png", VerifyingReader(file, digest)).sha256 == digest


def test_run_ids_sort_even_when_the_clock_is_put_back() -> None:
    assert new_run_id(after="29991231T235959Z-abcdef") > "29991231T235959Z-abcdef"
    assert new_run_id(after="no run of ours")[:2] == "20"
    first = new_run_id()
    assert new_run_id(after=first) > first


def test_a_full_disk_ends_the_run_and_the_lock_waits_for_the_last_batch(
    archive: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storage import LocalDestination

    real = LocalDestination.put

    def full(self, path, data, **options):
        if path.startswith("restored/"):
            raise OutOfSpace("the disk is full")
        return real(self, path, data, **options)

    monkeypatch.setattr(LocalDestination, "put", full)
    with pytest.raises(OutOfSpace):
        run(archive, target, batch_megapixels=0.1)
    store = open_destination(str(target), open_source(str(archive)))
    with store.lock():
        pass
    monkeypatch.undo()
    assert run(archive, target).restored == 3


@pytest.mark.parametrize(
    "wrong",
    [{"limit": 0}, {"limit": -1}, {"batch_megapixels": 0}, {"max_megapixels": float("nan")},
     {"steps": "magic"}, {"include": [""]}, {"strength": 1.5}, {"keep_grain": -1},
     {"models": ["none-such"]}],
)  # fmt: skip
def test_parameters_of_a_deployment_are_checked_too(
    archive: Path, target: Path, wrong: dict[str, object]
) -> None:
    with pytest.raises(UsageError):
        run(archive, target, **wrong)
    assert not target.exists()


def test_linked_folders_and_odd_files_are_reported(archive: Path, target: Path) -> None:
    (archive / "album").symlink_to(archive / "a")
    os.utime(archive / "a" / "clean.png", ns=(2**63 - 1, 2**63 - 1))
    summary = run(archive, target)
    rows = latest(archive, target)
    assert rows["album"].status == Status.SKIPPED
    assert "folder" in rows["album"].error_message
    assert rows["a/clean.png"].status == Status.NOTHING_TO_DO
    assert summary.skipped == 2


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
    with stopping_on_interrupt(lambda: None), reporting_to(StopAfter(photos)):
        summary = run(archive, target, batch_megapixels=0.01)
    assert summary.stopped == (len(latest(archive, target)) < 6)
    assert summary.stopped == (photos < 6)
    assert not run(archive, target).stopped
    table = ds.dataset(target / "manifest").to_table()
    assert len(table) == len(set(table["source"].to_pylist())) == 6
