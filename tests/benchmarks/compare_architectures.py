"""Ours against the architectures that the field starts from, each trained for the same time.

python -m tests.benchmarks.compare_architectures --data PHOTOS --seconds 1200 --test CBSD68 \
    --work FOLDER

Every architecture is trained for denoise by its own recipe on the same photographs for the same
number of seconds, then measured on the same degraded pictures through the tiling. The weights
stay in the work folder: the same command goes on where it was stopped and trains only what is
missing there. Run it on an idle machine: seconds are what is compared.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from rich.table import Table

from restoration.device import resolve_device
from restoration.errors import UsageError
from restoration.evaluation.measuring import evaluate
from restoration.evaluation.methods import network_method, untouched
from restoration.evaluation.photos import read_photos
from restoration.evaluation.protocols import denoise_conditions
from restoration.evaluation.report import Run, Summary, summarise
from restoration.models import read_network, without_card
from restoration.training.baselines import BASELINES, TRAINABLE, prepare
from restoration.training.data import PhotoSet, load_photos
from restoration.training.machine import set_up_for_training
from restoration.training.options import Progress, TrainingOptions
from restoration.training.tasks import TASKS
from restoration.training.trainer import train

TASK = "denoise"
TABLE_COLUMNS = 132
"""Of characters that the table needs: a pipe or a narrow terminal would cut its names."""


@dataclass(frozen=True)
class Row:
    """One architecture (or the degraded pictures themselves) in the table.

    Attributes:
        name: of the architecture.
        summaries: one per degradation, in the order of the columns.
    """

    name: str
    summaries: tuple[Summary, ...]

    def cells(self) -> list[str]:
        """As text, in the order of `header`."""
        quality = [f"{summary.psnr_db:.2f} / {summary.ssim:.3f}" for summary in self.summaries]
        first = self.summaries[0]
        if first.parameters is None or first.gmac_per_megapixel is None:
            return [self.name, *quality, "–", "–", "–"]
        pace = median(summary.seconds_per_megapixel for summary in self.summaries)
        costs = (first.parameters / 1e6, first.gmac_per_megapixel, pace)
        return [self.name, *quality, *(f"{cost:.2f}" for cost in costs)]


def header(row: Row) -> list[str]:
    conditions = [summary.condition for summary in row.summaries]
    return ["architecture", *conditions, "10⁶ parameters", "GMAC/MP", "s/MP"]


def main(words: Sequence[str] | None = None) -> None:
    parser = _parser()
    arguments = parser.parse_args(words)
    console = Console()
    try:
        _check(arguments)
        device = resolve_device(arguments.device)
        train_missing(arguments, device, console)
        rows = measure(arguments, device)
    except UsageError as error:
        parser.error(str(error))
    title = (
        f"{TASK}, {arguments.seconds:g} s of training each on {device.type}, measured on "
        f"{arguments.test.name}: PSNR in dB / SSIM"
    )
    if arguments.markdown:
        print(markdown(title, rows))
    else:
        Console(width=max(console.width, TABLE_COLUMNS)).print(table(title, rows))


def weights_file(arguments: argparse.Namespace, architecture: str) -> Path:
    """Named by the seconds too, so that runs of different length never share a table."""
    return Path(arguments.work, f"{TASK}-{architecture}-{arguments.seconds:g}s.safetensors")


def train_missing(arguments: argparse.Namespace, device: torch.device, console: Console) -> None:
    missing = [a for a in arguments.architectures if not weights_file(arguments, a).exists()]
    if not missing:
        return
    # One set for all: what is too small for the largest patch is left out for everybody.
    side = max(TASKS[TASK].patch, *(recipe.patch for recipe in BASELINES.values()))
    photos = load_photos(arguments.data, minimum_side=side)
    for architecture in missing:
        _train(architecture, photos, arguments, device, console)


def _train(
    architecture: str,
    photos: PhotoSet,
    arguments: argparse.Namespace,
    device: torch.device,
    console: Console,
) -> None:
    task, options = prepare(
        TASKS[TASK], architecture, TrainingOptions(minutes=arguments.seconds / 60)
    )

    def show(progress: Progress) -> None:
        console.print(
            f"{architecture}: {progress.seconds:.0f} s, step {progress.steps}, loss "
            f"{progress.loss:.5f}, validation {progress.psnr_db:.2f} dB",
            highlight=False,
        )

    output = weights_file(arguments, architecture)
    with set_up_for_training():
        train(task, photos, output, options, device=str(device), report=show)


def measure(arguments: argparse.Namespace, device: torch.device) -> list[Row]:
    photos, _ = read_photos(arguments.test, limit=arguments.limit)
    methods = [untouched()]
    for architecture in arguments.architectures:
        network = read_network(weights_file(arguments, architecture))
        placed = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        model = without_card(placed, TASK, architecture, device)
        methods.append(network_method(model, architecture, ""))
    conditions = [c for c in denoise_conditions() if c.sigma]
    measurements = [o.measurement for o in evaluate(photos, conditions, methods)]
    run = Run(TASK, arguments.test.name, device.type, "compare_architectures")
    summaries = summarise(run, methods, measurements)
    return [
        Row(method.name, tuple(s for s in summaries if s.method == method.name))
        for method in methods
    ]


def table(title: str, rows: Sequence[Row]) -> Table:
    result = Table(title=title)
    for i, name in enumerate(header(rows[0])):
        result.add_column(name, justify="right" if i else "left", no_wrap=True)
    for row in rows:
        result.add_row(*row.cells())
    return result


def markdown(title: str, rows: Sequence[Row]) -> str:
    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cells)} |"

    names = header(rows[0])
    rule = line(["---", *("---:" for _ in names[1:])])
    return "\n".join([title, "", line(names), rule, *(line(row.cells()) for row in rows)])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, action="append", required=True, metavar="DIR",
                        help="photographs to train on; may be repeated")  # fmt: skip
    parser.add_argument("--seconds", type=float, required=True, help="of training, for each")
    parser.add_argument("--test", type=Path, required=True, metavar="DIR",
                        help="photographs to measure on")  # fmt: skip
    parser.add_argument("--work", type=Path, required=True, metavar="DIR",
                        help="where weights are kept; made where it is missing")  # fmt: skip
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda")
    parser.add_argument("--architectures", nargs="+", choices=TRAINABLE, default=TRAINABLE)
    parser.add_argument("--limit", type=int, metavar="N", help="measure on N photographs only")
    parser.add_argument("--markdown", action="store_true", help="a table for the documentation")
    return parser


def _check(arguments: argparse.Namespace) -> None:
    if arguments.seconds <= 0:
        raise UsageError(f"--seconds must be positive, not {arguments.seconds:g}")
    for folder in (*arguments.data, arguments.test):
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder")
    arguments.work.mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":
    main()
