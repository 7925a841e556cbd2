"""Pictures of photos before and after, made once and kept as long as a report shows them.

They are named by the SHA-256 of the file that they show. What cannot be had is left out: a file
that is gone, altered or cannot be decoded costs its picture, never the report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO, Final

from flows.hashing import sha256_of
from flows.report.folder import PICTURES, files_of
from flows.report.view import (
    THUMBNAIL_EDGE,
    THUMBNAIL_QUALITY,
    VIEW_MEGAPIXELS,
    VIEW_QUALITY,
    ViewSize,
    as_webp,
)
from restoration.codec import Limits, Page, shared_decoder
from restoration.errors import DecoderUnavailable, RestorationError, UsageError
from storage import DestinationStore, EndsRun, SourceStore, StorageError
from storage.ahead import ahead

PHOTOS: Final = 200
"""Photos that are shown in full, by default."""
_AT_ONCE: Final = 2
"""Photos in work: one is decoded while another is encoded. A scan of gigabytes is not in memory,
but two of them are enough on the disk."""


@dataclass(frozen=True)
class PictureOptions:
    """Which pictures a report has.

    Attributes:
        photos: how many photos are shown in full: whole, at 100 % where that is allowed.
        view_megapixels: of a view that is not reduced, 10^6 pixels at most.
        make: whether pictures that are not there are made.
        limits: of files that are decoded for them.
    """

    photos: int = PHOTOS
    view_megapixels: float = VIEW_MEGAPIXELS
    make: bool = True
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            UsageError: a negative number of photos, or views without a size.
        """
        if self.photos < 0:
            raise UsageError(f"--pictures must be 0 or more, not {self.photos}")
        if not 0.1 <= self.view_megapixels <= 300:
            raise UsageError(
                f"--view-megapixels must be between 0.1 and 300, not {self.view_megapixels:g}"
            )


@dataclass(frozen=True)
class Shown:
    """A photo that is shown.

    Attributes:
        row: its number in the report.
        source: its path in the archive.
        source_sha256: of the original, where it is known.
        width: pixels, upright.
        height: pixels, upright.
        restored_path: in the destination, or None.
        restored_sha256: of that file.
        colorized_path: in the destination, or None.
        colorized_sha256: of that file.
        in_full: whether there are views beside the thumbnails.
    """

    row: int
    source: str
    source_sha256: str | None
    width: int
    height: int
    restored_path: str | None
    restored_sha256: str | None
    colorized_path: str | None
    colorized_sha256: str | None
    in_full: bool


@dataclass(frozen=True)
class Picture:
    """One file of a photo, as a browser shows it.

    Attributes:
        thumbnail: path in the report; None where there is none.
        view: path in the report; None where there is none.
        width: of the photo, pixels.
        height: of the photo, pixels.
        scale: pixels of the view for one of the photo, at most 1; None without a view.
    """

    thumbnail: str | None
    view: str | None
    width: int
    height: int
    scale: float | None


@dataclass(frozen=True)
class Pictures:
    """What there is of a photo."""

    before: Picture | None = None
    after: Picture | None = None
    colorized: Picture | None = None

    @property
    def thumbnail(self) -> str | None:
        """The one that stands for the photo."""
        shown = self.after or self.before
        return shown.thumbnail if shown else None

    def files(self) -> Iterator[str]:
        """Paths of all pictures."""
        for picture in (self.before, self.after, self.colorized):
            if picture is not None:
                yield from filter(None, (picture.thumbnail, picture.view))


