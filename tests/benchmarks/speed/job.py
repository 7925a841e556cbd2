"""The whole job against its networks' bare time, where its time goes, and what limits it.

`restore-archive run` as a process, from its start to its end, and in turns with it the networks
that it ran, alone, on the same pixels: as a user of torch gets them, and with memory kept
(`bare`), in fp32 and in the run's precision. One more run is sampled for the share of each stage,
and the same command over what it left says what start and end cost.

python -m tests.benchmarks.speed.job [--photos 100] [--megapixels 2] [--steps denoise]
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from restoration.device import resolve_device, resolve_precision
from restoration.precision import AUTO
from tests.benchmarks.speed.bare import BareTime, Work, measured_apart
from tests.benchmarks.speed.figures import Spread, spread, table
from tests.benchmarks.speed.limits import Resource, Roof, disk, limit, processor, processor_roofs
from tests.benchmarks.speed.machine import Machine, this_machine
from tests.benchmarks.speed.photos import Folder, add_photo_arguments, chosen_photos, pieces
from tests.benchmarks.speed.probes import copy_gigabytes_per_s, disk_gigabytes_per_s
from tests.benchmarks.speed.stages import COLUMNS, PROCESSES, ordered
from tests.benchmarks.speed.whole_job import (
    Bench,
    JobRun,
    PhotoRow,
    add_job_arguments,
    job_options,
    read_seconds,
)


@dataclass(frozen=True)
class Way:
    """A way to run the networks alone."""

    name: str
    precision: str
    tuned: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_photo_arguments(parser, photos=100)
    add_job_arguments(parser)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--bare-photos", type=int, default=0, metavar="N",
        help="run the networks alone on N of the photos, and reckon with their pixels (0: all)",
    )  # fmt: skip
    arguments = parser.parse_args()
    machine = this_machine()
    print(machine)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        scratch = Path(name)
        folder = chosen_photos(arguments, scratch)
        print(f"{folder}; run {' '.join(job_options(arguments)) or 'with default options'}\n")
        bench = Bench(scratch, job_options(arguments))
        bench.warm_up()
        runs, ways = in_turns(bench, folder, scratch, arguments)
        tell_rates(runs, folder)
        tell_ratios(runs, ways)
        sampled = scratch / "stages.json"
        watched = bench.run(folder.path, sampled=sampled)
        rows = bench.rows()
        seconds = stage_seconds(read_seconds(sampled), watched.cpu_by_kind)
        idle = bench.run(folder.path, again=True)
        print(f"\nstart and end, with nothing to do: {idle.wall_s:.1f} s, {idle.cpu_s:.1f} CPU s")
        tell_stages(seconds, watched, rows)
        resources = used(runs, folder, machine, scratch)
        tell_limit(resources, runs, folder, machine, seconds)


def in_turns(
    bench: Bench, folder: Folder, scratch: Path, arguments: argparse.Namespace
) -> tuple[list[JobRun], dict[str, list[list[BareTime]]]]:
    """Runs, and the networks alone in each way, in turns."""
    runs: list[JobRun] = []
    ways: dict[str, list[list[BareTime]]] = defaultdict(list)
    device = resolve_device(arguments.device or "auto")
    for _ in range(arguments.repeats):
        runs.append(bench.run(folder.path))
        rows = bench.rows()
        work, share = chosen_work(rows, folder, arguments.bare_photos)
        for way in ways_for(rows, resolve_precision(arguments.precision or AUTO, device)):
            times = measured_apart(
                work, scratch, precision=way.precision, device=device.type, tuned=way.tuned
            )
            ways[way.name].append([scaled(each, share) for each in times])
    return runs, ways


def ways_for(rows: Sequence[PhotoRow], default: str) -> list[Way]:
    """As a user of torch has it, with memory kept, and that in the precision of the run.

    Args:
        rows: of the manifest.
        default: precision of photos of which the manifest does not say.
    """
    own = sorted({row.precision or default for row in rows if row.models} - {"fp32"})
    return [
        Way("torch eager, fp32", "fp32", tuned=False),
        Way("… with memory kept", "fp32", tuned=True),
        *(Way(f"… with memory kept, {precision}", precision, tuned=True) for precision in own),
    ]


def chosen_work(
    rows: Sequence[PhotoRow], folder: Folder, count: int
) -> tuple[list[Work], Mapping[str, float]]:
    """Photos for the networks alone, and by model what to multiply their time with."""
    by_path = {str(folder.path / row.source): row for row in rows if row.models}
    if not by_path:
        raise SystemExit("no photo went through a network: there is nothing to compare with")
    chosen = [by_path[str(path)] for path in pieces([Path(path) for path in by_path], count)]
    all_of, part = _megapixels(list(by_path.values())), _megapixels(chosen)
    work = [Work(folder.path / row.source, row.models) for row in chosen]
    return work, {model: all_of[model] / part[model] for model in part}


def _megapixels(rows: Sequence[PhotoRow]) -> dict[str, float]:
    totals: dict[str, float] = defaultdict(float)
    for row in rows:
        for model in row.models:
            totals[model] += row.megapixels
    return totals


def scaled(time: BareTime, share: Mapping[str, float]) -> BareTime:
    factor = share[time.model]
    return BareTime(time.model, factor * time.megapixels, factor * time.wall_s, factor * time.cpu_s)


def tell_rates(runs: Sequence[JobRun], folder: Folder) -> None:
    wall, cpu = spread([run.wall_s for run in runs]), spread([run.cpu_s for run in runs])
    rates = (
        ("photos/s", spread([folder.count / run.wall_s for run in runs])),
        ("megapixels/s", spread([folder.megapixels / run.wall_s for run in runs])),
        ("s per megapixel", wall.times(1 / folder.megapixels)),
        ("CPU s per megapixel", cpu.times(1 / folder.megapixels)),
        ("peak of memory, GB", spread([run.peak_anonymous_gb for run in runs])),
    )
    print(f"the job, medians of {len(runs)} (smallest–largest)\n")
    print(table(("what", "how much"), rates))


def tell_ratios(runs: Sequence[JobRun], ways: Mapping[str, list[list[BareTime]]]) -> None:
    """Networks alone, each and in sum, and the job over them, in elapsed and processor time."""
    wall, cpu = spread([run.wall_s for run in runs]), spread([run.cpu_s for run in runs])
    lines: list[tuple[object, ...]] = []
    for name, repeats in ways.items():
        for each in zip(*repeats, strict=True):
            per_megapixel = spread([time.wall_s / time.megapixels for time in each])
            lines.append((name, each[0].model, per_megapixel, None, None))
        own_wall = spread([sum(time.wall_s for time in times) for times in repeats])
        own_cpu = spread([sum(time.cpu_s for time in times) for times in repeats])
        lines.append((name, f"all: {own_wall} s", None, wall.over(own_wall), cpu.over(own_cpu)))
    print("\nits networks alone, on the same pixels\n")
    head = ("way", "network", "s per megapixel", "job / networks", "in CPU time")
    print(table(head, lines))


def stage_seconds(sampled: Mapping[str, float], by_kind: Mapping[str, float]) -> dict[str, float]:
    """Processor seconds by stage: what was sampled inside, and the other processes."""
    seconds = defaultdict(float, sampled)
    for kind, stage in PROCESSES.items():
        seconds[stage] += by_kind.get(kind, 0.0)
    return ordered(seconds)


def tell_stages(seconds: Mapping[str, float], watched: JobRun, rows: Sequence[PhotoRow]) -> None:
    """Processor time by stage, and elapsed time by the manifest's columns."""
    elapsed: dict[str, float] = defaultdict(float)
    for row in rows:
        for column, stage in COLUMNS.items():
            elapsed[stage] += row.seconds.get(column, 0.0)
    total = sum(seconds.values())
    count = max(1, len(rows))
    lines = [
        (stage, cpu / count, f"{100 * cpu / total:.1f} %", elapsed.get(stage, 0.0) / count)
        for stage, cpu in seconds.items()
    ]
    print(
        f"\nwhere the time goes (a run of {watched.wall_s:.1f} s; "
        f"{100 * total / watched.cpu_s:.0f} % of its {watched.cpu_s:.1f} CPU s were seen)\n"
    )
    head = ("stage", "CPU s per photo", "share", "elapsed s per photo, manifest")
    print(table(head, lines))


