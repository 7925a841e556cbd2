"""Metadata of TIFF files, page by page: read from their directories, and written into them.

Between files a page's own tags travel in the form of an EXIF block: a first directory with its
descriptive tags, and the EXIF and GPS directories below it. In this form a JPEG takes them, too.

To write, a page's directory is written anew at the end of the file and the pointer to it set: what
the encoder wrote stays where it is, whichever encoder it was.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final

from restoration.codec.metadata import exif as exif_block
from restoration.codec.metadata import photoshop
from restoration.codec.metadata.ifd import (
    UNDEFINED,
    Directory,
    Entry,
    Layout,
    RawDirectory,
    read_header,
    read_raw,
    read_tree,
    read_value,
)
from restoration.codec.metadata.ifd_writing import (
    MOVED_MAKER_NOTE,
    blob,
    converted,
    has_fixed_maker_note,
    serialise,
)
from restoration.codec.metadata.limits import (
    DEFAULT_LIMIT_BYTES,
    Budget,
    DamagedMetadata,
)
from restoration.codec.metadata.model import Embedded, Metadata, concise, lost_texts
from restoration.codec.metadata.tiff_tags import (
    CARRIERS,
    ICC_PROFILE,
    IPTC,
    LEFT_OUT,
    PHOTOSHOP,
    RESOLUTION,
    STRUCTURAL,
    XMP,
)

_BYTE: Final = 1
_LONG: Final = 4
_MAX_DIRECTORY_BYTES: Final = 1 << 30


def read(file: BinaryIO, page: int = 0, *, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> Embedded:
    """What the directory of a page holds beside the layout of its samples.

    Args:
        file: seekable; TIFF or BigTIFF.
        page: counted from 0.
        limit_bytes: refuse more metadata than this.

    Raises:
        DamagedMetadata: no TIFF file, or no such page.
        TooLarge: over the limit.
    """
    budget = Budget(limit_bytes)
    layout, _ = read_header(file)
    for number, (_, raw) in enumerate(_pages(file, budget)):
        if number == page:
            return _page(file, layout, raw, budget)
    raise DamagedMetadata(f"there is no page {page + 1}")


def read_pages(file: BinaryIO, *, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> Iterator[Embedded]:
    """What `read` gives of each page, in one walk over the file.

    Args:
        file: seekable; TIFF or BigTIFF.
        limit_bytes: refuse more metadata than this, all pages together.

    Raises:
        DamagedMetadata: no TIFF file, or a page that cannot be found.
        TooLarge: over the limit.
    """
    budget = Budget(limit_bytes)
    layout, _ = read_header(file)
    for _, raw in _pages(file, budget):
        yield _page(file, layout, raw, budget)


def _page(file: BinaryIO, layout: Layout, raw: RawDirectory, budget: Budget) -> Embedded:
    own, notes = read_tree(file, layout, raw, budget, skip=STRUCTURAL | CARRIERS)
    block, said = _as_exif(own, layout)
    found = photoshop.parse(_carried(file, layout, raw, PHOTOSHOP, budget) or b"")
    iptc = _iptc(file, layout, raw, budget)
    records, damage = photoshop.sound_iptc(iptc or found.iptc)
    xmp = _carried(file, layout, raw, XMP, budget) or found.xmp or b""
    metadata = Metadata(
        exif=block,
        xmp=xmp.rstrip(b"\0") or None,
        iptc=records,
        photoshop=found.others,
        notes=concise((*notes, *said, *found.notes, *damage, *_missed(raw))),
    )
    profile = _carried(file, layout, raw, ICC_PROFILE, budget)
    return Embedded(metadata, profile, exif_block.resolution(blob(own, layout)))


def _missed(raw: RawDirectory) -> list[str]:
    tags = sorted({entry.tag for entry in raw.entries} & LEFT_OUT.keys())
    return [f"{LEFT_OUT[tag]} (TIFF tag {tag}): left out" for tag in tags]


def _pages(file: BinaryIO, budget: Budget) -> Iterator[tuple[int, RawDirectory]]:
    """Where the pointer to each page's directory stands, and the directory; loops end the walk."""
    layout, offset = read_header(file)
    position = 8 if layout.is_big else 4
    seen = set()
    while offset and offset not in seen:
        seen.add(offset)
        raw = read_raw(file, layout, offset, budget)
        yield position, raw
        if raw.next_position is None:
            return
        position, offset = raw.next_position, raw.next_offset


