from __future__ import annotations

import gc
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.prefect_server import empty_database, home_with, server_at
from tests.s3.proxy import Proxy
from tests.s3.server import S3Server, running_server

# Before anything imports torch or Prefect: results must not depend on the machine's load, and
# tests must not send anything anywhere.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
if "PYTEST_XDIST_WORKER" in os.environ:  # torch's threads of several processes hinder each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# What a shell starts in the background is deaf to Ctrl-C, and hands that down to processes that
# tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Of a process with so many libraries, a pass of the collector takes a fifth of a second, and Python
# by itself makes one after every few tests.
gc.set_threshold(20_000, 20, 20)

SAMPLE_ARCHIVE = Path(__file__).parent / "sample_archive"


@pytest.fixture(scope="session")
def sample_archive() -> Path:
    return SAMPLE_ARCHIVE


@pytest.fixture(scope="session")
def prefect_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prefect's database as a server makes it in an empty home: once for all test processes."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    return empty_database(shared / "prefect-database")


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory, prefect_database: Path) -> Path:
    """A Prefect home of the tests' own: the user's database stays untouched."""
    return home_with(prefect_database, tmp_path_factory.mktemp("prefect"))


@pytest.fixture(scope="session")
def prefect_harness(
    tmp_path_factory: pytest.TempPathFactory, prefect_database: Path
) -> Iterator[str]:
    """Flows that tests call report to a server of the tests' own; its URL, for processes."""
    with server_at(home_with(prefect_database, tmp_path_factory.mktemp("prefect"))) as url:
        yield url


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
