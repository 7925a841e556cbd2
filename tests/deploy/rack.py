"""The containers of compose.yaml as plain processes of one machine, on ports of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.background import PATIENCE_S, Background
from tests.deploy.containers import Container, compose_containers, compose_services, example_env
from tests.s3.server import KEYS, S3Server, free_ports, weed_binary

PLAIN_STORAGE = {
    "PREFECT_API_DATABASE_CONNECTION_URL": "sqlite+aiosqlite:///{folder}/prefect.db",
    "PREFECT_MESSAGING_BROKER": "prefect.server.utilities.messaging.memory",
    "PREFECT_MESSAGING_CACHE": "prefect.server.utilities.messaging.memory",
    "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "prefect.server.events.ordering.memory",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.memory",
    "PREFECT_REDIS_MESSAGING_HOST": "127.0.0.1",
    "PREFECT_SERVER_DOCKET_URL": "memory://",
}
"""What stands in for PostgreSQL and Redis: Prefect's own SQLite and memory."""


class Rack:
    """The containers' commands, with nothing changed but names of hosts, ports and folders.

    Args:
        folder: for data and logs.
        storage: settings in place of those for PostgreSQL and Redis.
    """

    def __init__(self, folder: Path, storage: Mapping[str, str] = PLAIN_STORAGE) -> None:
        self._folder = folder
        self._storage = {name: text.format(folder=folder) for name, text in storage.items()}
        self._background = Background(folder)
        self._variables = example_env() | {name.upper(): key for name, key in KEYS.items()}
        self.containers = compose_containers(self._variables)
        self.prefect_port, self.dask_port, *self._s3_ports = free_ports(7)
        self.s3 = S3Server(port=self._s3_ports[0], filer_port=self._s3_ports[3])
        self.wait_until = self._background.wait_until
        self.end = self._background.end

    @property
    def workers(self) -> str:
        """What `--workers` is to say."""
        return f"tcp://127.0.0.1:{self.dask_port}"

    @property
    def prefect_url(self) -> str:
        return f"http://127.0.0.1:{self.prefect_port}/api"

    def start(self, name: str) -> None:
        """Start a service's command."""
        container = self.containers[name]
        self._background.start(name, self._words(name, container), self.environment(name))

    def healthy(self, name: str) -> bool:
        """Run a service's own health check."""
        kind, *words = compose_services(self._variables)[name]["healthcheck"]["test"]
        assert kind == "CMD"
        return self.run(name, *(self._loopback(word) for word in words)).returncode == 0

    def run(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end with the environment of a service, as in its container."""
        return subprocess.run(
            _found(words),
            env=self.environment(name),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def environment(self, name: str) -> dict[str, str]:
        """The environment of a service: of its image, and what compose.yaml sets."""
        ours = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("AWS_", "PREFECT_", "DASK_"))
        }
        theirs = dict(self.containers[name].environment)
        storage = {key: value for key, value in self._storage.items() if key in theirs}
        return {
            **ours,
            "PREFECT_HOME": str(self._folder / name),
            "PREFECT_CLI_COLORS": "false",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",
            "PREFECT_SERVER_API_PORT": str(self.prefect_port),
            **{key: self._loopback(value) for key, value in theirs.items()},
            **storage,
        }

    def _words(self, name: str, container: Container) -> list[str]:
        words = [self._loopback(word) for word in container.words]
        if name == "dask-scheduler":
            words = [*words, "--host", "127.0.0.1"]
        if name == "s3":  # the image's program is weed
            s3, master, volume, filer, admin = self._s3_ports
            words = [
                weed_binary(), *words,
                f"-s3.port={s3}", f"-master.port={master}", f"-volume.port={volume}",
                f"-filer.port={filer}", f"-admin.port={admin}",
                "-s3.port.iceberg=0", "-s3.port.lance=0",
            ]  # fmt: skip
            (self._folder / "s3").mkdir()
        return _found(words)

    def _loopback(self, text: str) -> str:
        for there, here in (
            ("prefect-server:4200", f"127.0.0.1:{self.prefect_port}"),
            ("127.0.0.1:4200", f"127.0.0.1:{self.prefect_port}"),
            ("dask-scheduler:8786", f"127.0.0.1:{self.dask_port}"),
            ("8786", str(self.dask_port)),
            ("s3:8333", f"127.0.0.1:{self.s3.port}"),
            ("-ip=s3", "-ip=127.0.0.1"),
            ("0.0.0.0", "127.0.0.1"),
            ("/data", str(self._folder / "s3")),
        ):
            text = text.replace(there, here)
        return text


def _found(words: tuple[str, ...] | list[str]) -> list[str]:
    """A command with the programs of this environment."""
    first, *rest = words
    if first == "python":
        return [sys.executable, *rest]
    return [sys.executable, "-m", *words] if first in ("prefect", "dask") else [*words]
