"""Reading an object by ranges, all of them from the same version of it."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from botocore import exceptions as boto
from botocore.exceptions import ClientError

from storage.base import SourceEntry
from storage.errors import StorageError
from storage.s3.blocks import Blocks
from storage.s3.errors import code_of, is_precondition, source_changed, status_of, translated
from storage.s3.keys import Place
from storage.s3.listing import nanoseconds

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import GetObjectOutputTypeDef, HeadObjectOutputTypeDef

FIRST_BYTES: Final = 256 * 1024
"""First request: a photo's header, or the whole of a small object."""
BLOCK_BYTES: Final = 8 * 1024 * 1024
"""Every further one."""

_BODY_TRIES: Final = 5
_BODY_WAIT_S: Final = 0.1
# boto3 tries a request again, but not the reading of an answer whose connection breaks midway.
_BODY_BROKEN: Final = (
    boto.ResponseStreamingError,
    boto.IncompleteReadError,
    boto.ReadTimeoutError,
    boto.ConnectionClosedError,
)


class RangedReader(io.RawIOBase):
    """A seekable reader; opening it makes the first request. What was read is kept.

    Args:
        client: shared by all threads; a reader itself is for one.
        place: bucket and folder.
        path: relative path in it.
        etag: of the content that is wanted; empty for whatever is there.
        first: bytes to ask for at once, at least 1.
        block: bytes of every further request.

    Raises:
        UnsafePath: the path is not plain.
        NotFound: no such object.
        SourceChanged: it is not the wanted content; from `read`, it was replaced meanwhile.
        Archived: it is in an archive tier.
        StorageError: anything else.
    """

    def __init__(
        self,
        client: S3Client,
        place: Place,
        path: str,
        *,
        etag: str = "",
        first: int = FIRST_BYTES,
        block: int = BLOCK_BYTES,
    ) -> None:
        self._blocks = Blocks(block)  # first of all: whatever fails here, `close` needs it
        self._client, self._place, self._path = client, place, path
        self._key = place.key(path)
        self._first, self._block_bytes = first, block
        self._at = 0
        self._etag = etag
        self.entry: Final = self._open()

    def _open(self) -> SourceEntry:
        try:
            head, answer = self._fetch(0, self._first)
        except _EmptyObject:
            entry = entry_of(head_object(self._client, self._place, self._path), self._path)
            self._blocks.add(0, b"")
        else:
            self._blocks.add(0, head)
            entry = entry_of(answer, self._path, size=_total_size(answer, self._first))
        if self._etag and entry.etag != self._etag:
            raise source_changed(self._path)
        self._etag = entry.etag
        return entry

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Frees what was kept."""
        super().close()
        self._blocks.close()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves, as files do; costs no request."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.entry.size}[whence]
        if start + offset < 0:
            raise ValueError("cannot seek to before the start")
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        """Bytes from the start."""
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Reads up to the end of a block."""
        target = memoryview(buffer).cast("B")
        piece = self._rest_of_block()[: len(target)]
        target[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def readall(self) -> bytes:
        """Reads to the end."""
        pieces = []
        while piece := bytes(self._rest_of_block()):
            pieces.append(piece)
            self._at += len(piece)
        return b"".join(pieces)

    def _rest_of_block(self) -> memoryview:
        if self._at >= self.entry.size:
            return memoryview(b"")
        number, start = 0, 0
        if self._at >= self._first:
            number = 1 + (self._at - self._first) // self._block_bytes
            start = self._first + (number - 1) * self._block_bytes
        return memoryview(self._block(number, start))[self._at - start :]

    def _block(self, number: int, start: int) -> bytes:
        kept = self._blocks.get(number)
        if kept is not None:
            return kept
        stop = min(start + self._block_bytes, self.entry.size)
        data, answer = self._fetch(start, stop)
        # Not every server that speaks S3 heeds the condition.
        if len(data) != stop - start or answer.get("ETag", "").strip('"') != self._etag:
            raise source_changed(self._path)
        self._blocks.add(number, data)
        return data

    def _fetch(self, start: int, stop: int) -> tuple[bytes, GetObjectOutputTypeDef]:
        """Bytes [start, stop) or fewer at the object's end, of the version that was opened."""
        only: Mapping[str, str] = {"IfMatch": f'"{self._etag}"'} if self._etag else {}
        with translated("cannot read", self._place, self._path, "s3:GetObject"):
            for left in reversed(range(_BODY_TRIES)):
                try:
                    answer = self._client.get_object(
                        Bucket=self._place.bucket,
                        Key=self._key,
                        Range=f"bytes={start}-{stop - 1}",
                        **only,  # type: ignore[arg-type]
                    )
                    return answer["Body"].read(), answer
                except ClientError as error:
                    if is_precondition(error):
                        raise source_changed(self._path) from error
                    if code_of(error) in ("InvalidRange", "416") or status_of(error) == 416:
                        raise (_EmptyObject() if start == 0 else source_changed(self._path)) from (
                            error
                        )
                    raise
                except _BODY_BROKEN:
                    if not left:
                        raise
                    time.sleep(_BODY_WAIT_S * 2 ** (_BODY_TRIES - 1 - left))
        raise AssertionError("unreachable")


class _EmptyObject(Exception):  # noqa: N818 - not an error
    """No range can be read of an object without a byte."""


def head_object(
    client: S3Client, place: Place, path: str, *, checksums: bool = False
) -> HeadObjectOutputTypeDef:
    """What HEAD says of an object, also its checksums if these are wanted.

    Raises:
        NotFound: no such object.
        StorageError: anything else.
    """
    key = place.key(path)
    with translated("cannot look at", place, path, "s3:GetObject"):
        try:
            wanted: Mapping[str, str] = {"ChecksumMode": "ENABLED"} if checksums else {}
            return client.head_object(Bucket=place.bucket, Key=key, **wanted)  # type: ignore[arg-type]
        except ClientError as error:
            if status_of(error) not in (400, 403):
                raise
            # HEAD has no body that could tell expired credentials from a missing permission.
            client.get_object(Bucket=place.bucket, Key=key, Range="bytes=0-0")["Body"].close()
            raise


def entry_of(
    answer: GetObjectOutputTypeDef | HeadObjectOutputTypeDef, path: str, size: int | None = None
) -> SourceEntry:
    """An object's entry from the answer to GET or HEAD."""
    version = answer.get("VersionId", "")
    return SourceEntry(
        path,
        answer["ContentLength"] if size is None else size,
        nanoseconds(answer["LastModified"]),
        etag=answer.get("ETag", "").strip('"'),
        version_id="" if version == "null" else version,
    )


def _total_size(answer: GetObjectOutputTypeDef, asked_for: int) -> int:
    """The object's size from `Content-Range: bytes 0-99/1234`.

    Raises:
        StorageError: the server ignores ranges, as none of S3's kind should.
    """
    span = answer.get("ContentRange", "")
    if not span and answer["ContentLength"] <= asked_for:
        return answer["ContentLength"]
    total = span.rpartition("/")[2]
    if not total.isdigit():
        raise StorageError("the server answers no ranges of objects, which is needed to read them")
    return int(total)
