"""The stages of a photo's way, and which of them a piece of work belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

START, READ, DECODE, ASSESS, NETWORKS, MEASURES, ENCODE, PUT, PREFECT, REST = STAGES = (
    "start",  # imports
    "read",  # and hash
    "decode",
    "assess",
    "networks",  # with tiling, blending of tiles and checks that they are numbers
    "measures",  # whether a photo came out better, and all that the manifest says of it
    "encode",
    "put",
    "Prefect",  # and its server, and Dask
    "rest",  # planning, manifest, blending with the original
)

RULES: tuple[tuple[str, str], ...] = (
    ("restoration.assess", ASSESS),
    ("restoration.execution", NETWORKS),
    ("restoration.tiling", NETWORKS),
    ("restoration.networks", NETWORKS),
    ("restoration.models", NETWORKS),
    ("restoration.colorize", NETWORKS),
    ("restoration.shake", NETWORKS),
    ("flows.measured", MEASURES),
    ("restoration.harm", MEASURES),
    ("restoration.measures", MEASURES),
    ("restoration.guards", MEASURES),
    ("restoration.evidence", MEASURES),
    ("restoration.quality", MEASURES),
    ("restoration.codec.encoding", ENCODE),
    ("restoration.codec.access", ENCODE),
    ("restoration.codec.fitting", ENCODE),
    ("restoration.codec", DECODE),
    ("storage.manifest", REST),
    ("flows.hashing.sha256_of", READ),
    ("storage.crawl", READ),
    ("storage", PUT),
)
"""Module, or function in one, and the stage of all that it calls."""

COLUMNS: Mapping[str, str] = {
    "seconds_decode": DECODE,
    "seconds_assess": ASSESS,
    "seconds_restore": NETWORKS,
    "seconds_encode": ENCODE,
    "seconds_put": PUT,
}
"""The manifest's columns of elapsed time. Its decode has the reading, its restore the judging."""

PROCESSES: Mapping[str, str] = {
    "decoder": DECODE,
    "Prefect's server": PREFECT,
    "Dask": PREFECT,
}
"""Stage of all the work of a process, by its kind."""


def stage_of(calls: Sequence[str]) -> str:
    """The stage of a call stack.

    The outermost call that a rule knows decides: what the judge has assessed again is measuring.

    Args:
        calls: "module.function", the outermost first.
    """
    if any(call.startswith("importlib._bootstrap") for call in calls):
        return START
    for call in calls:
        for mark, stage in RULES:
            if call == mark or call.startswith(f"{mark}."):
                return stage
    own = [number for number, call in enumerate(calls) if call.startswith("flows.")]
    below = calls[own[-1] :] if own else calls
    return PREFECT if any(call.startswith("prefect.") for call in below) else REST


def ordered(seconds: Mapping[str, float]) -> dict[str, float]:
    """The stages that have any time, in the order of a photo's way."""
    return {stage: seconds[stage] for stage in STAGES if seconds.get(stage, 0.0) > 0}
