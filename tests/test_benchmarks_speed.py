"""The parts of the speed benchmarks that can be wrong without anybody seeing it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from restoration.catalogue import card_for
from storage import LocalDestination
from storage.manifest import ManifestRow, Status, encode_rows, part_path, write_latest
from tests.benchmarks.speed import alternatives, growth, job, side_by_side
from tests.benchmarks.speed.bare import BareTime, Work, inputs_of, measure
from tests.benchmarks.speed.figures import spread, table
from tests.benchmarks.speed.photos import folder_of, make_photos, pieces, with_noise
from tests.benchmarks.speed.processes import Moment
from tests.benchmarks.speed.whole_job import JobRun, manifest_rows
from tests.scenes import noisy, scene

RUN = "20260101T000000Z-000000"


class TestFigures:
    def test_ratios_are_taken_turn_by_turn(self):
        ratio = spread([2.0, 30.0, 4.0]).over(spread([1.0, 10.0, 2.0]))
        assert ratio.values == (2.0, 3.0, 2.0)
        assert str(ratio) == "2 (2–3)"

    def test_a_table(self):
        assert table(("a", "b"), [(1, 0.12345), (None, 12345.6)]) == (
            "| a | b |\n| --- | --- |\n| 1 | 0.123 |\n|  | 12,346 |"
        )


def a_run(wall_s: float, moments: tuple[Moment, ...] = (Moment(0, 0.1, 0.2),)) -> JobRun:
    return JobRun(wall_s, 2 * wall_s, {}, moments, 0.0, 0.0, None, 0.0)


class TestGrowth:
    def test_photos_beyond_the_smaller_folder_are_free_of_the_start(self, tmp_path):
        folder = folder_of_size(tmp_path)
        found = [
            growth.Grown(folder(count), (a_run(5 + 0.25 * count),)) for count in (10, 100, 1000)
        ]
        first, *more = growth.marginals(found)
        assert first.wall_s == pytest.approx(0.75)
        assert [each.wall_s for each in more] == pytest.approx([0.25, 0.25])
        assert [each.cpu_s for each in more] == pytest.approx([0.5, 0.5])
        assert "takes 1.00 times as long" in growth.verdict(found)

    def test_a_leak_shows_in_the_tenths(self):
        moments = tuple(Moment(at, 0.0, 1 + at / 100) for at in range(101))
        peaks = growth.peaks(moments)
        assert peaks == sorted(peaks)
        assert (peaks[0], peaks[-1]) == (1.09, 2.0)

    def test_what_is_asked_for_is_read(self):
        assert growth.numbers("10,1e2") == (10.0, 100.0)
        assert growth.mix("1:20,200") == ((1.0, 20), (200.0, 1))


def folder_of_size(path: Path):
    return lambda count: growth.Folder(path, count, float(count), 0.0)


class TestPhotos:
    def test_each_is_made_once_and_always_the_same(self, tmp_path):
        make_photos(tmp_path / "at once", 3, 0.02)
        make_photos(tmp_path / "bit by bit", 2, 0.02)
        make_photos(tmp_path / "bit by bit", 1, 0.02, start=2)
        at_once, bit_by_bit = (
            {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()}
            for name in ("at once", "bit by bit")
        )
        assert at_once == bit_by_bit
        assert len(set(at_once.values())) == 3
        found = folder_of(tmp_path / "at once")
        assert found.count == 3
        assert found.megapixels == pytest.approx(0.06, rel=0.05)

    def test_noise_is_as_strong_in_every_band(self):
        picture = scene(1100, 60)
        added = with_noise(picture, 20.0, seed=1).astype(float) - picture
        for band in (added[:512], added[512:1024], added[1024:]):
            assert 15 < band.std() < 21

    @given(st.integers(1, 50), st.integers(0, 60))
    def test_pieces_are_spread(self, count, wanted):
        files = [Path(str(number)) for number in range(count)]
        found = list(pieces(files, wanted))
        assert len(found) == (min(count, wanted) or count)
        assert sorted(set(found), key=files.index) == found


class TestJob:
    def test_the_manifest_says_which_networks_a_photo_saw(self, tmp_path):
        rows = [
            ManifestRow(
                source=name, source_size=1, source_mtime_ns=0, run_id=RUN, status=status,
                width=1000, height=500, models=models,
                model_sha256=tuple("0" * 64 for _ in models), seconds_assess=0.5,
            )
            for name, status, models in (
                ("a.jpg", Status.RESTORED, ("denoise-48",)), ("b.jpg", Status.NOTHING_TO_DO, ()),
            )
        ]  # fmt: skip
        out = LocalDestination(tmp_path)
        out.put(part_path(RUN, 0), encode_rows(rows))
        write_latest(out)
        first, second = manifest_rows(tmp_path)
        assert (first.source, first.models, first.megapixels) == ("a.jpg", ("denoise-48",), 0.5)
        assert first.seconds["seconds_assess"] == 0.5
        assert second.models == ()
        folder = growth.Folder(tmp_path, 2, 1.0, 0.0)
        work, share = job.chosen_work([first, second], folder, 0)
        assert work == [Work(tmp_path / "a.jpg", ("denoise-48",))]
        assert share == {"denoise-48": 1.0}

    def test_part_of_the_photos_stands_for_all(self):
        time = job.scaled(BareTime("denoise-48", 2.0, 1.0, 1.5), {"denoise-48": 4.0})
        assert time == BareTime("denoise-48", 8.0, 4.0, 6.0)

    def test_the_networks_see_whole_photos(self, tmp_path):
        make_photos(tmp_path, 2, 0.01)
        names = tuple(card_for(task).name for task in ("denoise", "colorize"))
        work = [Work(path, names) for path in sorted(tmp_path.iterdir())]
        times = measure(work, precision="fp32", device=torch.device("cpu"))
        assert [each.model for each in times] == list(names)
        for each in times:
            assert each.megapixels == pytest.approx(0.02, rel=0.05)
            assert each.wall_s > 0
        colour = list(inputs_of(scene(240, 320), "colorize"))
        assert [tensor.shape[2] for tensor in colour] == [128, 128, 160, 160, 208, 208]

    def test_other_processes_count(self):
        seconds = job.stage_seconds({"decode": 1.0, "rest": 2.0}, {"decoder": 3.0, "run": 9.0})
        assert seconds == {"decode": 4.0, "rest": 2.0}


class TestSideBySide:
    @pytest.mark.parametrize("name", alternatives.HAS_ANSWER)
    def test_the_others_take_noise_away(self, name):
        if "scikit-image" in name:
            pytest.importorskip("skimage")
            pytest.importorskip("pywt")
        clean = scene(48, 64)
        given = noisy(clean, 20)
        denoise = alternatives.ALTERNATIVES[name](20.0, "cpu")
        assert cv2.PSNR(denoise(given), clean) > cv2.PSNR(given, clean) + 1

    def test_a_network_gets_the_photo_as_it_is(self):
        picture = scene(30, 40)
        denoise = alternatives.with_network(torch.nn.Identity(), "cpu")
        assert (denoise(picture) == picture).all()

    def test_times_are_told_against_ours(self):
        took = {
            side_by_side.OURS: [side_by_side.Took(0.5, 1.0), side_by_side.Took(0.6, 1.0)],
            "other": [side_by_side.Took(1.0, 2.0), side_by_side.Took(1.8, 2.0)],
        }
        found: Mapping[str, tuple[float, float]] = {side_by_side.OURS: (30.0, 22.0)}
        _, (ours, other) = side_by_side.comparison(took, found)
        assert ours[4:] == (30.0, 22.0)
        assert other[3].values == (2.0, 3.0)
        assert other[4] is None
