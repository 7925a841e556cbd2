"""`Provenance` in our own XMP namespace: one entry for each time a photo went through here.

restore:provenance
  rdf:Seq of  restore:software, restore:sourceName, restore:sourceSha256, restore:strength,
              restore:keepGrain, restore:passes (where there were several),
              restore:digitalSourceType (where there is one), and
              restore:steps: rdf:Seq of restore:name, restore:model, restore:modelSha256
"""

from __future__ import annotations

from typing import Final

from lxml import etree

from restoration.codec.metadata import xmp_packet
from restoration.codec.metadata.model import AppliedStep, Provenance
from restoration.codec.metadata.xmp_packet import RDF, RESTORE, Element, xml_text

_PROPERTY: Final = "provenance"
_LI: Final = f"{{{RDF}}}li"
_SEQ: Final = f"{{{RDF}}}Seq"
_RESOURCE: Final = {f"{{{RDF}}}parseType": "Resource"}


def write_record(root: Element, description: Element, provenance: Provenance) -> None:
    """Append an entry to the records in a packet; the first one goes into `description`."""
    held = next(xmp_packet.properties(root, RESTORE, _PROPERTY), None)
    if held is None:
        held = etree.SubElement(description, _name(_PROPERTY))
    records = held.find(_SEQ)
    if records is None:
        records = etree.SubElement(held, _SEQ)
    record = etree.SubElement(records, _LI, _RESOURCE)
    _text(record, "software", provenance.software)
    _text(record, "sourceName", provenance.source_name)
    _text(record, "sourceSha256", provenance.source_sha256)
    _text(record, "strength", repr(provenance.strength))
    _text(record, "keepGrain", repr(provenance.keep_grain))
    if provenance.passes != 1:
        _text(record, "passes", str(provenance.passes))
    if provenance.digital_source_type is not None:
        _text(record, "digitalSourceType", provenance.digital_source_type)
    steps = etree.SubElement(etree.SubElement(record, _name("steps")), _SEQ)
    for step in provenance.steps:
        entry = etree.SubElement(steps, _LI, _RESOURCE)
        _text(entry, "name", step.name)
        _text(entry, "model", step.model)
        _text(entry, "modelSha256", step.model_sha256)


def read_last(root: Element) -> Provenance | None:
    """The last entry of the records in a packet, or None where there is none that makes sense."""
    held = next(xmp_packet.properties(root, RESTORE, _PROPERTY), None)
    records = held.find(_SEQ) if held is not None else None
    if records is None or not _items(records):
        return None
    record = _items(records)[-1]
    try:
        strength, keep_grain = float(_of(record, "strength")), float(_of(record, "keepGrain"))
        passes = int(_of(record, "passes") or 1)
    except ValueError:
        return None
    steps = record.find(f"{_name('steps')}/{_SEQ}")
    return Provenance(
        software=_of(record, "software"),
        source_name=_of(record, "sourceName"),
        source_sha256=_of(record, "sourceSha256"),
        steps=tuple(
            AppliedStep(_of(step, "name"), _of(step, "model"), _of(step, "modelSha256"))
            for step in (_items(steps) if steps is not None else ())
        ),
        strength=strength,
        keep_grain=keep_grain,
        passes=passes,
        digital_source_type=_of(record, "digitalSourceType") or None,
    )


def _name(name: str) -> str:
    return f"{{{RESTORE}}}{name}"


def _text(parent: Element, name: str, value: str) -> None:
    etree.SubElement(parent, _name(name)).text = xml_text(value)


def _of(parent: Element, name: str) -> str:
    """A field's text; other writers may have made it an attribute."""
    element = parent.find(_name(name))
    return (element.text or "") if element is not None else (parent.get(_name(name)) or "")


def _items(array: Element) -> list[Element]:
    """The entries of an array; other writers may have put each into an rdf:Description."""
    inner = (item.find(f"{{{RDF}}}Description") for item in array.findall(_LI))
    return [
        item if below is None else below
        for item, below in zip(array.findall(_LI), inner, strict=True)
    ]
