"""From a source's metadata to those of its output: upright, labelled, and nothing stale."""

from __future__ import annotations

from dataclasses import replace

from restoration.codec.metadata import exif, xmp
from restoration.codec.metadata.limits import DamagedMetadata
from restoration.codec.metadata.model import Metadata, Provenance, concise


def for_output(
    metadata: Metadata, provenance: Provenance | None, *, width: int, height: int, turned: bool
) -> Metadata:
    """A page's metadata as they go into its output, with a note for what had to go.

    Args:
        metadata: as the source has them.
        provenance: what was done to the photo; None adds nothing to the XMP.
        width: of the output, in pixels.
        height: of the output, in pixels.
        turned: whether width and height changed places when the photo was put upright.
    """
    block, notes = metadata.exif, list(metadata.notes)
    if block is not None:
        try:
            block = exif.with_dimensions(exif.upright(block), width, height)
        except DamagedMetadata:
            block = None
            notes.append(exif.DAMAGED)
    packet = metadata.xmp
    if provenance is not None:
        packet, said = xmp.with_provenance(packet, provenance, turned=turned)
        notes.extend(said)
    elif packet is not None:
        packet = xmp.upright(packet, turned=turned)
    return replace(metadata, exif=block, xmp=packet, notes=concise(notes))
