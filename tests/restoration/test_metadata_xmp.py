from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restoration.codec.metadata import exif, xmp, xmp_packet
from restoration.codec.metadata.limits import DamagedMetadata
from restoration.codec.metadata.model import AppliedStep, Embedded, Metadata, Provenance
from restoration.codec.metadata.outgoing import for_output
from restoration.codec.metadata.xmp_packet import EXIF, IPTC_EXT, RDF, TIFF, XMP_MM
from tests.restoration.metadata_files import PROVENANCE, XMP, exif_block, inserted

DC = "http://purl.org/dc/elements/1.1/"
SOURCE_TYPE = (IPTC_EXT, "DigitalSourceType")
TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=40
)
SHARES = st.floats(0, 1)


def packet(fields: str) -> bytes:
    """A packet with further properties as elements."""
    names = (
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" '
        'xmlns:exif="http://ns.adobe.com/exif/1.0/" '
        'xmlns:stRef="http://ns.adobe.com/xap/1.0/sType/ResourceRef#" '
        'xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#" '
        'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" '
        f'xmlns:Iptc4xmpExt="{IPTC_EXT}"'
    )
    return XMP.replace(b'17"/>', f'17" {names}>{fields}</rdf:Description>'.encode())


def value(data: bytes, namespace: str, name: str) -> str | None:
    return xmp_packet.value_of(xmp_packet.parse(data), namespace, name)


def labelled(data: bytes | None, provenance: Provenance = PROVENANCE) -> bytes:
    return xmp.with_provenance(data, provenance, turned=False)[0]


@settings(max_examples=60, deadline=None)
@given(
    software=TEXTS,
    name=TEXTS,
    steps=st.lists(st.builds(AppliedStep, TEXTS, TEXTS, TEXTS), max_size=3),
    strength=SHARES,
    grain=SHARES,
    passes=st.sampled_from([1, 2, 4, 8]),
    label=st.none() | st.sampled_from(["algorithmicallyEnhanced", "humanEdits"]),
    before=st.sampled_from([None, XMP]),
)
def test_the_label_is_read_back(
    software: str,
    name: str,
    steps: list[AppliedStep],
    strength: float,
    grain: float,
    passes: int,
    label: str | None,
    before: bytes | None,
) -> None:
    written = Provenance(software, name, "ab" * 32, tuple(steps), strength, grain, passes, label)
    data, notes = xmp.with_provenance(before, written, turned=False)
    assert notes == ()
    assert xmp.read_provenance(data) == written
    assert labelled(before, written) == data  # no time of day, nothing drawn by chance


def test_characters_that_xml_cannot_hold_are_written_out() -> None:
    odd = replace(PROVENANCE, source_name="a\x00\x1b\udcffé.jpg")
    found = xmp.read_provenance(labelled(None, odd))
    assert found is not None
    assert found.source_name == "a\\x00\\x1b\\udcffé.jpg"


def test_what_was_in_the_packet_stays() -> None:
    data = labelled(XMP)
    assert data.startswith(b"<?xpacket begin=")
    assert data.endswith(b'<?xpacket end="w"?>')
    assert value(data, DC, "source") == "Glass plate 17"
    assert value(data, TIFF, "Orientation") == "1"
    assert value(data, *SOURCE_TYPE) == xmp.SOURCE_TYPES + "algorithmicallyEnhanced"


def test_the_second_time_adds_to_the_first() -> None:
    later = replace(PROVENANCE, source_sha256="cd" * 32, steps=(AppliedStep("colorize", "c", "e"),))
    later = replace(later, digital_source_type="compositeWithTrainedAlgorithmicMedia")
    once = labelled(XMP)
    twice, notes = xmp.with_provenance(once, later, turned=False)
    assert xmp.read_provenance(twice) == later
    assert "algorithmicallyEnhanced" in notes[0]
    assert twice.count(b"<restore:sourceSha256>" + b"ab" * 32) == 1
    assert twice.count(b"<stEvt:action>") == 2
    assert b"DigitalSourceType was http://cv.iptc.org" in twice
    assert value(once, XMP_MM, "InstanceID") != value(twice, XMP_MM, "InstanceID")
    assert twice.count(b"<Iptc4xmpExt:DigitalSourceType>") == 1
    assert twice.count(b"<xmpMM:DerivedFrom") == 1


