"""Pictures of a report: made once, of the files that the manifest means, and safe to make."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from flows.report.folder import report_folder
from flows.report.pictures import PictureOptions, Pictures, Shown, make_pictures
from flows.report.view import WEBP_EDGE, ViewSize, as_webp
from restoration.codec import DecoderProcess, Limits
from restoration.codec.decoding import decode
from restoration.errors import UsageError
from storage import LocalDestination, LocalSource, StorageError
from tests.flows.reports import append, data, latest_rows, report
from tests.scenes import encoded, gray_scene, noisy, scene

NOISY = "a/Gräy noisy.JPG"


def names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "pictures").iterdir()}


def pictures_of(folder: Path, source: str) -> dict[str, dict[str, object]]:
    row = data(folder, "rows-00000")["columns"]["source"].index(source)
    return data(folder, "pictures-00000")["pictures"][str(row)]


def test_a_photo_is_shown_before_after_and_in_colour(reported: Path) -> None:
    report(reported)
    folder = reported / "restored" / "report"
    row = latest_rows(reported / "restored")[NOISY]
    shown = pictures_of(folder, NOISY)
    sums = {
        "before": row.source_sha256, "after": row.restored_sha256, "colorized": row.colorized_sha256
    }  # fmt: skip
    for kind, sha256 in sums.items():
        picture = shown[kind]
        assert picture["thumbnail"] == f"pictures/{sha256}-320.webp"
        assert picture["view"] == f"pictures/{sha256}-full.webp"
        assert (picture["width"], picture["height"], picture["scale"]) == (320, 240, 1.0)
        with Image.open(folder / str(picture["view"])) as view:
            assert (view.format, view.size) == ("WEBP", (320, 240))
            assert not {"icc_profile", "exif", "xmp"} & set(view.info)
    before = np.asarray(Image.open(folder / str(shown["before"]["view"])).convert("L"), float)
    original = np.asarray(Image.open(reported / "photos" / NOISY), float)
    assert np.sqrt(np.mean((before - original) ** 2)) < 3
    thumbnails = data(folder, "rows-00000")["columns"]["thumbnail"]
    assert shown["after"]["thumbnail"] in thumbnails
    assert thumbnails[-1] is not None
    assert thumbnails[data(folder, "rows-00000")["columns"]["source"].index("broken.jpg")] is None


def test_what_passed_through_is_one_picture_even_without_the_originals(reported: Path) -> None:
    report(reported, source=False)
    folder = reported / "restored" / "report"
    same = pictures_of(folder, "a/clean.png")
    assert same["before"] == same["after"]
    assert pictures_of(folder, NOISY)["before"] is None


def test_pictures_are_made_once_and_go_when_they_show_nothing(
    reported: Path, decoded: list[str]
) -> None:
    report(reported)
    folder = reported / "restored" / "report"
    made = names(folder)
    times = {name: (folder / "pictures" / name).stat().st_mtime_ns for name in made}
    assert len(decoded) > 0
    decoded.clear()
    (folder / "pictures" / "notes.txt").write_text("mine")
    report(reported, source=False)  # what there is of the originals is shown all the same
    assert decoded == []
    assert names(folder) == made | {"notes.txt"}
    assert pictures_of(folder, NOISY)["before"] is not None
    assert times == {name: (folder / "pictures" / name).stat().st_mtime_ns for name in made}
    report(reported, photos=1, make=False)
    assert names(folder) == made | {"notes.txt"}
    report(reported, photos=0)
    assert names(folder) == {"notes.txt"}


def test_the_neediest_are_shown_in_full_and_others_small(reported: Path) -> None:
    report(reported, photos=1)
    folder = reported / "restored" / "report"
    assert pictures_of(folder, NOISY)["after"]["view"] is not None
    other = pictures_of(folder, "a/b/noisy.png")["after"]
    assert (other["view"], other["scale"]) == (None, None)
    assert (folder / str(other["thumbnail"])).is_file()


def test_large_photos_are_reduced_and_say_so(reported: Path) -> None:
    report(reported, view_megapixels=0.1)
    after = pictures_of(reported / "restored" / "report", NOISY)["after"]
    with Image.open(reported / "restored" / "report" / str(after["view"])) as view:
        assert view.size == (320, 240)  # 0.08 megapixels
    # Another size is another file: the whole view of before is not taken for it.
    small = ViewSize.of(4000, 3000, 3.0)
    assert (small.mark, small.edge) == ("2000px", 2000)
    assert small.scale == 0.5


@given(
    st.integers(1, 60_000), st.integers(1, 60_000), st.floats(0.1, 300)
)  # fmt: skip
def test_views_are_within_both_limits(width: int, height: int, megapixels: float) -> None:
    size = ViewSize.of(width, height, megapixels)
    assert 0 < size.scale <= 1
    assert size.edge <= min(WEBP_EDGE, max(width, height))
    reduced = width * size.scale * height * size.scale
    assert reduced <= megapixels * 1e6 * 1.0001 or size.edge == 1
    assert (size.mark == "full") == (size.edge == max(width, height))


def test_pictures_are_upright_srgb_of_eight_bits() -> None:
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    Image.fromarray(scene(60, 100)).save(turned, "JPEG", quality=95, exif=exif)
    deep = (scene(60, 100)[..., 0].astype(np.uint16) << 8) | 7
    tiff = io.BytesIO()
    Image.fromarray(deep).save(tiff, "TIFF")
    for file, size in ((turned, (60, 100)), (tiff, (100, 60))):
        page = decode(file).main
        with as_webp(page, 1000, 90) as (made, webp), Image.open(webp) as view:
            assert made.pixels.dtype == np.uint8
            assert view.size == size
            assert "exif" not in view.info
        with as_webp(page, 50, 90) as (made, webp), Image.open(webp) as view:
            assert max(view.size) == 50


def test_grain_survives_in_views() -> None:
    grainy = noisy(gray_scene(200, 300), 8)
    page = decode(io.BytesIO(encoded(grainy, "PNG"))).main
    with as_webp(page, 1000, 90) as (_, webp):
        shown = np.asarray(Image.open(webp).convert("L"), float)
    deviations = [np.diff(image.astype(float)).std() for image in (grainy, shown)]
    assert deviations[1] > 0.95 * deviations[0]


@pytest.fixture
def shown(reported: Path) -> Callable[..., dict[int, Pictures]]:
    """Makes the pictures of one photo with changes, in a report of its own."""
    results = LocalDestination(reported / "restored")
    row = latest_rows(reported / "restored")[NOISY]
    folder = report_folder(results, reported / "other")

    def make(**changes: object) -> dict[int, Pictures]:
        photo = Shown(
            7, NOISY, row.source_sha256, 320, 240, row.restored_path, row.restored_sha256,
            None, None, in_full=True,
        )  # fmt: skip
        return make_pictures(
            [replace(photo, **changes)],
            folder,
            results,
            LocalSource(reported / "photos"),
            PictureOptions(),
        )

    return make


def test_only_the_files_that_the_manifest_means_are_shown(
    reported: Path, shown: Callable[..., dict[int, Pictures]]
) -> None:
    assert shown()[7].before is not None
    altered = shown(source_sha256="0" * 64)[7]
    assert altered.before is None
    assert altered.after is not None
    assert shown(restored_sha256="1" * 64, source_sha256=None) == {}
    assert shown(restored_path="restored/gone.jpg", restored_sha256="2" * 64)[7].after is None
    assert shown(width=240, height=320, source_sha256=None, restored_path=None) == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no photo at all",
        encoded(scene(), "JPEG")[:200],
        b"\x89PNG\r\n\x1a\n" + b"\xff" * 5000,
    ],
)
def test_what_cannot_be_decoded_is_no_picture(
    reported: Path, shown: Callable[..., dict[int, Pictures]], content: bytes
) -> None:
    (reported / "photos" / "hostile.png").write_bytes(content)
    found = shown(source="hostile.png", source_sha256=hashlib.sha256(content).hexdigest())
    assert found[7].before is None
    assert found[7].after is not None


def test_what_is_over_the_limits_is_no_picture(reported: Path) -> None:
    tight = Limits(max_megapixels=0.01)
    assert report(reported, limits=tight).pictures == 0


def test_damaged_photos_are_shown_as_far_as_they_go(
    reported: Path, shown: Callable[..., dict[int, Pictures]]
) -> None:
    whole = encoded(scene(), "JPEG")
    content = whole[: len(whole) * 2 // 3]
    (reported / "photos" / "cut.jpg").write_bytes(content)
    found = shown(source="cut.jpg", source_sha256=hashlib.sha256(content).hexdigest())
    assert found[7].before is not None


def test_a_report_without_room_ends(reported: Path) -> None:
    folder = reported / "restored" / "report"
    folder.mkdir()
    (folder / "pictures").write_text("a file where a folder has to be")
    with pytest.raises(StorageError, match="pictures"):
        report(reported)


def test_pictures_are_decoded_in_a_process_of_their_own(reported: Path) -> None:
    seen: list[int | None] = []
    real = DecoderProcess.decode

    def spy(decoder: DecoderProcess, *given: object, **more: object) -> object:
        photo = real(decoder, *given, **more)
        seen.append(decoder.pid)
        return photo

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DecoderProcess, "decode", spy)
        report(reported)
    assert seen
    assert all(seen)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"photos": -1}, "--pictures must be 0 or more"),
        ({"view_megapixels": 0.0}, "--view-megapixels must be between"),
        ({"view_megapixels": float("nan")}, "--view-megapixels must be between"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, float], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        PictureOptions(**options)


def test_rows_of_unknown_size_have_no_pictures(reported: Path) -> None:
    row = latest_rows(reported / "restored")[NOISY]
    append(reported / "restored", [replace(row, width=None)], "29990102T000000Z-000000")
    report(reported)
    row_of = data(reported / "restored" / "report", "rows-00000")["columns"]["source"].index(NOISY)
    pictures = data(reported / "restored" / "report", "pictures-00000")["pictures"]
    assert str(row_of) not in pictures