def make_pictures(
    photos: Sequence[Shown],
    folder: DestinationStore,
    results: DestinationStore,
    source: SourceStore | None,
    options: PictureOptions,
    *,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> dict[int, Pictures]:
    """Make the pictures that are not there yet.

    Args:
        photos: that are shown, each row once.
        folder: of the report.
        results: where restored and colorized files are.
        source: where the originals are; None shows none but those that passed through unchanged.
        options: which pictures there are.
        progress: hears how many photos of how many are done.

    Returns:
        What there is, by the number of the row; photos without a picture are left out.

    Raises:
        DecoderUnavailable: the decoder does not start.
        StorageError: a picture cannot be stored, or the report's folder not be listed.
    """
    workshop = _Workshop(folder, results, source, options, files_of(folder, PICTURES))
    made: dict[int, Pictures] = {}
    calls = (partial(workshop.pictures_of, photo) for photo in photos)
    for done, (photo, pictures) in enumerate(zip(photos, ahead(calls, _AT_ONCE), strict=True), 1):
        if any(pictures.files()):
            made[photo.row] = pictures
        progress(done, len(photos))
    return made


@dataclass(frozen=True)
class _File:
    """A photo's file: how it is opened, and what it must be."""

    open: Callable[[], BinaryIO]
    sha256: str


class _Workshop:
    """Makes pictures, and knows those that are there. Used by several threads.

    Args:
        folder: of the report.
        results: where restored and colorized files are.
        source: where the originals are, or None.
        options: which pictures there are.
        there: paths of pictures that are there.
    """

    def __init__(
        self,
        folder: DestinationStore,
        results: DestinationStore,
        source: SourceStore | None,
        options: PictureOptions,
        there: set[str],
    ) -> None:
        self._folder = folder
        self._results = results
        self._source = source
        self._options = options
        self._there = there

    def pictures_of(self, photo: Shown) -> Pictures:
        """All pictures of a photo."""
        after = self._stored(photo.restored_path, photo.restored_sha256)
        colorized = self._stored(photo.colorized_path, photo.colorized_sha256)
        return Pictures(
            before=self._picture(photo, self._original(photo, after)),
            after=self._picture(photo, after),
            colorized=self._picture(photo, colorized),
        )

    def _stored(self, path: str | None, sha256: str | None) -> _File | None:
        return _File(partial(self._results.open, path), sha256) if path and sha256 else None

    def _original(self, photo: Shown, after: _File | None) -> _File | None:
        if photo.source_sha256 is None:
            return None
        if after is not None and after.sha256 == photo.source_sha256:
            return after  # passed through: the same bytes
        if self._source is None:
            # An earlier report may have had the source.
            return _File(_unreachable, photo.source_sha256)
        return _File(partial(self._source.open, photo.source), photo.source_sha256)

    def _picture(self, photo: Shown, file: _File | None) -> Picture | None:
        if file is None:
            return None
        size = ViewSize.of(photo.width, photo.height, self._options.view_megapixels)
        thumbnail = f"{PICTURES}/{file.sha256}-{THUMBNAIL_EDGE}.webp"
        view = f"{PICTURES}/{file.sha256}-{size.mark}.webp" if photo.in_full else None
        wanted = {thumbnail} if view is None else {thumbnail, view}
        if self._options.make and not wanted <= self._there:
            self._make(photo, file, thumbnail, view, size)
        if not wanted & self._there:
            return None
        has_view = view in self._there
        return Picture(
            thumbnail if thumbnail in self._there else None,
            view if has_view else None,
            photo.width,
            photo.height,
            size.scale if has_view else None,
        )

    def _make(
        self, photo: Shown, file: _File, thumbnail: str, view: str | None, size: ViewSize
    ) -> None:
        page = self._page(photo, file)
        if page is None:
            return
        if view is not None:
            page = self._put(view, page, size.edge, VIEW_QUALITY)
        if page is not None:
            self._put(thumbnail, page, THUMBNAIL_EDGE, THUMBNAIL_QUALITY)

    def _page(self, photo: Shown, file: _File) -> Page | None:
        """The decoded page, if the file is what the manifest says and can be decoded."""
        try:
            with file.open() as opened:
                if sha256_of(opened) != file.sha256:
                    return None
                page = shared_decoder().decode(opened, self._options.limits, salvage=True).main
        except (EndsRun, DecoderUnavailable):
            raise
        except (RestorationError, StorageError, OSError, MemoryError):
            return None
        return page if page.pixels.shape[:2] == (photo.height, photo.width) else None

    def _put(self, name: str, page: Page, edge: int, quality: int) -> Page | None:
        """Store a picture of a page; returns the page as it was encoded."""
        with suppress(RestorationError, MemoryError), as_webp(page, edge, quality) as (small, file):
            self._folder.put(name, file)
            self._there.add(name)
            return small
        return None


def _unreachable() -> BinaryIO:
    raise StorageError("the originals are not at hand")
