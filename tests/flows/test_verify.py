"""Reading a restored archive back finds every byte that is not as it was written."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from flows.cli import main
from flows.verification import verify
from storage import open_results, open_source
from tests.flows.runs import run
from tests.scenes import encoded, scene

pytestmark = pytest.mark.usefixtures("prefect_harness")

OUTPUTS = 50


def findings(archive: Path | None, target: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    source = open_source(str(archive)) if archive else None
    result = verify(
        open_results(str(target)), source, tell=lambda f: found.update({f.path: f.problem})
    )
    assert result.findings == len(found)
    return found


def flip_one_byte(path: Path, seed: int) -> None:
    data = bytearray(path.read_bytes())
    data[random.Random(seed).randrange(len(data))] ^= 1 << seed % 8
    path.write_bytes(data)


def test_one_flipped_byte_in_each_of_fifty_outputs(tmp_path: Path, target: Path) -> None:
    archive = tmp_path / "photos"
    archive.mkdir()
    for number in range(OUTPUTS):
        (archive / f"{number:02d}.png").write_bytes(encoded(scene(16, 16, seed=number), "PNG"))
    run(archive, target)
    outputs = sorted((target / "restored").iterdir())
    assert len(outputs) == OUTPUTS
    assert findings(archive, target) == {}
    for seed, path in enumerate(outputs):
        flip_one_byte(path, seed)
    found = findings(archive, target)
    assert set(found) == {f"restored/{path.name}" for path in outputs}
    assert all(problem.startswith("other bytes: sha256 ") for problem in found.values())


def test_what_is_gone_or_not_ours_is_found(
    archive: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(archive, target)
    assert main(["verify", str(target), "--source", str(archive)]) == 0
    assert (
        capsys.readouterr().out == "6 files of 6 photos read back, 4 originals: all as recorded\n"
    )

    assert main(["verify", str(target), "--source", str(archive / "nowhere")]) == 2
    assert capsys.readouterr().err.count("\n") == 1

    (target / "restored/a/clean.png").unlink()
    (target / "restored/a/b/noisy.png").write_bytes(b"short")
    (target / "colorized/zz\n.png").write_bytes(b"whose?")
    (archive / "print.tif").unlink()
    flip_one_byte(archive / "a/clean.png", 3)
    assert main(["verify", str(target), "--source", str(archive), "--quiet"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert {line.partition(",")[0][:70].rstrip("0123456789abcdef") for line in lines} == {
        "restored/a/clean.png: missing",
        "restored/a/b/noisy.png: 5 bytes",
        r"colorized/zz\n.png: no photo of the manifest has this output",
        "print.tif: original: missing",
        "a/clean.png: original: other bytes: sha256 ",
    }


def test_a_failure_keeps_the_outputs_of_the_last_success(archive: Path, target: Path) -> None:
    run(archive, target)
    before = findings(None, target)
    (archive / "a/clean.png").write_bytes(b"cut off")
    assert run(archive, target).failed >= 1
    assert before == findings(None, target) == {}
    # What was restored was another original: that is what must be found out.
    assert set(findings(archive, target)) == {"a/clean.png"}
    flip_one_byte(target / "restored/a/clean.png", 0)
    assert set(findings(None, target)) == {"restored/a/clean.png"}


def test_what_cannot_be_read_is_a_finding(archive: Path, target: Path) -> None:
    run(archive, target)
    (archive / "a/clean.png").unlink()
    (archive / "a/clean.png").mkdir()
    found = findings(archive, target)
    assert set(found) == {"a/clean.png"}
    assert found["a/clean.png"].startswith("original: cannot be read: ")


def test_a_file_in_the_place_of_a_photo_that_never_came_out(archive: Path, target: Path) -> None:
    run(archive, target)
    (target / "restored/broken.jpg").write_bytes(b"whose?")
    assert findings(None, target) == {
        "restored/broken.jpg": "the photo was never restored: no row has this output"
    }


def test_a_folder_without_a_manifest_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        f"restore-archive: {tmp_path} holds no manifest; give the destination of a run"
    ]
    (tmp_path / "restored").mkdir()
    (tmp_path / "restored" / "a.png").write_bytes(b"whose?")
    assert main(["verify", str(tmp_path)]) == 2
    again = capsys.readouterr()
    assert (again.out, again.err) == ("", captured.err), "what there is, is no finding"
