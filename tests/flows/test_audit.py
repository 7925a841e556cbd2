"""What an audit says of a restored archive."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect.client.orchestration import get_client

from flows.artifacts import as_cell, summary_markdown
from flows.audit_archive import AUDIT_KEY, audit_archive
from flows.run_summary import RunSummary
from storage import BadLocation
from tests.flows.runs import run
from tests.scenes import encoded, scene

pytestmark = pytest.mark.usefixtures("prefect_harness")


def artifact(key: str) -> str:
    with get_client(sync_client=True) as client:
        answer = client.request("GET", "/artifacts/{key}/latest", path_params={"key": key})
    text: str = answer.json()["data"]
    return text


def test_a_sound_archive_has_no_findings_and_a_damaged_one_names_them(
    archive: Path, target: Path
) -> None:
    run(archive, target)
    sound = audit_archive(str(target))
    assert sound.findings == []
    assert sound.photos == 6
    assert sound.statuses == {"restored": 3, "nothing_to_do": 1, "failed": 1, "skipped": 1}
    assert sound.errors == {"DecodeError": 1}

    (target / "restored/a/clean.png").unlink()
    (target / "restored/a/b/noisy.png").write_bytes(b"short")
    (target / "colorized/zz.png").write_bytes(b"whose?")
    found = {(f.path, f.problem.partition(",")[0]) for f in audit_archive(str(target)).findings}
    assert found == {
        ("restored/a/clean.png", "missing"),
        ("restored/a/b/noisy.png", "5 bytes"),
        ("colorized/zz.png", "no photo of the manifest has this output"),
    }
    text = artifact(AUDIT_KEY)
    assert "| restored/a/clean.png | missing |" in text
    assert "3 findings" in text


def test_outputs_in_another_order_than_their_sources(tmp_path: Path, target: Path) -> None:
    source = tmp_path / "photos"
    (source / "s").mkdir(parents=True)
    names = ("s.png", "s.png-b.png", "s.png.old.png", "s/s.png", "s-s.png")
    for seed, name in enumerate(names):
        (source / name).write_bytes(encoded(scene(16, 16, seed=seed), "PNG"))
    run(source, target, output_format="TIFF", access="webp:8", sidecar=True)
    paths = {f"restored/{name}.tif" for name in names}
    assert sorted(paths) != [f"restored/{name}.tif" for name in sorted(names)]
    sound = audit_archive(str(target))
    assert (sound.findings, sound.outputs) == ([], 15)
    for path in paths:
        (target / path).unlink()
    assert {f.path for f in audit_archive(str(target)).findings} == paths


def test_no_folder_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(BadLocation, match="there is no folder"):
        audit_archive(str(tmp_path / "nowhere"))


def test_a_runs_summary_is_left_in_prefect(archive: Path, target: Path) -> None:
    summary = run(archive, target)
    text = artifact("restore-archive-summary")
    assert f"# Run {summary.run_id}" in text
    assert "| broken.jpg | the data is damaged" in text


def test_names_of_files_are_no_markup() -> None:
    summary = RunSummary(
        failed=60,
        failures=("failed: a|b\n<img src=x onerror=alert(1)>.jpg: `damaged` [file](http://x)",),
    )
    text = summary_markdown(summary, "photos", "restored")
    assert "a\\|b\\\\n\\<img src=x onerror=alert(1)\\>.jpg" in text
    assert "\\`damaged\\` \\[file\\](http://x)" in text
    assert "59 more are in the manifest" in text
    assert as_cell("plain name.jpg") == "plain name.jpg"