def used(runs: Sequence[JobRun], folder: Folder, machine: Machine, scratch: Path) -> list[Resource]:
    """How busy each resource was: medians of the runs."""
    cores = machine.cores
    bandwidth = disk_gigabytes_per_s(scratch)
    found = [
        _median([processor(run.cpu_s, run.wall_s, cores) for run in runs]),
        _median([disk(disk_gb(run, folder), run.wall_s, bandwidth) for run in runs]),
    ]
    on_gpu = [run.gpu_busy for run in runs if run.gpu_busy is not None]
    if machine.gpu and on_gpu:
        found.append(Resource("the GPU", f"{machine.gpu}'s time", spread(on_gpu).median))
    return found


def disk_gb(run: JobRun, folder: Folder) -> float:
    """What a disk has to do where no photo is in the page cache, 10^9 bytes."""
    return max(run.read_gb, folder.gigabytes) + run.written_gb


def _median(resources: Sequence[Resource]) -> Resource:
    first = resources[0]
    busy = Spread(tuple(each.busy for each in resources)).median
    return Resource(first.name, first.of_what, busy)


def tell_limit(
    resources: Sequence[Resource],
    runs: Sequence[JobRun],
    folder: Folder,
    machine: Machine,
    seconds: Mapping[str, float],
) -> None:
    """The roofline: what each resource and each stage alone could do, and the limit."""
    rate = folder.count / spread([run.wall_s for run in runs]).median
    roofs = processor_roofs(seconds, folder.count, machine.cores)
    for each in resources[1:]:
        if each.busy > 0:
            roofs.append(Roof("all", each.name, rate / each.busy))
    if machine.gpu and torch.cuda.is_available():
        # Each sample of three goes there and back as a byte at the least.
        gigabytes = 6e-3 * folder.megapixels / folder.count
        roofs.append(Roof("copies", "bus of the GPU", copy_gigabytes_per_s() / gigabytes))
    lines = [
        (roof.stage, roof.resource, roof.photos_per_s, f"{100 * rate / roof.photos_per_s:.1f} %")
        for roof in sorted(roofs, key=lambda roof: roof.photos_per_s)
    ]
    print("\nwhat each stage could do if it had the resource for itself\n")
    print(table(("stage", "resource", "photos/s", "the job does"), lines))
    print()
    for resource in resources:
        print(resource)
    print(limit(resources, rate))


if __name__ == "__main__":
    main()
