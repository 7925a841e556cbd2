"""XMP of over 64 KiB in JPEG files: a packet, and an extension in further segments.

Source: Adobe's XMP Specification Part 3 (2020), 1.1.3.1.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from lxml import etree

from restoration.codec.metadata import xmp_packet
from restoration.codec.metadata.limits import DamagedMetadata
from restoration.codec.metadata.xmp_packet import RDF, XMP_NOTE

_HAS_EXTENDED: Final = "HasExtendedXMP"
_INCOMPLETE: Final = "the extension of the XMP is damaged or incomplete and was left out"


def guid(extended: bytes) -> bytes:
    """The name of an extension: its MD5 in hexadecimal capitals, 32 bytes."""
    digest = hashlib.md5(extended, usedforsecurity=False)
    return digest.hexdigest().upper().encode()


def join(
    main: bytes, extensions: dict[bytes, dict[int, bytes]]
) -> tuple[bytes | None, tuple[str, ...]]:
    """One packet of a main packet and its extension.

    Args:
        main: the main packet; empty for none. Without an extension it is returned as it is.
        extensions: parts by GUID and offset.

    Returns:
        The packet or None, and notes about what was left out.
    """
    if not extensions:
        return main or None, ()
    try:
        root = xmp_packet.parse(main)
        name = xmp_packet.value_of(root, XMP_NOTE, _HAS_EXTENDED)
        further = xmp_packet.parse(_whole(extensions.get((name or "").encode(), {})))
    except DamagedMetadata:
        return main or None, (_INCOMPLETE,)
    xmp_packet.remove(root, XMP_NOTE, _HAS_EXTENDED)
    xmp_packet.rdf_of(root).extend(xmp_packet.descriptions(further))
    return xmp_packet.serialise(root), ()


def _whole(parts: dict[int, bytes]) -> bytes:
    length = 0
    for offset in sorted(parts):
        if offset != length:
            raise DamagedMetadata(_INCOMPLETE)
        length += len(parts[offset])
    return b"".join(parts[offset] for offset in sorted(parts))


def split(packet: bytes, limit_bytes: int) -> tuple[bytes | None, bytes | None, tuple[str, ...]]:
    """A packet that fits, and what did not as an extension: the largest properties.

    Returns:
        Main packet, extension (both may be None), and notes about what was left out.
    """
    if len(packet) <= limit_bytes:
        return packet, None, ()
    try:
        root = xmp_packet.parse(packet)
    except DamagedMetadata:
        return None, None, ("the XMP is damaged and too long for a JPEG file, and was left out",)
    if len(xmp_packet.serialise(root)) <= limit_bytes:  # it was padded
        return xmp_packet.serialise(root), None, ()
    extension = xmp_packet.empty()
    holder = xmp_packet.new_description(extension)
    note = xmp_packet.new_description(root)
    note.set(f"{{{XMP_NOTE}}}{_HAS_EXTENDED}", "0" * 32)
    excess = len(xmp_packet.serialise(root)) - limit_bytes
    for size, description, key in sorted(_properties(root), key=lambda p: p[0], reverse=True):
        if excess <= 0:
            break
        _move(description, key, holder)
        excess -= size
    extended = xmp_packet.serialise(extension, wrapped=False)
    note.set(f"{{{XMP_NOTE}}}{_HAS_EXTENDED}", guid(extended).decode())
    main = xmp_packet.serialise(root)
    if len(main) > limit_bytes:
        return None, None, ("the XMP does not fit into a JPEG file and was left out",)
    return main, extended, ()


def _properties(root: Any) -> list[tuple[int, Any, Any]]:  # noqa: ANN401 - lxml has no types
    """Bytes, description, and element or attribute name of each property."""
    found = []
    for description in xmp_packet.descriptions(root):
        for key, value in description.attrib.items():
            if not key.startswith(f"{{{RDF}}}") and key != f"{{{XMP_NOTE}}}{_HAS_EXTENDED}":
                found.append((len(value.encode()), description, key))
        for element in description:
            if isinstance(element.tag, str):
                size = len(etree.tostring(element, encoding="UTF-8", with_tail=False))
                # Moved, it may need declarations that it has from the elements above it now, and
                # these stay: what is gained is the element less those.
                declared = sum(len(p or "") + len(u) + 10 for p, u in element.nsmap.items())
                found.append((max(size - declared, 0), description, element))
    return found


def _move(description: Any, key: Any, holder: Any) -> None:  # noqa: ANN401
    if isinstance(key, str):
        holder.set(key, description.attrib.pop(key))
    else:
        xmp_packet.drop(key)
        holder.append(key)
