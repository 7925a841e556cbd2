"""`restore-archive evaluate`: tables that anyone can reproduce."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from restoration.catalogue import WEIGHTS_FOLDER, available_models, file_sha256
from restoration.device import resolve_device
from restoration.errors import UsageError, WeightsError
from restoration.evaluation import assessment_peers, features, grid, peers
from restoration.evaluation.assessment_figures import measured_assessment
from restoration.evaluation.assessment_tables import assessment_tables
from restoration.evaluation.export import CSV, PARQUET, Tables, check_target, write_tables
from restoration.evaluation.measuring import Measurement, evaluate
from restoration.evaluation.methods import (
    TRUE_PHOTOS,
    Method,
    network_method,
    true_photo,
    untouched,
)
from restoration.evaluation.naturalness import (
    measured_naturalness,
    naturalness_figures,
    naturalness_table,
)
from restoration.evaluation.photos import NamedPhoto, are_gray, read_photos
from restoration.evaluation.progress import followed
from restoration.evaluation.protocols import (
    Condition,
    colorize_conditions,
    deblur_conditions,
    denoise_conditions,
    read_kernels,
)
from restoration.evaluation.report import Run, photo_rows, summarise
from restoration.evaluation.tables import (
    colour_table,
    cost_table,
    restoration_tables,
)
from restoration.models import read_network, without_card
from restoration.self_ensemble import check_passes

MEASURES = ("assess", "naturalness")
"""Tasks that measure photographs and change none."""

RESTORING = ("denoise", "deblur")
"""Tasks whose networks restore what was there."""

CHANNELS = {"denoise": (3, 3), "deblur": (3, 3), "colorize": (1, 2)}
"""Channels in and out of a task's networks."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments on `parser`."""
    add = parser.add_argument
    add("task", choices=("denoise", "deblur", "colorize", *MEASURES))
    add("--data", type=Path, required=True, metavar="DIR", help="folder of clean photographs")
    add("--limit", type=int, metavar="N", help="only the first N photographs")
    add("--gray", action="store_true",
        help="measure on their luma (sets that are gray always are)")  # fmt: skip
    add("--kernels", type=Path, metavar="NPZ", help="motion kernels for deblur")
    add("--passes", type=int, default=1, metavar="1|2|4|8",
        help="how often our networks for denoise and deblur do a photograph, turned and mirrored, "
        "for the mean (default: %(default)d)")  # fmt: skip
    add("--weights", type=Path, action="append", default=[], metavar="FILE",
        help="weights to measure beside the shipped ones; may be repeated")  # fmt: skip
    add("--no-shipped", action="store_true", help="leave the shipped models out")
    add(
        "--peers", action="store_true", help="also measure OpenCV, scikit-image, cleanvision (slow)"
    )
    add("--device", default="auto", metavar="auto|cpu|cuda")
    add("--csv", type=Path, metavar="FILE",
        help="a row per photo, condition and method; a summary beside it")  # fmt: skip
    add("--parquet", type=Path, metavar="FILE", help="the same as Parquet")
    add("--grid", type=Path, metavar="FILE",
        help="picture of crops side by side (.png, .jpg)")  # fmt: skip
    add("--grid-photos", type=int, default=4, metavar="N",
        help="photographs in the grid, spread over the set (default: %(default)s)")  # fmt: skip
    add("--grid-condition", metavar="NAME", help="only this condition in the grid")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print tables, write the files asked for.

    Raises:
        UsageError: no photographs, or an option that makes no sense.
    """
    _check(arguments)
    console, notes = Console(), Console(stderr=True)
    photos, unreadable = read_photos(arguments.data, limit=arguments.limit, gray=arguments.gray)
    for name in unreadable:
        notes.print(f"left out {name!r}: no readable image", highlight=False, markup=False)
    if arguments.task in ("colorize", *MEASURES) and are_gray(photos):
        raise UsageError(f"--data {arguments.data}: {arguments.task} needs colour photographs")
    count = f"{len(photos)} photograph{'s' if len(photos) > 1 else ''}"
    title = f"{arguments.task} on {count} of {arguments.data.resolve().name}"
    if arguments.task in MEASURES:
        _measure_measures(arguments, [photo.pixels for photo in photos], title, console, notes)
        return 0
    title += " (gray)" if are_gray(photos) else ""
    _measure(arguments, photos, title, console, notes)
    return 0


def _measure_measures(
    arguments: argparse.Namespace,
    photos: Sequence[NDArray[np.uint8]],
    title: str,
    console: Console,
    notes: Console,
) -> None:
    """Score what measures photographs: the assessment, or the naturalness."""
    where = Run(arguments.task, arguments.data.resolve().name, "cpu", command_line(arguments))
    if arguments.task == "naturalness":
        with notes.status("measuring"):
            rows = measured_naturalness(photos)
        figures = naturalness_figures(where, rows)
        console.print(naturalness_table(title, figures))
        _write(arguments, {"": rows, "summary": figures}, console)
        return
    if arguments.peers:
        _note_missing("their peers are left out", assessment_peers.missing_packages(), notes)
    with notes.status("measuring"):
        found = measured_assessment(photos, where, peers=arguments.peers)
    for table in assessment_tables(title, found.report, console.width):
        console.print(table)
    _write(arguments, found.tables, console)


def _measure(
    arguments: argparse.Namespace,
    photos: Sequence[NamedPhoto],
    title: str,
    console: Console,
    notes: Console,
) -> None:
    device = resolve_device(arguments.device)
    conditions = _conditions(arguments)
    methods = _methods(arguments, device, notes)
    pictures = _grid(arguments, len(photos), conditions, title)
    distances = _distances(arguments, device, notes)
    measurements: list[Measurement] = []
    total = len(photos) * len(conditions) * len(methods)
    for outcome in followed(evaluate(photos, conditions, methods), total, notes):
        measurements.append(outcome.measurement)
        if pictures is not None:
            pictures.add(outcome)
        if distances is not None:
            distances.add(
                outcome.measurement.condition, outcome.measurement.method, outcome.restored
            )
    where = Run(
        arguments.task, arguments.data.resolve().name, _named(device), command_line(arguments)
    )
    frechet = distances.to(TRUE_PHOTOS) if distances else {}
    summaries = summarise(where, methods, measurements, frechet)
    if arguments.task == "colorize":
        console.print(colour_table(title, summaries))
        console.print(cost_table(summaries))
    else:
        for table in restoration_tables(title, summaries, console.width):
            console.print(table)
    rows = photo_rows(where, methods, measurements)
    _write(arguments, {"": rows, "summary": summaries}, console)
    if pictures is not None:
        pictures.save(arguments.grid)
        console.print(f"wrote {arguments.grid}", highlight=False, markup=False)


def command_line(arguments: argparse.Namespace) -> str:
    """The command that measures this again; paths are cut to their last part."""
    words = ["restore-archive", "evaluate", arguments.task]
    words += ["--data", arguments.data.resolve().name]
    if arguments.limit is not None:
        words += ["--limit", str(arguments.limit)]
    words += ["--gray"] if arguments.gray else []
    words += ["--kernels", arguments.kernels.name] if arguments.kernels else []
    words += ["--passes", str(arguments.passes)] if arguments.passes != 1 else []
    for path in arguments.weights:
        words += ["--weights", path.name]
    words += ["--no-shipped"] if arguments.no_shipped else []
    words += ["--peers"] if arguments.peers else []
    words += ["--device", arguments.device] if arguments.device != "auto" else []
    return shlex.join(words)


def _check(arguments: argparse.Namespace) -> None:
    """Refuse what makes no sense before anything is read.

    Raises:
        UsageError: says what.
    """
    task = arguments.task
    if arguments.limit is not None and arguments.limit < 1:
        raise UsageError(f"--limit must be at least 1, not {arguments.limit}")
    if arguments.grid_photos < 1:
        raise UsageError(f"--grid-photos must be at least 1, not {arguments.grid_photos}")
    if arguments.grid_condition is not None and arguments.grid is None:
        raise UsageError("--grid-condition is of use with --grid only")
    if arguments.kernels is not None and task != "deblur":
        raise UsageError(f"--kernels is of use for deblur only, not for {task}")
    if arguments.gray and task not in RESTORING:
        raise UsageError(f"--gray is of use for denoise and deblur only, not for {task}")
    check_passes(arguments.passes)
    if arguments.passes != 1 and task not in RESTORING:
        raise UsageError(f"--passes is of use for denoise and deblur only, not for {task}")
    if task in MEASURES and (arguments.weights or arguments.no_shipped or arguments.grid):
        raise UsageError(f"{task} measures no networks: no --weights, --no-shipped, --grid")
    if task in MEASURES and arguments.device == "cuda":
        raise UsageError(f"{task} runs on the CPU: no --device cuda")
    if task == "naturalness" and arguments.peers:
        raise UsageError("naturalness has no peers to be measured: no --peers")
    has_peers = arguments.peers and task != "colorize"
    if arguments.no_shipped and not (arguments.weights or has_peers):
        raise UsageError("--no-shipped leaves nothing to measure; give --weights")
    for option, path, suffixes in (
        ("--csv", arguments.csv, (CSV,)),
        ("--parquet", arguments.parquet, (PARQUET,)),
        ("--grid", arguments.grid, grid.SUFFIXES),
    ):
        if path is not None:
            check_target(option, path, suffixes)


def _conditions(arguments: argparse.Namespace) -> list[Condition]:
    if arguments.task == "denoise":
        return denoise_conditions()
    if arguments.task == "colorize":
        return colorize_conditions()
    return deblur_conditions(read_kernels(arguments.kernels) if arguments.kernels else ())


def _methods(arguments: argparse.Namespace, device: torch.device, notes: Console) -> list[Method]:
    """The input, the shipped models, the weights named, peers; for colour also the truth."""
    methods = [untouched()]
    if not arguments.no_shipped:
        cards = [card for card in available_models() if card.task == arguments.task]
        methods += [
            _network(
                arguments,
                WEIGHTS_FOLDER / card.file,
                _with_passes(f"{card.name} (shipped)", arguments.passes),
                device,
            )
            for card in cards
        ]
    for path in arguments.weights:
        taken = {method.name for method in methods}
        name = _with_passes(path.stem, arguments.passes)
        if name in taken:
            longer = f"{path.resolve().parent.name}/{path.stem}"
            name = _with_passes(longer, arguments.passes)
        if name in taken:
            raise UsageError(f"--weights {path}: there are two of that name")
        methods.append(_network(arguments, path, name, device))
    if arguments.task == "colorize":
        return [*methods, true_photo()]
    if arguments.peers:
        methods += (
            peers.denoising_peers() if arguments.task == "denoise" else peers.deblurring_peers()
        )
        _note_missing("their peers are left out", peers.missing_packages(), notes)
    return methods


def _network(arguments: argparse.Namespace, path: Path, name: str, device: torch.device) -> Method:
    task = arguments.task
    if not path.is_file():
        raise UsageError(f"--weights {path}: no such file")
    try:
        network = read_network(path)
    except WeightsError as error:
        raise UsageError(f"--weights {path}: {error}") from error
    channels = (network.config.in_channels, network.config.out_channels)
    if channels != CHANNELS[task]:
        raise UsageError(
            f"--weights {path}: {task} needs a network with {CHANNELS[task][0]} channels in and "
            f"{CHANNELS[task][1]} out; this one has {channels[0]} and {channels[1]}"
        )
    placed = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model = without_card(placed, task, name, device)
    return network_method(model, name, file_sha256(path), passes=arguments.passes)


def _with_passes(name: str, passes: int) -> str:
    """A method's name in tables."""
    return name if passes == 1 else f"{name}, {passes} passes"


