"""Masters through a whole run: what goes in comes out, as readers other than the writer see it."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image, ImageOps

from flows.audit import Finding
from flows.cli import main
from flows.sweeping import sweep_after_killed_runs
from flows.verification import verify
from restoration.codec.metadata.xmp import read_provenance
from storage import open_destination, open_results, open_source
from storage.manifest import ManifestRow, Status, WorkItem, write_worklist
from tests.flows.runs import latest, run, sha256
from tests.pictures import SRGB, deep, jpeg, tiff
from tests.scenes import encoded, gray_scene, noisy, scene

ORIENTATION, MAKER_NOTE, EXIF_IFD, TAKEN = 0x0112, 0x927C, 0x8769, 0x9003
NOTE = b"Nikon\0\x02\x10\0\0MM\0*\0\0\0\x08" + bytes(range(64))
DIGITAL_SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[ORIENTATION] = orientation
    block[0x010E] = "Harbour, 1931"
    block.get_ifd(EXIF_IFD)[TAKEN] = "1931:05:01 12:00:00"
    block.get_ifd(EXIF_IFD)[MAKER_NOTE] = NOTE
    return block.tobytes()


@pytest.fixture
def masters(tmp_path: Path) -> Path:
    """Noisy photographs in the forms in which archives keep them."""
    folder = tmp_path / "photos"
    folder.mkdir()
    photo = noisy(scene(), 22)
    other = noisy(gray_scene(seed=2), 20)
    files = {
        "lying.jpg": jpeg(
            photo, quality=92, exif=exif(6), icc_profile=SRGB, dpi=(600, 600), comment=b"front"
        ),
        "master.tif": tiff(
            deep(photo), "rgb", iccprofile=SRGB, resolution=(1200, 1200), resolutionunit=2,
            compression="lzw", predictor=True, description="Harbour",
            extratags=[(315, 2, 0, "Anon", True), (ORIENTATION, 3, 1, 3, True)],
        ),
        "deep.png": pyvips.Image.new_from_array(deep(other))
        .copy(interpretation="grey16", xres=300 / 25.4, yres=300 / 25.4)
        .pngsave_buffer(),
        "pages.tif": tiff([other, gray_scene(120, 160, seed=3), photo[..., 0]], "minisblack"),
        "ink.jpg": jpeg(photo, "CMYK", quality=95),
        "two tones.tif": encoded(gray_scene() > 120, "TIFF", compression="group4"),
        "clean.tif": tiff(deep(scene(seed=5)), "rgb"),
    }  # fmt: skip
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def rows(masters: Path, target: Path) -> dict[str, ManifestRow]:
    summary = run(masters, target)
    assert summary.failed == 0, summary.failures
    return latest(masters, target)


def test_every_master_has_its_row(rows: dict[str, ManifestRow]) -> None:
    assert {name: (row.status, row.mode, row.pages) for name, row in rows.items()} == {
        "lying.jpg": (Status.RESTORED, "rgb8", 1),
        "master.tif": (Status.RESTORED, "rgb16", 1),
        "deep.png": (Status.RESTORED, "gray16", 1),
        "pages.tif": (Status.RESTORED, "gray8", 3),
        "ink.jpg": (Status.RESTORED, "cmyk8", 1),
        "two tones.tif": (Status.NOTHING_TO_DO, "gray1", 1),
        "clean.tif": (Status.NOTHING_TO_DO, "rgb16", 1),
    }
    assert "CMYK without a profile" in " ".join(rows["ink.jpg"].notes)
    assert "bilevel" in " ".join(rows["two tones.tif"].plan_reasons)
    assert rows["pages.tif"].plan_reasons[0].startswith("page 1: denoise: ")


def test_a_photo_that_lay_on_its_side(
    masters: Path, target: Path, rows: dict[str, ManifestRow]
) -> None:
    data = (target / "restored/lying.jpg").read_bytes()
    image = Image.open(io.BytesIO(data))
    upright = ImageOps.exif_transpose(Image.open(masters / "lying.jpg"))
    assert image.size == upright.size == (rows["lying.jpg"].width, rows["lying.jpg"].height)
    assert np.abs(np.asarray(image).astype(int) - np.asarray(upright)).mean() < 18
    found = image.getexif()
    assert found[ORIENTATION] == 1
    assert found[0x010E] == "Harbour, 1931"
    assert found.get_ifd(EXIF_IFD)[TAKEN] == "1931:05:01 12:00:00"
    assert found.get_ifd(EXIF_IFD)[MAKER_NOTE] == NOTE
    assert image.info["icc_profile"] == SRGB
    assert image.info["dpi"] == (600, 600)
    assert image.info["comment"] == b"front"
    vips = pyvips.Image.new_from_buffer(data, "")
    assert vips.get("icc-profile-data") == SRGB
    assert vips.xres * 25.4 == pytest.approx(600)


def test_a_master_of_sixteen_bits(target: Path, rows: dict[str, ManifestRow]) -> None:
    path = target / "restored/master.tif"
    vips = pyvips.Image.new_from_file(str(path))
    assert (vips.format, vips.interpretation) == ("ushort", "rgb16")
    assert vips.get("icc-profile-data") == SRGB
    assert vips.xres * 25.4 == pytest.approx(1200)
    samples = vips.numpy()
    assert len(np.unique(samples & 255)) == 256, "low bits are real"
    assert np.abs(samples[::-1, ::-1] / 257 - scene()).mean() < 6, "denoised, and turned round"
    image = Image.open(path)
    assert image.getexif().get(ORIENTATION, 1) == 1
    assert image.tag_v2[270] == "Harbour"
    assert image.tag_v2[315] == "Anon"
    with tifffile.TiffFile(path) as tif:
        assert tif.pages[0].compression == 5


def test_depth_and_resolution_of_a_png(target: Path, rows: dict[str, ManifestRow]) -> None:
    image = Image.open(target / "restored/deep.png")
    assert image.mode == "I;16"
    assert image.info["dpi"][0] == pytest.approx(300, abs=0.1)
    colour = pyvips.Image.new_from_file(str(target / "colorized/deep.png"))
    assert (colour.format, colour.bands) == ("ushort", 3)


def test_every_page_is_restored_or_left(masters: Path, target: Path, rows) -> None:
    with (
        tifffile.TiffFile(masters / "pages.tif") as before,
        tifffile.TiffFile(target / "restored/pages.tif") as after,
    ):
        assert [page.shape for page in after.pages] == [page.shape for page in before.pages]
        same = [
            np.array_equal(old.asarray(), new.asarray())
            for old, new in zip(before.pages, after.pages, strict=True)
        ]
    assert same == [False, True, False]


def test_inks_stay_inks(target: Path, rows: dict[str, ManifestRow]) -> None:
    assert Image.open(target / "restored/ink.jpg").mode == "CMYK"
    vips = pyvips.Image.new_from_file(str(target / "restored/ink.jpg"))
    assert vips.interpretation == "cmyk"


def test_what_needs_nothing_is_the_same_file(masters: Path, target: Path, rows) -> None:
    for name in ("clean.tif", "two tones.tif"):
        assert (target / "restored" / name).read_bytes() == (masters / name).read_bytes()


def test_outputs_say_what_they_are(target: Path, rows: dict[str, ManifestRow]) -> None:
    for folder, kind in (
        ("restored", "algorithmicallyEnhanced"),
        ("colorized", "compositeWithTrainedAlgorithmicMedia"),
    ):
        path = target / folder / "deep.png"
        packet = pyvips.Image.new_from_file(str(path)).get("xmp-data")
        assert (DIGITAL_SOURCE + kind).encode() in packet
        assert (DIGITAL_SOURCE + kind) in Image.open(path).info["xmp"].decode()
        told = read_provenance(packet)
        row = rows["deep.png"]
        assert told is not None
        assert told.source_sha256 == row.source_sha256
        done = {step.name: step.model_sha256 for step in told.steps}
        expected = dict(zip(row.plan, row.model_sha256, strict=True))
        assert done == {
            name: sha for name, sha in expected.items()
            if folder == "colorized" or name != "colorize"
        }  # fmt: skip


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_exiftool_agrees(target: Path, rows: dict[str, ManifestRow]) -> None:
    out = subprocess.check_output(
        ["exiftool", "-j", "-n", "-G1", "-r", str(target / "restored"), "-ext", "*"]
    )
    told = {Path(each["SourceFile"]).name: each for each in json.loads(out)}
    lying, master = told["lying.jpg"], told["master.tif"]
    assert lying["IFD0:Orientation"] == master.get("IFD0:Orientation", 1) == 1
    assert lying["ExifIFD:DateTimeOriginal"] == "1931:05:01 12:00:00"
    assert (lying["JFIF:XResolution"], master["IFD0:XResolution"]) == (600, 1200)
    assert str(master["IFD0:BitsPerSample"]) == "16 16 16"

    for name in ("lying.jpg", "master.tif", "deep.png", "ink.jpg"):
        assert told[name]["XMP-iptcExt:DigitalSourceType"].endswith("algorithmicallyEnhanced")


def test_another_format_is_asked_for(masters: Path, target: Path) -> None:
    run(masters, target)
    summary = run(masters, target, output_format="AVIF", exclude=["pages.tif"])
    assert summary.failed == 0, summary.failures
    rows = latest(masters, target)
    row = rows["master.tif"]
    assert row.restored_path == "restored/master.tif.avif"
    assert "16 bits became 12: AVIF holds no more" in row.notes
    assert Image.open(target / row.restored_path).size == (row.width, row.height)
    assert not (target / "restored/master.tif").exists(), "what is no longer true is gone"
    assert not (target / "colorized/deep.png").exists()
    assert (target / "restored/pages.tif").exists()


def test_no_two_photos_meet_at_one_path(tmp_path: Path, target: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed, name in enumerate(["scan.tif", "scan.tif.jpg", "scan.jpg", "scan.tif.jpg.jpg"]):
        (folder / name).write_bytes(
            encoded(scene(64, 96, seed=seed), "TIFF" if name.endswith("tif") else "JPEG")
        )
    run(folder, target, output_format="JPEG")
    rows = latest(folder, target)
    paths = {name: row.restored_path for name, row in rows.items()}
    assert paths == {
        "scan.tif": "restored/scan.tif.jpg",
        "scan.jpg": "restored/scan.jpg",
        "scan.tif.jpg": "restored/scan.tif.jpg.jpg",
        "scan.tif.jpg.jpg": "restored/scan.tif.jpg.jpg.jpg",
    }


def test_one_photo_says_where_it_comes_from(masters: Path, tmp_path: Path) -> None:
    for name in ("deep.png", "master.tif"):
        output = tmp_path / f"restored {name}"
        assert main(["restore", str(masters / name), "-o", str(output)]) == 0
        told = read_provenance(pyvips.Image.new_from_file(str(output)).get("xmp-data"))
        assert told is not None
        assert told.source_sha256 == sha256(masters / name)


TWINS = {"scan.tif": "TIFF", "scan.tif.jpg": "JPEG"}
"""In JPEG, the first goes where the second lies when no format is asked for."""


def twins(folder: Path) -> Path:
    folder.mkdir()
    for seed, (name, file_format) in enumerate(TWINS.items()):
        sepia = noisy(gray_scene(64, 96, seed=seed), 20)
        (folder / name).write_bytes(encoded(sepia, file_format))
    return folder


def assert_each_has_its_outputs(folder: Path, target: Path) -> None:
    found: list[Finding] = []
    assert verify(open_results(str(target)), tell=found.append).photos == len(TWINS)
    assert found == []
    for name, row in latest(folder, target).items():
        assert row.restored_sha256 == sha256(target / str(row.restored_path))
        packet = pyvips.Image.new_from_file(str(target / str(row.restored_path))).get("xmp-data")
        provenance = read_provenance(packet)
        assert provenance is not None
        assert provenance.source_name == name


@pytest.mark.parametrize("order", [(None, "JPEG"), ("JPEG", None), (None, "JPEG", "PNG", "JPEG")])
def test_no_photo_removes_what_another_wrote(
    tmp_path: Path, target: Path, order: tuple[str | None, ...]
) -> None:
    folder = twins(tmp_path / "photos")
    for output_format in order:
        run(folder, target, output_format=output_format)
        assert_each_has_its_outputs(folder, target)
    in_color = [row for row in latest(folder, target).values() if row.colorized_path]
    assert len(in_color) == len(TWINS), "colorized/ has the same names"


def test_a_photo_that_is_repaired_leaves_what_another_has(tmp_path: Path, target: Path) -> None:
    folder = twins(tmp_path / "photos")
    sound = (folder / "scan.tif.jpg").read_bytes()
    (folder / "scan.tif.jpg").write_bytes(b"rotten")
    assert run(folder, target, output_format="JPEG").failed == 1
    (folder / "scan.tif.jpg").write_bytes(sound)
    assert run(folder, target, output_format="JPEG").failed == 0
    assert_each_has_its_outputs(folder, target)


def test_a_killed_run_leaves_what_another_has(tmp_path: Path, target: Path) -> None:
    folder = twins(tmp_path / "photos")
    run(folder, target, steps="denoise", include=["scan.tif.jpg"])
    run(folder, target, output_format="JPEG", include=["scan.tif"])
    store = open_destination(str(target), open_source(str(folder)))
    item = WorkItem("scan.tif.jpg", 1, 1, "file", "", 0.1, "")
    write_worklist(store, "20200101T000000Z-000000", 0, [item])
    sweep_after_killed_runs(store)
    assert (target / "colorized/scan.tif.jpg").exists()
    run(folder, target, output_format="JPEG")
    assert_each_has_its_outputs(folder, target)


def test_a_label_can_be_left_out(masters: Path, target: Path) -> None:
    run(masters, target, label=False, include=["deep.png"])
    packet = pyvips.Image.new_from_file(str(target / "restored/deep.png")).get("xmp-data")
    assert DIGITAL_SOURCE.encode() not in packet
    assert read_provenance(packet) is not None


def test_a_damaged_photo_is_salvaged_when_asked(tmp_path: Path, target: Path) -> None:
    folder = tmp_path / "damaged"
    folder.mkdir()
    data = jpeg(noisy(scene(), 22), quality=92)
    (folder / "cut.jpg").write_bytes(data[: len(data) * 2 // 3])
    assert run(folder, target).failed == 1
    assert run(folder, target, salvage=True).restored == 1
    row = latest(folder, target)["cut.jpg"]
    assert row.notes[0].startswith("salvaged: ")
    assert Image.open(target / "restored/cut.jpg").size == (320, 240)
