"""`restore-archive train`: needs torch, numpy, opencv, safetensors and rich, nothing else.

On a machine with a GPU and without the rest of the package's dependencies, run
`python -m restoration.training` from a checkout instead.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from safetensors.torch import load_file

from restoration.errors import UsageError
from restoration.training.baselines import OURS, TRAINABLE, prepare
from restoration.training.data import load_photos
from restoration.training.tasks import TASKS
from restoration.training.trainer import Progress, TrainingOptions, train


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments on `parser`."""
    parser.add_argument("task", choices=sorted(TASKS))
    parser.add_argument("--architecture", choices=TRAINABLE, default=OURS,
                        help=f"or a baseline by its own recipe (default: {OURS})")  # fmt: skip
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="folder of clean colour photographs, searched recursively; may be repeated",
    )
    parser.add_argument("--minutes", type=float, required=True, help="wall-clock budget")
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="weights file to write (.safetensors)",
    )
    parser.add_argument("--init", type=Path, metavar="FILE", help="weights to start from")
    parser.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    parser.add_argument("--learning-rate", type=float, help="default: the recipe's own")
    parser.add_argument("--muon-learning-rate", type=float, metavar="RATE",
                        help="of inner convolutions; 0: AdamW for all (default: ours 0.02, "
                        "baselines 0)")  # fmt: skip
    parser.add_argument("--limit", type=int, help="at most this many photographs")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto",
                        help="auto: bf16 where the device computes it natively")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)


def run(arguments: argparse.Namespace) -> int:
    """Train as the arguments say; returns the exit code.

    Raises:
        UsageError: arguments or data that make no sense.
    """
    console = Console()
    options = TrainingOptions(
        minutes=arguments.minutes, seed=arguments.seed, precision=arguments.precision
    )
    task, options = prepare(TASKS[arguments.task], arguments.architecture, options)
    if arguments.learning_rate is not None:
        options = replace(options, learning_rate=arguments.learning_rate)
    if arguments.muon_learning_rate is not None:
        options = replace(options, muon_learning_rate=arguments.muon_learning_rate)
    if arguments.minutes <= 0:
        raise UsageError(f"--minutes must be positive, not {arguments.minutes:g}")
    for folder in arguments.data:
        if not folder.is_dir():
            raise UsageError(f"--data {folder}: no such folder")
    if not arguments.output.parent.is_dir():
        raise UsageError(f"--output: folder {arguments.output.parent} does not exist")
    minimum = task.patch + 2 * getattr(task, "margin", 0)
    photos = load_photos(arguments.data, minimum_side=minimum, limit=arguments.limit)
    console.print(
        f"{task.name}, {arguments.architecture}: {len(photos.train)} photographs "
        f"({photos.megapixels:.0f} megapixels), {len(photos.validation)} held out; "
        f"{arguments.minutes:g} minutes on {arguments.device}"
    )
    initial = load_file(arguments.init) if arguments.init else None

    def show(progress: Progress) -> None:
        console.print(
            f"{progress.seconds / 60:6.1f} min  step {progress.steps:6d}  "
            f"loss {progress.loss:.5f}  validation {progress.psnr_db:.3f} dB  "
            f"{progress.patches_per_second:.0f} patches/s",
            highlight=False,
        )

    # Denormals cost a CPU many times the cycles of ordinary numbers and mean nothing here.
    torch.set_flush_denormal(True)
    try:
        train(
            task,
            photos,
            arguments.output,
            options,
            device=arguments.device,
            initial=initial,
            report=show,
        )
    finally:
        torch.set_flush_denormal(False)  # it is a setting of the whole process
    console.print(f"wrote {arguments.output}")
    return 0
