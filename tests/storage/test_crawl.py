"""The walk: order, bounds, and everything strange that a file system can hold."""

from __future__ import annotations

import os
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import BadLocation, EntryKind, LocalSource
from storage.crawl import shown, walk
from storage.globs import PathFilter
from storage.sorting import NameSorter

NAME = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=6
).filter(lambda name: not name.startswith("."))
PATH = st.lists(st.one_of(NAME, st.sampled_from(["a", "a-", "a.b", "a0"])), min_size=1, max_size=3)


def paths(root: Path, **options) -> list[str]:
    return [entry.path for entry in LocalSource(root, **options).crawl()]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(wanted=st.lists(PATH, max_size=12), run_length=st.integers(1, 5))
def test_order_is_that_of_the_full_path(wanted, run_length):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        made = set()
        for parts in wanted:
            path = "/".join(parts)
            try:
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_bytes(b"")
            except OSError:
                continue  # a file is where this one needs a folder, or the other way round
            made.add(path)
        assert paths(root, run_length=run_length) == sorted(made)


@pytest.mark.parametrize("run_length", [1, 7, 100, 999, 1000, 10_000])
def test_large_folders_are_sorted_through_a_file(tmp_path, run_length):
    names = [f"p{number * 7919 % 1009:04d}\n.jpg" for number in range(1000)]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "p0500").mkdir()
    (tmp_path / "p0500/x").touch()
    assert paths(tmp_path, run_length=run_length) == sorted([*names, "p0500/x"])


def test_memory_does_not_grow_with_the_folder():
    def peak(run_length: int) -> int:
        tracemalloc.start()
        sorter = NameSorter(lambda name: name, run_length)
        for number in range(60_000):
            sorter.add(b"a rather long name of a photograph %d.jpg" % (number * 7919 % 60_013))
        assert sum(1 for _ in sorter.drain()) == 60_000
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(10_000) < peak(100_000) / 2


def test_an_abandoned_crawl_frees_its_files(tmp_path):
    for number in range(50):
        (tmp_path / str(number)).touch()
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("the system does not show open files")
    before = len(list(descriptors.iterdir()))
    crawl = LocalSource(tmp_path, run_length=10).crawl()
    next(crawl)
    crawl.close()
    assert len(list(descriptors.iterdir())) == before


