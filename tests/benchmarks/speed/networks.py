"""Networks alone: seconds per megapixel, against this machine's matrix products and against others.

Each shipped network of photographs at 512 x 512 pixels and for a whole photo, the one for colour at
its own working size; FFDNet's and DRUNet's layers, OpenCV's and scikit-image's non-local means in
the same run, all cases in turn, `--repeats` times. Once with glibc's settings as a user of torch
finds them ("plain") and once as our job sets them ("tuned"); by one photo with all threads and, as
our job does on a processor, by one photo for each thread ("lanes").

python -m tests.benchmarks.speed.networks [--device cpu] [--threads 2] [--repeats 5]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from restoration.cards import ModelCard
from restoration.catalogue import available_models, card_for
from restoration.device import resolve_device, resolve_precision
from restoration.precision import AUTO
from restoration.resources import available_cores
from tests.benchmarks.speed import peers
from tests.benchmarks.speed.figures import Spread, spread, table
from tests.benchmarks.speed.machine import this_machine
from tests.benchmarks.speed.timing import PEERS, BenchProcess, Case, Took, in_turns

TILE = (512, 512)
COLOUR_SHAPE = (160, 240)
"""At which `restoration.colorize` shows a photo to its network, among others."""
METHODS = ("OpenCV NLM", "scikit-image NLM")
LEAST_RATIO = 2.5
"""Of FFDNet's time over that of denoise: issue 7's bar."""


def main(words: Sequence[str] | None = None) -> None:
    arguments = parser().parse_args(words)
    device = resolve_device(arguments.device)
    arguments.device = device.type
    arguments.shipped = resolve_precision(AUTO, device)
    arguments.precisions = arguments.precisions or sorted({"fp32", arguments.shipped})
    threads = arguments.threads
    print(this_machine(), f"\n{device.type}, {threads} threads, {arguments.repeats} repetitions\n")
    cases = [case for case in all_cases(arguments) if case.name not in arguments.without]
    with ExitStack() as stack:
        processes = {
            is_tuned: stack.enter_context(
                BenchProcess(
                    is_tuned=is_tuned, device=device.type, threads=threads, seed=arguments.seed
                )
            )
            for is_tuned in sorted({case.is_tuned for case in cases})
        }
        before = peaks(processes, arguments.precisions)
        times = in_turns(cases, processes, arguments.repeats)
        after = peaks(processes, arguments.precisions)
    best = {precision: max(before[precision], after[precision]) for precision in before}
    print("fastest matrix product:", *(f"{best[each]:.0f} GMAC/s in {each}" for each in best), "\n")
    print(table(HEAD, [row(case, times[case], best) for case in cases]), "\n")
    print(comparisons(times, arguments))


def parser() -> argparse.ArgumentParser:
    said = argparse.ArgumentParser(description=__doc__)
    said.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    said.add_argument("--threads", type=int, default=available_cores())
    said.add_argument("--repeats", type=int, default=5)
    said.add_argument("--precisions", nargs="+", choices=("fp32", "bf16", "fp16"))
    said.add_argument("--megapixels", type=float, default=2.0, help="of a whole photo")
    said.add_argument("--batch", type=int, default=1, help="photos in one call; for GPUs")
    said.add_argument("--without", nargs="*", default=(), metavar="NAME", help="left out")
    said.add_argument("--seed", type=int, default=0)
    return said


def all_cases(arguments: argparse.Namespace) -> Iterator[Case]:
    """What is timed, in the order of the table."""
    side = int((arguments.megapixels * 1e6 / 1.5) ** 0.5) // 8 * 8
    photo = (side, side * 3 // 2 // 8 * 8)
    on_cpu = arguments.device == "cpu"
    tunings = (False, True) if on_cpu else (False,)
    # As many photos at once as threads; DRUNet's buffers for several would take 10 GB.
    lanes = sorted({1, arguments.threads}) if on_cpu else [1]
    names = (*(card.name for card in shipped_cards(arguments.device)), "FFDNet", "DRUNet")
    for name in names:
        for shape in (COLOUR_SHAPE,) if is_colour(name) else (TILE, photo):
            for precision in arguments.precisions:
                for is_tuned in tunings:
                    has_lanes = is_tuned and name != "DRUNet" and shape != COLOUR_SHAPE
                    for count in lanes if has_lanes else lanes[:1]:
                        yield Case(name, precision, is_tuned, count, shape, arguments.batch)
    for name in METHODS:
        yield Case(name, "uint8", False, 1, photo)


def shipped_cards(device: str) -> list[ModelCard]:
    """The models that make pictures, by default on this device."""
    return [card_for(task, device=device) for task in ("denoise", "deblur", "colorize")]


def is_colour(name: str) -> bool:
    return any(card.name == name and card.task == "colorize" for card in available_models())


def peaks(processes: Mapping[bool, BenchProcess], precisions: Sequence[str]) -> dict[str, float]:
    return {
        precision: max(process.matrix_product(precision) for process in processes.values())
        for precision in precisions
    }


HEAD = (
    *("network", "pixels", "numbers", "memory", "lanes", "s per megapixel", "CPU s per megapixel"),
    *("GMAC/s", "of the matrix product"),
)


def row(case: Case, times: Sequence[Took], best: Mapping[str, float]) -> tuple[object, ...]:
    wall = spread([took.wall_s for took in times])
    cpu = spread([took.cpu_s for took in times])
    cost = gmac_per_megapixel(case.name)
    pace = cost / wall.median if cost else None
    share = f"{pace / best[case.precision]:.0%}" if pace else None
    memory = "tuned" if case.is_tuned else "plain"
    shape = "{} × {}".format(*case.shape)
    return case.name, shape, case.precision, memory, case.lanes, wall, cpu, pace, share


def gmac_per_megapixel(name: str) -> float:
    """0 for what is no network."""
    if name in PEERS:
        return peers.gmac_per_megapixel(PEERS[name]())
    known = {card.name: card.gmac_per_megapixel for card in available_models()}
    return known.get(name, 0.0)


def comparisons(times: Mapping[Case, Sequence[Took]], arguments: argparse.Namespace) -> str:
    """Others' time over that of denoise, repetition by repetition: like with like, then as found.

    The share of the clock says what a user waits; that of processor time is fair on a machine that
    is busy with something else.
    """
    denoise = card_for("denoise", device=arguments.device).name
    shipped = as_shipped(times, denoise, arguments.shipped)
    rows = []
    for other in times:
        if other.name not in PEERS and other.name not in METHODS:
            continue
        own = replace(other, name=denoise)
        if own in times:
            rows.append((label(other), label(own), *ratios(times[other], times[own])))
        as_found = not other.is_tuned and other.lanes == 1 and other.precision in ("fp32", "uint8")
        if shipped and as_found and other.shape == shipped.shape:
            ours = f"{label(shipped)}, as shipped"
            rows.append((label(other), ours, *ratios(times[other], times[shipped])))
    head = ("this", "over", "elapsed", "CPU time")
    bar = f"Bar: FFDNet over {denoise} at least {LEAST_RATIO:g}."
    return f"{table(head, rows)}\n\n{bar}"


def as_shipped(times: Mapping[Case, Sequence[Took]], name: str, precision: str) -> Case | None:
    """The case that a job is: whole photos, all lanes, and the precision that auto chooses."""
    found = [case for case in times if case.name == name and case.precision == precision]
    whole = [case for case in found if case.shape != TILE]
    return max(whole, key=lambda case: (case.is_tuned, case.lanes), default=None)


def ratios(others: Sequence[Took], own: Sequence[Took]) -> tuple[Spread, Spread]:
    """Of elapsed and of processor time."""
    wall, cpu = (
        [spread([getattr(took, name) for took in times]) for times in (others, own)]
        for name in ("wall_s", "cpu_s")
    )
    return wall[0].over(wall[1]), cpu[0].over(cpu[1])


def label(case: Case) -> str:
    memory = "tuned" if case.is_tuned else "plain"
    height, width = case.shape
    lanes = "1 lane" if case.lanes == 1 else f"{case.lanes} lanes"
    return f"{case.name}, {case.precision}, {memory}, {lanes}, {height} × {width}"


if __name__ == "__main__":
    main()
