"""How time and memory grow: with the number of photos, with their size, and in a mixed folder.

Time should grow linearly and memory not at all with the number of photos; with their size, time per
megapixel should stay. Seconds of the next photo are those of this run less those of the smaller
one, by the photos that it has more: without start and end. Each run is a process of its own,
whose memory, with that of its decoders and of Prefect's server, is sampled ten times a second
(proportional set size).

python -m tests.benchmarks.speed.growth photos [--counts 10,100,1000,10000] [--megapixels 0.05]
python -m tests.benchmarks.speed.growth sizes [--sizes 1,2,5,10,20,50,100]
python -m tests.benchmarks.speed.growth mixed [--mix 1:20,200:2] --memory 2
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.benchmarks.speed.figures import Spread, spread, table
from tests.benchmarks.speed.machine import this_machine
from tests.benchmarks.speed.photos import Folder, folder_of, make_photos
from tests.benchmarks.speed.processes import Moment
from tests.benchmarks.speed.whole_job import Bench, JobRun, add_job_arguments, job_options


@dataclass(frozen=True)
class Grown:
    """Runs over one folder.

    Attributes:
        folder: its photos.
        runs: repetitions.
    """

    folder: Folder
    runs: tuple[JobRun, ...]

    @property
    def wall_s(self) -> Spread:
        return spread([run.wall_s for run in self.runs])

    @property
    def cpu_s(self) -> Spread:
        return spread([run.cpu_s for run in self.runs])

    @property
    def peak_gb(self) -> Spread:
        return spread([run.peak_proportional_gb for run in self.runs])

    @property
    def anonymous_gb(self) -> Spread:
        return spread([run.peak_anonymous_gb for run in self.runs])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("photos", "sizes", "mixed"))
    parser.add_argument("--counts", type=numbers, default=numbers("10,100,1000,10000"))
    parser.add_argument("--megapixels", type=float, default=0.05, help="of each, for `photos`")
    parser.add_argument("--sizes", type=numbers, default=numbers("1,2,5,10,20,50,100"))
    parser.add_argument("--mix", type=mix, default=mix("1:20,200:2"), metavar="MP:COUNT,…")
    parser.add_argument("--repeats", type=int, default=1)
    add_job_arguments(parser, steps="denoise")
    arguments = parser.parse_args()
    print(this_machine())
    print(f"run {' '.join(job_options(arguments))}\n")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        bench = Bench(Path(name), job_options(arguments), proportional=True)
        bench.warm_up()
        tell = {"photos": by_count, "sizes": by_size, "mixed": mixed}[arguments.what]
        tell(bench, Path(name), arguments)


def numbers(text: str) -> tuple[float, ...]:
    """Read "10,100"."""
    return tuple(float(word) for word in text.split(","))


def mix(text: str) -> tuple[tuple[float, int], ...]:
    """Read "1:20,200:2": megapixels and count."""
    pairs = (word.partition(":") for word in text.split(","))
    return tuple((float(megapixels), int(count or 1)) for megapixels, _, count in pairs)


def by_count(bench: Bench, scratch: Path, arguments: argparse.Namespace) -> None:
    """More photos of one size."""
    found: list[Grown] = []
    source, made = scratch / "photos", 0
    for count in sorted(int(number) for number in arguments.counts):
        make_photos(source, count - made, arguments.megapixels, start=made)
        made = count
        found.append(measured(bench, source, arguments.repeats))
    lines = [
        (
            each.folder.count,
            each.wall_s,
            marginal.wall_s,
            marginal.cpu_s,
            each.peak_gb,
            each.anonymous_gb,
            " ".join(f"{peak:.2f}" for peak in peaks(each.runs[0].moments)),
        )
        for each, marginal in zip(found, marginals(found), strict=True)
    ]
    head = ("photos", "s", "s each more", "CPU s each more", "peak GB", "anonymous GB", "by tenths")
    print(table(head, lines))
    if len(found) > 2:
        print(f"\n{verdict(found)}")


@dataclass(frozen=True)
class Marginal:
    """What each photo took that the smaller folder had not; all photos of the smallest."""

    wall_s: float
    cpu_s: float


def marginals(found: Sequence[Grown]) -> Iterator[Marginal]:
    """By the medians; the first has start and end in it."""
    first = found[0]
    count = first.folder.count
    yield Marginal(first.wall_s.median / count, first.cpu_s.median / count)
    for less, more in pairwise(found):
        photos = more.folder.count - less.folder.count
        yield Marginal(
            (more.wall_s.median - less.wall_s.median) / photos,
            (more.cpu_s.median - less.cpu_s.median) / photos,
        )


def verdict(found: Sequence[Grown]) -> str:
    """The last step of growth against the one before it."""
    before, last = list(marginals(found))[-2:]
    return (
        f"a photo of the last {found[-1].folder.count - found[-2].folder.count} takes "
        f"{last.wall_s / before.wall_s:.2f} times as long as one of those before "
        f"({last.cpu_s / before.cpu_s:.2f} in CPU time); the peak is "
        f"{found[-1].peak_gb.median / found[-2].peak_gb.median:.2f} times theirs"
    )


def peaks(moments: Sequence[Moment], parts: int = 10) -> list[float]:
    """The peak of each tenth of a run, 10^9 bytes: what leaks, climbs."""
    end = moments[-1].at_s or 1.0
    largest = [0.0] * parts
    for moment in moments:
        part = min(parts - 1, int(parts * moment.at_s / end))
        largest[part] = max(largest[part], moment.proportional_gb)
    return largest


def by_size(bench: Bench, scratch: Path, arguments: argparse.Namespace) -> None:
    """Larger photos: two of each size, and one alone, so that start and end can be taken off."""
    lines = []
    for megapixels in sorted(arguments.sizes):
        alone, both = scratch / f"{megapixels:g}-1", scratch / f"{megapixels:g}-3"
        make_photos(alone, 1, megapixels)
        make_photos(both, 3, megapixels)
        found = [measured(bench, folder, arguments.repeats) for folder in (alone, both)]
        _, more = marginals(found)
        lines.append(
            (
                megapixels,
                more.wall_s / megapixels,
                more.cpu_s / megapixels,
                found[0].peak_gb,
                found[1].peak_gb,
            )
        )
    head = ("megapixels", "s per megapixel", "CPU s per megapixel", "peak GB, 1 photo", "3 photos")
    print(table(head, lines))


def mixed(bench: Bench, scratch: Path, arguments: argparse.Namespace) -> None:
    """Small and very large photos in one folder, under a budget."""
    source = scratch / "photos"
    for number, (megapixels, count) in enumerate(arguments.mix):
        # In the order of their names sizes alternate: what is in work together, differs.
        for place in range(count):
            make_photos(source / f"{place:03d}-{number}", 1, megapixels, start=place)
    small = scratch / "small"
    make_photos(small, 4, min(megapixels for megapixels, _ in arguments.mix))
    base = measured(bench, small, 1)
    found = measured(bench, source, arguments.repeats)
    rows = bench.rows()
    failed = [row.source for row in rows if row.status == "failed"]
    budget = float(arguments.memory) if arguments.memory else None
    lines = [
        ("budget for photos in work (--memory), GB", budget),
        ("peak of all processes, GB", found.peak_gb),
        ("… of it anonymous, GB", found.anonymous_gb),
        ("peak with 4 of the smallest photos alone, GB", base.peak_gb),
        ("peak above that, GB", found.peak_gb.median - base.peak_gb.median),
        ("s per megapixel", found.wall_s.times(1 / found.folder.megapixels)),
    ]
    print(found.folder)
    print(table(("what", "how much"), lines))
    print(f"{len(rows)} photos, {len(failed)} failed: {', '.join(failed) or 'none'}")


def measured(bench: Bench, source: Path, repeats: int) -> Grown:
    return Grown(folder_of(source), tuple(bench.run(source) for _ in range(repeats)))


if __name__ == "__main__":
    main()
