"""Prefect's own server for runs that have none configured, tied to the life of this process.

Prefect would start such a server by itself, but as a child that outlives a killed parent. Here
the child reads a pipe that only its parent holds: when the parent ends, however it ends, the
pipe closes and the child exits.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

QUIET_AND_PRIVATE = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_CLI_COLORS": "false",
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
}
"""Prefect settings of a run from the command line, unless the user's environment says else."""


STARTUP_TIMEOUT_S = 180.0
"""Seconds that the embedded server may take; the first start makes its database."""


class ServerError(Exception):
    """The embedded server did not start."""


def be_quiet() -> None:
    """Set `QUIET_AND_PRIVATE` in the environment; to be called before Prefect is imported."""
    for name, value in QUIET_AND_PRIVATE.items():
        os.environ.setdefault(name, value)


@contextmanager
def prefect_server() -> Iterator[None]:
    """A Prefect API for the calls inside: the configured one, else an embedded one.

    Raises:
        ServerError: the configured server cannot be reached, or the embedded one did not start.
    """
    from prefect.settings import PREFECT_API_URL, temporary_settings

    if url := PREFECT_API_URL.value():
        _check_reachable(url)
        yield
        return
    child = _start()
    try:
        port = _wait_until_ready(child)
        with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{port}/api"}):
            yield
    finally:
        assert child.stdin is not None
        child.stdin.close()
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _check_reachable(url: str) -> None:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        problem = client.api_healthcheck()
    if problem is not None:
        raise ServerError(
            f"no answer from the Prefect server at {url} ({problem}); start it, or unset "
            "PREFECT_API_URL to run without one"
        )


def _start() -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "PREFECT_UI_ENABLED": "0",
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT__SERVER_FINAL": "1",
        "PREFECT_LOGGING_SERVER_LEVEL": "CRITICAL",
    }
    return subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
        # Ctrl-C goes to the terminal's process group: the flow still needs its server to end well.
        start_new_session=True,
    )


def _wait_until_ready(child: subprocess.Popen[str]) -> int:
    assert child.stdout is not None
    # A stuck start must not hang the run: ending the child ends the read below.
    impatience = threading.Timer(STARTUP_TIMEOUT_S, child.kill)
    impatience.start()
    line = child.stdout.readline()
    impatience.cancel()
    if not line.strip().isdigit():
        code = child.wait()
        raise ServerError(
            f"Prefect's embedded server ended with exit code {code} before it was ready; "
            "`prefect server start` shows why"
        )
    return int(line)


def _exit_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)  # no clean-up may delay it: the parent is gone


def _serve() -> None:
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    import uvicorn
    from prefect.server.api.server import create_app

    class AnnouncingServer(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            assert sockets is not None
            print(sockets[0].getsockname()[1], flush=True)

    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(), log_level="critical", lifespan="on")
    AnnouncingServer(config).run(sockets=[listener])


if __name__ == "__main__":
    _serve()
