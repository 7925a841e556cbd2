"""`restore-archive train`: needs torch, numpy, opencv, safetensors and rich, nothing else.

On a machine with a GPU and without the rest of the package's dependencies, run
`python -m restoration.training` from a checkout instead.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch
from rich.console import Console

from restoration.errors import UsageError
from restoration.networks import ColourUNetConfig
from restoration.training import assess_command, naturalness_command, pack_command
from restoration.training.baselines import OURS, TRAINABLE, prepare
from restoration.training.data import HELD_OUT, PhotoSet, load_photos, photo_sources
from restoration.training.duplicates import Excluded, excluded
from restoration.training.encoder_weights import read_encoder
from restoration.training.live import Live
from restoration.training.machine import set_up_for_training
from restoration.training.neighbours import SelfSupervisedDenoise
from restoration.training.options import TrainingOptions
from restoration.training.paired import read_pairs
from restoration.training.stopping import TrainingStopped
from restoration.training.task import LOSSES, TrainingTask
from restoration.training.tasks import TASKS
from restoration.training.trainer import train
from restoration.training.weights import Initial, read_initial

EXIT_INTERRUPTED: Final = 130
PAIRED_TASKS: Final = ("denoise", "deblur")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments on `parser`."""
    commands = parser.add_subparsers(dest="task", metavar="TASK", required=True)
    for name in sorted(TASKS):
        child = commands.add_parser(name, help=f"train a {name} network")
        _add_data_arguments(child, name)
        _add_training_arguments(child)
    assessing = commands.add_parser("assess", help="fit the estimator of noise and blur")
    assess_command.add_arguments(assessing)
    natural = commands.add_parser("naturalness", help="fit the statistics of sound photographs")
    naturalness_command.add_arguments(natural)
    packing = commands.add_parser("pack", help="read photographs once, write what loads fast")
    pack_command.add_arguments(packing)


def run(arguments: argparse.Namespace) -> int:
    """Train, fit or pack as the arguments say; returns the exit code.

    Raises:
        UsageError: arguments or data that make no sense.
    """
    # Of several processes that torchrun started, the first one speaks.
    console = Console(quiet=os.environ.get("RANK", "0") != "0")
    if arguments.task == "pack":
        return pack_command.run(arguments, console)
    if arguments.task == "assess":
        return assess_command.run(arguments, console)
    if arguments.task == "naturalness":
        return naturalness_command.run(arguments, console)
    _check(arguments)
    task, options = _task_and_options(arguments)
    initial = _initial(arguments, task, console)
    if initial is not None:
        task = replace(task, config=initial.config)
    photos = _photos(arguments, task)
    _introduce(arguments, task, photos, console)
    with Live(console, task.name) as live, set_up_for_training():
        try:
            train(
                task,
                photos,
                arguments.output,
                options,
                device=arguments.device,
                initial=initial.weights if initial else None,
                report=live.report,
                tick=live.tick,
            )
        except TrainingStopped as stopped:
            console.print(f"{stopped}; the same command goes on from there", soft_wrap=True)
            return EXIT_INTERRUPTED
    console.print(f"wrote {arguments.output}", soft_wrap=True)
    return 0


