"""`restore-archive evaluate`: tables that anyone can reproduce."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from restoration.errors import UsageError
from restoration.evaluation.assessment import evaluate_assessment
from restoration.evaluation.methods import (
    Method,
    deblurring_peers,
    denoising_peers,
    ours,
    untouched,
)
from restoration.evaluation.protocols import (
    deblur_conditions,
    denoise_conditions,
    evaluate_colorize,
    evaluate_restoration,
    read_kernels,
)
from restoration.evaluation.tables import assessment_tables, colour_table, restoration_table
from restoration.models import Model, ModelCard, load_model, read_network, resolve_device
from restoration.training.sources import photo_files

Byte = NDArray[np.uint8]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments on `parser`."""
    parser.add_argument("task", choices=("denoise", "deblur", "colorize", "assess"))
    parser.add_argument("--data", type=Path, required=True, metavar="DIR",
                        help="folder of clean colour photographs")  # fmt: skip
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N photographs")
    parser.add_argument("--kernels", type=Path, metavar="NPZ", help="motion kernels for deblur")
    parser.add_argument("--weights", type=Path, metavar="FILE",
                        help="weights to measure instead of the shipped ones")  # fmt: skip
    parser.add_argument("--peers", action="store_true", help="also measure peers (slow)")
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print a table.

    Raises:
        UsageError: no photographs, or an option that makes no sense.
    """
    console = Console()
    if arguments.limit is not None and arguments.limit < 1:
        raise UsageError(f"--limit must be at least 1, not {arguments.limit}")
    photos = _read_photos(arguments.data, arguments.limit)
    if arguments.task == "assess":
        title = f"assessment on {len(photos)} photographs of {arguments.data.name}"
        for table in assessment_tables(title, evaluate_assessment(photos)):
            console.print(table)
        return 0
    model = _model(arguments)
    title = f"{arguments.task} on {len(photos)} photographs of {arguments.data.name}"
    if arguments.task == "colorize":
        console.print(colour_table(title, list(evaluate_colorize(photos, model))))
        return 0
    methods = [untouched(), ours(model.network, model.device)]
    if arguments.task == "denoise":
        conditions = denoise_conditions()
        peers: Sequence[Method] = denoising_peers() if arguments.peers else ()
    else:
        conditions = deblur_conditions(read_kernels(arguments.kernels) if arguments.kernels else ())
        peers = deblurring_peers() if arguments.peers else ()
    scores = list(evaluate_restoration(photos, conditions, [*methods, *peers]))
    console.print(restoration_table(title, scores))
    return 0


def _read_photos(folder: Path, limit: int | None) -> list[Byte]:
    if not folder.is_dir():
        raise UsageError(f"--data {folder}: no such folder")
    photos: list[Byte] = []
    for path in photo_files([folder]):
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
        if image is not None:
            photos.append(np.ascontiguousarray(image[..., ::-1]))
        if limit is not None and len(photos) == limit:
            break
    if not photos:
        raise UsageError(f"--data {folder}: no photographs")
    return photos


def _model(arguments: argparse.Namespace) -> Model:
    device = resolve_device(arguments.device)
    if arguments.weights is None:
        return load_model(arguments.task, device)
    network = read_network(arguments.weights).to(device)
    name = arguments.weights.stem
    card = ModelCard(name, arguments.task, str(arguments.weights), "", 0, 0.0, (), "", (), ())
    return Model(card, network, device)
