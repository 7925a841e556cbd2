"""Server, work pool, deployment, worker and scheduled run, as the README of deploy/ says."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from tests.background import PATIENCE_S, Background
from tests.prefect_server import home_with
from tests.scenes import encoded, noisy, scene

PREFECT_FILE = Path(__file__).parents[2] / "deploy" / "prefect.yaml"


class Installation:
    """A Prefect server and worker of their own, reached over the loopback interface."""

    def __init__(self, home: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/api"
        self._port = port
        self._environment = {
            **os.environ,
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": self.url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_CLI_COLORS": "false",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
        }
        self._background = Background(home)

    def start(self, name: str, *words: str) -> None:
        """Start a `prefect` process that goes on until the end."""
        self._background.start(name, [sys.executable, "-m", "prefect", *words], self._environment)

    def serve(self) -> None:
        self.start("server", "server", "start", "--host", "127.0.0.1", "--port", str(self._port),
                   "--no-ui")  # fmt: skip
        self._background.wait_until("server", self._is_healthy)

    def _is_healthy(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/health", timeout=5):
            return True
        return False

    def prefect(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a `prefect` command to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "prefect", *words],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stdout + done.stderr + self._background.log("server")
        return done

    def end(self) -> None:
        self._background.end()


@pytest.fixture(scope="module")
def installation(
    tmp_path_factory: pytest.TempPathFactory, prefect_database: Path
) -> Iterator[Installation]:
    installation = Installation(home_with(prefect_database, tmp_path_factory.mktemp("prefect")))
    try:
        installation.serve()
        installation.prefect("work-pool", "create", "restore-archive", "--type", "process")
        installation.prefect("--no-prompt", "deploy", "--prefect-file", str(PREFECT_FILE), "--all")
        installation.start("worker", "worker", "start", "--pool", "restore-archive")
        yield installation
    finally:
        installation.end()


def test_a_deployment_restores_an_archive_and_audits_it(
    installation: Installation, tmp_path: Path
) -> None:
    photos, restored = tmp_path / "photos", tmp_path / "restored"
    photos.mkdir()
    (photos / "a.png").write_bytes(encoded(noisy(scene(120, 160), 25), "PNG"))
    installation.prefect(
        "deployment", "run", "restore-archive/restore-archive", "--watch",
        "--param", f"source={photos}", "--param", f"destination={restored}",
    )  # fmt: skip
    (row,) = ds.dataset(restored / "manifest").to_table().to_pylist()
    assert row["status"] == "restored"
    assert (restored / row["restored_path"]).exists()
    summary = installation.prefect("artifact", "inspect", "restore-archive-summary").stdout
    assert row["run_id"] in summary

    installation.prefect(
        "deployment", "run", "audit-archive/audit-archive", "--watch",
        "--param", f"destination={restored}",
    )  # fmt: skip
    assert "1 photos, 1 files, 0 findings" in " ".join(
        installation.prefect("artifact", "inspect", "audit-archive").stdout.split()
    )


def test_a_wrong_parameter_is_refused_before_anything_runs(
    installation: Installation, tmp_path: Path
) -> None:
    refused = installation.prefect(
        "deployment", "run", "restore-archive/restore-archive", "--watch",
        "--param", f"source={tmp_path}", "--param", f"destination={tmp_path}/out",
        "--param", "strength=7", check=False,
    )  # fmt: skip
    assert refused.returncode != 0
    assert "7 is greater than the maximum of 1" in " ".join(
        (refused.stdout + refused.stderr).split()
    )
    assert not (tmp_path / "out").exists()


def test_schedule_and_concurrency_are_those_of_the_file(installation: Installation) -> None:
    shown = json.loads(
        installation.prefect(
            "deployment", "inspect", "restore-archive/restore-archive", "--output", "json"
        ).stdout
    )
    assert [entry["schedule"]["cron"] for entry in shown["schedules"]] == ["0 2 * * *"]
    assert shown["concurrency_options"]["collision_strategy"] == "ENQUEUE"
    described = shown["parameter_openapi_schema"]["properties"]
    assert all(field["description"] for field in described.values()), "shown in Prefect's form"
