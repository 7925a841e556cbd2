"""Our label in a photo's XMP: what was done to it, by what, from which source.

Three readers are served: those who ask whether a picture was made or altered by a model
(Iptc4xmpExt:DigitalSourceType), those who follow a picture's history (xmpMM:DerivedFrom and
xmpMM:History), and `restore-archive` itself, with every hash (a namespace of our own).

Sources: IPTC Photo Metadata Standard 2024.1; IPTC NewsCodes "digitalsourcetype"; ISO 16684-1:2019,
section 8.5 (xmpMM). No times of day are written: the same input gives the same bytes.
"""

from __future__ import annotations

import uuid
from typing import Final

from lxml import etree

from restoration.codec.metadata import xmp_packet
from restoration.codec.metadata.limits import DamagedMetadata
from restoration.codec.metadata.model import Provenance, concise, shown
from restoration.codec.metadata.provenance_record import read_last, write_record
from restoration.codec.metadata.xmp_packet import (
    EXIF,
    IPTC_EXT,
    RDF,
    RESOURCE_EVENT,
    RESOURCE_REF,
    RESTORE,
    TIFF,
    XMP,
    XMP_MM,
    XMP_NOTE,
    Element,
    xml_text,
)

SOURCE_TYPES: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
# How much of a picture is a machine's: a label is only ever replaced by a stronger one.
_STRENGTHS: Final = {
    "algorithmicallyEnhanced": 2,
    "computationalCapture": 1,
    "compositeCapture": 1,
    "humanEdits": 1,
    "minorHumanEdits": 1,
    "multiFrameComputationalCapture": 1,
    "composite": 3,
    "compositeSynthetic": 4,
    "compositeWithTrainedAlgorithmicMedia": 4,
    "algorithmicMedia": 5,
    "dataDrivenMedia": 5,
    "trainedAlgorithmicMedia": 6,
}
_STALE: Final = ((XMP, "Thumbnails"), (XMP_NOTE, "HasExtendedXMP"))
# Gain maps and other pictures in the same file, of which the output has none.
_STALE_NAMESPACES: Final = (
    "http://ns.adobe.com/hdr-gain-map/1.0/",
    "http://ns.google.com/photos/1.0/container/",
    "http://ns.apple.com/HDRGainMap/1.0/",
)
_STALE_NAMES: Final = tuple(f"{{{namespace}}}" for namespace in _STALE_NAMESPACES)
_SIDES: Final = (
    ((TIFF, "ImageWidth"), (TIFF, "ImageLength")),
    ((EXIF, "PixelXDimension"), (EXIF, "PixelYDimension")),
)


def with_provenance(
    xmp: bytes | None, provenance: Provenance, *, turned: bool
) -> tuple[bytes, tuple[str, ...]]:
    """A packet with our label in it, and notes about what of the old one could not stay.

    Args:
        xmp: the photo's packet, or None.
        provenance: what was done to the photo.
        turned: whether width and height changed places when the photo was put upright.
    """
    notes: list[str] = []
    root = xmp_packet.empty()
    if xmp:
        try:
            root = xmp_packet.parse(xmp)
        except DamagedMetadata as error:
            notes.append(f"{error}; it was replaced")
    notes += _without_stale(root)
    _set_upright(root, turned=turned)
    description = xmp_packet.new_description(root)
    earlier = _label(root, description, provenance, notes)
    instance = _instance(root, provenance)
    _derived_from(root, description, provenance)
    _history(root, description, provenance, instance, earlier)
    xmp_packet.remove(root, XMP_MM, "InstanceID")
    _add(description, XMP_MM, "InstanceID", instance)
    write_record(root, description, provenance)
    return xmp_packet.serialise(root), concise(notes)


def upright(xmp: bytes, *, turned: bool) -> bytes:
    """A packet that says that the picture lies upright.

    Args:
        xmp: the photo's packet; it comes back as it is if damaged, or if it said nothing else.
        turned: whether width and height changed places when the photo was put upright.
    """
    try:
        root = xmp_packet.parse(xmp)
    except DamagedMetadata:
        return xmp
    if xmp_packet.value_of(root, TIFF, "Orientation") in (None, "1"):
        return xmp
    _set_upright(root, turned=turned)
    return xmp_packet.serialise(root)


def read_provenance(xmp: bytes | None) -> Provenance | None:
    r"""The label as it was last written by `with_provenance`, or None.

    Characters that XML cannot hold come back as they were written, as \xNN.
    """
    try:
        return read_last(xmp_packet.parse(xmp)) if xmp else None
    except DamagedMetadata:
        return None


def _add(parent: Element, namespace: str, name: str, text: str | None = None) -> Element:
    element = etree.SubElement(parent, f"{{{namespace}}}{name}")
    element.text = None if text is None else xml_text(text)
    return element


