"""XMP packets as XML trees, and back.

Sources: ISO 16684-1:2019 (XMP), sections 7.3 (packets) and 7.4 (RDF).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from lxml import etree

from restoration.codec.metadata.limits import DamagedMetadata

Element: TypeAlias = Any  # lxml has no type hints

RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
META: Final = "adobe:ns:meta/"
XMP: Final = "http://ns.adobe.com/xap/1.0/"
XMP_MM: Final = "http://ns.adobe.com/xap/1.0/mm/"
XMP_NOTE: Final = "http://ns.adobe.com/xmp/note/"
RESOURCE_REF: Final = "http://ns.adobe.com/xap/1.0/sType/ResourceRef#"
RESOURCE_EVENT: Final = "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
TIFF: Final = "http://ns.adobe.com/tiff/1.0/"
EXIF: Final = "http://ns.adobe.com/exif/1.0/"
IPTC_EXT: Final = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
RESTORE: Final = "urn:restore-archive:1.0:"
"""Our own namespace."""
PREFIXES: Final = {
    "rdf": RDF,
    "xmp": XMP,
    "xmpMM": XMP_MM,
    "stRef": RESOURCE_REF,
    "stEvt": RESOURCE_EVENT,
    "Iptc4xmpExt": IPTC_EXT,
    "restore": RESTORE,
}
_ABOUT: Final = f"{{{RDF}}}about"
_BEGIN: Final = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'.encode()
_END: Final = b'\n<?xpacket end="w"?>'


def parse(packet: bytes) -> Element:
    """The root element of a packet, which holds an rdf:RDF.

    External entities are not read and none are expanded; a document type is refused.

    Raises:
        DamagedMetadata: no well-formed XML, a document type, text of over 10 MB, or no RDF.
    """
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_blank_text=False,
    )
    if b"<!DOCTYPE" in packet:
        raise DamagedMetadata("the XMP has a document type")
    try:
        root = etree.fromstring(_trimmed(packet), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise DamagedMetadata("the XMP is no well-formed XML") from error
    if root is None or root.getroottree().docinfo.internalDTD is not None:
        raise DamagedMetadata("the XMP has a document type")
    if root.tag == f"{{{META}}}xmpmeta" and not len(root):
        etree.SubElement(root, f"{{{RDF}}}RDF", nsmap={"rdf": RDF})
    if rdf_of(root) is None:
        raise DamagedMetadata("the XMP has no RDF")
    return root


def _trimmed(packet: bytes) -> bytes:
    is_wide = b"\0" in packet[:8] or packet[:2] in (b"\xff\xfe", b"\xfe\xff")  # UTF-16
    return packet if is_wide else packet.strip(b" \t\r\n\0")


def empty() -> Element:
    """The root of a packet that says nothing."""
    root = etree.Element(f"{{{META}}}xmpmeta", nsmap={"x": META})
    etree.SubElement(root, f"{{{RDF}}}RDF", nsmap={"rdf": RDF})
    return root


def rdf_of(root: Element) -> Element:
    """The rdf:RDF element; None only in what `parse` refuses."""
    return root if root.tag == f"{{{RDF}}}RDF" else root.find(f"{{{RDF}}}RDF")


def descriptions(root: Element) -> list[Element]:
    """The rdf:Description elements right below rdf:RDF."""
    found: list[Element] = rdf_of(root).findall(f"{{{RDF}}}Description")
    return found


def new_description(root: Element) -> Element:
    """One more rdf:Description, about what the others are about (they must agree)."""
    about = next((d.get(_ABOUT) for d in descriptions(root) if d.get(_ABOUT)), "")
    tag = f"{{{RDF}}}Description"
    return etree.SubElement(rdf_of(root), tag, {_ABOUT: about}, nsmap=PREFIXES)


def serialise(root: Element, *, wrapped: bool = True) -> bytes:
    """A packet in UTF-8 that may be edited by others, without padding."""
    data: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=False, with_tail=False)
    return _BEGIN + data + _END if wrapped else data


def properties(root: Element, namespace: str, name: str) -> Iterator[Element]:
    """The elements of a property; one that is written as an attribute is made an element first."""
    key = f"{{{namespace}}}{name}"
    for description in descriptions(root):
        value = description.attrib.pop(key, None)
        if value is not None:
            etree.SubElement(description, key).text = value
        yield from description.findall(key)


def value_of(root: Element, namespace: str, name: str) -> str | None:
    """The text of a simple property, or None."""
    texts = [element.text for element in properties(root, namespace, name)]
    return next((text for text in texts if text), None)


def remove(root: Element, namespace: str, name: str) -> bool:
    """Take a property out; returns whether it was there."""
    found = list(properties(root, namespace, name))
    for element in found:
        drop(element)
    return bool(found)


def drop(element: Element) -> None:
    """Take an element out of its parent, leaving the text after it."""
    parent, previous = element.getparent(), element.getprevious()
    if element.tail and previous is not None:
        previous.tail = (previous.tail or "") + element.tail
    elif element.tail:
        parent.text = (parent.text or "") + element.tail
    element.tail = None
    parent.remove(element)


def xml_text(text: str) -> str:
    r"""Text with what XML 1.0 cannot hold (control characters, surrogates) written as \xNN."""
    return "".join(c if _is_xml(c) else c.encode("unicode_escape").decode() for c in text)


def _is_xml(char: str) -> bool:
    code = ord(char)
    return char in "\t\n\r" or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000
