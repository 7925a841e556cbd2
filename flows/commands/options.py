"""What `run` and `restore` both ask: steps, strength, grain, models, device."""

from __future__ import annotations

import argparse

from restoration.codec import DEFAULT_MAX_MEGAPIXELS
from restoration.models import choose_models
from restoration.plan import ALL_STEPS, parse_steps
from restoration.recipe import Options


def add_restoration_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that say how a photo is restored."""
    parser.add_argument(
        "--steps",
        default=",".join(ALL_STEPS),
        metavar="LIST",
        help="steps that may run, in order (default: %(default)s)",
    )
    parser.add_argument(
        "--strength",
        type=float,
        default=1.0,
        metavar="0-1",
        help="share of the restoration's change that is applied (default: %(default)g)",
    )
    parser.add_argument(
        "--keep-grain",
        type=float,
        default=0.0,
        metavar="0-1",
        help="share of the luminance grain that denoising gives back (default: %(default)g)",
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="TASK=NAME",
        help="another model than the device's default; once for each task (see `models`)",
    )
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda")


def options_from(
    arguments: argparse.Namespace, *, max_megapixels: float = DEFAULT_MAX_MEGAPIXELS
) -> Options:
    """The options that `add_restoration_arguments` declared.

    Raises:
        UsageError: one that makes no sense.
        WeightsError: a model card cannot be read.
    """
    return Options(
        steps=parse_steps(arguments.steps),
        max_megapixels=max_megapixels,
        strength=arguments.strength,
        keep_grain=arguments.keep_grain,
        models=choose_models(arguments.model),
    )
