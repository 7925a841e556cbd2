from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.s3.proxy import Proxy
from tests.s3.server import S3Server, running_server

# Before anything imports torch or Prefect: results must not depend on the machine's load, and
# tests must not send anything anywhere.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
if "PYTEST_XDIST_WORKER" in os.environ:  # torch's threads of several processes hinder each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")

SAMPLE_ARCHIVE = Path(__file__).parent / "sample_archive"


@pytest.fixture(scope="session")
def sample_archive() -> Path:
    return SAMPLE_ARCHIVE


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Prefect home of the tests' own: the user's database stays untouched."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="session")
def prefect_harness() -> Iterator[None]:
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    # As for runs with an embedded server: the end of heartbeats takes a second of every flow.
    with (
        prefect_test_harness(server_startup_timeout=600),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server with one bucket; tests keep apart by their folders."""
    with running_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def s3_client(s3_server: S3Server) -> Any:
    return s3_server.client()


@pytest.fixture
def s3_folder() -> str:
    """A folder of the bucket that no other test uses."""
    return f"test {uuid.uuid4().hex}"


@pytest.fixture
def s3_proxy(s3_server: S3Server) -> Iterator[Proxy]:
    """A proxy in front of the server that can be told to fail."""
    with Proxy(s3_server.port).running() as proxy:
        yield proxy
