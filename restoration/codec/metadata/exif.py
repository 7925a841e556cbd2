"""EXIF blocks, changed in place: nothing in them moves, so that maker notes stay readable.

Source: EXIF 3.0 (CIPA DC-008-2023), sections 4.6.4 and 4.6.5.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from restoration.codec.metadata.ifd import (
    EXIF_IFD,
    LONG,
    RATIONAL,
    SHORT,
    Directory,
    Entry,
    Layout,
    RawDirectory,
    RawEntry,
    pointer,
    read_header,
    read_raw,
    read_tree,
    read_value,
)
from restoration.codec.metadata.ifd_writing import blob, shrunk
from restoration.codec.metadata.limits import Budget, DamagedMetadata
from restoration.errors import TooLarge

ORIENTATION: Final = 0x0112
_WIDTH_TAGS: Final = frozenset({0x0100, 0xA002})
_HEIGHT_TAGS: Final = frozenset({0x0101, 0xA003})
_X_RESOLUTION: Final = 0x011A
_Y_RESOLUTION: Final = 0x011B
_RESOLUTION_UNIT: Final = 0x0128
_TEXTS: Final = frozenset({2, 129})
"""ASCII, and UTF-8 of EXIF 3.0."""
_INCHES_PER_UNIT: Final = {2: 1.0, 3: 1 / 2.54}
PREFIX: Final = b"Exif\0\0"
"""What stands before the block in a JPEG, and by mistake elsewhere."""
DAMAGED: Final = "the EXIF block is damaged and was left out"


class _Block:
    """An EXIF block's directories, each with where it stands."""

    def __init__(self, data: bytes) -> None:
        self.file = io.BytesIO(data)
        self.budget = Budget(len(data) * 4 + 64)  # directories may overlap, but not for ever
        self.layout, first = read_header(self.file)
        self.first = self.directory(first)

    def directory(self, offset: int) -> RawDirectory:
        try:
            return read_raw(self.file, self.layout, offset, self.budget)
        except TooLarge as error:
            raise DamagedMetadata("directories lie over each other") from error

    @property
    def thumbnail(self) -> RawDirectory | None:
        try:
            return self.directory(self.first.next_offset) if self.first.next_offset else None
        except DamagedMetadata:
            return None

    def children(self) -> Iterator[RawDirectory]:
        for entry in self.first.entries:
            if entry.tag == EXIF_IFD:
                try:
                    yield self.directory(pointer(self.layout, entry))
                except DamagedMetadata:
                    continue

    def number(self, entry: RawEntry) -> int | None:
        """The first value of an entry that holds it itself."""
        code = {1: "B", 3: "H", 4: "I"}.get(entry.type)
        if code is None or not entry.count:
            return None
        return int(struct.unpack_from(self.layout.order + code, entry.field)[0])

    def ratio(self, tag: int) -> float | None:
        entry = next((e for e in self.first.entries if e.tag == tag), None)
        if entry is None or entry.type != RATIONAL or entry.count != 1:
            return self.number(entry) if entry else None  # some writers store whole numbers
        data = read_value(self.file, self.layout, entry, self.budget)
        if data is None:
            return None
        above, below = struct.unpack(self.layout.order + "II", data)
        return above / below if below else None


def orientation(exif: bytes) -> int:
    """The orientation, 1 to 8; 1 where there is none, or nonsense."""
    try:
        block = _Block(exif)
    except DamagedMetadata:
        return 1
    for entry in block.first.entries:
        if entry.tag == ORIENTATION:
            value = block.number(entry)
            return value if value is not None and 1 <= value <= 8 else 1
    return 1


def texts_of(exif: bytes, tags: frozenset[int], *, longest_bytes: int) -> dict[int, bytes]:
    """The texts of some tags of the first directory, the first of each.

    Args:
        exif: from its byte-order mark on.
        tags: which.
        longest_bytes: of longer ones the beginning.

    Raises:
        DamagedMetadata: no TIFF structure, or a first directory that cannot be found.
    """
    block = _Block(exif)
    found: dict[int, bytes] = {}
    for entry in block.first.entries:
        if entry.tag in tags and entry.type in _TEXTS and entry.tag not in found:
            data = read_value(block.file, block.layout, entry, block.budget)
            if data is not None:
                found[entry.tag] = data[:longest_bytes]
    return found


def resolution(exif: bytes) -> tuple[float, float] | None:
    """Horizontal and vertical dots per inch, or None."""
    try:
        block = _Block(exif)
    except DamagedMetadata:
        return None
    units = [block.number(e) for e in block.first.entries if e.tag == _RESOLUTION_UNIT]
    factor = _INCHES_PER_UNIT.get((units[0] if units else 2) or 0)
    across, down = block.ratio(_X_RESOLUTION), block.ratio(_Y_RESOLUTION)
    if factor is None or not across or not down:
        return None
    return across / factor, down / factor


