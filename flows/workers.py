"""What `--workers` says: where batches run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from restoration.errors import UsageError

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