def _add_data_arguments(parser: argparse.ArgumentParser, task: str) -> None:
    parser.add_argument("--data", type=Path, action="append", default=[], metavar="DIR",
                        help="clean colour photographs: a pack, or a folder searched "
                        "recursively; may be repeated")  # fmt: skip
    parser.add_argument("--exclude", type=Path, action="append", default=[], metavar="DIR",
                        help="leave out what shows the same as a photograph here (test sets); "
                        "may be repeated")  # fmt: skip
    parser.add_argument("--limit", type=int, help="at most this many photographs")
    parser.add_argument("--held-out", type=int, default=HELD_OUT, metavar="N", help="photographs "
                        "that are not trained on, for validation and for what is chosen "
                        f"afterwards (default: {HELD_OUT})")  # fmt: skip
    parser.add_argument("--init", metavar="FILE|shipped", help="weights to start from")
    parser.add_argument("--keep-shape", action="store_true", help="with --init: train the task's "
                        "own network, with what fits it, not the file's")  # fmt: skip
    if task == "colorize":
        _add_colorize_arguments(parser)
    if task in PAIRED_TASKS:
        parser.add_argument("--paired", type=Path, metavar="DIR", help="folder with clean/ and "
                            "degraded/ photographs of equal names and sizes")  # fmt: skip
        parser.add_argument("--loss", choices=LOSSES, help="what is made small; psnr counts weak "
                            "and strong noise alike (default: the recipe's own)")  # fmt: skip
    if task == "denoise":
        parser.add_argument("--self-supervised", action="store_true", help="--data holds noisy "
                            "photographs; no clean one is needed")  # fmt: skip
        parser.add_argument("--stride", type=int, choices=(1, 2), default=1, help="with "
                            "--self-supervised: 2 where grain is wider than a pixel")  # fmt: skip


def _add_colorize_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--objective", choices=("bins", "regression"), default="bins",
                        help="choice among bins of chroma, or not (default: bins)")  # fmt: skip
    parser.add_argument("--init-encoder", action="store_true",
                        help="start from an encoder trained on ImageNet (needs the extra "
                        "'train')")  # fmt: skip
    parser.add_argument("--encoder-rate", type=float, metavar="SHARE",
                        help="learning rate of the encoder over that of the rest; 0 keeps it as "
                        "it is (default: 0.1)")  # fmt: skip


def _add_training_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, required=True, metavar="FILE",
                        help="weights file to write (.safetensors)")  # fmt: skip
    parser.add_argument("--minutes", type=float, required=True, help="wall-clock budget")
    parser.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    parser.add_argument("--architecture", choices=TRAINABLE, default=OURS, help="ours, or a "
                        f"baseline by its own recipe (default: {OURS})")  # fmt: skip
    parser.add_argument("--batch", type=int, help="patches per step (default: the recipe's own)")
    parser.add_argument("--patch", type=int, metavar="PIXELS",
                        help="side of a patch (default: the recipe's own)")  # fmt: skip
    parser.add_argument("--learning-rate", type=float, help="default: the recipe's own")
    parser.add_argument("--muon-learning-rate", type=float, metavar="RATE",
                        help="of inner convolutions; 0: AdamW for all (default: 0.02; 0 for "
                        "baselines)")  # fmt: skip
    parser.add_argument("--warmup-steps", type=int, metavar="N", help="steps over which the rates "
                        "rise to their peaks (default: 300)")  # fmt: skip
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto",
                        help="auto: bf16 where the device computes it natively")  # fmt: skip
    parser.add_argument("--compile", action="store_true",
                        help="run the network through torch.compile")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)


def _check(arguments: argparse.Namespace) -> None:
    if arguments.minutes <= 0:
        raise UsageError(f"--minutes must be positive, not {arguments.minutes:g}")
    for option in ("batch", "patch", "limit", "held-out", "warmup-steps"):
        value = getattr(arguments, option.replace("-", "_"))
        if value is not None and value < 1:
            raise UsageError(f"--{option} must be at least 1, not {value}")
    pack_command.check_folders(arguments)
    if (getattr(arguments, "encoder_rate", None) or 0) < 0:
        raise UsageError(f"--encoder-rate must be at least 0, not {arguments.encoder_rate:g}")
    paired = getattr(arguments, "paired", None)
    if not arguments.data and paired is None:
        raise UsageError("--data DIR" + (" or --paired DIR" if hasattr(arguments, "paired") else "")
                         + " is needed")  # fmt: skip
    if paired is not None and getattr(arguments, "self_supervised", False):
        raise UsageError("--self-supervised is for archives that have no --paired photographs")
    if not arguments.output.parent.is_dir():
        raise UsageError(f"--output: folder {arguments.output.parent} does not exist")
    if arguments.device.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError("there is no CUDA device on this machine; use --device cpu")


