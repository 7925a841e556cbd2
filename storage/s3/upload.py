"""Getting an object in place: whole or not at all, checked by the server against its SHA-256."""

from __future__ import annotations

import contextlib
import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Final

from botocore.exceptions import BotoCoreError, ClientError

from storage.base import StoredObject
from storage.errors import NotFound, StorageError
from storage.s3.errors import (
    already_exists,
    code_of,
    is_conflict,
    is_precondition,
    translated,
    was_retried,
)
from storage.s3.keys import Place
from storage.s3.marks import Marks, base64_of
from storage.s3.reader import head_object

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef

_MAX_PARTS: Final = 10_000
_READ: Final = 1 << 20
_UPLOADS: Final = 3
"""How often an object goes in parts whose end meets another conditional write (409)."""

_CONTENT_TYPES: Final = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".webp": "image/webp",
    ".parquet": "application/vnd.apache.parquet",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".html": "text/html; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class UploadSettings:
    """How objects are cut for the upload.

    Attributes:
        multipart_bytes: larger ones go in parts.
        part_bytes: of a part; S3 takes none below 5 MiB but the last.
        threads: parts on their way at once; memory is one part more.
    """

    multipart_bytes: int = 64 << 20
    part_bytes: int = 16 << 20
    threads: int = 4


def content_type(path: str) -> str:
    """The media type by the name's ending; not the system's tables, which differ."""
    suffix = PurePosixPath(path).suffix.lower()
    return _CONTENT_TYPES.get(suffix, "application/octet-stream")


