"""Directories to bytes, in either byte order, with 32- or 64-bit offsets."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from restoration.codec.metadata.ifd import (
    LONG,
    LONG8,
    Directory,
    Entry,
    Layout,
    RawEntry,
    swapped,
)
from restoration.codec.metadata.limits import DamagedMetadata

MAKER_NOTE: Final = 37500
# Maker notes with a header of their own that their offsets count from (ExifTool, MakerNotes.pm):
# they read the same anywhere in a file.
_MOVABLE_MAKER_NOTES: Final = (
    b"Nikon\0\x02", b"OLYMPUS\0II", b"OLYMPUS\0MM", b"OM SYSTEM\0", b"FUJIFILM", b"Apple iOS\0",
    b"LEICA\0\x01\0", b"PENTAX \0",
)  # fmt: skip
MOVED_MAKER_NOTE: Final = (
    "the maker note moved within its file; where its maker counts offsets from the file's start, "
    "parts of it cannot be read any more (its bytes are all there)"
)


def serialise(
    directory: Directory,
    layout: Layout,
    start: int,
    *,
    kept: Sequence[RawEntry] = (),
    next_offset: int = 0,
) -> bytes:
    """A directory that is to stand at `start`, its values and child directories after it.

    Args:
        directory: in the byte order of `layout`.
        layout: of the file.
        start: offset in the file, even.
        kept: entries of the same file that are copied as they stand, values left where they are.
        next_offset: of the directory after this one, 0 for none.

    Raises:
        DamagedMetadata: it would end beyond what the layout's offsets reach.
    """
    number = len(kept) + len(directory.entries) + len(directory.children)
    tail_at = start + layout.count.size + number * layout.entry.size + layout.offset.size
    tail = bytearray()
    lines = [(e.tag, layout.entry.pack(e.tag, e.type, e.count, e.field)) for e in kept]
    lines += [(e.tag, _pack_entry(e, layout, tail_at, tail)) for e in directory.entries]
    for tag, child in directory.children:
        lines.append((tag, _pack_child(child, tag, layout, tail_at, tail)))
    lines.sort(key=lambda line: line[0])
    head = layout.count.pack(number) + b"".join(packed for _, packed in lines)
    return head + _offset(layout, next_offset) + bytes(tail)


def _pack_child(child: Directory, tag: int, layout: Layout, tail_at: int, tail: bytearray) -> bytes:
    at = tail_at + len(tail)
    tail += serialise(child, layout, at)
    _align(tail)
    kind = LONG8 if layout.is_big else LONG
    return layout.entry.pack(tag, kind, 1, _offset(layout, at))


def _pack_entry(entry: Entry, layout: Layout, tail_at: int, tail: bytearray) -> bytes:
    inline = layout.offset.size
    if len(entry.data) <= inline:
        value = entry.data.ljust(inline, b"\0")
    else:
        value = _offset(layout, tail_at + len(tail))
        tail += entry.data
        _align(tail)
    return layout.entry.pack(entry.tag, entry.type, entry.count, value)


def _align(tail: bytearray) -> None:
    # Values begin on even offsets (TIFF 6.0, section 2).
    tail.extend(b"\0" * (len(tail) % 2))


def _offset(layout: Layout, value: int) -> bytes:
    try:
        return layout.offset.pack(value)
    except struct.error as error:
        raise DamagedMetadata("the TIFF file is over 4 GiB and is no BigTIFF") from error


def converted(directory: Directory, source: Layout, target: Layout) -> tuple[Directory, list[str]]:
    """A directory in another byte order, with the types that the target has; and notes."""
    entries, notes = [], []
    for entry in directory.entries:
        moved = entry if source.order == target.order else swapped(entry)
        fitting = moved if target.is_big else _narrowed(moved, target)
        if fitting is None:
            notes.append(f"tag {entry.tag} has 64-bit values and was left out")
        else:
            entries.append(fitting)
    children = []
    for tag, child in directory.children:
        below, said = converted(child, source, target)
        children.append((tag, below))
        notes.extend(said)
    return Directory(tuple(entries), tuple(children)), notes


def _narrowed(entry: Entry, layout: Layout) -> Entry | None:
    """BigTIFF's 64-bit types as 32-bit ones, where the values allow it."""
    wide = {16: ("Q", "I", 4), 17: ("q", "i", 9), 18: ("Q", "I", 13)}.get(entry.type)
    if wide is None:
        return entry
    old, new, kind = wide
    values = struct.unpack(f"{layout.order}{entry.count}{old}", entry.data)
    try:
        return Entry(entry.tag, kind, struct.pack(f"{layout.order}{len(values)}{new}", *values))
    except struct.error:
        return None


def blob(directory: Directory, layout: Layout) -> bytes:
    """A directory as an EXIF block of its own: header, directory, values."""
    return layout.header + serialise(directory, layout, len(layout.header))


def shrunk(directory: Directory, layout: Layout, limit_bytes: int) -> tuple[bytes, list[str]]:
    """`blob` without the largest values that keep it from fitting, and notes that name them."""
    notes: list[str] = []
    data = blob(directory, layout)
    while len(data) > limit_bytes:
        largest = max(_sizes(directory), default=None)
        if largest is None:
            return b"", [*notes, "the EXIF block does not fit and was left out"]
        directory = _without(directory, largest[1])
        notes.append(f"EXIF tag {largest[1]} ({largest[0]} bytes) does not fit and was left out")
        data = blob(directory, layout)
    return data, notes


def _sizes(directory: Directory) -> list[tuple[int, int]]:
    own = [(len(entry.data), entry.tag) for entry in directory.entries]
    return own + [size for _, child in directory.children for size in _sizes(child)]


def _without(directory: Directory, tag: int) -> Directory:
    return Directory(
        tuple(entry for entry in directory.entries if entry.tag != tag),
        tuple((key, _without(child, tag)) for key, child in directory.children),
    )


def has_fixed_maker_note(directory: Directory) -> bool:
    """Whether there is a maker note whose offsets may count from the file's start."""
    for part in (directory, *(child for _, child in directory.children)):
        note = part.find(MAKER_NOTE)
        if note is not None and len(note.data) > 4:
            return not note.data.startswith(_MOVABLE_MAKER_NOTES)
    return False