def _task_and_options(arguments: argparse.Namespace) -> tuple[TrainingTask, TrainingOptions]:
    task = TASKS[arguments.task]
    if getattr(arguments, "self_supervised", False):
        if arguments.architecture != OURS:
            raise UsageError(f"--self-supervised trains {OURS} only, not {arguments.architecture}")
        task = SelfSupervisedDenoise(config=task.config, stride=arguments.stride)
    is_regression = getattr(arguments, "objective", "bins") == "regression"
    if is_regression and isinstance(task.config, ColourUNetConfig):
        task = replace(task, config=replace(task.config, bin_step=0.0))
    options = TrainingOptions(
        minutes=arguments.minutes,
        seed=arguments.seed,
        precision=arguments.precision,
        compiled=arguments.compile,
    )
    task, options = prepare(task, arguments.architecture, options)
    task = replace(
        task,
        batch=arguments.batch or task.batch,
        patch=arguments.patch or task.patch,
        learning_rate=arguments.learning_rate or task.learning_rate,
        loss_kind=getattr(arguments, "loss", None) or task.loss_kind,
    )
    options = replace(options, learning_rate=task.learning_rate)
    if getattr(arguments, "encoder_rate", None) is not None:
        options = replace(options, encoder_rate=arguments.encoder_rate)
    if arguments.muon_learning_rate is not None:
        options = replace(options, muon_learning_rate=arguments.muon_learning_rate)
    if arguments.warmup_steps is not None:
        options = replace(options, warmup_steps=arguments.warmup_steps)
    return task, options


def _initial(arguments: argparse.Namespace, task: TrainingTask, console: Console) -> Initial | None:
    if getattr(arguments, "init_encoder", False):
        if arguments.init is not None:
            raise UsageError("--init and --init-encoder: one of them, not both")
        return Initial(task.config, read_encoder(task.config))
    if arguments.init is None:
        return None
    initial = read_initial(arguments.init, task.name, task.config, keep_shape=arguments.keep_shape)
    if initial.config.architecture != task.config.architecture:
        raise UsageError(
            f"--init {arguments.init}: holds a {initial.config.architecture}; say --architecture "
            f"{initial.config.architecture} or leave out --init"
        )
    for misfit in initial.misfits:
        console.print(f"--init: {misfit}", highlight=False, soft_wrap=True)
    return initial


def _photos(arguments: argparse.Namespace, task: TrainingTask) -> PhotoSet:
    paired = getattr(arguments, "paired", None)
    pairs = read_pairs(paired, minimum_side=task.patch) if paired is not None else None
    if not arguments.data:
        return PhotoSet((), (), pairs=pairs)
    unwanted: Excluded | None = None
    if arguments.exclude:
        unwanted = excluded(photo_sources(arguments.exclude))
    photos = load_photos(
        arguments.data,
        minimum_side=task.minimum_side,
        validation=arguments.held_out,
        limit=arguments.limit,
        largest_short_side=task.largest_short_side,
        excluded=unwanted,
    )
    return replace(photos, pairs=pairs)


def _introduce(
    arguments: argparse.Namespace, task: TrainingTask, photos: PhotoSet, console: Console
) -> None:
    say: Callable[[str], None] = lambda text: console.print(  # noqa: E731
        text, highlight=False, soft_wrap=True
    )
    for name in photos.left_out:
        say(f"left out, since --exclude has it: {name}")
    parts = []
    if photos.train:
        parts.append(
            f"{len(photos.train)} photographs ({photos.megapixels:.0f} megapixels), "
            f"{len(photos.validation)} held out"
        )
    if photos.pairs is not None:
        for note in photos.pairs.notes:
            say(note)
        pairs = photos.pairs
        parts.append(f"{len(pairs.train)} pairs, {len(pairs.validation)} held out")
    say(
        f"{task.name}, {task.config.architecture}: {'; '.join(parts)}; "
        f"{arguments.minutes:g} minutes on {arguments.device}"
    )
