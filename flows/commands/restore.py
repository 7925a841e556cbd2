"""`restore-archive restore`: one photograph, no archive, no Prefect."""

from __future__ import annotations

import argparse
from pathlib import Path, PurePath

from flows.commands.options import add_restoration_arguments, options_from
from flows.progress import QuietlyClosedConsole
from restoration.assess import assess
from restoration.codec import SUFFIX_FORMATS, Photo, decode, encode
from restoration.errors import UsageError
from restoration.models import resolve_device
from restoration.plan import Plan, make_plan
from restoration.restore import Job, Restored, Restorer
from storage import LocalDestination


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments on `parser`."""
    parser.add_argument("photo", type=Path, metavar="PHOTO")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT")
    add_restoration_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Restore one photograph to OUT; its colorized interpretation goes beside it.

    Raises:
        UsageError: an option that makes no sense.
        RestorationError: the photo cannot be restored.
    """
    source, output = arguments.photo, arguments.output
    options = options_from(arguments)
    device = resolve_device(arguments.device)
    target_format = _check_paths(source, output)
    with source.open("rb") as file:
        photo = decode(file)
    assessment = assess(photo.pixels)
    plan = make_plan(assessment, options.steps, strength=options.strength)
    restorer = Restorer(device, options=options)
    (result,) = restorer.restore([Job(photo.pixels, plan, assessment.noise_sigma)])
    if isinstance(result, Exception):
        raise result
    written = _write(source, output, target_format, photo, result)
    _report(plan, result, written)
    return 0


def _check_paths(source: Path, output: Path) -> str:
    if not source.is_file():
        raise UsageError(f"{source}: no such photo")
    if output.suffix.lower() not in SUFFIX_FORMATS:
        known = ", ".join(sorted(SUFFIX_FORMATS))
        raise UsageError(f"the output's suffix {output.suffix!r} is not one of {known}")
    if not output.parent.is_dir():
        raise UsageError(f"folder {output.parent} does not exist")
    outputs = (output, colorized_path(output))
    if any(path.exists() and path.samefile(source) for path in outputs):
        raise UsageError("the output would overwrite the original")
    return SUFFIX_FORMATS[output.suffix.lower()]


def colorized_path(output: Path) -> Path:
    """Where the colorized interpretation goes: photo.jpg → photo-colorized.jpg."""
    return output.with_name(f"{output.stem}-colorized{output.suffix}")


def _write(
    source: Path, output: Path, target_format: str, photo: Photo, result: Restored
) -> list[PurePath]:
    store = LocalDestination(output.parent)
    written = [output]
    if result.pixels is None and target_format == photo.format:
        with source.open("rb") as original:
            store.put(output.name, original)
    else:
        pixels = photo.pixels if result.pixels is None else result.pixels
        store.put(output.name, encode(photo, pixels, file_format=target_format))
    if result.colorized is not None:
        beside = colorized_path(output)
        store.put(beside.name, encode(photo, result.colorized, file_format=target_format))
        written.append(beside)
    return list(written)


def _report(plan: Plan, result: Restored, written: list[PurePath]) -> None:
    console = QuietlyClosedConsole()
    for line in (*plan.reasons, *result.notes):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for path in written:
        console.print(f"wrote {path}", highlight=False, markup=False, soft_wrap=True)
