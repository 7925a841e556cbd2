"""Packs: photographs read once, written as few files that load fast.

A pack is a folder with `index.json` and shards, safetensors files that hold each photograph as a
tensor of encoded bytes. Encoded, a thousand photographs fit in 60 MB; decoding by threads takes
less time than reading the decoded pixels from most disks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from restoration.errors import UsageError
from restoration.training.duplicates import Excluded
from restoration.training.pack_encoding import EncodedPhoto, LeftOut, PackOptions, encoded_photos
from restoration.training.sources import PhotoSource, evenly

Byte = NDArray[np.uint8]

INDEX: Final = "index.json"
FORMAT: Final = "restore-archive pack 1"


@dataclass(frozen=True)
class PackedPhoto:
    """A photograph in a pack.

    Attributes:
        source: folder and path in it.
        sha256: of the source file.
        source_bytes: size of the source file.
        shard: name of the shard's file.
        key: name of its tensor there.
        packed_bytes: size of that tensor.
        width: in pixels, as packed.
        height: likewise.
        as_it_was: the source's own bytes are packed: it is a JPEG that encoding once more would
            have harmed and not made smaller.
    """

    source: str
    sha256: str
    source_bytes: int
    shard: str
    key: str
    packed_bytes: int
    width: int
    height: int
    as_it_was: bool


@dataclass(frozen=True)
class PackIndex:
    """What a pack holds and how it was made."""

    options: PackOptions
    photos: tuple[PackedPhoto, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def megabytes(self) -> float:
        """Size of the photographs in 10^6 bytes."""
        return sum(photo.packed_bytes for photo in self.photos) / 1e6

    @property
    def megapixels(self) -> float:
        """Size of the photographs in 10^6 pixels."""
        return sum(photo.width * photo.height for photo in self.photos) / 1e6


def write_pack(
    sources: Sequence[PhotoSource], folder: Path, options: PackOptions, excluded: Excluded
) -> PackIndex:
    """Read photographs and write a pack.

    The folder appears when the pack is complete. Unreadable files, files that are the same byte
    for byte and photographs that `excluded` knows are left out; the index names them.

    Args:
        sources: what to pack.
        folder: to create.
        options: how to encode, and bounds.
        excluded: photographs that must not be trained on.

    Raises:
        UsageError: the folder exists, or nothing can be packed.
    """
    if folder.exists():
        raise UsageError(f"{folder} exists already; choose another name or remove it")
    unfinished = folder.with_name(folder.name + ".part")
    unfinished.mkdir(parents=True, exist_ok=True)
    for old in unfinished.iterdir():
        old.unlink()
    writer = _ShardWriter(unfinished, options.shard_megabytes * 1e6)
    left_out: list[LeftOut] = []
    bound = options.max_megabytes * 1e6 if options.max_megabytes else float("inf")
    ordered = _spread(sources) if options.max_megabytes else list(sources)
    seen: dict[str, str] = {}
    for outcome in encoded_photos(ordered, options, excluded):
        if isinstance(outcome, LeftOut):
            left_out.append(outcome)
        elif outcome.sha256 in seen:
            left_out.append(LeftOut(outcome.source, f"same file as {seen[outcome.sha256]}"))
        elif writer.written + outcome.encoded.size > bound:
            break
        else:
            seen[outcome.sha256] = outcome.source
            writer.add(outcome)
    known = {photo.source for photo in writer.photos} | {photo.source for photo in left_out}
    rest = [source.name for source in ordered if source.name not in known]
    left_out += [LeftOut(name, "the pack is full (--max-megabytes)") for name in rest]
    index = PackIndex(options, tuple(writer.finished()), tuple(left_out))
    if not index.photos:
        raise UsageError(f"none of {len(sources)} photographs can be packed")
    text = json.dumps({"format": FORMAT, **asdict(index)}, indent=1)
    (unfinished / INDEX).write_text(text + "\n", encoding="utf-8")
    unfinished.rename(folder)
    return index


def is_pack(folder: Path) -> bool:
    """Whether a folder is a pack."""
    return (folder / INDEX).is_file()


def read_index(folder: Path) -> PackIndex:
    """The index of a pack.

    Raises:
        UsageError: the folder is no pack of this format.
    """
    try:
        values: dict[str, Any] = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise ValueError(f"its format is {values['format']!r}")
        return PackIndex(
            PackOptions(**values["options"]),
            tuple(PackedPhoto(**photo) for photo in values["photos"]),
            tuple(LeftOut(**photo) for photo in values["left_out"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder} is no pack that can be read: {error}") from error


def pack_sources(folder: Path) -> list[PhotoSource]:
    """The photographs of a pack.

    Raises:
        UsageError: the folder is no pack of this format, or a shard is missing or damaged.
    """
    index = read_index(folder)
    try:
        shards = {
            name: safe_open(folder / name, framework="np")
            for name in sorted({photo.shard for photo in index.photos})
        }
    except (OSError, SafetensorError) as error:
        raise UsageError(f"{folder}: a shard cannot be read: {error}") from error
    return [
        PhotoSource(photo.source, _PackedBytes(shards[photo.shard], photo.key))
        for photo in index.photos
    ]


@dataclass(frozen=True)
class _PackedBytes:
    shard: Any
    key: str

    def __call__(self) -> Byte:
        return np.asarray(self.shard.get_tensor(self.key), np.uint8)


class _ShardWriter:
    """Collects encoded photographs and writes them in shards."""

    def __init__(self, folder: Path, shard_bytes: float) -> None:
        self.photos: list[PackedPhoto] = []
        self.written = 0
        self._folder = folder
        self._shard_bytes = shard_bytes
        self._waiting: dict[str, Byte] = {}
        self._shards = 0

    def add(self, photo: EncodedPhoto) -> None:
        key = f"{len(self.photos):06d}"
        shard = f"shard-{self._shards:04d}.safetensors"
        self.photos.append(
            PackedPhoto(
                photo.source, photo.sha256, photo.source_bytes, shard, key, photo.encoded.size,
                photo.width, photo.height, photo.as_it_was,
            )
        )  # fmt: skip
        self._waiting[key] = photo.encoded
        self.written += photo.encoded.size
        if sum(encoded.size for encoded in self._waiting.values()) >= self._shard_bytes:
            self._close()

    def finished(self) -> list[PackedPhoto]:
        if self._waiting:
            self._close()
        return self.photos

    def _close(self) -> None:
        path = self._folder / f"shard-{self._shards:04d}.safetensors"
        save_file(self._waiting, path)
        path.chmod(0o644)  # safetensors writes 0600
        self._waiting = {}
        self._shards += 1


def _spread(sources: Sequence[PhotoSource]) -> list[PhotoSource]:
    """In an order whose every beginning is spread evenly over all of them."""
    places = evenly(len(sources))
    return [sources[i] for i in sorted(range(len(sources)), key=places.__getitem__)]