def _without_stale(root: Element) -> list[str]:
    for namespace, name in _STALE:
        xmp_packet.remove(root, namespace, name)
    gone = []
    for description in xmp_packet.descriptions(root):
        for key in [key for key in description.attrib if key.startswith(_STALE_NAMES)]:
            del description.attrib[key]
            gone.append(key)
        for element in list(description):
            if isinstance(element.tag, str) and element.tag.startswith(_STALE_NAMES):
                xmp_packet.drop(element)
                gone.append(element.tag)
    return [f"XMP property {shown(key)}: left out" for key in gone]


def _set_upright(root: Element, *, turned: bool) -> None:
    for element in xmp_packet.properties(root, TIFF, "Orientation"):
        element.text = "1"
    for across, down in _SIDES if turned else ():
        width, height = xmp_packet.value_of(root, *across), xmp_packet.value_of(root, *down)
        if width is None or height is None:
            continue
        for element in xmp_packet.properties(root, *across):
            element.text = height
        for element in xmp_packet.properties(root, *down):
            element.text = width


def _label(
    root: Element, description: Element, provenance: Provenance, notes: list[str]
) -> str | None:
    """Write DigitalSourceType unless a stronger one is there; returns one that was replaced."""
    ours = provenance.digital_source_type
    if ours is None:
        return None
    earlier = xmp_packet.value_of(root, IPTC_EXT, "DigitalSourceType")
    earlier_name = (earlier or "").rstrip("/").rpartition("/")[2]
    if earlier and (
        _STRENGTHS.get(earlier_name, 0) >= _STRENGTHS.get(ours, 0) or earlier_name == ours
    ):
        if earlier_name != ours:
            notes.append(
                f"XMP DigitalSourceType stays {shown(earlier_name)}, which says more than ours"
            )
        return None
    xmp_packet.remove(root, IPTC_EXT, "DigitalSourceType")
    _add(description, IPTC_EXT, "DigitalSourceType", SOURCE_TYPES + ours)
    if earlier:
        notes.append(f"XMP DigitalSourceType was {shown(earlier_name)}; it is in xmpMM:History")
    return earlier


def _instance(root: Element, provenance: Provenance) -> str:
    """An identifier of the output: another file than the source, and the same every time."""
    name = f"{RESTORE}{provenance!r}".encode("utf-8", "backslashreplace").decode()
    space = uuid.uuid5(uuid.NAMESPACE_URL, xmp_packet.value_of(root, XMP_MM, "InstanceID") or "")
    return f"xmp.iid:{uuid.uuid5(space, name)}"


def _derived_from(root: Element, description: Element, provenance: Provenance) -> None:
    """Point to the source; what the source was derived from is kept in our own namespace."""
    earlier = list(xmp_packet.properties(root, XMP_MM, "DerivedFrom"))
    for element in earlier:
        xmp_packet.drop(element)
        element.tag = f"{{{RESTORE}}}sourceDerivedFrom"
    xmp_packet.remove(root, RESTORE, "sourceDerivedFrom")
    description.extend(earlier[:1])
    reference = _add(description, XMP_MM, "DerivedFrom")
    reference.set(f"{{{RDF}}}parseType", "Resource")
    for name in ("InstanceID", "DocumentID"):
        if value := xmp_packet.value_of(root, XMP_MM, name):
            _add(reference, RESOURCE_REF, name[0].lower() + name[1:], value)
    _add(reference, RESOURCE_REF, "filePath", provenance.source_name)


def _history(
    root: Element,
    description: Element,
    provenance: Provenance,
    instance: str,
    earlier_label: str | None,
) -> None:
    """Append an event to the photo's history."""
    event = etree.Element(f"{{{RDF}}}li", {f"{{{RDF}}}parseType": "Resource"})
    _add(event, RESOURCE_EVENT, "action", "filtered" if provenance.steps else "converted")
    _add(event, RESOURCE_EVENT, "instanceID", instance)
    _add(event, RESOURCE_EVENT, "softwareAgent", provenance.software)
    _add(event, RESOURCE_EVENT, "parameters", _parameters(provenance, earlier_label))
    _add(event, RESOURCE_EVENT, "changed", "/")
    history = next(xmp_packet.properties(root, XMP_MM, "History"), None)
    if history is None:
        history = _add(description, XMP_MM, "History")
    events = history.find(f"{{{RDF}}}Seq")
    if events is None:
        events = _add(history, RDF, "Seq")
    events.append(event)


def _parameters(provenance: Provenance, earlier_label: str | None) -> str:
    steps = [f"{s.name} by {s.model} (sha256 {s.model_sha256})" for s in provenance.steps]
    parts = [f"source sha256 {provenance.source_sha256}", *steps]
    if provenance.steps:
        parts += [f"strength {provenance.strength!r}", f"keep_grain {provenance.keep_grain!r}"]
    if provenance.passes != 1:
        parts.append(f"passes {provenance.passes}")
    if earlier_label:
        parts.append(f"DigitalSourceType was {earlier_label}")
    return "; ".join(parts)
