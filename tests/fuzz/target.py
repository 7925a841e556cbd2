"""What is done to each input: everything that the codec does to a file from a stranger."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable
from functools import cache
from typing import BinaryIO

from restoration.codec import DecoderProcess, Limits, decode, read_header
from restoration.codec.formats import HEAD_LENGTH, sniff
from restoration.codec.metadata import exif, jp2, jpeg, png, tiff, webp
from restoration.codec.metadata.limits import DamagedMetadata
from restoration.codec.metadata.model import Embedded
from restoration.codec.metadata.outgoing import for_output
from restoration.codec.metadata.xmp import read_provenance
from restoration.errors import RestorationError
from tests.restoration.metadata_files import PROVENANCE, encoded
from tests.restoration.metadata_files import inserted as inserted_into

LIMITS = Limits(
    max_megapixels=1, max_file_gb=0.001, max_pages=8, max_metadata_mb=1, decode_seconds=10
)
_CONTAINERS = {"JPEG": jpeg, "PNG": png, "WEBP": webp, "JPEG2000": jp2}


def in_this_process(data: bytes) -> None:
    """Sniff, read the header, the metadata, and the pixels; write the metadata elsewhere."""
    _try(read_header, io.BytesIO(data))
    name = ""
    with contextlib.suppress(RestorationError):
        name = sniff(data[:HEAD_LENGTH]).name
    _try(_metadata, data, name)
    _try(decode, io.BytesIO(data), LIMITS)
    _try(_salvage, io.BytesIO(data))


class InItsOwnProcess:
    """The same with the pixels decoded at arm's length, as a run does: a crash costs one input."""

    def __init__(self) -> None:
        self._decoder = DecoderProcess()

    def __call__(self, data: bytes) -> None:
        """Raises an AssertionError where the decoder did not survive."""
        _try(read_header, io.BytesIO(data))
        with contextlib.suppress(RestorationError):
            _metadata(data, sniff(data[:HEAD_LENGTH]).name)
        before = self._decoder.pid
        with contextlib.suppress(RestorationError, MemoryError), tempfile.TemporaryFile() as file:
            file.write(data)
            self._decoder.decode(file, LIMITS)
        assert before in (None, self._decoder.pid), "the decoder died"


def _try(function: Callable[..., object], *arguments: object) -> None:
    # What a file can be refused with. Everything else is a finding.
    with contextlib.suppress(RestorationError, MemoryError):
        function(*arguments)


def _salvage(file: BinaryIO) -> None:
    decode(file, LIMITS, salvage=True)


def _metadata(data: bytes, name: str) -> None:
    limit = LIMITS.metadata_bytes
    if name == "TIFF":
        found = list(tiff.read_pages(io.BytesIO(data), limit_bytes=limit))
        for embedded in found:
            _use(embedded)
        copy = io.BytesIO(data)
        with contextlib.suppress(DamagedMetadata):
            tiff.insert(copy, [embedded.metadata for embedded in found])
            list(tiff.read_pages(copy))
    elif name in _CONTAINERS:
        embedded = _CONTAINERS[name].read(io.BytesIO(data), limit_bytes=limit)
        _use(embedded)
        with contextlib.suppress(DamagedMetadata):
            _CONTAINERS[name].insert(io.BytesIO(data), io.BytesIO(), embedded)


def _use(embedded: Embedded) -> None:
    """What happens to metadata on their way into an output of each format."""
    metadata = for_output(embedded.metadata, PROVENANCE, width=24, height=16, turned=True)
    assert read_provenance(metadata.xmp) is not None, "our label is not in the output"
    ready = Embedded(metadata, embedded.icc_profile, embedded.dpi, embedded.png_colour)
    for name in _CONTAINERS:
        output, _ = inserted_into(name, ready, _bare(name))
        _CONTAINERS[name].read(io.BytesIO(output))
    if metadata.exif:
        exif.orientation(metadata.exif)
        exif.resolution(metadata.exif)


_bare = cache(encoded)
