"""One bed per kind of store: the contract suite runs over every one of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from storage import DestinationStore, LocalDestination, LocalSource, SourceStore


class Bed(Protocol):
    """A source and a destination, and the way to lay out originals behind the source's back."""

    source: SourceStore
    destination: DestinationStore

    def lay(self, path: str, data: bytes) -> None: ...

    def leave_half_written(self, folder: str) -> None: ...


@dataclass
class LocalBed:
    source: LocalSource
    destination: LocalDestination

    def lay(self, path: str, data: bytes) -> None:
        file = self.source.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def leave_half_written(self, folder: str) -> None:
        place = self.destination.root / folder
        place.mkdir(parents=True, exist_ok=True)
        (place / f".restore-archive-{'0' * 32}.part").write_bytes(b"half")


@pytest.fixture(params=["local"])
def bed(request: pytest.FixtureRequest, tmp_path: Path) -> Bed:
    assert request.param == "local"
    (tmp_path / "source").mkdir()
    return LocalBed(LocalSource(tmp_path / "source"), LocalDestination(tmp_path / "out"))


@pytest.fixture
def destination(bed: Bed) -> DestinationStore:
    return bed.destination


@pytest.fixture
def source(bed: Bed) -> SourceStore:
    return bed.source


@pytest.fixture
def permissions_bind(tmp_path: Path) -> None:
    """Skips where the tests may do everything, as root usually may."""
    closed = tmp_path / "closed-to-everyone"
    closed.mkdir(mode=0)
    free = os.access(closed, os.R_OK)
    closed.rmdir()
    if free:
        pytest.skip("permissions do not bind this user")