def unplaced(exif: bytes | None, dpi: tuple[float, float] | None, container: str) -> list[str]:
    """A note, where a file has no place for its resolution but a block that states none.

    To write it into the block, everything in it would have to move, maker notes too.

    Args:
        exif: the block, or None.
        dpi: the resolution, or None.
        container: such as "a WebP".
    """
    if dpi is None or exif is None or resolution(exif) is not None:
        return []
    return [f"the resolution has no place in {container} file but its EXIF block, which has none"]


def upright(exif: bytes, *, drop_thumbnail: bool = True) -> bytes:
    """Set the orientation to 1, and unhook the thumbnail, which shows the photo as it was.

    Args:
        exif: from its byte-order mark on.
        drop_thumbnail: whether the second directory is unhooked.

    Raises:
        DamagedMetadata: no TIFF structure, or a first directory that cannot be found.
    """
    block = _Block(exif)
    changed = bytearray(exif)
    thumbnail = block.thumbnail
    for entry in (*block.first.entries, *(thumbnail.entries if thumbnail else ())):
        if entry.tag == ORIENTATION:
            _put_number(changed, block.layout, entry, 1)
    if drop_thumbnail and block.first.next_position is not None:
        at = block.first.next_position
        changed[at : at + block.layout.offset.size] = block.layout.offset.pack(0)
    return bytes(changed)


def with_dimensions(exif: bytes, width: int, height: int) -> bytes:
    """Set width and height in pixels where the block states them (tags 0xA002, 0xA003, 256, 257).

    Raises:
        DamagedMetadata: no TIFF structure, or a first directory that cannot be found.
    """
    block = _Block(exif)
    changed = bytearray(exif)
    for directory in (block.first, *block.children()):
        for entry in directory.entries:
            if entry.tag in _WIDTH_TAGS:
                _put_number(changed, block.layout, entry, width)
            elif entry.tag in _HEIGHT_TAGS:
                _put_number(changed, block.layout, entry, height)
    return bytes(changed)


def _put_number(block: bytearray, layout: Layout, entry: RawEntry, value: int) -> None:
    """Write one number into an entry, whatever was there; only its 12 bytes change."""
    is_short = entry.type != LONG and value < 1 << 16
    data = struct.pack(layout.order + ("H" if is_short else "I"), value)
    kind = SHORT if is_short else LONG
    packed = layout.entry.pack(entry.tag, kind, 1, data.ljust(layout.offset.size, b"\0"))
    block[entry.position : entry.position + len(packed)] = packed


def minimal(dpi: tuple[float, float]) -> bytes:
    """A block that says nothing but the resolution, for files that have no other place for it."""
    layout = Layout("<")
    entries = [
        Entry(tag, RATIONAL, struct.pack("<II", ratio.numerator, ratio.denominator))
        for tag, ratio in zip((_X_RESOLUTION, _Y_RESOLUTION), map(_ratio, dpi), strict=True)
    ]
    unit = Entry(_RESOLUTION_UNIT, SHORT, struct.pack("<H", 2))
    return blob(Directory((*entries, unit)), layout)


def _ratio(value: float) -> Fraction:
    if not math.isfinite(value) or not 0 < value < 1 << 32:
        return Fraction(1)
    ratio = Fraction(value).limit_denominator(1000)
    return ratio if ratio.numerator < 1 << 32 else Fraction(int(value))


def tree(exif: bytes) -> tuple[Directory, Layout, tuple[str, ...]]:
    """The block's values, in its own byte order, and notes about what is unreadable.

    The thumbnail is not among them.

    Raises:
        DamagedMetadata: no TIFF structure, or a first directory that cannot be found.
    """
    block = _Block(exif)
    try:
        directory, notes = read_tree(block.file, block.layout, block.first, block.budget)
    except TooLarge as error:
        raise DamagedMetadata("values lie over each other") from error
    return directory, block.layout, notes


def fitted(exif: bytes, limit_bytes: int) -> tuple[bytes | None, tuple[str, ...]]:
    """The block itself if it is no longer than the limit, else without its largest values."""
    if len(exif) <= limit_bytes:
        return exif, ()
    try:
        directory, layout, notes = tree(exif)
    except DamagedMetadata:
        return None, (DAMAGED,)
    data, left_out = shrunk(directory, layout, limit_bytes)
    return data or None, (*notes, *left_out)
