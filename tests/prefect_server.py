"""Prefect's servers for tests: no test waits for the tables of a database of its own."""

from __future__ import annotations

import fcntl
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest


def empty_database(home: Path) -> Path:
    """The database of a server that has not done anything yet; made by whoever comes first."""
    database = home / "prefect.db"
    home.mkdir(exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = home / "ready"
        if not ready.exists():
            with server_at(home):
                pass
            with closing(sqlite3.connect(database)) as connection:  # all of it into the one file
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            ready.touch()
    return database


def home_with(database: Path, home: Path) -> Path:
    """A Prefect home with a copy of a database."""
    shutil.copy(database, home / "prefect.db")
    return home


@contextmanager
def server_at(home: Path) -> Iterator[str]:
    """Prefect's server as runs without one bring it, for all flows inside; its URL.

    Args:
        home: where its database is, or is made.
    """
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.embedded_server import prefect_server

    with ExitStack() as stack:
        stack.enter_context(temporary_settings(restore_defaults={PREFECT_API_URL}))  # the user's
        with pytest.MonkeyPatch.context() as patch:  # of the server's start
            patch.delenv("PREFECT_API_URL", raising=False)
            patch.setenv("PREFECT_HOME", str(home))
            stack.enter_context(prefect_server())
        url = PREFECT_API_URL.value()
        assert url is not None
        yield url
