from __future__ import annotations

import gc
import io
from pathlib import Path

import pytest
from rich.console import Console

from flows.batch import summarise
from flows.collector import program_set_aside
from flows.console import printable
from flows.planning import Request, Survey, batches
from flows.progress import BarReporter, LineReporter, current_reporter, reporting_to
from flows.rows import Outcome
from restoration.recipe import Options
from storage import open_destination, open_source
from storage.manifest import ManifestRow, Status
from tests.scenes import encoded, scene


def test_batches_are_cut_by_megapixels_in_the_order_of_paths(tmp_path: Path) -> None:
    source = tmp_path / "photos"
    source.mkdir()
    for i in range(7):
        (source / f"{i}.png").write_bytes(encoded(scene(100, 100, seed=i), "PNG"))
    (source / "notes.txt").write_text("no photo")
    origin = open_source(str(source))
    target = open_destination(str(tmp_path / "out"), origin)
    survey = Survey()
    request = Request(batch_megapixels=0.025)
    cut = list(batches(origin, target, Options(), request, survey))
    assert [[entry.path for entry in batch] for batch in cut] == [
        ["0.png", "1.png"], ["2.png", "3.png"], ["4.png", "5.png"], ["6.png"],
    ]  # fmt: skip
    assert cut[0][0].megapixels == pytest.approx(0.01)
    assert (survey.photos, survey.other_files) == (7, 1)
    limited = Request(limit=3, batch_megapixels=100)
    assert [len(b) for b in batches(origin, target, Options(), limited, Survey())] == [3]


def row(status: Status, name: str = "a.jpg", **values: object) -> ManifestRow:
    return ManifestRow(
        source=name, source_size=1, source_mtime_ns=1, status=status, width=1000, height=1000,
        **values,
    )  # fmt: skip


def test_summary_counts_and_names_failures() -> None:
    rows = [
        row(Status.RESTORED),
        row(Status.NOTHING_TO_DO),
        row(Status.FAILED, "bad\n.jpg", error_message="cut off"),
    ]
    summary = summarise([*map(Outcome, rows), Outcome(row(Status.RESTORED), was_unchanged=True)])
    assert (summary.restored, summary.nothing_to_do, summary.failed) == (1, 1, 1)
    assert summary.unchanged == 1
    assert summary.megapixels == pytest.approx(3)
    assert summary.failures == ("failed: bad\\n.jpg: cut off",)


@pytest.mark.parametrize("terminal", [False, True])
def test_reporters_show_counts(terminal: bool) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120)
    reporter = BarReporter(console) if terminal else LineReporter(console, verbose=True)
    with reporter, reporting_to(reporter):
        current_reporter().planned(3)
        current_reporter().unchanged(2)
        current_reporter().done(row(Status.RESTORED, plan=("denoise",)))
        current_reporter().done(row(Status.FAILED, "[bold]b.jpg", error_message="cut off"))
        current_reporter().done(row(Status.NOTHING_TO_DO, "c.jpg"))
    counts = "restored 1  nothing to do 1  skipped 0  failed 1  unchanged 2"
    assert reporter.describe().endswith(f"MP/s  {counts}")
    assert reporter.total == 3
    if not terminal:
        assert out.getvalue().splitlines() == [
            "restored: a.jpg: denoise",
            "failed: [bold]b.jpg: cut off",
            "nothing to do: c.jpg: passed through unchanged",
        ]


def test_names_cannot_drive_the_terminal() -> None:
    assert printable("a\x1b[2Jb\r\n") == "a\\x1b[2Jb\\r\\n"
    assert printable("長崎 – ü.jpg") == "長崎 – ü.jpg"


def test_the_loaded_program_is_set_aside_from_the_collector_for_a_while() -> None:
    before = gc.get_threshold()
    with program_set_aside():
        assert gc.get_freeze_count() > 1_000
        assert gc.get_threshold()[0] > before[0]
    assert gc.get_freeze_count() == 0
    assert gc.get_threshold() == before
