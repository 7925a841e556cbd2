"""Listing a bucket in the order of full paths, in bounded memory, many folders at once.

S3 lists in that order by itself; servers that keep a tree of folders do not (`a/z` before `a-b`),
and a single listing is one slow request after another. So the order is made here:

- A folder is first listed with everything below it. If that is whole in one page (1,000 objects),
  the page is sorted and done: one request for a whole subtree.
- Otherwise it is listed one level deep. Its folders come up for listing ahead of their turn, as
  many at once as there are threads, and are drained in order.

Memory: one page for every thread and every large folder between the root and the current one.
"""

from __future__ import annotations

import bisect
import heapq
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from storage.errors import AccessDenied, StorageError
from storage.s3.errors import translated
from storage.s3.keys import Place

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ListObjectsV2OutputTypeDef, ObjectTypeDef

THREADS: Final = 16
PAGE: Final = 1_000
"""Objects of one answer; the server gives no more."""

_PATH: Final = attrgetter("path")
_ARCHIVE_CLASSES: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})


class Listed(NamedTuple):
    """An object: its path below the listed place (verbatim), and what the listing says of it.

    A tuple, since millions are made, which takes a frozen dataclass three times as long.

    Attributes:
        path: the key without the place's prefix.
        size: bytes.
        mtime_ns: last change, whole seconds in nanoseconds since 1970 UTC.
        etag: without quotes.
        archived_in: the archive tier that it must be brought back from; empty where it is at hand.
        is_coming_back: whether it is being brought back right now.
    """

    path: str
    size: int
    mtime_ns: int
    etag: str
    archived_in: str = ""
    is_coming_back: bool = False


@dataclass(frozen=True, slots=True)
class ClosedFolder:
    """A folder (with a slash at its end) that the policy does not let us list."""

    path: str
    problem: str


@dataclass(frozen=True, slots=True)
class _Page:
    objects: list[Listed]
    folders: list[str]
    token: str


@dataclass(frozen=True, slots=True)
class _Ahead:
    """A folder whose first page was asked for before its turn."""

    path: str
    page: Future[_Page]


class OrderedListing:
    """Lists everything below a place.

    Args:
        client: shared by the threads.
        place: what to list.
        threads: requests at once.
        page_size: objects of one answer, 1 to 1,000.
    """

    def __init__(
        self, client: S3Client, place: Place, *, threads: int = THREADS, page_size: int = PAGE
    ) -> None:
        self._client = client
        self.place: Final = place
        self.threads: Final = threads
        self._page_size = page_size

    def walk(
        self, enters: Callable[[str], bool], start_after: str = ""
    ) -> Generator[Listed | ClosedFolder, None, None]:
        """Streams objects in the code-point order of their paths.

        Args:
            enters: whether a folder (path with a slash at its end) is of interest; one that is
                not may still turn up inside a page that was asked for anyway.
            start_after: only what sorts behind this path.

        Raises:
            StorageError: the place cannot be listed, or its server lists in no order.
        """
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="s3-listing")
        walk = _Walk(self, pool, enters, start_after)
        try:
            # A page of everything would be of no use where the start of it is passed over.
            top = walk.children("") if start_after else iter([""])
            open_folders = [walk.ahead(top)]
            while open_folders:
                item = next(open_folders[-1], None)
                if item is None:
                    open_folders.pop()
                elif isinstance(item, Listed):
                    yield item
                else:
                    page = _first_page(item)
                    if isinstance(page, ClosedFolder):
                        yield page
                    elif page.token:
                        open_folders.append(walk.ahead(walk.children(item.path)))
                    else:
                        page.objects.sort(key=_PATH)
                        behind = bisect.bisect_right(page.objects, start_after, key=_PATH)
                        yield from page.objects[behind:]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def page(self, folder: str, *, deep: bool, token: str = "", start_after: str = "") -> _Page:
        """One page of a folder's listing.

        Args:
            folder: "" or a path with a slash at its end.
            deep: with everything below, or one level.
            token: of the page before.
            start_after: a path; the server leaves out what its own order has up to there.
        """
        prefix = self.place.prefix
        wanted: dict[str, Any] = {"Delimiter": "" if deep else "/"}
        if token:
            wanted["ContinuationToken"] = token
        if start_after:
            wanted["StartAfter"] = prefix + start_after
        with translated("cannot list", self.place, folder, "s3:ListBucket"):
            answer = self._client.list_objects_v2(
                Bucket=self.place.bucket,
                Prefix=prefix + folder,
                MaxKeys=self._page_size,
                OptionalObjectAttributes=["RestoreStatus"],
                **wanted,
            )
        check_listing(answer, self.place)
        return _page_of(answer, len(prefix), folder)


