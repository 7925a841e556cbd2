"""The texts of PNG files, and the profiles that ImageMagick writes as texts.

Source: Portable Network Graphics, third edition (W3C, 2025), section 11.3.3.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

from restoration.codec.metadata import exif as exif_block
from restoration.codec.metadata import photoshop
from restoration.codec.metadata.limits import Budget, DamagedMetadata
from restoration.codec.metadata.model import shown

XMP_KEYWORD: Final = b"XML:com.adobe.xmp"
_RAW_PROFILE: Final = "Raw profile type "
_XMP_IN_APP1: Final = b"http://ns.adobe.com/xap/1.0/\0"
_HEX_LINE: Final = 72


def read(kind: bytes, data: bytes, budget: Budget) -> tuple[tuple[str, str], str | None]:
    """Keyword and text of a tEXt, zTXt or iTXt chunk, and a note of what of it is lost.

    Raises:
        DamagedMetadata: the chunk makes no sense.
        TooLarge: inflated, it is over the budget.
    """
    keyword, separator, rest = data.partition(b"\0")
    if not separator:
        raise DamagedMetadata("a text without a keyword")
    name = keyword.decode("latin-1")
    if kind == b"tEXt":
        return (name, rest.decode("latin-1")), None
    if kind == b"zTXt":
        return (name, _inflate(rest[1:], budget).decode("latin-1")), None
    is_compressed, fields = rest[:1] == b"\1", rest[2:].split(b"\0", 2)
    if len(fields) != 3:
        raise DamagedMetadata("an international text without its fields")
    value = _inflate(fields[2], budget) if is_compressed else fields[2]
    note = (
        f"the language of the text {shown(name)} was left out" if fields[0] or fields[1] else None
    )
    return (name, value.decode("utf-8", "surrogateescape")), note


def inflate_after(data: bytes, budget: Budget) -> bytes:
    """What is compressed in a chunk after its name and method, as in iCCP."""
    return _inflate(data.partition(b"\0")[2][1:], budget)


def _inflate(data: bytes, budget: Budget) -> bytes:
    # One byte more than may be taken is enough to know that it is too much.
    inflater = zlib.decompressobj()
    try:
        inflated = inflater.decompress(data, budget.left + 1)
    except zlib.error as error:
        raise DamagedMetadata("it cannot be inflated") from error
    budget.take(len(inflated))
    if not inflater.eof:
        raise DamagedMetadata("it is cut off")
    return inflated


@dataclass(frozen=True)
class Profiles:
    """What texts held under the names of profiles, and the other texts."""

    exif: bytes | None
    xmp: bytes | None
    resources: photoshop.Resources
    texts: tuple[tuple[str, str], ...]


def take_profiles(texts: list[tuple[str, str]]) -> Profiles:
    """Take XMP, and profiles in hexadecimal, out of a file's texts."""
    profiles: dict[str, bytes] = {}
    others = []
    for keyword, text in texts:
        if keyword.encode("latin-1") == XMP_KEYWORD:
            profiles.setdefault("xmp", text.encode("utf-8", "surrogateescape"))
        elif not keyword.startswith(_RAW_PROFILE) or (data := _from_hex(text)) is None:
            others.append((keyword, text))
        else:
            _sort_in(profiles, keyword.removeprefix(_RAW_PROFILE).lower(), data)
    return Profiles(
        exif=profiles.get("exif"),
        xmp=profiles.get("xmp"),
        resources=_resources(profiles.get("iptc", b"")),
        texts=tuple(others),
    )


def _sort_in(profiles: dict[str, bytes], name: str, data: bytes) -> None:
    if data.startswith(exif_block.PREFIX):  # its name is "exif" or "APP1"
        profiles.setdefault("exif", data.removeprefix(exif_block.PREFIX))
    elif data.startswith(_XMP_IN_APP1):
        profiles.setdefault("xmp", data.removeprefix(_XMP_IN_APP1))
    else:
        profiles.setdefault("iptc" if name == "8bim" else name, data)


def _resources(data: bytes) -> photoshop.Resources:
    return photoshop.Resources(iptc=data) if data[:1] == b"\x1c" else photoshop.parse(data)


def _from_hex(text: str) -> bytes | None:
    """A profile's bytes: an empty line, its name, its length and hexadecimal digits."""
    lines = text.strip("\n").split("\n", 2)
    try:
        data = bytes.fromhex(lines[2])
        return data if len(data) == int(lines[1]) else None
    except (IndexError, ValueError):
        return None


def raw_profile(name: str, data: bytes) -> bytes:
    """A zTXt chunk's data with a profile in hexadecimal."""
    digits = data.hex()
    lines = [digits[i : i + _HEX_LINE] for i in range(0, len(digits), _HEX_LINE)]
    text = "\n".join(["", name, f"{len(data):8}", *lines, ""])
    return f"{_RAW_PROFILE}{name}".encode() + b"\0\0" + zlib.compress(text.encode(), 9)


def write(keyword: str, text: str) -> tuple[tuple[bytes, bytes] | None, str | None]:
    """A chunk's type and data, and a note where PNG cannot hold the text."""
    name, value = keyword.encode("latin-1", "ignore"), text.rstrip("\0")
    is_keyword = name.decode("latin-1") == keyword and keyword.isprintable()
    if not (is_keyword and 1 <= len(name) <= 79) or "\0" in value:
        return None, f"the text {shown(keyword)} has no place in a PNG file"
    try:
        return (b"tEXt", name + b"\0" + value.encode("latin-1")), None
    except UnicodeEncodeError:
        pass
    try:
        return (b"iTXt", name + b"\0\0\0\0\0" + value.encode("utf-8")), None
    except UnicodeEncodeError:  # bytes of another encoding, which is what tEXt is used for, too
        return (b"tEXt", name + b"\0" + value.encode("utf-8", "surrogateescape")), None
