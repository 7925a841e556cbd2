"""`restore-archive restore`: one photograph, no archive, no Prefect."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from flows.commands.options import (
    add_device_arguments,
    add_file_arguments,
    add_restoration_arguments,
    options_from,
    resources_from,
)
from flows.console import QuietlyClosedConsole, print_line
from flows.hashing import sha256_of
from flows.outputs import Outputs
from flows.photo import planned_page
from flows.rows import PlannedPage, reasons
from restoration.codec import SUFFIX_FORMATS, Photo, shared_decoder
from restoration.device import resolve_device
from restoration.errors import UsageError
from restoration.plan import Step
from restoration.restore import Restorer
from restoration.worker_process import settle
from storage import LocalDestination


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments on `parser`."""
    parser.add_argument("photo", type=Path, metavar="PHOTO", help="a file; it is only read")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="OUT",
        help="the restored photo; a colorized one goes beside it, to OUT's name with -colorized",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace files that are there already"
    )
    add_restoration_arguments(parser)
    add_file_arguments(parser)
    add_device_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Restore one photograph to OUT; its colorized interpretation goes beside it.

    Raises:
        UsageError: an option that makes no sense, or a file that is there already.
        RestorationError: the photo cannot be restored.
    """
    source, output = arguments.photo, arguments.output
    options = options_from(arguments)
    _check(source, output, options.steps, overwrite=arguments.overwrite)
    options = replace(options, output_format=SUFFIX_FORMATS[output.suffix.lower()])
    device, resources = resolve_device(arguments.device), resources_from(arguments)
    settle(photos_at_once=1)
    restorer = Restorer(device, options=options, resources=resources)
    with source.open("rb") as file:
        sha256 = sha256_of(file)
        photo = shared_decoder().decode(file, options.limits, salvage=options.salvage)
    pages = tuple(planned_page(page, options) for page in photo.pages)
    results = []
    for result in restorer.restore([each.job for each in pages]):
        if isinstance(result, Exception):
            raise result
        results.append(result)
    outputs = Outputs(source.name, sha256, photo, pages, results, options)
    written = _write(source, output, outputs, overwrite=arguments.overwrite)
    _report(pages, photo, [note for result in results for note in result.notes], written)
    return 0


def _check(source: Path, output: Path, steps: Sequence[Step], *, overwrite: bool) -> None:
    """Refuse what is no photo, and outputs that have no place or would take another file's."""
    if source.is_dir():
        raise UsageError(f"{source} is a folder; `run` restores whole folders")
    if not source.is_file():
        raise UsageError(f"{source}: no such photo")
    if output.suffix.lower() not in SUFFIX_FORMATS:
        known = ", ".join(sorted(SUFFIX_FORMATS))
        raise UsageError(f"the output's suffix {output.suffix!r} is not one of {known}")
    if not output.parent.is_dir():
        raise UsageError(f"folder {output.parent} does not exist")
    outputs = [output, colorized_path(output)] if Step.COLORIZE in steps else [output]
    if any(path.exists() and path.samefile(source) for path in outputs):
        raise UsageError("the output would overwrite the original")
    there = next((path for path in outputs if os.path.lexists(path)), None)
    if there is not None and there.is_dir():
        raise UsageError(f"{there} is a folder; give the name of a file")
    if there is not None and not overwrite:
        raise UsageError(f"{there} exists already; --overwrite replaces it")


def colorized_path(output: Path) -> Path:
    """Where the colorized interpretation goes: photo.jpg → photo-colorized.jpg."""
    return output.with_name(f"{output.stem}-colorized{output.suffix}")


def _write(
    source: Path, output: Path, outputs: Outputs, *, overwrite: bool
) -> dict[PurePath, tuple[str, ...]]:
    """Write the outputs; returns what each of them could not hold."""
    store = LocalDestination(output.parent)
    written: dict[PurePath, tuple[str, ...]] = {}
    for path, pages, steps in (
        (output, outputs.restored_pages(), outputs.restored_steps()),
        (colorized_path(output), outputs.colorized_pages(), outputs.colorized_steps()),
    ):
        if path == output and outputs.are_the_original:
            with source.open("rb") as original:
                store.put(path.name, original, overwrite=overwrite)
            written[path] = ()
        elif pages is not None:
            with outputs.encoded(pages, steps) as (file, notes):
                store.put(path.name, file, overwrite=overwrite)
            written[path] = notes
    return written


def _report(
    pages: Sequence[PlannedPage],
    photo: Photo,
    found: Sequence[str],
    written: Mapping[PurePath, Sequence[str]],
) -> None:
    """Say why each step was taken or not, what steps found out, and what files there are."""
    console = QuietlyClosedConsole()

    def say(line: str) -> None:
        print_line(console, line)

    for line in (*reasons(pages), *found):
        say(line)
    for path, notes in written.items():
        say(f"wrote {path}")
        for note in dict.fromkeys((*photo.notes, *notes)):
            say(f"    {note}")
