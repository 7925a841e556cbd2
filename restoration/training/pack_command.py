"""`restore-archive train pack`: photographs read once, for runs that start fast."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from restoration.errors import UsageError
from restoration.training.data import photo_sources
from restoration.training.duplicates import excluded
from restoration.training.pack import PackIndex, write_pack
from restoration.training.pack_encoding import PackOptions

LOSSLESS = "lossless"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments on `parser`."""
    parser.add_argument("--data", type=Path, action="append", required=True, metavar="DIR",
                        help="photographs, searched recursively; may be repeated")  # fmt: skip
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER",
                        help="folder to create")  # fmt: skip
    parser.add_argument("--exclude", type=Path, action="append", default=[], metavar="DIR",
                        help="leave out what shows the same as a photograph here (test sets); "
                        "may be repeated")  # fmt: skip
    parser.add_argument("--max-megabytes", type=float, metavar="N",
                        help="stop when the pack has this size; photographs are then taken "
                        "evenly from all")  # fmt: skip
    parser.add_argument("--long-edge", type=int, metavar="PIXELS", help="reduce larger ones")
    parser.add_argument("--quality", default="92", metavar="Q", help="of JPEG, 1-100, or "
                        f"{LOSSLESS} (default: 92)")  # fmt: skip


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Write a pack and say what is in it; returns the exit code.

    Raises:
        UsageError: arguments or data that make no sense.
    """
    check_folders(arguments)
    for option in ("max_megabytes", "long_edge"):
        value = getattr(arguments, option)
        if value is not None and value <= 0:
            raise UsageError(f"--{option.replace('_', '-')} must be positive, not {value:g}")
    options = PackOptions(
        quality=_quality(arguments.quality),
        long_edge=arguments.long_edge,
        max_megabytes=arguments.max_megabytes,
    )
    sources = photo_sources(arguments.data)
    if not sources:
        raise UsageError(f"no photographs under {', '.join(map(str, arguments.data))}")
    unwanted = excluded(photo_sources(arguments.exclude))
    index = write_pack(sources, arguments.output, options, unwanted)
    _summarise(index, arguments.output, console)
    return 0


def check_folders(arguments: argparse.Namespace) -> None:
    """Refuse folders of --data and --exclude that do not exist.

    Raises:
        UsageError: there is such a folder.
    """
    for option in ("data", "exclude"):
        for folder in getattr(arguments, option):
            if not folder.is_dir():
                raise UsageError(f"--{option} {folder}: no such folder")


def _quality(text: str) -> int | None:
    if text == LOSSLESS:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise UsageError(f"--quality must be 1-100 or {LOSSLESS}, not {text}")
    return int(text)


def _summarise(index: PackIndex, folder: Path, console: Console) -> None:
    full = [photo for photo in index.left_out if photo.reason.startswith("the pack is full")]
    for photo in index.left_out:
        if photo not in full:
            line = f"left out: {photo.source}: {photo.reason}"
            console.print(line, highlight=False, soft_wrap=True)
    if full:
        console.print(f"left out: {len(full)} photographs for which --max-megabytes has no room; "
                      "lower --quality or --long-edge to keep more", soft_wrap=True)  # fmt: skip
    console.print(
        f"{folder}: {len(index.photos)} photographs, {index.megapixels:.0f} megapixels, "
        f"{index.megabytes:.1f} MB",
        highlight=False,
        soft_wrap=True,
    )
