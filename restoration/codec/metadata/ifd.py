"""Image file directories: the structure of TIFF files, BigTIFF files and EXIF blocks.

Sources: TIFF 6.0 (Adobe, 1992), BigTIFF (http://bigtiff.org), EXIF 3.0 (CIPA DC-008-2023).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from restoration.codec.metadata.limits import Budget, DamagedMetadata, read_block, size_of

SHORT: Final = 3
LONG: Final = 4
RATIONAL: Final = 5
UNDEFINED: Final = 7
LONG8: Final = 16

EXIF_IFD: Final = 34665
GPS_IFD: Final = 34853
INTEROPERABILITY_IFD: Final = 40965
_CHILDREN: Final = {EXIF_IFD: frozenset({INTEROPERABILITY_IFD})}
"""Directories within a directory; those of the first one are in `TOP_CHILDREN`."""
TOP_CHILDREN: Final = frozenset({EXIF_IFD, GPS_IFD})

# Type → bytes of one word (what byte order turns around) and words of one value.
_TYPES: Final = {
    1: (1, 1), 2: (1, 1), 3: (2, 1), 4: (4, 1), 5: (4, 2), 6: (1, 1), 7: (1, 1), 8: (2, 1),
    9: (4, 1), 10: (4, 2), 11: (4, 1), 12: (8, 1), 13: (4, 1), 16: (8, 1), 17: (8, 1), 18: (8, 1),
    129: (1, 1),  # UTF-8 of EXIF 3.0
}  # fmt: skip
_MAX_ENTRIES: Final = 65_535


@dataclass(frozen=True)
class Layout:
    """How numbers and offsets are stored: byte order, and 32 or 64 bits."""

    order: str
    is_big: bool = False

    @property
    def offset(self) -> struct.Struct:
        """Of an offset, and of a value that stands in its place."""
        return struct.Struct(self.order + ("Q" if self.is_big else "I"))

    @property
    def count(self) -> struct.Struct:
        """Of the number of a directory's entries."""
        return struct.Struct(self.order + ("Q" if self.is_big else "H"))

    @property
    def entry(self) -> struct.Struct:
        """Of an entry: tag, type, number of values, value or offset."""
        return struct.Struct(self.order + ("HHQ8s" if self.is_big else "HHI4s"))

    @property
    def header(self) -> bytes:
        """What a file begins with, its first directory right after."""
        if self.is_big:
            mark = b"II" if self.order == "<" else b"MM"
            return mark + struct.pack(self.order + "HHHQ", 43, 8, 0, 16)
        return (b"II" if self.order == "<" else b"MM") + struct.pack(self.order + "HI", 42, 8)


@dataclass(frozen=True)
class RawEntry:
    """An entry as it stands in the file.

    Attributes:
        position: of the entry in the file.
        field: 4 or 8 bytes: the value, or its offset.
    """

    position: int
    tag: int
    type: int
    count: int
    field: bytes

    @property
    def size(self) -> int | None:
        """Bytes of its value, or None for an unknown type."""
        word = _TYPES.get(self.type)
        return None if word is None else self.count * word[0] * word[1]


@dataclass(frozen=True)
class RawDirectory:
    """A directory as it stands in the file.

    Attributes:
        next_position: where the next directory's offset stands; None where the file ends before.
        next_offset: the next directory's offset, 0 for none.
    """

    entries: tuple[RawEntry, ...]
    next_position: int | None
    next_offset: int


@dataclass(frozen=True)
class Entry:
    """A tag with its value's bytes in the byte order of the layout that it goes with."""

    tag: int
    type: int
    data: bytes = field(repr=False)

    @property
    def count(self) -> int:
        """Number of values."""
        word, words = _TYPES[self.type]
        return len(self.data) // (word * words)


@dataclass(frozen=True)
class Directory:
    """Entries, and the directories that other entries point to (by tag)."""

    entries: tuple[Entry, ...] = ()
    children: tuple[tuple[int, Directory], ...] = ()

    def find(self, tag: int) -> Entry | None:
        """The first entry of a tag."""
        return next((entry for entry in self.entries if entry.tag == tag), None)

    def child(self, tag: int) -> Directory | None:
        """The directory that a tag points to."""
        return dict(self.children).get(tag)


