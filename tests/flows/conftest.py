from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from restoration.codec import DecoderProcess
from tests.flows.reports import mark_for_review
from tests.flows.runs import run
from tests.scenes import encoded, gray_scene, noisy, scene


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Six small photos of every fate, two folders deep."""
    return laid(tmp_path / "photos")


@pytest.fixture(scope="session")
def reported_run(tmp_path_factory: pytest.TempPathFactory, prefect_harness: str) -> Path:
    """A folder with such an archive, `photos`, and what a run made of it, `restored`."""
    folder = tmp_path_factory.mktemp("reported")
    run(laid(folder / "photos"), folder / "restored")
    return folder


@pytest.fixture
def reported(reported_run: Path, tmp_path: Path) -> Path:
    """A copy of it, in which three photos need review."""
    folder = tmp_path / "reported"
    shutil.copytree(reported_run, folder)
    mark_for_review(folder / "restored")
    return folder


def laid(source: Path) -> Path:
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


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Counts real decodes by watching the seam where the flow calls the codec."""
    seen: list[str] = []
    real: Callable[..., object] = DecoderProcess.decode

    def spy(decoder, file, *options, **more):
        seen.append(file.name if hasattr(file, "name") else "?")
        return real(decoder, file, *options, **more)

    monkeypatch.setattr(DecoderProcess, "decode", spy)
    return seen
