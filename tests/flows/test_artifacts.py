"""What a run tells Prefect costs no run, whatever becomes of it."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect import flow
from prefect.context import FlowRunContext

import flows.artifacts
from flows.artifacts import progress_artifact
from flows.audit_archive import audit_archive
from flows.progress import current_reporter
from storage import StorageError
from storage.manifest import ManifestIndex, ManifestRow, Status
from tests.flows.runs import run

pytestmark = pytest.mark.usefixtures("prefect_harness")


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """The logs of flow runs, which Prefect keeps from the loggers above."""
    logger = logging.getLogger("prefect.flow_runs")
    caplog.set_level(logging.INFO, logger.name)
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


def warnings(log: pytest.LogCaptureFixture) -> list[str]:
    """In the order in which they were logged, each once however many handlers heard of it."""
    found = [r.getMessage() for r in log.records if r.levelno == logging.WARNING]
    return list(dict.fromkeys(found))


def refuse(monkeypatch: pytest.MonkeyPatch, name: str, module: str = "flows.artifacts") -> None:
    def refusing(**_: object) -> None:
        raise RuntimeError("database is\nlocked")

    refusing.__name__ = name
    monkeypatch.setattr(f"{module}.{name}", refusing)


def test_a_prefect_that_takes_no_artifacts_ends_no_run(
    archive: Path, target: Path, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    for name in ("create_progress_artifact", "create_markdown_artifact"):
        refuse(monkeypatch, name)
    refuse(monkeypatch, "create_markdown_artifact", "flows.audit_archive")
    assert run(archive, target).restored == 3
    assert warnings(log) == [
        "Prefect did not take create_progress_artifact: database is locked",
        "Prefect did not take create_markdown_artifact: database is locked",
    ]
    assert audit_archive(str(target)).findings == []


def test_progress_is_told_by_a_thread_of_its_own_and_goes_on_after_a_failure(
    monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    told: list[tuple[float, str, bool]] = []
    once, twice = threading.Event(), threading.Event()

    def update_progress_artifact(progress: float, **_: object) -> None:
        has_run = FlowRunContext.get() is not None
        told.append((progress, threading.current_thread().name, has_run))
        (twice if once.is_set() else once).set()
        raise RuntimeError("no server")

    monkeypatch.setattr(flows.artifacts, "update_progress_artifact", update_progress_artifact)
    monkeypatch.setattr(flows.artifacts, "UPDATE_EVERY_S", 0.01)
    row = ManifestRow(source="a.png", source_size=1, source_mtime_ns=0, status=Status.RESTORED)

    @flow
    def short() -> None:
        with progress_artifact("photos"):
            current_reporter().planned(4)
            current_reporter().done(row)
            assert once.wait(60)
            current_reporter().done(row)
            assert twice.wait(60)

    short()
    assert told == [
        (25.0, "progress", True),
        (50.0, "progress", True),
        (100.0, threading.current_thread().name, True),
    ]
    assert warnings(log) == ["Prefect did not take update_progress_artifact: no server"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), StorageError("slow down")]
)
def test_an_index_that_cannot_be_saved_ends_no_run(
    archive: Path,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
    log: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    def save(_: ManifestIndex) -> bool:
        raise error

    monkeypatch.setattr(ManifestIndex, "save", save)
    assert run(archive, target).restored == 3
    assert warnings(log) == [f"the manifest's index was not written: {error}"]
