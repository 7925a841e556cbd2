"""`restore-archive bag`: a restored archive as a BagIt bag."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from flows.commands.archive import check_manifest
from flows.console import QuietlyClosedConsole, print_line
from restoration.errors import UsageError
from storage import LocalDestination, open_results

_FIELDS: Final = {
    "Source-Organization": "who hands the bag on",
    "Organization-Address": "of the organization",
    "Contact-Name": "whom to ask",
    "Contact-Phone": "of the contact",
    "Contact-Email": "of the contact",
    "External-Description": "what is in the bag",
    "External-Identifier": "the sender's identifier of the bag",
    "Bag-Group-Identifier": "of the set that the bag belongs to",
    "Bag-Count": "N of T, in that set",
    "Internal-Sender-Identifier": "the sender's other identifier of the contents",
    "Internal-Sender-Description": "the sender's other description of the contents",
}
"""Of bag-info.txt (RFC 8493, 2.2.2), as far as people know them better than programs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments on `parser`."""
    parser.add_argument("results", metavar="RESTORED", help="what runs wrote; it is only read")
    parser.add_argument("bag", type=Path, metavar="BAG", help="folder to be made")
    for name, what in _FIELDS.items():
        parser.add_argument(f"--{name.lower()}", metavar="TEXT", help=what)


def run(arguments: argparse.Namespace) -> int:
    """Make the bag and say what is in it.

    Raises:
        UsageError: a bucket, no archive, a bag that exists, or a text that is no line.
        StorageError: files are not as recorded, or no bag can be made of them.
    """
    results, bag = _places(arguments.results, arguments.bag)
    info = {}
    for name in _FIELDS:
        text = getattr(arguments, name.lower().replace("-", "_"))
        if text is not None and not (text.strip() and text.isprintable()):
            raise UsageError(f"--{name.lower()} must be one line of text, not {text!r}")
        if text is not None:
            info[name] = text
    try:
        from flows.bagging import make_bag  # needs the extra
    except ImportError as error:
        raise UsageError(
            f"`bag` needs bagit ({error}): pip install 'restore-archive[bagit]'"
        ) from error
    bagged = make_bag(results, bag, info)
    line = f"{bag}: {bagged.files:,} files, {bagged.size / 1e6:,.1f} MB"
    print_line(QuietlyClosedConsole(), line)
    return 0


def _places(location: str, bag: Path) -> tuple[LocalDestination, Path]:
    results = open_results(location)
    if not isinstance(results, LocalDestination):
        raise UsageError(f"a bag is made of a folder: copy {location} to one first")
    check_manifest(results, location)
    if bag.exists() or bag.is_symlink():
        raise UsageError(f"{bag} exists already; a bag is never overwritten")
    parent = bag.absolute().parent
    if not parent.is_dir():
        raise UsageError(f"folder {parent} does not exist")
    if parent.resolve().is_relative_to(results.root):
        raise UsageError(f"the bag {bag} would be inside {results.root}; choose a place beside it")
    return results, parent / bag.name
