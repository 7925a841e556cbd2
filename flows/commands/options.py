"""What `run` and `restore` both ask: how photos are restored, and about their files."""

from __future__ import annotations

import argparse
from dataclasses import fields, replace

from restoration.catalogue import choose_models
from restoration.codec import FORMATS, AccessCopies, Limits, Signing
from restoration.codec.access import WEB_FORMATS
from restoration.errors import UsageError
from restoration.plan import ALL_STEPS, parse_steps
from restoration.precision import AUTO, PRECISIONS
from restoration.recipe import Options
from restoration.resources import Resources


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
        "--passes",
        type=int,
        default=1,
        metavar="1|2|4|8",
        help="how often denoise and deblur do a photo, turned and mirrored, for the mean; 8 is a "
        "little better and takes eight times as long (default: %(default)d)",
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="TASK=NAME",
        help="another model than the device's default; once for each task (see `models`)",
    )
    parser.add_argument(
        "--even-if-worse",
        action="store_true",
        help="keep restored photos that are no better than their originals by what is measured "
        "(default: such photos keep their originals)",
    )
    parser.add_argument(
        "--device",
        default="auto",
        metavar="auto|cpu|cuda",
        help="where the networks run; auto is a GPU if there is one, else the processor "
        "(default: %(default)s)",
    )


def add_file_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments about files: what outputs look like, and what inputs may cost."""
    outputs = parser.add_argument_group("outputs")
    outputs.add_argument(
        "--output-format",
        type=str.upper,
        metavar="|".join(name.lower() for name in FORMATS),
        help="write all outputs in this format (default: each photo's own)",
    )
    outputs.add_argument(
        "--quality",
        type=int,
        metavar="1-100",
        help="of lossy outputs (default: at least as fine as each source)",
    )
    outputs.add_argument(
        "--no-label",
        action="store_true",
        help="leave IPTC's DigitalSourceType out of the outputs' XMP",
    )
    outputs.add_argument(
        "--c2pa-certificates",
        metavar="CHAIN.pem",
        help="sign outputs (C2PA content credentials): the certificates, the signer's first",
    )
    outputs.add_argument(
        "--c2pa-key", metavar="KEY.pem", help="the signer's private key; it stays in its file"
    )
    inputs = parser.add_argument_group("inputs")
    inputs.add_argument(
        "--salvage",
        action="store_true",
        help="restore damaged photos as far as they can be decoded, and say so in the manifest",
    )
    for name, what, metavar in (
        ("max-megapixels", "refuse photos with more pixels", "N"),
        ("max-file-gb", "refuse larger files", "N"),
        ("max-pages", "refuse files with more pages", "N"),
        ("max-metadata-mb", "refuse files with more metadata", "N"),
        (
            "decode-seconds",
            "processor time for decoding; 30 megapixels add as much",
            "S",
        ),
        ("decode-memory-gb", "memory that a decoder gets, beside the pixels", "N"),
    ):
        default = getattr(Limits(), name.replace("-", "_"))
        inputs.add_argument(
            f"--{name}",
            type=type(default),
            default=default,
            metavar=metavar,
            help=f"{what} (default: %(default)g)",
        )


def add_extra_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments about what lies beside the photos of an archive."""
    extras = parser.add_argument_group("beside the photos")
    extras.add_argument(
        "--access",
        type=str.lower,
        metavar="FORMAT:EDGE",
        help="a copy of each photo for the web, such as jpeg:2048: sRGB, 8 bits, no edge longer "
        f"than so many pixels ({', '.join(name.lower() for name in WEB_FORMATS)})",
    )
    extras.add_argument(
        "--access-quality",
        type=int,
        metavar="1-100",
        help=f"of these copies (default: {AccessCopies.quality})",
    )
    extras.add_argument(
        "--sidecar",
        action="store_true",
        help="a JSON file beside each restored photo that says what was found and done",
    )


def add_device_arguments(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Declare the arguments about how the networks use their device; returns their group."""
    group = parser.add_argument_group("speed")
    group.add_argument(
        "--precision",
        type=str.lower,
        default=AUTO,
        metavar="|".join(PRECISIONS),
        help="in which networks calculate (default: fp16 on GPUs, bf16 on processors that are made "
        "for it, else fp32)",
    )
    group.add_argument(
        "--gpu-memory",
        type=float,
        metavar="GB",
        help="of the GPU, for each process (default: what is free)",
    )
    return group


def add_resource_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments about what a process of a run may use."""
    group = add_device_arguments(parser)
    group.add_argument(
        "--memory",
        type=float,
        metavar="GB",
        help="that the photos in work share, in each process (default: half of what is available)",
    )
    group.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="photos in work at once, in each process (default: some more than there are cores)",
    )


def resources_from(arguments: argparse.Namespace) -> Resources:
    """What `add_resource_arguments`, or `add_device_arguments`, declared.

    Raises:
        UsageError: an amount that is not positive, or an unknown precision.
    """
    return Resources(
        memory_gb=getattr(arguments, "memory", None),
        gpu_memory_gb=arguments.gpu_memory,
        threads=getattr(arguments, "threads", None),
        precision=arguments.precision,
    )


def limits_from(arguments: argparse.Namespace) -> Limits:
    """The limits that `add_file_arguments` declared.

    Raises:
        UsageError: one that is not positive.
    """
    return Limits(**{each.name: getattr(arguments, each.name) for each in fields(Limits)})


def options_from(arguments: argparse.Namespace) -> Options:
    """The options that `add_restoration_arguments` and `add_file_arguments` declared.

    Raises:
        UsageError: one that makes no sense.
        WeightsError: a model card cannot be read.
    """
    return Options(
        steps=parse_steps(arguments.steps),
        limits=limits_from(arguments),
        strength=arguments.strength,
        keep_grain=arguments.keep_grain,
        passes=arguments.passes,
        models=choose_models(arguments.model),
        even_if_worse=arguments.even_if_worse,
        salvage=arguments.salvage,
        output_format=arguments.output_format,
        quality=arguments.quality,
        label=not arguments.no_label,
        signing=Signing.asked_for(arguments.c2pa_certificates, arguments.c2pa_key),
    )


def archive_options_from(arguments: argparse.Namespace) -> Options:
    """`options_from`, with what `add_extra_arguments` declared.

    Raises:
        UsageError: one that makes no sense.
        WeightsError: a model card cannot be read.
    """
    options = replace(options_from(arguments), sidecar=arguments.sidecar)
    quality = arguments.access_quality
    if arguments.access is None:
        if quality is not None:
            raise UsageError("--access-quality is of access copies: give --access FORMAT:EDGE, too")
        return options
    if quality is None:
        quality = AccessCopies.quality
    return replace(options, access=AccessCopies.parse(arguments.access, quality))