def read_header(file: BinaryIO) -> tuple[Layout, int]:
    """The layout of a TIFF structure, and the offset of its first directory.

    Raises:
        DamagedMetadata: no TIFF structure.
    """
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        raise DamagedMetadata("no TIFF structure")
    (version,) = struct.unpack_from(order + "H", head, 2)
    if version == 43 and len(head) == 16:
        return Layout(order, is_big=True), struct.unpack_from(order + "Q", head, 8)[0]
    if version != 42:
        raise DamagedMetadata("no TIFF structure")
    return Layout(order), struct.unpack_from(order + "I", head, 4)[0]


def read_raw(file: BinaryIO, layout: Layout, offset: int, budget: Budget) -> RawDirectory:
    """A directory's entries; of one that the file's end cuts off, those before it.

    Raises:
        DamagedMetadata: the offset is outside the file, or the number of entries is absurd.
        TooLarge: over the budget.
    """
    end = size_of(file)
    first = offset + layout.count.size
    if offset < 8 or first > end:
        raise DamagedMetadata("a directory lies outside its file")
    file.seek(offset)
    (said,) = layout.count.unpack(read_block(file, layout.count.size, budget))
    if said > _MAX_ENTRIES:
        raise DamagedMetadata(f"a directory with {said} entries")
    size = layout.entry.size
    held = min(said, (end - first) // size)
    data = read_block(file, held * size, budget)
    entries = tuple(
        RawEntry(first + i * size, *layout.entry.unpack_from(data, i * size)) for i in range(held)
    )
    position = first + held * size
    pointer = file.read(layout.offset.size) if held == said else b""
    if len(pointer) < layout.offset.size:
        return RawDirectory(entries, None, 0)
    return RawDirectory(entries, position, layout.offset.unpack(pointer)[0])


def read_value(file: BinaryIO, layout: Layout, entry: RawEntry, budget: Budget) -> bytes | None:
    """The bytes of an entry's value; None if it lies outside the file or has an unknown type."""
    size = entry.size
    if size is None:
        return None
    if size <= len(entry.field):
        return entry.field[:size]
    (offset,) = layout.offset.unpack(entry.field)
    if offset + size > size_of(file):
        return None
    file.seek(offset)
    return read_block(file, size, budget)


def pointer(layout: Layout, entry: RawEntry) -> int:
    """The offset that an entry holds as its value, or 0."""
    size = entry.size
    if size == 4:
        return int(struct.unpack_from(layout.order + "I", entry.field)[0])
    return int(layout.offset.unpack(entry.field)[0]) if size == 8 == len(entry.field) else 0


def read_tree(
    file: BinaryIO,
    layout: Layout,
    raw: RawDirectory,
    budget: Budget,
    *,
    skip: frozenset[int] = frozenset(),
    children: frozenset[int] = TOP_CHILDREN,
) -> tuple[Directory, tuple[str, ...]]:
    """Values and EXIF, GPS and interoperability directories, and notes about what is unreadable.

    It follows three kinds of pointers, each one level down, so that no loop can hold it.
    """
    entries, found, notes = [], [], []
    for entry in raw.entries:
        if entry.tag in skip:
            continue
        if entry.tag in children:
            try:
                below = read_raw(file, layout, pointer(layout, entry), budget)
            except DamagedMetadata:
                notes.append(f"the directory of tag {entry.tag} is damaged and was left out")
                continue
            deeper = _CHILDREN.get(entry.tag, frozenset())
            child, said = read_tree(file, layout, below, budget, children=deeper)
            found.append((entry.tag, child))
            notes.extend(said)
        elif (data := read_value(file, layout, entry, budget)) is None:
            notes.append(f"tag {entry.tag} is damaged and was left out")
        else:
            entries.append(Entry(entry.tag, entry.type, data))
    return Directory(tuple(entries), tuple(dict(found).items())), tuple(notes)


def swapped(entry: Entry) -> Entry:
    """An entry in the other byte order."""
    word = _TYPES[entry.type][0]
    data = bytearray(len(entry.data))
    for i in range(word):
        data[i::word] = entry.data[word - 1 - i :: word]
    return Entry(entry.tag, entry.type, bytes(data))