def _grid(
    arguments: argparse.Namespace, photos: int, conditions: Sequence[Condition], title: str
) -> grid.Grid | None:
    if arguments.grid is None:
        return None
    names = [condition.name for condition in conditions]
    chosen = arguments.grid_condition
    if chosen is not None and chosen not in names:
        raise UsageError(f"--grid-condition {chosen}: choose one of {', '.join(names)}")
    shown = frozenset(names if chosen is None else [chosen])
    return grid.Grid(title, grid.spread(arguments.grid_photos, photos), shown)


def _distances(
    arguments: argparse.Namespace, device: torch.device, notes: Console
) -> features.FrechetDistances | None:
    if arguments.task != "colorize":
        return None
    missing = features.missing_packages()
    if missing:
        _note_missing("no Frechet distance", missing, notes)
        return None
    return features.FrechetDistances(features.FeatureNetwork(device))


def _note_missing(consequence: str, packages: Sequence[str], notes: Console) -> None:
    if packages:
        notes.print(
            f"not installed: {', '.join(packages)} (extra `peers`): {consequence}",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip


def _named(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{device.type}, {threads} thread{'s' if threads > 1 else ''}"


def _write(arguments: argparse.Namespace, tables: Tables, console: Console) -> None:
    for target in (arguments.csv, arguments.parquet):
        if target is not None:
            for path in write_tables(target, tables):
                console.print(f"wrote {path}", highlight=False, markup=False, soft_wrap=True)
