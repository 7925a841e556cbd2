"""Names of runs: they sort by time. The latest row of a photo is that of the last run by name."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Final

from storage import DestinationStore
from storage.manifest import part_paths

_RUN_TIME: Final = "%Y%m%dT%H%M%SZ"


def new_run_id(*, after: str = "") -> str:
    """A name for a run that sorts by time: 20261122T023355Z-1f2e3d.

    Args:
        after: the latest earlier run. The latest row of a photo is that of the last run by name,
            so a clock that was put back must not give a name before it.
    """
    now = datetime.now(UTC)
    try:
        earlier = datetime.strptime(after.partition("-")[0], _RUN_TIME).replace(tzinfo=UTC)
        now = max(now, earlier + timedelta(seconds=1))
    except ValueError:
        pass  # no earlier run, or one not named by us
    return f"{now:{_RUN_TIME}}-{secrets.token_hex(3)}"


def latest_run_id(target: DestinationStore) -> str:
    """The last run in the manifest, or an empty string."""
    return max((path.split("/")[1] for path in part_paths(target)), default="")
