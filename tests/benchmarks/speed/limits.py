"""Which resource a job is limited by, and how far from it the job runs (roofline)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

BUSY = 0.85
"""A resource that is busy for this share of the time is called the limit."""


@dataclass(frozen=True)
class Resource:
    """Something of which a machine has so much.

    Attributes:
        name: such as "the processor".
        of_what: such as "2 cores".
        busy: share of the job's time, or of its capacity in that time, in [0, 1].
    """

    name: str
    of_what: str
    busy: float

    def __str__(self) -> str:
        return f"{self.name}: {100 * self.busy:.0f} % of {self.of_what} busy"


@dataclass(frozen=True)
class Roof:
    """How fast a job would go if one stage were all that there is to do.

    Attributes:
        stage: what would be done.
        resource: which it would have for itself.
        photos_per_s: how fast.
    """

    stage: str
    resource: str
    photos_per_s: float


def processor(cpu_s: float, wall_s: float, cores: float) -> Resource:
    """How busy the cores were."""
    return Resource("the processor", f"{cores:g} cores", cpu_s / (wall_s * cores))


def disk(gigabytes: float, wall_s: float, gigabytes_per_s: float) -> Resource:
    """How busy a disk was that reads and writes so much in a second."""
    share = gigabytes / (wall_s * gigabytes_per_s)
    return Resource("the disk", f"{1000 * gigabytes_per_s:.0f} MB/s", share)


def limit(resources: Sequence[Resource], photos_per_s: float) -> str:
    """The limit in one sentence.

    Args:
        resources: at least one.
        photos_per_s: what the job did.
    """
    tightest = max(resources, key=lambda resource: resource.busy)
    roof = photos_per_s / tightest.busy if tightest.busy > 0 else float("inf")
    how_far = f"{photos_per_s:.3g} photos/s of the {roof:.3g} that it could do"
    if tightest.busy >= BUSY:
        return f"limit: {tightest}: {how_far}"
    return f"limit: nothing is busy all the time; closest is {tightest}: {how_far}"


def processor_roofs(
    seconds: dict[str, float], photos: int, cores: float, resource: str = "processor"
) -> list[Roof]:
    """What each stage could do if it had all cores for itself, the slowest first.

    Args:
        seconds: processor seconds by stage, of all photos.
        photos: how many.
        cores: that share the work.
        resource: their name.
    """
    roofs = [Roof(stage, resource, cores * photos / cpu) for stage, cpu in seconds.items() if cpu]
    return sorted(roofs, key=lambda roof: roof.photos_per_s)