@pytest.mark.parametrize("as_attribute", [False, True])
@pytest.mark.parametrize(
    ("earlier", "ours", "stays"),
    [
        ("print", "algorithmicallyEnhanced", False),
        ("negativeFilm", "algorithmicallyEnhanced", False),
        ("algorithmicallyEnhanced", "compositeWithTrainedAlgorithmicMedia", False),
        ("compositeWithTrainedAlgorithmicMedia", "algorithmicallyEnhanced", True),
        ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", True),
        ("algorithmicallyEnhanced", "algorithmicallyEnhanced", True),
    ],
)
def test_a_label_is_replaced_by_a_stronger_one_only(
    earlier: str, ours: str, stays: bool, as_attribute: bool
) -> None:
    uri = xmp.SOURCE_TYPES + earlier
    before = packet(f"<Iptc4xmpExt:DigitalSourceType>{uri}</Iptc4xmpExt:DigitalSourceType>")
    if as_attribute:
        before = packet("").replace(
            b"xmlns:hdrgm", f'Iptc4xmpExt:DigitalSourceType="{uri}" xmlns:hdrgm'.encode()
        )
    provenance = replace(PROVENANCE, digital_source_type=ours)
    data, notes = xmp.with_provenance(before, provenance, turned=False)
    assert value(data, *SOURCE_TYPE) == (uri if stays else xmp.SOURCE_TYPES + ours)
    assert len(notes) == (earlier != ours)
    assert uri.encode() in data  # in the history, where it was replaced


def test_without_a_label_the_earlier_one_stays() -> None:
    data = labelled(labelled(XMP), replace(PROVENANCE, digital_source_type=None, steps=()))
    assert value(data, *SOURCE_TYPE) == xmp.SOURCE_TYPES + "algorithmicallyEnhanced"
    assert b"<stEvt:action>converted<" in data


def test_history_and_origin_are_kept() -> None:
    before = packet(
        "<xmpMM:DocumentID>xmp.did:1</xmpMM:DocumentID>"
        "<xmpMM:InstanceID>xmp.iid:2</xmpMM:InstanceID>"
        '<xmpMM:DerivedFrom stRef:documentID="xmp.did:raw"/>'
        '<xmpMM:History><rdf:Seq><rdf:li stEvt:action="created"/></rdf:Seq></xmpMM:History>'
    )
    root = xmp_packet.parse(labelled(before))
    [origin] = xmp_packet.properties(root, XMP_MM, "DerivedFrom")
    found = {child.tag.partition("}")[2]: child.text for child in origin}
    assert found == {
        "documentID": "xmp.did:1",
        "instanceID": "xmp.iid:2",
        "filePath": PROVENANCE.source_name,
    }
    assert b'sourceDerivedFrom stRef:documentID="xmp.did:raw"' in labelled(before)
    assert xmp_packet.value_of(root, XMP_MM, "DocumentID") == "xmp.did:1"
    assert xmp_packet.value_of(root, XMP_MM, "InstanceID") not in (None, "xmp.iid:2")
    [history] = xmp_packet.properties(root, XMP_MM, "History")
    events = history.findall(f"{{{RDF}}}Seq/{{{RDF}}}li")
    assert len(events) == 2
    assert events[0].get(f"{{{xmp_packet.RESOURCE_EVENT}}}action") == "created"


def test_sides_change_places_when_the_photo_was_turned() -> None:
    before = packet(
        "<exif:PixelXDimension>31</exif:PixelXDimension>"
        "<exif:PixelYDimension>20</exif:PixelYDimension>"
    )
    for turned, sides in ((False, ("31", "20")), (True, ("20", "31"))):
        data, _ = xmp.with_provenance(before, PROVENANCE, turned=turned)
        assert (value(data, EXIF, "PixelXDimension"), value(data, EXIF, "PixelYDimension")) == sides


def test_thumbnails_and_gain_maps_go() -> None:
    before = packet(
        "<xmp:Thumbnails><rdf:Alt><rdf:li>small picture</rdf:li></rdf:Alt></xmp:Thumbnails>"
        "<hdrgm:Version>1.0</hdrgm:Version>"
    )
    data, notes = xmp.with_provenance(before, PROVENANCE, turned=False)
    assert b"small picture" not in data
    assert b"<hdrgm:" not in data
    assert notes == ("XMP property '{http://ns.adobe.com/hdr-gain-map/1.0/}Version': left out",)