def test_links_are_told_not_followed(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/photo.jpg").touch()
    (tmp_path / "a/loop").symlink_to(tmp_path)
    (tmp_path / "dangling.jpg").symlink_to("nowhere")
    (tmp_path / "link.jpg").symlink_to("a/photo.jpg")
    entries = {entry.path: entry for entry in LocalSource(tmp_path).crawl()}
    assert list(entries) == ["a/loop", "a/photo.jpg", "dangling.jpg", "link.jpg"]
    for path in ("a/loop", "dangling.jpg", "link.jpg"):
        to_folder = path == "a/loop"
        kind = EntryKind.LINKED_FOLDER if to_folder else EntryKind.SYMLINK
        assert entries[path].kind is kind
        to = " to a folder" if to_folder else ""
        assert entries[path].problem == f"symbolic link{to}, not followed"
        assert LocalSource(tmp_path).stat(path) == entries[path]


def test_a_root_that_is_a_link_is_resolved(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a.jpg").touch()
    (tmp_path / "link").symlink_to("real")
    assert paths(tmp_path / "link") == ["a.jpg"]


def test_special_files_are_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    [entry] = LocalSource(tmp_path).crawl()
    assert entry.kind is EntryKind.SPECIAL
    assert entry.problem == "named pipe, never opened"


def test_deep_folders(tmp_path):
    deep = "/".join(["d"] * 300)
    (tmp_path / deep).mkdir(parents=True)
    (tmp_path / deep / "photo.jpg").touch()
    assert paths(tmp_path) == [f"{deep}/photo.jpg"]


def test_a_path_too_long_for_the_system_is_reported(tmp_path):
    name = "d" * 200
    descriptor = os.open(tmp_path, os.O_RDONLY)
    for _ in range(30):
        os.mkdir(name, dir_fd=descriptor)
        below = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    [entry] = LocalSource(tmp_path).crawl()
    assert entry.kind is EntryKind.UNREADABLE
    assert "too long" in entry.problem
    assert entry.path.endswith("/")


def test_names_that_are_not_utf8(tmp_path):
    for name in (b"caf\xe9.jpg", b"ok.jpg", b"d\xff/in.jpg"):
        file = tmp_path / os.fsdecode(name)
        try:
            file.parent.mkdir(exist_ok=True)
            file.touch()
        except OSError:
            pytest.skip("this file system takes no such names")
    entries = list(LocalSource(tmp_path).crawl())
    assert [(entry.path, entry.kind) for entry in entries] == [
        ("caf\\xe9.jpg", EntryKind.BAD_NAME),
        ("d\\xff/", EntryKind.BAD_NAME),
        ("ok.jpg", EntryKind.FILE),
    ]
    assert entries[0].problem == "file name is not valid UTF-8"
    for entry in entries:
        entry.path.encode()


def test_unicode_forms_stay_apart(tmp_path):
    for name in ("\u00e9.jpg", "e\u0301.jpg"):
        (tmp_path / name).touch()
    assert paths(tmp_path) == sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.usefixtures("permissions_bind")
def test_an_unreadable_folder_is_reported(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    (tmp_path / "photo.jpg").touch()
    entries = list(LocalSource(tmp_path).crawl(include=["*.jpg"]))
    (tmp_path / "closed").chmod(0o700)
    assert [entry.path for entry in entries] == ["closed/", "photo.jpg"]
    assert entries[0].kind is EntryKind.UNREADABLE
    assert entries[0].problem == "permission denied listing the folder"


def test_a_folder_that_refuses_is_reported_and_the_rest_goes_on(tmp_path, monkeypatch):
    # Also as root: the system's refusal is the one thing that is put on here.
    (tmp_path / "closed").mkdir()
    (tmp_path / "photo.jpg").touch()
    real = os.open

    def refusing(path, *args, **kwargs):
        if os.fspath(path).endswith(b"closed"):
            raise PermissionError(13, "Permission denied")
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", refusing)
    entries = list(LocalSource(tmp_path).crawl())
    assert [entry.path for entry in entries] == ["closed/", "photo.jpg"]
    assert entries[0].problem == "permission denied listing the folder"


def test_what_vanishes_meanwhile_is_left_out(tmp_path):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "d").mkdir()
    (tmp_path / "d/x.jpg").touch()
    (tmp_path / "e").mkdir()
    crawl = LocalSource(tmp_path).crawl()
    seen = [next(crawl).path]
    (tmp_path / "b.jpg").unlink()
    (tmp_path / "d/x.jpg").unlink()
    (tmp_path / "d").rmdir()
    (tmp_path / "e").rmdir()
    (tmp_path / "e").symlink_to(tmp_path)
    seen += [entry.path for entry in crawl]
    assert seen == ["a.jpg", "c.jpg"]


def test_a_root_that_vanished(tmp_path):
    (tmp_path / "root").mkdir()
    source = LocalSource(tmp_path / "root")
    (tmp_path / "root").rmdir()
    with pytest.raises(BadLocation, match="cannot list"):
        list(source.crawl())


def test_pruned_folders_are_not_even_listed(tmp_path, monkeypatch):
    for folder in ("private/deep", "1923/deep", "1924"):
        (tmp_path / folder).mkdir(parents=True)
    listed = []
    real = os.open

    def noting(path, *args, **kwargs):
        listed.append(shown(path)[len(str(tmp_path)) :])
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", noting)
    chosen = PathFilter(["1923/**"], ["Private/**"])
    assert list(walk(os.fsencode(tmp_path), chosen)) == []
    assert listed == ["", "/1923", "/1923/deep"]
