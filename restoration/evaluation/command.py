"""`restore-archive evaluate`: tables that anyone can reproduce."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from restoration.evaluation.methods import (
    Method,
    deblurring_peers,
    denoising_peers,
    ours,
    untouched,
)
from restoration.evaluation.protocols import (
    Score,
    deblur_conditions,
    denoise_conditions,
    evaluate_colorize,
    evaluate_restoration,
    read_kernels,
)
from restoration.models import Model, ModelCard, load_model, read_network, resolve_device
from restoration.training.data import photo_files

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
        ValueError: no photographs, or an option that makes no sense.
    """
    console = Console()
    photos = _read_photos(arguments.data, arguments.limit)
    if arguments.task == "assess":
        from restoration.evaluation.assessment_report import print_assessment_report

        print_assessment_report(photos, console)
        return 0
    model = _model(arguments)
    title = f"{arguments.task} on {len(photos)} photographs of {arguments.data.name}"
    if arguments.task == "colorize":
        console.print(_colour_table(title, list(evaluate_colorize(photos, model))))
        return 0
    methods = [untouched(), ours(model.network, model.device)]
    if arguments.task == "denoise":
        conditions = denoise_conditions()
        peers: Sequence[Method] = denoising_peers() if arguments.peers else ()
    else:
        conditions = deblur_conditions(read_kernels(arguments.kernels) if arguments.kernels else ())
        peers = deblurring_peers() if arguments.peers else ()
    scores = list(evaluate_restoration(photos, conditions, [*methods, *peers]))
    console.print(_restoration_table(title, scores))
    return 0


def _read_photos(folder: Path, limit: int | None) -> list[Byte]:
    if not folder.is_dir():
        raise ValueError(f"--data {folder}: no such folder")
    photos: list[Byte] = []
    for path in photo_files([folder]):
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
        if image is not None:
            photos.append(np.ascontiguousarray(image[..., ::-1]))
        if limit is not None and len(photos) == limit:
            break
    if not photos:
        raise ValueError(f"--data {folder}: no photographs")
    return photos


def _model(arguments: argparse.Namespace) -> Model:
    device = resolve_device(arguments.device)
    if arguments.weights is None:
        return load_model(arguments.task, device)
    network = read_network(arguments.weights).to(device)
    name = arguments.weights.stem
    card = ModelCard(name, arguments.task, str(arguments.weights), "", 0, 0.0, (), "", (), ())
    return Model(card, network, device)


def _restoration_table(title: str, scores: Iterable[Score]) -> Table:
    scores = list(scores)
    conditions = list(dict.fromkeys(score.condition for score in scores))
    table = Table(title=f"{title}: PSNR in dB / SSIM")
    table.add_column("method")
    for condition in conditions:
        table.add_column(condition, justify="right")
    table.add_column("s/MP", justify="right")
    for method in dict.fromkeys(score.method for score in scores):
        own = {score.condition: score for score in scores if score.method == method}
        cells = [f"{own[c].psnr_db:.2f} / {own[c].ssim:.3f}" for c in conditions]
        pace = float(np.median([score.seconds_per_megapixel for score in own.values()]))
        table.add_row(method, *cells, f"{pace:.2f}")
    return table


def _colour_table(title: str, scores: Iterable[Score]) -> Table:
    table = Table(title=title)
    for name in ("method", "PSNR dB", "SSIM", "colourfulness", "s/MP"):
        table.add_column(name, justify="left" if name == "method" else "right")
    for score in scores:
        table.add_row(
            score.method,
            f"{score.psnr_db:.2f}",
            f"{score.ssim:.3f}",
            f"{score.colourfulness:.1f}",
            f"{score.seconds_per_megapixel:.2f}",
        )
    return table
