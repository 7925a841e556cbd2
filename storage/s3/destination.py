"""Results in a bucket: objects appear whole, by the nature of the place."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import unquote_plus

from botocore.exceptions import ClientError

from storage.base import SourceFile, StoredEntry, StoredObject
from storage.errors import AccessDenied, NotFound
from storage.paths import LOCK_PATH, check_folder, check_relative, check_writable
from storage.s3.errors import already_exists, code_of, translated
from storage.s3.keys import Place, problem_of
from storage.s3.lease import Lease, LeaseTimes, check_not_lost
from storage.s3.listing import PAGE, THREADS, ClosedFolder, OrderedListing, check_listing
from storage.s3.reader import RangedReader, head_object
from storage.s3.upload import Uploader, UploadSettings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import MultipartUploadTypeDef


_SPARSE: Final = 20
"""Objects that are listed for each one asked for before looking it up by itself is cheaper: a
listing request tells 1,000, costs as much as 12 look-ups and takes as long as a few."""


class S3Destination:
    """A place in a bucket for results; see `DestinationStore`.

    Args:
        client: from `storage.s3.client`.
        place: bucket and folder.
        uploads: how large objects are cut.
        times: of the lease that stands for the lock.
        page_size: objects of one answer of a listing, 1 to 1,000.
        lease_client: makes the client for the lock when that is taken; None takes the same one.
    """

    def __init__(
        self,
        client: S3Client,
        place: Place,
        *,
        uploads: UploadSettings | None = None,
        times: LeaseTimes | None = None,
        page_size: int = PAGE,
        lease_client: Callable[[], S3Client] | None = None,
    ) -> None:
        self.place: Final = place
        self._client = client
        self._times = times or LeaseTimes()
        self._uploader = Uploader(client, place, uploads or UploadSettings())
        self._page_size = page_size
        self._lease_client = lease_client or (lambda: client)

    @property
    def url(self) -> str:
        """Where results go, as `s3://bucket/folder`."""
        return self.place.url

    def check(self) -> None:
        """Makes sure that the bucket is there and may be listed; writes nothing.

        Raises:
            BadLocation: no such bucket.
            StorageError: it may not be listed.
        """
        with translated("cannot list", self.place, "", "s3:ListBucket"):
            found = self._client.list_objects_v2(
                Bucket=self.place.bucket, Prefix=self.place.prefix, MaxKeys=1
            )
        check_listing(found, self.place)

    def put(
        self, path: str, data: bytes | memoryview | BinaryIO, *, overwrite: bool = True
    ) -> StoredObject:
        """See `DestinationStore.put`: one request, or parts that appear together at the end.

        `overwrite=False` looks first, then puts with `If-None-Match: *`. A server that ignores
        this header leaves the look and the lock, which keep other runs out.
        """
        check_writable(path)
        check_not_lost(self.place)
        if not overwrite and self.size(path) is not None:
            raise already_exists(self.place, path)
        return self._uploader.put(path, data, overwrite=overwrite)

    def open(self, path: str) -> BinaryIO:
        """See `DestinationStore.open`."""
        reader = RangedReader(self._client, self.place, path)
        return SourceFile(reader, reader.entry)

    def size(self, path: str) -> int | None:
        """See `DestinationStore.size`."""
        check_relative(path)
        try:
            return head_object(self._client, self.place, path)["ContentLength"]
        except NotFound:
            return None

    def sizes(self, paths: Iterable[str]) -> Mapping[str, int]:
        """See `DestinationStore.sizes`: by a listing of what lies between the first and the last.

        Where that holds far more than was asked for, the rest is looked up one by one.
        """
        found: dict[str, int] = {}
        plain = sorted({path for path in paths if not problem_of(path)})
        for top, group in groupby(plain, lambda path: path.rpartition("/")[0].partition("/")[0]):
            wanted = list(group)
            listed, left = self._listed_sizes(top, wanted)
            with ThreadPoolExecutor(THREADS) as pool:
                looked_up = zip(left, pool.map(self.size, left), strict=True)
                found |= {path: size for path, size in looked_up if size is not None}
            found |= listed
        return found

    def _listed_sizes(self, top: str, wanted: Sequence[str]) -> tuple[dict[str, int], list[str]]:
        """Sizes from a listing of the folder `top`, and those paths that it did not get to."""
        first, last = wanted[0], wanted[-1]
        asked = set(wanted)
        found: dict[str, int] = {}
        limit = self._page_size + _SPARSE * len(wanted)
        # Behind the start of the first path: that path is among what follows.
        walk = self._walk(top, lambda folder: folder <= last, first[:-1])
        with closing(walk):
            for number, (path, size) in enumerate(walk):
                if path > last:
                    break
                if number >= limit:
                    return found, [left for left in wanted if left >= path]
                if path in asked:
                    found[path] = size
        return found, []

    def delete(self, path: str) -> None:
        """See `DestinationStore.delete`."""
        check_writable(path)
        check_not_lost(self.place)
        with translated("cannot delete", self.place, path, "s3:DeleteObject"):
            self._client.delete_object(Bucket=self.place.bucket, Key=self.place.key(path))

    def list(self, prefix: str) -> Iterator[StoredEntry]:
        """See `DestinationStore.list`; keys that are no plain paths are none of ours."""
        for path, size in self._walk(check_folder(prefix), lambda _: True):
            if path != LOCK_PATH:
                yield StoredEntry(path, size)

    def _walk(
        self, folder: str, enters: Callable[[str], bool], start_after: str = ""
    ) -> Generator[tuple[str, int], None, None]:
        """Path and size of the objects in a folder and below; all paths from the place on."""
        start = f"{folder}/" if folder else ""
        below = Place(self.place.bucket, self.place.prefix + start)
        listing = OrderedListing(self._client, below, page_size=self._page_size)
        behind = start_after[len(start) :] if start_after.startswith(start) else ""
        for found in listing.walk(lambda path: enters(start + path), behind):
            if isinstance(found, ClosedFolder):
                raise AccessDenied(found.problem)
            if not problem_of(found.path):
                yield start + found.path, found.size

    def lock(self) -> AbstractContextManager[None]:
        """See `DestinationStore.lock`: a lease, renewed by a thread until the block is left."""
        return self._locked()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lease = Lease(self._lease_client(), self.place, self._times)
        lease.take()
        try:
            with lease.renewing():
                yield
            lease.check()
        finally:
            lease.give_back()

    def sweep(self, prefixes: Iterable[str]) -> int:
        """See `DestinationStore.sweep`: uploads that were never finished are aborted.

        Whatever their age: the caller holds the lock, so whoever still sends one has lost it and
        must not finish it.
        """
        folders = {self.place.prefix + (f"{f}/" if f else "") for f in map(check_folder, prefixes)}
        removed = 0
        with translated("cannot tidy", self.place, "", "s3:ListBucketMultipartUploads"):
            pages = self._client.get_paginator("list_multipart_uploads")
            # Encoded, since XML cannot hold every key; boto3 sees to that for other listings only.
            for page in pages.paginate(
                Bucket=self.place.bucket, Prefix=self.place.prefix, EncodingType="url"
            ):
                for upload in page.get("Uploads", []):
                    if page.get("EncodingType") == "url":
                        upload["Key"] = unquote_plus(upload["Key"])
                    folder, slash, _ = upload["Key"].rpartition("/")
                    if folder + slash in folders:
                        self._abort(upload)
                        removed += 1
        return removed

    def _abort(self, upload: MultipartUploadTypeDef) -> None:
        with translated("cannot tidy", self.place, "", "s3:AbortMultipartUpload"):
            try:
                self._client.abort_multipart_upload(
                    Bucket=self.place.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                )
            except ClientError as error:
                if code_of(error) not in ("NoSuchUpload", "404"):
                    raise
