"""What lies beside the photos when it is asked for: access copies and sidecars."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flows.audit_archive import audit_archive
from flows.cli import main
from flows.outputs import Outputs
from flows.verification import verify
from restoration.codec import Page
from restoration.codec.icc import SRGB_PROFILE
from restoration.errors import EncodeError
from storage import open_destination, open_results, open_source
from storage.manifest import WorkItem, write_worklist
from tests.flows.runs import latest, run, sha256
from tests.flows.test_verify import flip_one_byte
from tests.pictures import SRGB, tiff
from tests.scenes import encoded, gray_scene, noisy, scene

pytestmark = pytest.mark.usefixtures("prefect_harness")

CAME_OUT = ("a/Gräy noisy.JPG", "a/b/noisy.png", "a/clean.png", "print.tif")


def files(target: Path, folder: str) -> set[str]:
    return {p.relative_to(target / folder).as_posix()
            for p in (target / folder).rglob("*") if p.is_file()}  # fmt: skip


def findings(target: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    verify(open_results(str(target)), tell=lambda f: found.update({f.path: f.problem}))
    assert {f.path for f in audit_archive(str(target)).findings} <= set(found)
    return found


def test_an_access_copy_of_every_photo_that_came_out(archive: Path, target: Path) -> None:
    run(archive, target, access="jpeg:120", steps="denoise")
    assert files(target, "access") == {f"{name}.jpg" for name in CAME_OUT}
    rows = latest(archive, target)
    for name in CAME_OUT:
        path = target / "access" / f"{name}.jpg"
        row = rows[name]
        assert (row.access_path, row.access_sha256, row.access_size) == (
            f"access/{name}.jpg", sha256(path), path.stat().st_size,
        )  # fmt: skip
        with Image.open(path) as small, Image.open(target / "restored" / name) as full:
            assert (small.format, small.size) == ("JPEG", (120, 90))
            assert small.mode == full.mode
            expected = full.resize((120, 90), Image.Resampling.BOX)
            difference = np.asarray(small, np.float64) - np.asarray(expected)
            assert np.abs(difference).mean() < 5
            restored = b"algorithmicallyEnhanced" in path.read_bytes()
            assert restored == bool(row.plan)
    assert rows["broken.jpg"].access_path is None
    assert findings(target) == {}
    flip_one_byte(target / "access/a/clean.png.jpg", 3)
    (target / "access/print.tif.jpg").unlink()
    (target / "access/whose.jpg").write_bytes(b"?")
    assert set(findings(target)) == {
        "access/a/clean.png.jpg", "access/print.tif.jpg", "access/whose.jpg",
    }  # fmt: skip


def test_copies_have_the_profile_the_places_data_and_one_page(tmp_path: Path, target: Path) -> None:
    source = tmp_path / "photos"
    source.mkdir()
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Leitz", 6
    exif.get_ifd(0x8769).update({0xA002: 320, 0xA003: 240})
    (source / "turned.jpg").write_bytes(
        encoded(scene(), "JPEG", exif=exif.tobytes(), icc_profile=SRGB, quality=95)
    )
    (source / "book.tif").write_bytes(tiff([gray_scene(), gray_scene(64, 64)], "minisblack"))
    run(source, target, access="webp:100", access_quality=60)
    with Image.open(target / "access/turned.jpg.webp") as image:
        assert image.size == (75, 100)
        exif = image.getexif()
        assert (exif[0x010F], exif.get(0x0112, 1)) == ("Leitz", 1)
        held = exif.get_ifd(0x8769)
        assert (held[0xA002], held[0xA003]) == (75, 100)
        assert image.info["icc_profile"] == SRGB_PROFILE
    notes = latest(source, target)["book.tif"].notes
    assert "the access copy shows the first of 2 pages" in notes


def test_what_is_no_longer_asked_for_goes(archive: Path, target: Path) -> None:
    run(archive, target, access="jpeg:60", sidecar=True)
    assert len(files(target, "access")) == 4
    assert run(archive, target, access="jpeg:60", sidecar=True).unchanged == 6
    assert run(archive, target, access="png:60").unchanged == 0
    assert files(target, "access") == {f"{name}.png" for name in CAME_OUT}
    assert not any(name.endswith(".json") for name in files(target, "restored"))
    run(archive, target)
    assert files(target, "access") == set()
    assert findings(target) == {}


def test_a_failure_keeps_the_extras_of_the_last_success_until_the_next(
    archive: Path, target: Path
) -> None:
    run(archive, target, access="jpeg:60", sidecar=True, output_format="TIFF")
    (archive / "a/clean.png").write_bytes(b"cut off")
    run(archive, target, access="jpeg:60", sidecar=True, output_format="TIFF")
    assert latest(archive, target)["a/clean.png"].access_path is None
    assert {"a/clean.png.tif", "a/clean.png.json"} < files(target, "restored")
    assert findings(target) == {}
    # An output that only looks as if it were one of clean.png.
    (archive / "a/clean.png.tif").write_bytes(encoded(scene(64, 64), "TIFF"))
    (archive / "a/clean.png").write_bytes(encoded(scene(64, 64), "PNG"))
    run(archive, target)
    assert {"a/clean.png", "a/clean.png.tif"} < files(target, "restored")
    assert files(target, "access") == set()
    assert findings(target) == {}


def test_a_photo_whose_access_copy_cannot_be_encoded(tmp_path: Path, target: Path) -> None:
    source = tmp_path / "photos"
    source.mkdir()
    wide = np.resize(scene(8, 64), (8, 17_000, 3))  # a WebP has 16383 columns at most
    (source / "strip.png").write_bytes(encoded(wide, "PNG"))
    run(source, target, access="jpeg:100")
    summary = run(source, target, access="webp:20000", sidecar=True)
    assert summary.failed == 0, summary.failures
    row = latest(source, target)["strip.png"]
    assert row.access_path is None
    [note] = [note for note in row.notes if "access copy" in note]
    assert note.startswith("there is no access copy: the encoder failed: ")
    assert files(target, "restored") == {"strip.png", "strip.png.json"}
    assert files(target, "access") == set()
    assert findings(target) == {}
    assert run(source, target, access="webp:20000", sidecar=True).unchanged == 1


def test_outputs_are_replaced_when_all_of_them_are_encoded(
    archive: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(archive, target)
    row = latest(archive, target)["a/Gräy noisy.JPG"]
    assert row.restored_path
    assert row.colorized_path
    before = [sha256(target / path) for path in (row.restored_path, row.colorized_path)]

    def refuse(self: Outputs) -> list[Page]:
        raise EncodeError("no colour today")

    monkeypatch.setattr(Outputs, "colorized_pages", refuse)
    run(archive, target, strength=0.5, include=["a/Gräy noisy.JPG"])
    failed = latest(archive, target)["a/Gräy noisy.JPG"]
    assert failed.error_message == "no colour today"
    after = [sha256(target / path) for path in (row.restored_path, row.colorized_path)]
    assert after == before


def test_what_a_killed_run_left_unrecorded_is_swept(archive: Path, target: Path) -> None:
    run(archive, target, access="jpeg:60")
    late = "a/late.png"
    (archive / late).write_bytes(encoded(scene(32, 32), "PNG"))
    item = WorkItem(late, 1, 1, "file", "", 0.1, "")
    known = WorkItem("a/clean.png", 1, 1, "file", "", 0.1, "")
    store = open_destination(str(target), open_source(str(archive)))
    write_worklist(store, "20200101T000000Z-abc", 0, [item, known])
    for path in (f"access/{late}.jpg", f"access/{late}.avif", f"restored/{late}.json",
                 f"restored/{late}.tif", f"colorized/{late}"):  # fmt: skip
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_bytes(b"half a run")
    run(archive, target, access="jpeg:60", exclude=["late.png"])
    assert findings(target) == {}
    assert "a/clean.png.jpg" in files(target, "access")


def test_a_sidecar_says_what_the_manifest_says(archive: Path, target: Path) -> None:
    run(archive, target, sidecar=True, access="png:64", strength=0.5)
    rows = latest(archive, target)
    for name in CAME_OUT:
        data = (target / f"restored/{name}.json").read_bytes()
        held, row = json.loads(data), rows[name]
        assert (row.sidecar_path, row.sidecar_sha256, row.sidecar_size) == (
            f"restored/{name}.json", sha256(target / f"restored/{name}.json"), len(data),
        )  # fmt: skip
        assert held["source"] == {
            "path": name, "sha256": sha256(archive / name), "size": row.source_size,
            "format": row.format, "mode": row.mode, "pages": 1, "width": 320, "height": 240,
        }  # fmt: skip
        assert held["measured"]["noise_sigma"] == row.noise_sigma
        assert held["measured"]["monochrome_confidence"] == row.monochrome_confidence
        assert (held["status"], held["plan"]) == (row.status, list(row.plan))
        assert held["plan_reasons"] == list(row.plan_reasons)
        assert [model["sha256"] for model in held["models"]] == list(row.model_sha256)
        assert (held["strength"], held["notes"]) == (row.strength, list(row.notes))
        for kind, output in held["outputs"].items():
            assert output["sha256"] == sha256(target / output["path"])
            assert output["path"] == getattr(row, f"{kind}_path")
        assert ("colorized" in held["outputs"]) == (row.colorized_path is not None)
    assert findings(target) == {}
    flip_one_byte(target / "restored/print.tif.json", 1)
    assert set(findings(target)) == {"restored/print.tif.json"}


def test_sidecars_of_two_runs_are_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    run(archive, one, sidecar=True, access="avif:64")
    run(archive, other, sidecar=True, access="avif:64")
    held = files(one, "restored")
    assert sum(name.endswith(".json") for name in held) == 4
    for folder in ("restored", "access"):
        assert files(one, folder) == files(other, folder)
        for name in files(one, folder):
            assert (one / folder / name).read_bytes() == (other / folder / name).read_bytes()


def test_names_of_every_kind(tmp_path: Path, target: Path) -> None:
    source = tmp_path / "photos"
    source.mkdir()
    data = encoded(noisy(gray_scene(64, 64), 20), "PNG")
    long = "ä" * 125 + "x.png"  # 255 bytes
    for name in ("line\nbreak.png", 'tab\t"quoted" \\ \x7f.png', "字😀.png", long):
        (source / name).write_bytes(data)
    run(source, target, sidecar=True, access="jpeg:32")
    rows = latest(source, target)
    assert len(rows) == 4
    for name, row in rows.items():
        if name == long:
            assert row.sidecar_path is row.access_path is None
            assert "there is no sidecar: its name would be too long for a file" in row.notes
            assert "there is no access copy: its name would be too long for a file" in row.notes
        else:
            held = (target / f"restored/{name}.json").read_bytes()
            assert held.isascii()
            assert json.loads(held)["source"]["path"] == name
    assert findings(target) == {}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--access", "jpeg"], "--access must be FORMAT:EDGE, such as jpeg:2048, not 'jpeg'"),
        (["--access", "tiff:5"], "--access must be FORMAT:EDGE, such as jpeg:2048, with one of "
                                 "jpeg, webp, avif, png and a number of pixels, not tiff:5"),
        (["--access", "jpeg:9", "--access-quality", "0"],
         "--access-quality must be between 1 and 100, not 0"),
    ],
)  # fmt: skip
def test_bad_values_are_one_line(
    archive: Path, target: Path, capsys, words: list[str], message: str
) -> None:
    assert main(["run", str(archive), str(target), *words]) == 2
    assert capsys.readouterr().err == f"restore-archive: {message}\n"
    assert not target.exists()


def test_from_the_command_line(archive: Path, target: Path, capsys) -> None:
    assert main(["run", str(archive), str(target), "--access", "AVIF:64", "--sidecar",
                 "--access-quality", "50", "--device", "cpu", "--quiet"]) == 1  # fmt: skip
    with Image.open(io.BytesIO((target / "access/a/clean.png.avif").read_bytes())) as image:
        assert image.format == "AVIF"
        assert max(image.size) == 64
    assert (target / "restored/a/clean.png.json").exists()