class _Walk:
    """One pass over a listing: what is asked for ahead, and in which order it comes out."""

    def __init__(
        self,
        listing: OrderedListing,
        pool: ThreadPoolExecutor,
        enters: Callable[[str], bool],
        start_after: str,
    ) -> None:
        self._listing = listing
        self._pool = pool
        self._enters = enters
        self._start_after = start_after

    def ahead(self, items: Iterator[Listed | str]) -> Iterator[Listed | _Ahead]:
        """Passes items on in order, with the first page of each folder asked for in time."""
        waiting: deque[Listed | _Ahead] = deque()
        asked = 0
        for item in items:
            if isinstance(item, Listed):
                waiting.append(item)
            elif self._is_wanted(item):
                waiting.append(_Ahead(item, self._ask(item, deep=True)))
                asked += 1
            while waiting and (asked >= self._listing.threads or len(waiting) >= PAGE):
                asked -= isinstance(waiting[0], _Ahead)
                yield waiting.popleft()
        yield from waiting

    def children(self, folder: str) -> Iterator[Listed | str]:
        """The objects and folders directly in a folder, in the order of full paths.

        S3 sorts the folder `a` as `a/`, others as `a`. Either way, whatever a later page holds
        sorts behind the bare name of everything in this page: up to there, all is known.

        Raises:
            StorageError: the pages come in neither order.
        """
        held: list[tuple[str, int, Listed | str]] = []
        last: str | None = None
        start = _safe_start(folder, self._start_after)
        following: Future[_Page] | None = self._ask(folder, deep=False, start_after=start)
        while following is not None:
            page = following.result()
            more = page.token
            following = self._ask(folder, deep=False, token=more) if more else None
            for found in page.objects:
                heapq.heappush(held, (found.path, id(found), found))
            for path in page.folders:
                heapq.heappush(held, (path, 0, path))
            bare = [entry[0].removesuffix("/") for entry in held]
            known = max(bare, default="")
            while held and (following is None or held[0][0] <= known):
                path, _, item = heapq.heappop(held)
                if last is not None and path < last:
                    raise StorageError(
                        f"cannot list {self._listing.place.url}: the server lists in no order"
                    )
                if path != last and (isinstance(item, str) or path > self._start_after):
                    yield item
                last = path

    def _ask(self, folder: str, *, deep: bool, **options: str) -> Future[_Page]:
        return self._pool.submit(self._listing.page, folder, deep=deep, **options)

    def _is_wanted(self, folder: str) -> bool:
        after = self._start_after
        is_over = folder <= after and not after.startswith(folder)
        return not is_over and (not folder or self._enters(folder))


def _first_page(item: _Ahead) -> _Page | ClosedFolder:
    try:
        return item.page.result()
    except AccessDenied as error:
        if not item.path:
            raise
        return ClosedFolder(item.path, str(error))


def _safe_start(folder: str, start_after: str) -> str:
    """Where a server may begin to list a folder so that nothing behind `start_after` is lost.

    A server that sorts the folder `a` before `a-b` would leave it out after `a-b`, though `a/z`
    sorts behind it. Hence only the name's start up to the first such character, less one.
    """
    if not start_after.startswith(folder):
        return ""
    name = start_after[len(folder) :].partition("/")[0]
    length = next((at for at, character in enumerate(name) if character < "/"), len(name))
    return folder + name[: length - 1] if length > 1 else ""


def check_listing(answer: ListObjectsV2OutputTypeDef, place: Place) -> None:
    """Makes sure that an answer is a listing: boto3 takes any XML for an empty one.

    Raises:
        StorageError: it has nothing that every listing has.
    """
    if not answer.keys() & {"Name", "IsTruncated", "KeyCount"}:
        raise StorageError(
            f"cannot list {place.url}: the answer is not one of an S3 server; is the endpoint "
            "right?"
        )


def _page_of(answer: ListObjectsV2OutputTypeDef, start: int, folder: str) -> _Page:
    objects = [_listed(found, start) for found in answer.get("Contents", [])]
    return _Page(
        # The folder's own marker is the folder, not something in it.
        [found for found in objects if found.path != folder or found.size],
        [common["Prefix"][start:] for common in answer.get("CommonPrefixes", [])],
        answer.get("NextContinuationToken", "") if answer.get("IsTruncated") else "",
    )


def _listed(found: ObjectTypeDef, start: int) -> Listed:
    kept_in = found.get("StorageClass", "")
    archived_in, is_coming_back = "", False
    if kept_in in _ARCHIVE_CLASSES:
        status = found.get("RestoreStatus", {})
        is_coming_back = bool(status.get("IsRestoreInProgress"))
        is_back = "RestoreExpiryDate" in status and not is_coming_back
        archived_in = "" if is_back else kept_in
    return Listed(
        found["Key"][start:],
        found["Size"],
        nanoseconds(found["LastModified"]),
        found.get("ETag", "").strip('"'),
        archived_in,
        is_coming_back,
    )


def nanoseconds(moment: datetime) -> int:
    """Whole seconds since 1970 UTC in nanoseconds: HEAD tells no fractions, so none are kept."""
    return int(moment.timestamp()) * 10**9