class Uploader:
    """Puts objects.

    Args:
        client: shared by the threads.
        place: bucket and folder.
        settings: how they are cut.
    """

    def __init__(self, client: S3Client, place: Place, settings: UploadSettings) -> None:
        self._client = client
        self._place = place
        self._settings = settings

    def put(
        self, path: str, data: bytes | memoryview | BinaryIO, *, overwrite: bool
    ) -> StoredObject:
        """Stores an object; see `DestinationStore.put`."""
        start = _position(data)
        for _ in range(_UPLOADS - 1):
            try:
                return self._put(path, data, overwrite)
            except _Conflict:
                # S3 wants the whole upload again, not its end alone (see CompleteMultipartUpload):
                # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
                if start is None:
                    raise
                _rewind(data, start)
        return self._put(path, data, overwrite)

    def _put(self, path: str, data: bytes | memoryview | BinaryIO, overwrite: bool) -> StoredObject:
        size = 0
        if isinstance(data, bytes | bytearray | memoryview):
            size = memoryview(data).nbytes
            if size <= self._settings.multipart_bytes:
                return self._put_whole(path, bytes(data), overwrite)
        part_bytes = max(self._settings.part_bytes, -(-size // _MAX_PARTS))
        parts = _parts(data, part_bytes)
        first: list[bytes] = []
        # One part more than fits, or the end: until then nothing was sent.
        while sum(map(len, first)) <= self._settings.multipart_bytes:
            part = next(parts, None)
            if part is None:
                return self._put_whole(path, b"".join(first), overwrite)
            first.append(part)
        return self._put_parts(path, chain(first, parts), overwrite)

    def _put_whole(self, path: str, body: bytes, overwrite: bool) -> StoredObject:
        digest = hashlib.sha256(body)
        with translated("cannot write", self._place, path, "s3:PutObject"):
            try:
                etag = self._client.put_object(
                    Bucket=self._place.bucket,
                    Key=self._place.key(path),
                    Body=body,
                    ContentType=content_type(path),
                    ChecksumSHA256=base64_of(digest.digest()),
                    **_condition(overwrite),  # type: ignore[arg-type]
                )["ETag"].strip('"')
            except ClientError as error:
                etag = self._done_before(path, error, lambda: Marks.of_whole(body), overwrite)
                if not etag:
                    raise
        return StoredObject(path, len(body), digest.hexdigest(), etag)

    def _done_before(
        self, path: str, error: ClientError, marks: Callable[[], Marks], overwrite: bool
    ) -> str:
        """What became of a put that was refused.

        An answer may have got lost: the first try stored the object, the second finds it there, or
        the upload gone.

        Returns:
            The ETag of the object if it is the one that was to be put; empty where nothing is
            known against putting it.

        Raises:
            AlreadyExists: it was not to replace another, which is there.
            StorageError: HEAD was refused.
        """
        is_refused, is_retry = is_precondition(error), was_retried(error)
        is_gone = code_of(error) == "NoSuchUpload"
        found = None
        if is_conflict(error) or (is_retry and (is_refused or is_gone)):
            with contextlib.suppress(NotFound):
                found = head_object(self._client, self._place, path, checksums=True)
        if found is not None and is_retry and marks().are_of(found):
            return found["ETag"].strip('"')
        if is_refused or (found is not None and not overwrite):
            raise already_exists(self._place, path) from error
        return ""

    def _put_parts(self, path: str, parts: Iterator[bytes], overwrite: bool) -> StoredObject:
        digest, size = hashlib.sha256(), 0
        target = {"Bucket": self._place.bucket, "Key": self._place.key(path)}
        with translated("cannot write", self._place, path, "s3:PutObject"):
            upload = self._client.create_multipart_upload(
                **target,  # type: ignore[arg-type]
                ContentType=content_type(path),
                ChecksumAlgorithm="SHA256",
            )["UploadId"]
            try:
                with ThreadPoolExecutor(self._settings.threads) as pool:
                    sent: deque[Future[CompletedPartTypeDef]] = deque()
                    done: list[CompletedPartTypeDef] = []
                    for number, part in enumerate(parts, 1):
                        digest.update(part)
                        size += len(part)
                        sent.append(pool.submit(self._send, target, upload, number, part))
                        if len(sent) >= self._settings.threads:
                            done.append(sent.popleft().result())
                    done.extend(future.result() for future in sent)
                etag = self._complete(path, target, upload, done, overwrite)
            except BaseException:
                # After the pool: a part that arrives behind the abort would stay, and cost.
                with contextlib.suppress(ClientError, BotoCoreError):
                    self._client.abort_multipart_upload(**target, UploadId=upload)  # type: ignore[arg-type]
                raise
        return StoredObject(path, size, digest.hexdigest(), etag)

    def _send(
        self, target: Mapping[str, str], upload: str, number: int, part: bytes
    ) -> CompletedPartTypeDef:
        checksum = base64_of(hashlib.sha256(part).digest())
        answer = self._client.upload_part(
            **target,  # type: ignore[arg-type]
            UploadId=upload,
            PartNumber=number,
            Body=part,
            ChecksumSHA256=checksum,
        )
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}

    def _complete(
        self,
        path: str,
        target: Mapping[str, str],
        upload: str,
        parts: list[CompletedPartTypeDef],
        overwrite: bool,
    ) -> str:
        try:
            answer = self._client.complete_multipart_upload(
                **target,  # type: ignore[arg-type]
                UploadId=upload,
                MultipartUpload={"Parts": parts},
                **_condition(overwrite),  # type: ignore[arg-type]
            )
        except ClientError as error:
            etag = self._done_before(path, error, lambda: Marks.of_parts(parts), overwrite)
            if not etag and is_conflict(error):
                raise _Conflict(f"cannot write {path}: others write it, too; run again") from error
            if not etag:
                raise
            return etag
        return answer["ETag"].strip('"')


class _Conflict(StorageError):  # noqa: N818 - reads as a sentence
    """Another conditional write was under way when the parts were to become an object."""


def _position(data: bytes | memoryview | BinaryIO) -> int | None:
    """Where a reader stands, so that it can be read again from there; None where it cannot."""
    if isinstance(data, bytes | bytearray | memoryview):
        return 0
    is_seekable = getattr(data, "seekable", None)
    return data.tell() if is_seekable is not None and is_seekable() else None


def _rewind(data: bytes | memoryview | BinaryIO, position: int) -> None:
    if not isinstance(data, bytes | bytearray | memoryview):
        data.seek(position)


def _condition(overwrite: bool) -> Mapping[str, str]:
    return {} if overwrite else {"IfNoneMatch": "*"}


def _parts(data: bytes | memoryview | BinaryIO, part_bytes: int) -> Iterator[bytes]:
    """Pieces of exactly `part_bytes`, the last one shorter; a reader is read to its end."""
    if isinstance(data, bytes | bytearray | memoryview):
        view = memoryview(data).cast("B")
        for start in range(0, len(view), part_bytes):
            yield bytes(view[start : start + part_bytes])
        return
    held = bytearray()
    while block := data.read(_READ):
        held += block
        while len(held) >= part_bytes:
            yield bytes(held[:part_bytes])
            del held[:part_bytes]
    if held:
        yield bytes(held)
