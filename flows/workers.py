"""What `--workers` says: where batches run."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, Literal
from urllib.parse import urlsplit

from flows.budget import memory_for
from restoration.errors import UsageError
from restoration.resources import Resources

_LOCAL: Final = re.compile(r"local:([1-9]\d{0,3})")
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class ClusterError(Exception):
    """The cluster cannot be reached, or has nobody who works."""


@dataclass(frozen=True)
class Workers:
    """Where the batches of a run are restored.

    Attributes:
        kind: "thread" of this process, "local" processes that the run starts and ends, or a
            "cluster" of Dask workers that are there already.
        count: processes of a "local" run.
        address: of a cluster's scheduler, such as tcp://gpu-rack:8786.
    """

    kind: Literal["thread", "local", "cluster"] = "thread"
    count: int = 1
    address: str = ""

    @property
    def is_remote(self) -> bool:
        """Whether workers may be on other machines than this one."""
        return self.kind == "cluster" and urlsplit(self.address).hostname not in _LOOPBACK


def parse_workers(text: str | None) -> Workers:
    """Read `local:N`, or the address of a Dask scheduler; None is a thread of this process.

    Raises:
        UsageError: anything else.
    """
    if text is None:
        return Workers()
    if found := _LOCAL.fullmatch(text):
        return Workers("local", count=int(found[1]))
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in ("tcp", "tls") and bool(parts.hostname and parts.port)
    except ValueError:  # a port that is no number
        is_address = False
    if is_address and not parts.path:
        return Workers("cluster", address=text)
    raise UsageError(
        f"--workers {text}: neither local:N (processes of this machine) nor the address of a Dask "
        "scheduler, such as tcp://127.0.0.1:8786"
    )


def check_server_for(workers: Workers, server: str | None) -> None:
    """See that workers on other machines can reach the Prefect server: their tasks speak to it.

    Args:
        workers: what `--workers` says.
        server: the address of the configured server (PREFECT_API_URL); None where there is none.

    Raises:
        UsageError: there is none, or it is one of this machine's loopback.
    """
    if not workers.is_remote or (server and urlsplit(server).hostname not in _LOOPBACK):
        return
    what = f"the Prefect server at {server}" if server else "a server inside this process"
    raise UsageError(
        f"workers at {workers.address} may be on other machines, which cannot reach {what}: "
        "set PREFECT_API_URL to a Prefect server that they reach"
    )


def shared(resources: Resources, workers: Workers) -> Resources:
    """What each process of a run may use: of memory an equal share, unless the user said how much.

    On machines of a cluster each worker finds out by itself.
    """
    if workers.kind != "local" or resources.memory_gb is not None:
        return resources
    return replace(resources, memory_gb=max(memory_for(resources), 1) / 1e9 / workers.count)
