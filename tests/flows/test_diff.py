"""What changed between two runs: compared, printed, and as a page."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html

from flows.cli import main
from flows.comparing import Change, Compared, Side, change_between, compare
from flows.comparison_page import comparison_html, differences
from restoration.errors import UsageError
from storage import LocalDestination
from storage.manifest import ManifestRow, Status, encode_rows, part_path
from storage.manifest.database import ManifestDatabase

FIRST, SECOND = "20261120T080000Z-aaaaaa", "20261121T080000Z-bbbbbb"
OLD, NEW = "a" * 64, "b" * 64
HOSTILE = "a/<script>window.hit=1</script>\"' onerror=x\n{{ 7*7 }}.jpg"


def row(source: str, run: str, **values) -> ManifestRow:
    basis = {
        "source_size": 9,
        "source_mtime_ns": 5,
        "status": Status.RESTORED,
        "plan": ("denoise",),
        "models": ("denoise-48",),
        "model_sha256": (OLD if run == FIRST else NEW,),
        "restored_sha256": "1" * 64,
        "time": datetime(2026, 11, 20, tzinfo=UTC),
    }
    return ManifestRow(source=source, run_id=run, **{**basis, **values})


@pytest.fixture
def target(tmp_path: Path) -> Path:
    out = LocalDestination(tmp_path / "restored")
    before = [
        row("kept.jpg", FIRST),
        row("redone.jpg", FIRST, noise_sigma_after=3.0),
        row("rots.jpg", FIRST),
        row("heals.jpg", FIRST, status=Status.FAILED, error_message="cut short"),
        row(HOSTILE, FIRST),
    ]
    after = [
        row("redone.jpg", SECOND, restored_sha256="2" * 64, noise_sigma_after=1.5),
        row("rots.jpg", SECOND, status=Status.FAILED, error_message="<b>gone</b>", plan=()),
        row("heals.jpg", SECOND),
        row(HOSTILE, SECOND, plan=("denoise", "deblur"), needs_review=True),
        row("new.jpg", SECOND),
    ]
    out.put(part_path(FIRST, 0), encode_rows(before))
    out.put(part_path(SECOND, 0), encode_rows(after))
    return tmp_path / "restored"


def compared(target: Path, first: str, second: str, **options):
    with ManifestDatabase.open(LocalDestination(target)) as database:
        return compare(database, first, second, **options)


class TestComparing:
    def test_each_photo_is_compared_as_the_runs_left_it(self, target: Path):
        found = compared(target, "first", "latest")
        assert found.names == (FIRST, SECOND)
        assert {photo.source: photo.change for photo in found.photos} == {
            "rots.jpg": Change.NOW_FAILS,
            HOSTILE: Change.OTHER_STEPS,
            "redone.jpg": Change.OTHER_PIXELS,
            "heals.jpg": Change.RECOVERED,
            "new.jpg": Change.ADDED,
        }
        assert found.photos[0].source == "rots.jpg"
        assert found.counts[Change.SAME] == 1
        assert found.counts.total() == 6
        assert (found.flagged, found.unflagged) == (1, 0)

    def test_a_run_with_itself_is_the_same(self, target: Path):
        found = compared(target, FIRST, FIRST)
        assert found.counts == {Change.SAME: 5}
        assert found.photos == ()

    def test_two_models_are_compared_by_the_rows_that_they_made(self, target: Path):
        found = compared(target, "model:aaaa", "model:bbbb")
        assert found.names == ("denoise-48 (aaaaaaaa)", "denoise-48 (bbbbbbbb)")
        assert found.counts[Change.MISSING] == 1  # kept.jpg was not done with the new one
        assert found.counts[Change.OTHER_PIXELS] == 1

    def test_few_of_many_are_kept_and_the_worst_first(self, target: Path):
        found = compared(target, "first", "latest", at_most=1)
        assert [photo.source for photo in found.photos] == ["rots.jpg"]
        assert found.in_all == 5

    @pytest.mark.parametrize(
        ("name", "complaint"),
        [
            ("2027", "no run 2027"),
            ("2026", "may be 2 runs"),
            ("model:denoise-48", "may be 2 models"),
            ("model:cc", "no model model:cc; `query RESTORED by-model` lists them"),
            ("2028", "no run 2028; `query RESTORED runs` lists them"),
            ("", "a run's name is empty"),
            ("model:' OR 1=1", "is not model:NAME"),
        ],
    )
    def test_what_is_not_there_is_said_in_a_line(self, target: Path, name: str, complaint: str):
        with pytest.raises(UsageError, match=complaint):
            compared(target, "first", name)


SIDES = st.none() | st.builds(
    Side,
    run_id=st.just(FIRST),
    status=st.sampled_from(Status).map(str),
    plan=st.sampled_from([(), ("denoise",)]),
    models=st.just(()),
    restored_sha256=st.sampled_from([None, OLD, NEW]),
    colorized_sha256=st.sampled_from([None, OLD, NEW]),
    error_message=st.none(),
    needs_review=st.booleans(),
    noise_sigma_after=st.sampled_from([None, 1.0, 2.0]),
    blur_sigma_after=st.none(),
    niqe_after=st.none(),
    change_psnr_db=st.none(),
    change_ssim=st.none(),
)


@given(before=SIDES, after=SIDES)
def test_only_what_is_alike_is_the_same(before: Side | None, after: Side | None):
    if before is None and after is None:
        return
    change = change_between(before, after)
    if before is not None and before == after:
        assert change is Change.SAME
    if change is Change.SAME:
        assert before is not None
        assert after is not None
        assert (before.status, before.plan) == (after.status, after.plan)
        assert before.restored_sha256 == after.restored_sha256
    told = differences(Compared("a", change, before, after))
    assert all(each.before != each.after for each in told)


class TestPage:
    def test_hostile_names_are_text(self, target: Path):
        page = html.document_fromstring(comparison_html(compared(target, "first", "latest"), "<x>"))
        assert page.xpath("//script | //b | //x") == []
        names = [name.text for name in page.xpath('//table[@class="photos"]//tbody/tr/th')]
        assert HOSTILE in names
        assert "49" not in page.text_content()
        assert "<b>gone</b>" in page.text_content()

    def test_it_says_what_became_of_the_photos(self, target: Path):
        text = html.document_fromstring(
            comparison_html(compared(target, "first", "latest"), "archive")
        ).text_content()
        assert "5 of 6 photos differ" in " ".join(text.split())
        assert "3.0 → 1.5" in " ".join(text.split())


class TestCommand:
    def test_a_line_for_each_changed_photo(self, target: Path, capsys):
        page = target.parent / "diff.html"
        assert main(["diff", str(target), "first", "latest", "--page", str(page)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith(f"{FIRST} → {SECOND}: added 1, now fails 1")
        assert lines[2].startswith("now fails: rots.jpg: status restored → failed")
        assert page.read_text("utf-8").startswith("<!DOCTYPE html>")

    def test_csv_has_all(self, target: Path, capsys):
        assert main(["diff", str(target), "first", "latest", "--csv"]) == 0
        table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
        found = {(line["source"], line["what"]): line["after"] for line in table}
        assert found["redone.jpg", "noise"] == "1.5"
        assert found["rots.jpg", "message"] == "<b>gone</b>"

    def test_an_unknown_run_is_a_usage_error(self, target: Path, capsys):
        assert main(["diff", str(target), "first", "nothing"]) == 2
        assert "no run nothing" in capsys.readouterr().err
