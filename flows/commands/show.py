"""`restore-archive show`: what was done to one photo of an archive, and why."""

from __future__ import annotations

import argparse
import difflib
import json
from contextlib import closing
from typing import Final

from flows.commands.archive import open_archive
from flows.commands.as_json import jsonable
from flows.console import QuietlyClosedConsole, print_line
from flows.places import FOLDERS, possible_owners
from flows.showing import heading, history_line, sections
from restoration.errors import UsageError
from storage import DestinationStore
from storage.manifest import COLUMNS, ManifestIndex, ManifestRow, history

_SUGGESTED: Final = 3
_CONSIDERED: Final = 100
"""Paths that DuckDB, which takes a second for a million, finds likely."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments on `parser`."""
    parser.add_argument("destination", metavar="RESTORED", help="what runs wrote; it is only read")
    parser.add_argument(
        "photo", metavar="PATH", help="the photo's path in the archive, such as 1923/portrait.jpg"
    )
    parser.add_argument(
        "--history", action="store_true", help="a line for each run that did something to it"
    )
    parser.add_argument(
        "--json", action="store_true", help="print all columns that are not null, as JSON"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what the manifest says of a photo; returns 0.

    Raises:
        BadLocation: there is no such place.
        UsageError: there is no manifest, or no such photo in it.
        StorageError: the manifest cannot be read.
    """
    destination = open_archive(arguments.destination)
    photo = arguments.photo.removeprefix("./")
    if not photo:
        raise UsageError("PATH is empty; give the photo's path in the archive")
    with closing(ManifestIndex.load(destination)) as index:
        latest = index.row(photo)
        if latest is None:
            raise UsageError(_absent(destination, index, photo))
        rows = history(destination, index.part_paths, photo) if arguments.history else (latest,)
    if arguments.json:
        fields = [_fields(row) for row in rows]
        print(json.dumps(fields if arguments.history else fields[0], indent=2, allow_nan=False))
        return 0
    console = QuietlyClosedConsole()
    if arguments.history:
        for row in rows:
            print_line(console, history_line(row))
        return 0
    print_line(console, heading(latest))
    for section in sections(latest):
        print_line(console, f"{section.title}:")
        for line in section.lines:
            print_line(console, f"    {line}")
    return 0


def _fields(row: ManifestRow) -> dict[str, object]:
    """A row's columns that are not null, in their order."""
    named = ((column.name, getattr(row, column.name)) for column in COLUMNS)
    return {name: jsonable(value) for name, value in named if value is not None}


def _absent(destination: DestinationStore, index: ManifestIndex, photo: str) -> str:
    """What to say of a path that no run has seen."""
    near = _owners(index, photo) or _nearest(destination, photo)
    told = f"no run has seen a photo {photo}"
    return f"{told}; the nearest: {', '.join(near)}" if near else told


def _owners(index: ManifestIndex, path: str) -> list[str]:
    """The photos that may have an output at this path."""
    if not path.startswith(tuple(f"{folder}/" for folder in FOLDERS)):
        return []
    owners = list(possible_owners(path))
    known = zip(owners, index.lookup(owners), strict=True)
    return [source for source, row in known if row is not None]


def _nearest(destination: DestinationStore, photo: str) -> list[str]:
    """Photos of the same name in other folders, and of names like it."""
    from storage.manifest.database import ManifestDatabase  # importing DuckDB takes a while

    name = photo.rpartition("/")[2].lower()
    sql = (
        "SELECT source, lower(parse_filename(source, false, 'forward_slash')) = $1 AS is_named"
        " FROM photos ORDER BY is_named DESC, jaro_winkler_similarity(lower(source), lower($2))"
        f" DESC, source LIMIT {_CONSIDERED}"
    )
    with ManifestDatabase.open(destination) as database:
        rows = list(database.query(sql, (name, photo)).rows())
    named = [source for source, is_named in rows if is_named]
    alike = difflib.get_close_matches(photo, [source for source, _ in rows], _SUGGESTED)
    return list(dict.fromkeys((*named, *alike)))[:_SUGGESTED]
