"""Prefect's own server for runs that have none configured, tied to the life of this process.

Prefect would start such a server by itself, but as a child that outlives a killed parent. Here
the child reads a pipe that only its parent holds: when the parent ends, however it ends, the
pipe closes and the child exits. The other way round, a run whose server died stops within seconds
and says so, instead of retrying each of Prefect's requests and events for minutes.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flows.stopping import request_stop, signals_left_to_us

if TYPE_CHECKING:  # importing Prefect takes seconds
    from prefect.settings import Settings

QUIET_AND_PRIVATE = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    # What Prefect's threads have to say of a lost server is said once, in our own line.
    "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_CLI_COLORS": "false",
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
    # Of processes that a run starts: Dask's scratch folders, Python's tracker of semaphores.
    "PYTHONWARNINGS": "ignore",
}
"""Environment of a run from the command line, unless the user's own says else."""


STARTUP_TIMEOUT_S = 600.0
"""Seconds that the embedded server may take; the first start makes its database."""


EVENT_RECONNECTIONS = 2
"""How often an event is sent again. Prefect sleeps a second before each one after the second, and
ten times for each event that waits, even when the process ends."""


class ServerError(Exception):
    """Prefect's server did not start, or does not answer."""


def be_quiet() -> None:
    """Set `QUIET_AND_PRIVATE` in the environment; to be called before Prefect is imported."""
    for name, value in QUIET_AND_PRIVATE.items():
        os.environ.setdefault(name, value)


def server_url() -> str | None:
    """The Prefect server that is configured, in the environment or in Prefect's profile."""
    from prefect.settings import PREFECT_API_URL

    url: str | None = PREFECT_API_URL.value()
    return url


@contextmanager
def prefect_server(meanwhile: Callable[[], object] = lambda: None) -> Iterator[None]:
    """A Prefect API for the calls inside: the configured one, else an embedded one.

    Args:
        meanwhile: done before the calls inside, and while the embedded server starts, which takes
            seconds: imports.

    Raises:
        ServerError: the configured server cannot be reached, the embedded one did not start, or
            the server was lost during the calls inside.
    """
    # Asking Prefect whether a server is configured takes a second of imports, a fourth of the
    # embedded one's start: that is begun before, and ended again where it is not wanted.
    if not os.environ.get("PREFECT_API_URL"):
        with _server_process() as child:
            if server_url() is None:
                meanwhile()
                with _embedded_server(child):
                    yield
                return
    url = server_url()
    if problem := _unreachable():
        raise ServerError(
            f"no answer from the Prefect server at {url} ({problem}); start it, or unset "
            "PREFECT_API_URL to run without one"
        )
    meanwhile()
    with _naming_a_lost_server(f"the Prefect server at {url}"):
        yield


@contextmanager
def _server_process() -> Iterator[subprocess.Popen[str]]:
    """The embedded server as a process, which may not be ready yet; it ends with the context."""
    child = _start()
    try:
        yield child
    finally:
        assert child.stdin is not None
        child.stdin.close()
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextmanager
def _embedded_server(child: subprocess.Popen[str]) -> Iterator[None]:
    """Wait until the server is ready; the calls inside go to it."""
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        temporary_settings,
    )

    changed = {
        PREFECT_API_URL: f"http://127.0.0.1:{_wait_until_ready(child)}/api",
        # Nobody outlives the run to miss its heartbeats, and their end takes a second.
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
    }
    with (
        temporary_settings(changed) as settings,
        _impatient_events(),
        _naming_a_lost_server("Prefect's embedded server"),
    ):
        threading.Thread(target=_stop_with_child, args=(child, settings), daemon=True).start()
        yield


def _unreachable() -> Exception | None:
    """Why the server does not answer; None where it does."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return client.api_healthcheck()


@contextmanager
def _naming_a_lost_server(name: str) -> Iterator[None]:
    """Say in one line that the server is gone, whatever error Prefect makes of it."""
    try:
        yield
    except Exception as error:
        if _unreachable() is None:
            raise
        raise ServerError(
            f"{name} ended or stopped answering in the middle of the run; what is published and "
            "in the manifest is kept, and the same command goes on from there"
        ) from error


@contextmanager
def _impatient_events() -> Iterator[None]:
    from prefect.events.clients import PrefectEventsClient
    from prefect.events.worker import EventsWorker

    EventsWorker.set_client_override(PrefectEventsClient, reconnection_attempts=EVENT_RECONNECTIONS)
    try:
        yield
    finally:
        EventsWorker.set_client_override(None)


def _stop_with_child(child: subprocess.Popen[str], settings: Settings) -> None:
    """Wait for the server's end; then stop after the photos in hand and retry no request.

    After an orderly end the run is over already, and neither matters any more.
    """
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdout.read()  # returns when the child's end closes the pipe
    if not child.stdin.closed:
        request_stop()
        # All threads of the run share this object, also for retries that are under way.
        settings.client.max_retries = 0


def _start() -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        # As this process found the package; what lies in the current folder is never imported.
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PREFECT_UI_ENABLED": "0",
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT__SERVER_FINAL": "1",
        "PREFECT_LOGGING_SERVER_LEVEL": "CRITICAL",
    }
    # Ctrl-C goes to a terminal's process group, and SIGTERM to all that systemd finds: the flow
    # still needs its server to end well.
    with signals_left_to_us():
        return subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
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
