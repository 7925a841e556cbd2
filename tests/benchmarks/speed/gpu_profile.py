"""A profile of a whole run on the GPU: how much of the time it is busy, and with what.

The run is done in this process, under torch's profiler, which sees every kernel and copy of every
thread. The trace opens in Perfetto (https://ui.perfetto.dev).

python -m tests.benchmarks.speed.gpu_profile TRACE.json [--photos 100] [--precision bf16]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from tests.benchmarks.speed.figures import table
from tests.benchmarks.speed.machine import this_machine
from tests.benchmarks.speed.photos import add_photo_arguments, chosen_photos
from tests.benchmarks.speed.whole_job import add_job_arguments, job_options

KERNELS, COPIES = ("kernel",), ("gpu_memcpy", "gpu_memset")
"""Categories of what a GPU does, in the trace."""
_NAMED = 10


@dataclass(frozen=True)
class Span:
    """Something that a GPU did, microseconds."""

    name: str
    category: str
    start_us: float
    end_us: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trace", type=Path)
    add_photo_arguments(parser, photos=100)
    add_job_arguments(parser, steps="denoise")
    parser.set_defaults(device="cuda")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("there is no CUDA device on this machine")
    print(this_machine())
    from flows.cli import main as restore_archive

    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = chosen_photos(arguments, Path(name))
        words = ["run", "--quiet", *job_options(arguments), str(folder.path), f"{name}/restored"]
        with profile(activities=[ProfilerActivity.CUDA]) as profiler:
            code = restore_archive(words)
        profiler.export_chrome_trace(str(arguments.trace))
    print(f"{folder}; `{' '.join(words[:-2])}` ended with {code}\n")
    tell(spans(json.loads(arguments.trace.read_text())["traceEvents"]))


def spans(events: Iterable[dict[str, object]]) -> list[Span]:
    """What a GPU did, of a trace's events."""
    return [
        Span(
            str(event["name"]),
            str(event["cat"]),
            float(event["ts"]),
            float(event["ts"]) + float(event["dur"]),
        )
        for event in events
        if event.get("cat") in (*KERNELS, *COPIES) and "dur" in event
    ]


def busy_us(found: Sequence[Span]) -> float:
    """How long at least one of them was under way, microseconds."""
    total, until = 0.0, float("-inf")
    for span in sorted(found, key=lambda span: span.start_us):
        total += max(0.0, span.end_us - max(span.start_us, until))
        until = max(until, span.end_us)
    return total


def tell(found: Sequence[Span]) -> None:
    kernels = [span for span in found if span.category in KERNELS]
    copies = [span for span in found if span.category in COPIES]
    if not kernels:
        raise SystemExit("no kernel ran")
    whole = max(span.end_us for span in kernels) - min(span.start_us for span in kernels)
    both = busy_us(kernels) + busy_us(copies) - busy_us(found)
    lines = [
        ("from the first kernel to the last, s", whole / 1e6),
        ("kernels run, % of it", 100 * busy_us(kernels) / whole),
        ("copies run, % of it", 100 * busy_us(copies) / whole),
        ("… at the same time as kernels, % of it", 100 * both / whole),
    ]
    print(table(("what", "how much"), lines))
    by_name: Counter[str] = Counter()
    for span in kernels:
        by_name[span.name] += span.end_us - span.start_us
    total = sum(by_name.values())
    most = [(name[:80], f"{100 * us / total:.1f} %") for name, us in by_name.most_common(_NAMED)]
    print(f"\n{table(('kernel', 'share of kernels'), most)}")


if __name__ == "__main__":
    main()
