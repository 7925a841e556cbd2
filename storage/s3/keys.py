"""From keys to relative paths and back; and which places an `s3://` address may name.

A key is kept verbatim: spaces, `%`, `+` and any Unicode are characters like others. Nothing is
decoded, normalized or added.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from storage.errors import BadLocation, UnsafePath
from storage.paths import check_folder, check_relative

_ADDRESS: Final = re.compile(r"s3://([^/]*)/?(.*)", re.IGNORECASE | re.DOTALL)
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

_ODD_PARTS: Final = frozenset({"", ".", ".."})


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket and a folder in it.

    Attributes:
        bucket: its name.
        prefix: what every key begins with: empty, or a plain relative path and a slash.
    """

    bucket: str
    prefix: str

    @property
    def url(self) -> str:
        """The place as `s3://bucket/folder`."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def key(self, path: str) -> str:
        """The key of a relative path; raises `UnsafePath` as `check_relative` does."""
        check_relative(path)
        return self.prefix + path

    def arn(self, path: str = "") -> str:
        """What a policy calls the bucket, or an object in it."""
        return f"arn:aws:s3:::{self.bucket}" + (f"/{self.prefix}{path}" if path else "")

    def below(self, other: Place) -> bool:
        """Whether this place lies in the other one (or is the same)."""
        return self.bucket == other.bucket and self.prefix.startswith(other.prefix)


def parse_address(location: str) -> Place:
    """Takes `s3://bucket/folder` apart; the folder is taken verbatim, `%20` is three characters.

    Raises:
        BadLocation: no bucket, a name that no bucket can have, or a folder that is not plain.
    """
    match = _ADDRESS.fullmatch(location)
    if match is None or not match[1]:
        raise BadLocation(f"{location} names no bucket; write s3://bucket/folder")
    bucket, folder = match[1], match[2]
    if not _BUCKET.fullmatch(bucket):
        raise BadLocation(
            f"{bucket!r} is no name of a bucket: 3 to 63 small letters, digits, '-' and '.' are"
        )
    if bucket.endswith("--x-s3"):
        raise BadLocation(
            f"{bucket} is a directory bucket, which lists in no order; use a general one"
        )
    if bucket.endswith(("-s3alias", "--ol-s3")):
        raise BadLocation(
            f"{bucket} is another name of some bucket; give the bucket's own, so that it is seen "
            "when originals and results would lie in one"
        )
    try:
        folder = check_folder(folder)
    except UnsafePath as error:
        raise BadLocation(f"{location} names no folder of a bucket: {error}") from error
    return Place(bucket, f"{folder}/" if folder else "")


def is_odd_name(name: str) -> bool:
    """Whether one name between slashes cannot be part of a plain relative path."""
    return name in _ODD_PARTS


def problem_of(path: str) -> str:
    """What is wrong with a key below the source, in plain words; empty for a plain one.

    Args:
        path: the key without the source's prefix.
    """
    try:
        check_relative(path)
    except UnsafePath as error:
        return f"the key is no plain path ({error}): copy the object to another key"
    return ""


def storable(path: str) -> str:
    r"""The path as UTF-8 can hold it: what cannot be encoded becomes `\udce9`."""
    return path if path.isascii() else path.encode("utf-8", "backslashreplace").decode()
