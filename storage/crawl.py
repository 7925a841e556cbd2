"""The walk over a folder tree: sorted, streamed, never following a link, never failing whole."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from storage.base import EntryKind, SourceEntry
from storage.errors import BadLocation, reason
from storage.globs import PathFilter
from storage.sorting import NameSorter

RUN_LENGTH: Final = 50_000
"""Names of one folder that are sorted in memory; more of them are sorted through a file."""

LITTER: Final = frozenset({b"thumbs.db", b"desktop.ini", b"__macosx", b"@eadir", b"lost+found"})
"""Names (lower case) that systems leave behind and that never hold an archive's originals."""

_SPECIAL: Final = (
    (stat.S_ISFIFO, "named pipe, never opened"),
    (stat.S_ISSOCK, "socket, never opened"),
    (stat.S_ISBLK, "block device, never opened"),
    (stat.S_ISCHR, "character device, never opened"),
)
_GONE: Final = (FileNotFoundError, NotADirectoryError)


def is_hidden_or_litter(name: bytes) -> bool:
    """Whether a file or folder name is left out of a crawl."""
    return name.startswith(b".") or name.lower() in LITTER


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder on the way down: its path with a slash at the end, and its names still to come."""

    path: bytes
    names: Generator[bytes, None, None]


@dataclass(frozen=True, slots=True)
class _Listing:
    names: Generator[bytes, None, None]
    problem: str


def walk(
    root: bytes,
    chosen: PathFilter,
    left_out: Callable[[bytes], bool] = is_hidden_or_litter,
    run_length: int = RUN_LENGTH,
    start_after: str = "",
) -> Iterator[SourceEntry]:
    """Walks everything below `root` in the code-point order of the full relative path.

    Memory: at most `run_length` names for every folder between the root and the current one.

    Args:
        root: absolute folder.
        chosen: which paths are yielded and which folders are entered.
        left_out: names (not paths) of files and folders that are passed over in silence.
        run_length: names of one folder that are sorted in memory.
        start_after: only what sorts behind this path; folders wholly before it are not listed.

    Yields:
        Files, and what could not be read, with the reason. What vanishes meanwhile is left out.

    Raises:
        BadLocation: the root itself cannot be listed.
        StorageError: no room for the temporary file of a very large folder.
    """
    open_folders = [_Folder(b"", _list_root(root, left_out, run_length))]
    while open_folders:
        folder = open_folders[-1]
        name = next(folder.names, None)
        if name is None:
            open_folders.pop()
            continue
        path = folder.path + name
        if not name.endswith(b"/"):
            if shown(path) <= start_after:
                continue
            entry = describe(root, path)
            if entry is not None and chosen.admits(entry.path):
                yield entry
            continue
        if shown(path) <= start_after and not start_after.startswith(shown(path)):
            continue
        if not chosen.enters(shown(path).removesuffix("/")):
            continue
        listing, entry = _enter(root, path, left_out, run_length)
        if entry is not None and entry.path > start_after:
            yield entry
        if listing is not None:
            open_folders.append(_Folder(path, listing.names))


def holds_anything(root: bytes) -> bool:
    """Whether a walk below `root` would yield anything; ends at the first thing that it meets.

    Raises:
        BadLocation: the root itself cannot be listed.
    """
    folders = [root or b"/"]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if is_hidden_or_litter(entry.name):
                        continue
                    if not _is_folder(entry):
                        return True
                    folders.append(entry.path)
        except OSError as error:
            if folder == (root or b"/"):
                raise BadLocation(f"cannot list {os.fsdecode(root)}: {reason(error)}") from error
            return True  # which the walk reports
    return False


def describe(root: bytes, path: bytes) -> SourceEntry | None:
    """Looks at one path without opening it.

    Args:
        root: absolute folder.
        path: below it, not a folder.

    Returns:
        The entry; None when nothing is there (any more).
    """
    text = shown(path)
    if not _is_utf8(path):
        return SourceEntry(text, 0, 0, EntryKind.BAD_NAME, "file name is not valid UTF-8")
    try:
        found = os.lstat(root + b"/" + path)
    except _GONE:
        return None
    except OSError as error:
        return SourceEntry(text, 0, 0, EntryKind.UNREADABLE, f"cannot look at it: {reason(error)}")
    if stat.S_ISREG(found.st_mode):
        return describe_open(text, found)
    if stat.S_ISDIR(found.st_mode):
        problem = "a folder took the place of a file meanwhile: crawl again to see what is in it"
        return SourceEntry(text, 0, 0, EntryKind.UNREADABLE, problem)
    if stat.S_ISLNK(found.st_mode):
        if Path(os.fsdecode(root + b"/" + path)).is_dir():
            kind, problem = EntryKind.LINKED_FOLDER, "symbolic link to a folder, not followed"
        else:
            kind, problem = EntryKind.SYMLINK, "symbolic link, not followed"
        return SourceEntry(text, 0, _clamped(found.st_mtime_ns), kind, problem)
    problem = next((words for test, words in _SPECIAL if test(found.st_mode)), "not a file")
    return SourceEntry(text, 0, _clamped(found.st_mtime_ns), EntryKind.SPECIAL, problem)


def describe_open(path: str, found: os.stat_result) -> SourceEntry:
    """The entry of a regular file, from what the system says of it."""
    return SourceEntry(path, found.st_size, _clamped(found.st_mtime_ns))


def _clamped(mtime_ns: int) -> int:
    """A time that fits 64 bits of nanoseconds (years 1678 to 2262), as manifests store it."""
    return max(-(2**63), min(mtime_ns, 2**63 - 1))


def shown(path: bytes) -> str:
    r"""The path as text: bytes that are not UTF-8 become `\xe9`."""
    return path.decode("utf-8", "backslashreplace")


def _is_utf8(path: bytes) -> bool:
    if path.isascii():
        return True
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return True


def _sort_key(name: bytes) -> bytes:
    """UTF-8 sorts as its code points do; other bytes sort as what is shown for them."""
    return name if _is_utf8(name) else shown(name).encode()


def _list_root(
    root: bytes, left_out: Callable[[bytes], bool], run_length: int
) -> Generator[bytes, None, None]:
    try:
        top = _list_folder(root or b"/", left_out, run_length)
    except OSError as error:
        raise BadLocation(f"cannot list {os.fsdecode(root)}: {reason(error)}") from error
    if top.problem:
        raise BadLocation(f"cannot list all of {os.fsdecode(root)}: {top.problem}")
    return top.names


def _enter(
    root: bytes, path: bytes, left_out: Callable[[bytes], bool], run_length: int
) -> tuple[_Listing | None, SourceEntry | None]:
    """The folder's listing, if it has one, and the entry that says what is wrong with it."""
    text = shown(path)
    if not _is_utf8(path):
        problem = "folder name is not valid UTF-8: what is in it is left out until it is renamed"
        return None, SourceEntry(text, 0, 0, EntryKind.BAD_NAME, problem)
    try:
        listing = _list_folder(root + b"/" + path[:-1], left_out, run_length)
    except _GONE:
        return None, None
    except OSError as error:
        return None, SourceEntry(text, 0, 0, EntryKind.UNREADABLE, _listing_problem(error))
    if not listing.problem:
        return listing, None
    return listing, SourceEntry(text, 0, 0, EntryKind.UNREADABLE, listing.problem)


def _listing_problem(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "permission denied listing the folder"
    if error.errno == errno.ENAMETOOLONG:
        return "the folder's path is too long for the system: shorten it or start further down"
    return f"cannot list the folder: {reason(error)}"


def _list_folder(path: bytes, left_out: Callable[[bytes], bool], run_length: int) -> _Listing:
    """Reads one folder's names, sorted; folders get a slash, which is how their paths sort.

    Raises:
        OSError: the folder cannot be opened. When only its end cannot be read, the names so far
            come with a problem.
    """
    sorter = NameSorter(_sort_key, run_length)
    problem = ""
    # O_NOFOLLOW: a folder that was replaced by a link since its parent was listed is not entered.
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with os.scandir(descriptor) as entries:
            while True:
                try:
                    entry = next(entries, None)
                except OSError as error:
                    problem = _listing_problem(error)
                    break
                if entry is None:
                    break
                name = os.fsencode(entry.name)
                if not left_out(name):
                    sorter.add(name + b"/" if _is_folder(entry) else name)
    finally:
        os.close(descriptor)
    return _Listing(sorter.drain(), problem)


def _is_folder(entry: os.DirEntry[Any]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        # Not to be told without looking at it, which `describe` tries again and reports.
        return False
