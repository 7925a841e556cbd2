"""The flow on real photographs, through Prefect's test harness."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow.dataset as ds
import pytest
from PIL import Image
from prefect.exceptions import ParameterTypeError

from flows.cli import main
from flows.progress import SilentReporter, reporting_to
from flows.publishing import VerifyingReader
from flows.restore_archive import restore_here
from flows.run_ids import new_run_id
from restoration.colour import luma8
from restoration.errors import UsageError
from restoration.quality import measure
from storage import (
    BadLocation,
    DestinationBusy,
    LocalDestination,
    OutOfSpace,
    StorageError,
    open_destination,
    open_source,
)
from storage.manifest import Status, write_worklist
from tests.flows.runs import DENOISE, latest, run, sha256
from tests.scenes import encoded, gray_scene, noisy, scene

pytestmark = pytest.mark.usefixtures("prefect_harness")


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
    assert "premature end" in rows["broken.jpg"].error_message
    assert rows["a/b/noisy.png"].plan == ("denoise",)
    assert rows["a/Gräy noisy.JPG"].plan == ("denoise", "colorize")
    assert rows["print.tif"].plan == ("colorize",)
    for path, digest in before.items():
        assert sha256(path) == digest
        if path.relative_to(archive).as_posix() in rows:
            assert rows[path.relative_to(archive).as_posix()].source_sha256 in (digest, None)


def test_what_a_process_may_use_does_no_photo_again(archive: Path, target: Path) -> None:
    summary = run(archive, target, threads=2, memory_gb=0.2, precision="fp32")
    assert summary.restored == 3
    rows = latest(archive, target).values()
    assert {row.precision for row in rows if row.models} == {"fp32"}
    again = run(archive, target, threads=1)
    assert (again.restored, again.unchanged) == (0, 6)


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
    rows = latest(archive, target)
    clean, row = rows["a/clean.png"], rows["a/b/noisy.png"]
    assert clean.sharpness_before == pytest.approx(measure(scene(seed=1)).sharpness)
    assert row.noise_sigma == pytest.approx(25, abs=4)
    assert row.noise_sigma_after < 8
    assert row.change_psnr_db < 30
    assert 0 < row.change_ssim < 1
    assert row.sharpness_after > row.sharpness_before >= 0, "noise is not sharpness"
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


def test_strength_0_passes_every_photos_bytes(archive: Path, target: Path) -> None:
    summary = run(archive, target, strength=0)
    assert (summary.restored, summary.nothing_to_do) == (2, 2), "colour is another output"
    for row in latest(archive, target).values():
        if row.restored_path is not None:
            assert row.restored_sha256 == row.source_sha256 == sha256(archive / row.source)
            assert (row.strength, row.change_psnr_db) == (None, None)


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
     {"steps": "magic"}, {"include": [""]}, {"strength": 1.5}, {"keep_grain": -1}, {"passes": 3},
     {"models": ["none-such"]}],
)  # fmt: skip
def test_parameters_of_a_deployment_are_checked_too(
    archive: Path, target: Path, wrong: dict[str, object]
) -> None:
    with pytest.raises((UsageError, ParameterTypeError)):
        run(archive, target, **wrong)
    assert not target.exists()


def test_what_prefect_refuses_is_one_line(archive: Path, target: Path) -> None:
    with pytest.raises(UsageError, match=r"threads: .*; access_quality: |access_quality: ") as no:
        restore_here(source=str(archive), destination=str(target), threads=0, access_quality=0)
    assert "\n" not in str(no.value)
    with pytest.raises(UsageError, match=r"include: caf\\udce9 is not valid UTF-8"):
        restore_here(
            source=str(archive), destination=str(target), include=["a", os.fsdecode(b"caf\xe9")]
        )
    assert not target.exists()


def test_where_nothing_is_to_be_done_no_destination_is_made(
    archive: Path, target: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadLocation, match="is it mounted"):
        run(tmp_path / "empty", target)
    summary = run(archive, target, include=["none/*"])
    assert (summary.photos, summary.none_chosen) == (0, True)
    assert any("--include and --exclude leave none" in line for line in summary.remarks())
    assert not target.exists()
    assert not run(archive, target).none_chosen
    assert run(archive, target, exclude=["**"]).none_chosen


def test_a_run_leaves_no_empty_folders_of_its_own(archive: Path, target: Path) -> None:
    store = open_destination(str(target), open_source(str(archive)))
    write_worklist(store, "20200101T000000Z-abcdef", 0, [])  # of a killed run
    run(archive, target)
    assert sorted(path.name for path in (target / ".restore-archive").iterdir()) == ["lock"]


def test_a_summary_says_what_the_limit_left_and_what_is_gone(archive: Path, target: Path) -> None:
    first = run(archive, target, limit=2)
    assert (first.limit_reached, first.left, first.gone) == (True, 4, 0)
    assert "4 photos left by --limit; the same command goes on" in first.remarks()
    last = run(archive, target, limit=4)
    assert (last.limit_reached, last.left) == (False, 0)
    (archive / "print.tif").unlink()
    assert run(archive, target, include=["a/**"]).gone == 0
    assert run(archive, target, limit=9).gone == 0
    whole = run(archive, target)
    assert whole.gone == 1
    assert "1 photo of the manifest no longer in the source; outputs stay" in whole.remarks()


class Warnings(SilentReporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warned(self, line: str) -> None:
        self.lines.append(line)


def test_a_destination_of_another_source_is_warned_of(archive: Path, target: Path) -> None:
    other = archive.rename(archive.with_name("elsewhere"))
    with reporting_to(reporter := Warnings()):
        run(other, target, limit=1)
        run(other, target, limit=1)
        assert reporter.lines == []
        other.rename(archive)
        assert run(archive, target).all_well is False
    (line,) = reporter.lines
    assert line.startswith(f"warning: the destination holds what was made of {other.as_uri()}; ")


def test_photos_without_a_suffix_are_known_by_their_content(archive: Path, target: Path) -> None:
    (archive / "README").write_text("no photo")
    (archive / "empty").write_bytes(b"")
    jpeg = encoded(noisy(gray_scene(seed=5), 20), "JPEG", quality=95)
    (archive / "scan").write_bytes(encoded(scene(seed=6), "PNG"))
    (archive / "scan.jpg").write_bytes(encoded(scene(seed=7), "JPEG"))
    (archive / "scan..jpg").write_bytes(encoded(scene(seed=8), "JPEG"))
    (archive / "a" / "old scan").write_bytes(jpeg)
    summary = run(archive, target, access="jpeg:40", sidecar=True, exclude=["broken.jpg"])
    assert (summary.photos, summary.other_files, summary.failed) == (9, 3, 0)
    rows = latest(archive, target)
    assert rows["a/old scan"].restored_path == "restored/a/old scan"
    assert rows["a/old scan"].colorized_path == "colorized/a/old scan"
    assert rows["a/old scan"].access_path == "access/a/old scan.jpg"
    assert (target / "restored" / "scan").read_bytes() == (archive / "scan").read_bytes()
    assert run(archive, target, access="jpeg:40", sidecar=True).restored == 0
    assert main(["verify", str(target), "--source", str(archive), "--quiet"]) == 0

    again = run(archive, target, output_format="JPEG", exclude=["broken.jpg", "a/*"])
    assert again.failed == 0
    rows = latest(archive, target)
    assert rows["scan"].restored_path == "restored/scan..jpg"
    assert rows["scan.jpg"].restored_path == "restored/scan.jpg"
    assert rows["scan..jpg"].restored_path == "restored/scan..jpg.jpg"
    for path in {row.restored_path for row in rows.values() if row.restored_path}:
        assert (target / path).is_file()


def test_linked_folders_and_odd_files_are_reported(archive: Path, target: Path) -> None:
    (archive / "album").symlink_to(archive / "a")
    os.utime(archive / "a" / "clean.png", ns=(2**63 - 1, 2**63 - 1))
    summary = run(archive, target)
    rows = latest(archive, target)
    assert rows["album"].status == Status.SKIPPED
    assert "folder" in rows["album"].error_message
    assert rows["a/clean.png"].status == Status.NOTHING_TO_DO
    assert summary.skipped == 2
