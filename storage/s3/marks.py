"""How an object that is in place is known to hold certain bytes, without reading it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import CompletedPartTypeDef, HeadObjectOutputTypeDef


@dataclass(frozen=True, slots=True)
class Marks:
    """What a server tells of an object whose bytes are these; each is enough.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html

    Attributes:
        checksum: SHA-256 in Base64; of an object that went in parts, that of their digests.
        etag: MD5, in the same way; other servers, and S3 with KMS keys, tell something else.
    """

    checksum: str
    etag: str

    @classmethod
    def of_whole(cls, body: bytes) -> Marks:
        """Those of an object that was put by one request."""
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        return cls(base64_of(hashlib.sha256(body).digest()), etag)

    @classmethod
    def of_parts(cls, parts: Sequence[CompletedPartTypeDef]) -> Marks:
        """Those of an object that went in these parts, each with its SHA-256."""
        digests = b"".join(base64.b64decode(part["ChecksumSHA256"]) for part in parts)
        etags = "".join(part["ETag"].strip('"') for part in parts)
        etag = ""
        with contextlib.suppress(ValueError):
            etag = hashlib.md5(bytes.fromhex(etags), usedforsecurity=False).hexdigest()
        return cls(base64_of(hashlib.sha256(digests).digest()), f"{etag}-{len(parts)}")

    def are_of(self, found: HeadObjectOutputTypeDef) -> bool:
        """Whether HEAD, asked for checksums, tells the same; the ETag counts where it has none."""
        checksum = found.get("ChecksumSHA256")
        if checksum is not None:
            # As of an object in parts it has their number behind it, but not from every server.
            return checksum.partition("-")[0] == self.checksum
        return found.get("ETag", "").strip('"') == self.etag


def base64_of(digest: bytes) -> str:
    """A digest as S3's headers have it."""
    return base64.b64encode(digest).decode()