def _carried(
    file: BinaryIO, layout: Layout, raw: RawDirectory, tag: int, budget: Budget
) -> bytes | None:
    """The bytes of a tag that holds a block of its own."""
    entry = next((entry for entry in raw.entries if entry.tag == tag), None)
    return read_value(file, layout, entry, budget) if entry else None


def _iptc(file: BinaryIO, layout: Layout, raw: RawDirectory, budget: Budget) -> bytes | None:
    """IPTC records, which many writers store as numbers of 32 bits.

    Those that had the numbers turned for the file's byte order turned the records with them.
    """
    data = _carried(file, layout, raw, IPTC, budget)
    entry = next((entry for entry in raw.entries if entry.tag == IPTC), None)
    if not data or entry is None or entry.type != _LONG:
        return data
    if data[0] != 0x1C and data[3:4] == b"\x1c":
        data = b"".join(data[i : i + 4][::-1] for i in range(0, len(data), 4))
    return data.rstrip(b"\0")  # what pads it to whole numbers


def _as_exif(own: Directory, source: Layout) -> tuple[bytes | None, tuple[str, ...]]:
    if not own.children and not {entry.tag for entry in own.entries} - RESOLUTION:
        return None, ()
    target = Layout(source.order)
    directory, notes = converted(own, source, target)
    if has_fixed_maker_note(directory):
        notes.append(MOVED_MAKER_NOTE)
    return blob(directory, target), tuple(notes)


def insert(file: BinaryIO, pages: Sequence[Metadata]) -> tuple[tuple[str, ...], ...]:
    """Write metadata into the pages of a finished TIFF file.

    Resolution, profile and whatever says how samples are stored are the encoder's and stay. Tags
    that are written replace the encoder's of the same number.

    Args:
        file: seekable, for reading and writing; TIFF or BigTIFF of either byte order.
        pages: what belongs to the file's pages, in order.

    Returns:
        Per page, what the file cannot hold.

    Raises:
        DamagedMetadata: no TIFF file, fewer pages than `pages`, or over 4 GiB without BigTIFF.
    """
    layout, _ = read_header(file)
    # All read before anything changes: each directory's own place is known to its predecessor only.
    found = list(_pages(file, Budget(_MAX_DIRECTORY_BYTES)))
    if len(found) < len(pages):
        raise DamagedMetadata(f"metadata for {len(pages)} pages, and {len(found)} pages")
    notes = []
    position = found[0][0] if found else 0
    for (_, raw), metadata in zip(found, pages, strict=False):
        added, said = _directory(metadata, layout)
        position = _rewrite(file, layout, raw, added, position)
        notes.append(said)
    return tuple(notes)


def _rewrite(
    file: BinaryIO, layout: Layout, raw: RawDirectory, added: Directory, position: int
) -> int:
    """Append a page's directory with further tags; returns where its pointer onwards stands."""
    start = file.seek(0, io.SEEK_END)
    if start % 2:
        start += file.write(b"\0")
    tags = {entry.tag for entry in added.entries} | {tag for tag, _ in added.children}
    kept = [entry for entry in raw.entries if entry.tag not in tags]
    file.write(serialise(added, layout, start, kept=kept, next_offset=raw.next_offset))
    file.seek(position)
    file.write(layout.offset.pack(start))
    return start + layout.count.size + (len(kept) + len(tags)) * layout.entry.size


def _directory(metadata: Metadata, layout: Layout) -> tuple[Directory, tuple[str, ...]]:
    """The tags to add to a page, in the file's byte order."""
    blocks = (
        (XMP, _BYTE, metadata.xmp),
        (IPTC, UNDEFINED, metadata.iptc),
        (PHOTOSHOP, _BYTE, metadata.photoshop),
    )
    entries = [Entry(tag, kind, data) for tag, kind, data in blocks if data]
    notes = lost_texts(metadata.texts, "TIFF")
    if metadata.exif is None:
        return Directory(tuple(entries)), notes
    try:
        own, source, said = exif_block.tree(metadata.exif)
    except DamagedMetadata:
        return Directory(tuple(entries)), (*notes, exif_block.DAMAGED)
    moved, left_out = converted(own, source, layout)
    if has_fixed_maker_note(moved) and MOVED_MAKER_NOTE not in metadata.notes:
        left_out.append(MOVED_MAKER_NOTE)
    hidden = STRUCTURAL | CARRIERS | RESOLUTION
    entries += [entry for entry in moved.entries if entry.tag not in hidden]
    unique = tuple({entry.tag: entry for entry in entries}.values())
    return Directory(unique, moved.children), (*notes, *said, *left_out)