def test_very_many_properties_cost_no_more_than_their_number_and_few_notes() -> None:
    fields = "".join(f"<hdrgm:a{i}/>" for i in range(100_000))
    data, notes = xmp.with_provenance(packet(fields), PROVENANCE, turned=False)
    assert b"<hdrgm:" not in data
    assert len(notes) == 51
    assert notes[-1] == "and 99950 more such notes"


ENTITIES = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    "damaged",
    [
        b"no XML",
        b"<x:xmpmeta",
        b"<a/>",
        XMP[:-60],
        ENTITIES + b"<x>&a;&b;</x>",
        (ENTITIES + b"<x>&a;&b;</x>").decode().encode("utf-16"),
        b"\0",
        b"\xff\xfe",
    ],
)
def test_a_damaged_packet_is_replaced_and_said(damaged: bytes) -> None:
    data, notes = xmp.with_provenance(damaged, PROVENANCE, turned=False)
    assert len(notes) == 1
    assert "XMP" in notes[0]
    assert xmp.read_provenance(data) == PROVENANCE
    assert xmp.read_provenance(damaged) is None


def test_utf_16_and_padding_are_read() -> None:
    for before in (
        XMP.decode().encode("utf-16"),
        XMP + b"\n\0\0",
        b"\n " + XMP,
        b"\xef\xbb\xbf" + XMP,
    ):
        assert value(labelled(before), DC, "source") == "Glass plate 17"


def test_a_packet_that_says_nothing_is_a_packet() -> None:
    data, notes = xmp.with_provenance(
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/" />', PROVENANCE, turned=False
    )
    assert notes == ()
    assert xmp.read_provenance(data) == PROVENANCE


def test_packets_without_a_label_have_none() -> None:
    assert xmp.read_provenance(None) is None
    assert xmp.read_provenance(XMP) is None


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damage_raises_nothing(data: st.DataObject) -> None:
    changed = bytearray(labelled(XMP))
    for _ in range(data.draw(st.integers(1, 5))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    xmp.read_provenance(bytes(changed))
    again, _ = xmp.with_provenance(bytes(changed), PROVENANCE, turned=True)
    assert xmp.read_provenance(again) == PROVENANCE


def test_entities_are_refused() -> None:
    with pytest.raises(DamagedMetadata, match="document type"):
        xmp_packet.parse(ENTITIES + XMP[XMP.index(b"<x:") :])


def test_what_goes_into_an_output() -> None:
    block = exif_block(orientation=6, thumbnail=b"small picture")
    found = for_output(
        Metadata(block, XMP, notes=("before",)), PROVENANCE, width=20, height=31, turned=True
    )
    assert exif.orientation(found.exif or b"") == 1
    assert exif.with_dimensions(found.exif or b"", 20, 31) == found.exif
    assert xmp.read_provenance(found.xmp) == PROVENANCE
    assert found.notes == ("before",)
    damaged = for_output(Metadata(b"no block", XMP), None, width=20, height=31, turned=True)
    assert (damaged.exif, damaged.notes) == (None, (exif.DAMAGED,))
    assert damaged.xmp == xmp.upright(XMP, turned=True)
    assert xmp_packet.value_of(xmp_packet.parse(damaged.xmp), xmp.TIFF, "Orientation") == "1"
    assert xmp.upright(damaged.xmp, turned=True) is damaged.xmp


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_exiftool_reads_the_label_and_what_it_writes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(inserted("JPEG", Embedded(Metadata(xmp=labelled(XMP))))[0])
    asked = ["-XMP-iptcExt:DigitalSourceType", "-DerivedFromFilePath", "-HistorySoftwareAgent"]
    asked += ["-Warning", "-Error", "-XMP-tiff:Orientation"]
    command = ["exiftool", "-s3", "-n", *asked, str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    label = xmp.SOURCE_TYPES + "algorithmicallyEnhanced"
    assert said.split("\n") == [label, PROVENANCE.source_name, PROVENANCE.software, "1", ""]
    subprocess.run(["exiftool", "-q", "-XMP-dc:Title=new", str(path)], check=True)
    command = ["exiftool", "-b", "-XMP", str(path)]
    rewritten = subprocess.run(command, capture_output=True, check=True).stdout
    assert b"new" in rewritten
    assert xmp.read_provenance(rewritten) == PROVENANCE
