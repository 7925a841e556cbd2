"""An archive in a bucket: originals that are only ever read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from storage.base import EntryKind, SourceEntry, SourceFile
from storage.crawl import is_hidden_or_litter
from storage.errors import BadLocation
from storage.globs import PathFilter
from storage.s3.errors import ARCHIVED_ADVICE, translated
from storage.s3.keys import Place, is_odd_name, problem_of, storable
from storage.s3.listing import PAGE, THREADS, ClosedFolder, Listed, OrderedListing, check_listing
from storage.s3.reader import RangedReader, entry_of, head_object

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class S3Source:
    """The objects below a place; see `SourceStore`.

    Args:
        client: from `storage.s3.client`.
        place: bucket and folder.
        threads: requests of the crawl at once.
        page_size: objects of one answer of the crawl, 1 to 1,000.
    """

    def __init__(
        self, client: S3Client, place: Place, *, threads: int = THREADS, page_size: int = PAGE
    ) -> None:
        self.place: Final = place
        self._client = client
        self._listing = OrderedListing(client, place, threads=threads, page_size=page_size)

    @property
    def url(self) -> str:
        """Where the archive is, as `s3://bucket/folder`."""
        return self.place.url

    def check(self) -> None:
        """Makes sure that there is an archive.

        Raises:
            BadLocation: no such bucket, or nothing below the folder.
            StorageError: it cannot be listed.
        """
        with translated("cannot list", self.place, "", "s3:ListBucket"):
            found = self._client.list_objects_v2(
                Bucket=self.place.bucket, Prefix=self.place.prefix, MaxKeys=1
            )
        check_listing(found, self.place)
        if self.place.prefix and not found.get("Contents"):
            raise BadLocation(f"there is nothing in {self.url}: is the folder written as it is?")

    def crawl(
        self, *, include: Sequence[str] = (), exclude: Sequence[str] = (), start_after: str = ""
    ) -> Iterator[SourceEntry]:
        """See `SourceStore.crawl`; markers of folders are left out."""
        chosen = _Chosen(PathFilter(include, exclude))
        for found in self._listing.walk(chosen.enters, start_after):
            if isinstance(found, ClosedFolder):
                kind = EntryKind.UNREADABLE
                yield SourceEntry(storable(found.path), 0, 0, kind, found.problem)
            elif (found.size or not found.path.endswith("/")) and chosen.admits(found.path):
                yield _entry(found)

    def open(self, path: str, *, etag: str = "") -> SourceFile:
        """See `SourceStore.open`: read by ranges, all of one version."""
        reader = RangedReader(self._client, self.place, path, etag=etag)
        return SourceFile(reader, reader.entry)

    def head(self, path: str, length: int) -> bytes:
        """See `SourceStore.head`: one request for a range."""
        with RangedReader(self._client, self.place, path, first=max(length, 1)) as reader:
            return reader.read(length) or b""

    def stat(self, path: str) -> SourceEntry:
        """See `SourceStore.stat`; tells the version, too, which a listing does not."""
        return entry_of(head_object(self._client, self.place, path), path)


class _Chosen:
    """Which paths are yielded: those that a walk over folders would come to."""

    def __init__(self, patterns: PathFilter) -> None:
        self._patterns = patterns
        self._folder = ""
        self._is_open = True

    def enters(self, folder: str) -> bool:
        """Whether a folder (with a slash at its end) is looked into, its parents being so."""
        path = folder[:-1]
        name = path.rpartition("/")[2]
        return (is_odd_name(name) or not _is_left_out(name)) and self._patterns.enters(path)

    def admits(self, path: str) -> bool:
        """Whether an object is yielded."""
        folder, _, name = path.rpartition("/")
        if folder != self._folder:  # neighbours share a folder
            self._folder = folder
            ends = (at for at, character in enumerate(f"{folder}/") if character == "/")
            self._is_open = not folder or all(self.enters(path[: end + 1]) for end in ends)
        is_plain = is_odd_name(name) or not _is_left_out(name)
        return self._is_open and is_plain and self._patterns.admits(path)


def _is_left_out(name: str) -> bool:
    return is_hidden_or_litter(name.encode("utf-8", "surrogatepass"))


def _entry(found: Listed) -> SourceEntry:
    kind, problem = EntryKind.FILE, problem_of(found.path)
    if problem:
        kind = EntryKind.BAD_NAME
    elif found.archived_in:
        kind = EntryKind.ARCHIVED
        problem = (
            f"it is being brought back from {found.archived_in}; run again in some hours"
            if found.is_coming_back
            else f"{ARCHIVED_ADVICE} ({found.archived_in})"
        )
    return SourceEntry(
        storable(found.path), found.size, found.mtime_ns, kind, problem, etag=found.etag
    )
