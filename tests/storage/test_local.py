"""What is special about folders: links, modes, faults of the disk, overlapping places."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from storage import (
    AlreadyExists,
    BadLocation,
    LocalDestination,
    LocalSource,
    OutOfSpace,
    StorageError,
    UnsafePath,
    open_destination,
    open_source,
)

needs_permissions = pytest.mark.usefixtures("permissions_bind")


@pytest.fixture
def out(tmp_path: Path) -> LocalDestination:
    return LocalDestination(tmp_path / "out")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def leftovers(root: Path) -> list[str]:
    return [p.name for p in root.rglob("*") if p.name.endswith(".part")]


def test_mode_honours_the_umask(out):
    before = os.umask(0o027)
    try:
        out.put("d/a.jpg", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((out.root / "d/a.jpg").stat().st_mode) == 0o640


def test_replacing_breaks_a_hard_link_instead_of_writing_through_it(out, photos):
    (photos / "original.jpg").write_bytes(b"original")
    out.put("a.jpg", b"x")
    (out.root / "a.jpg").unlink()
    (out.root / "a.jpg").hardlink_to(photos / "original.jpg")
    out.put("a.jpg", b"new")
    assert (photos / "original.jpg").read_bytes() == b"original"


def test_replacing_a_symbolic_link_leaves_its_target_alone(out, photos):
    (photos / "original.jpg").write_bytes(b"original")
    out.put("b.jpg", b"x")
    (out.root / "a.jpg").symlink_to(photos / "original.jpg")
    assert out.size("a.jpg") is None
    with pytest.raises(StorageError, match="symbolic link"):
        out.open("a.jpg")
    out.put("a.jpg", b"new")
    assert (photos / "original.jpg").read_bytes() == b"original"
    assert not (out.root / "a.jpg").is_symlink()


def test_a_folder_link_that_leads_out_is_refused(out, photos):
    out.put("b.jpg", b"x")
    (out.root / "sub").symlink_to(photos)
    with pytest.raises(UnsafePath, match="symbolic link"):
        out.put("sub/a.jpg", b"x")
    with pytest.raises(UnsafePath):
        list(out.list("sub"))
    with pytest.raises(UnsafePath):
        out.sweep(["sub"])
    assert list(photos.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, OutOfSpace), (errno.EDQUOT, OutOfSpace), (5, StorageError)]
)
def test_faults_of_the_disk_leave_nothing(out, monkeypatch, number, kind):
    def fail(descriptor):
        raise OSError(number, os.strerror(number))

    out.put("d/a.jpg", b"old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(kind, match=r"cannot write d/a\.jpg: ") as caught:
        out.put("d/a.jpg", b"new")
    assert type(caught.value) is kind
    assert (out.root / "d/a.jpg").read_bytes() == b"old"
    assert leftovers(out.root) == []


def test_a_file_where_a_folder_is_needed(out):
    out.put("a", b"x")
    with pytest.raises(StorageError, match="cannot write a/b"):
        out.put("a/b", b"x")
    out.put("d/e", b"x")
    with pytest.raises(StorageError, match="cannot write d"):
        out.put("d", b"x")
    with pytest.raises(StorageError, match="too long"):
        out.put("x" * 256, b"x")
    assert leftovers(out.root) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_without_hard_links_nothing_is_overwritten_either(out, monkeypatch, number):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", fail)
    out.put("a.jpg", b"first", overwrite=False)
    with pytest.raises(AlreadyExists):
        out.put("a.jpg", b"second", overwrite=False)
    assert (out.root / "a.jpg").read_bytes() == b"first"
    assert leftovers(out.root) == []


def test_source_refuses_links_and_special_files(photos, tmp_path):
    (photos / "real.jpg").write_bytes(b"x")
    (photos / "link.jpg").symlink_to("real.jpg")
    (photos / "out").symlink_to(tmp_path)
    (tmp_path / "secret").write_bytes(b"x")
    os.mkfifo(photos / "pipe")
    source = LocalSource(photos)
    with pytest.raises(StorageError, match="symbolic link, not followed"):
        source.open("link.jpg")
    with pytest.raises(StorageError, match="not a regular file"):
        source.open("pipe")
    with pytest.raises(UnsafePath):
        source.open("out/secret")
    with pytest.raises(StorageError):
        source.open("..secret/")


def test_a_read_only_source_is_enough(photos):
    (photos / "a.jpg").write_bytes(b"x")
    before = (photos / "a.jpg").stat()
    (photos / "a.jpg").chmod(0o400)
    photos.chmod(0o500)
    source = open_source(str(photos))
    assert source.head(next(source.crawl()).path, 10) == b"x"
    photos.chmod(0o700)
    assert (photos / "a.jpg").stat().st_mtime_ns == before.st_mtime_ns


@needs_permissions
def test_an_unreadable_file_is_an_error_of_its_own(photos):
    (photos / "a.jpg").write_bytes(b"x")
    (photos / "a.jpg").chmod(0)
    with pytest.raises(StorageError, match="permission denied"):
        LocalSource(photos).open("a.jpg")


class TestLocations:
    @pytest.mark.parametrize(
        "form", ["{}", "file://{}", "file://localhost{}", "{}/", "{}/../photos"]
    )
    def test_forms_of_a_source(self, photos, form):
        assert open_source(form.format(photos)).url == photos.resolve().as_uri()

    def test_an_address_with_escapes(self, tmp_path):
        folder = tmp_path / "50% é #1?"
        folder.mkdir()
        assert open_source(folder.as_uri()).url == folder.as_uri()
        assert open_source(f"file://{tmp_path}/50%25 é #1?").url == folder.as_uri()

    @pytest.mark.parametrize(
        ("location", "words"),
        [
            ("gs://bucket/x", "gs:// archives are not supported"),
            ("file://host/x", "names no folder here"),
            ("", "a folder is needed"),
        ],
    )
    def test_other_places_are_refused(self, photos, location, words):
        with pytest.raises(BadLocation, match=words):
            open_source(location)
        with pytest.raises(BadLocation, match=words):
            open_destination(location, LocalSource(photos))

    def test_a_source_must_be_a_folder(self, tmp_path):
        (tmp_path / "file").touch()
        (tmp_path / "loop").symlink_to("loop")
        for name in ("file", "missing", "loop"):
            with pytest.raises(BadLocation, match=name):
                open_source(str(tmp_path / name))

    @pytest.mark.parametrize(
        ("where", "words"),
        [
            ("photos", "the source itself"),
            ("link", "the source itself"),
            ("photos/out", "inside the source"),
            ("photos/not/yet/there", "inside the source"),
            ("link/out", "inside the source"),
            (".", "above the source"),
            ("photos/..", "above the source"),
        ],
    )
    def test_overlap_is_refused(self, tmp_path, photos, where, words):
        (tmp_path / "link").symlink_to(photos)
        with pytest.raises(BadLocation, match=words):
            open_destination(str(tmp_path / where), open_source(str(photos)))
        assert list(photos.iterdir()) == []

    def test_a_destination_leaves_no_trace_before_the_first_put(self, tmp_path, photos):
        out = open_destination(str(tmp_path / "new/out"), open_source(str(photos)))
        assert list(out.list("")) == []
        assert out.size("a") is None
        assert out.sweep([""]) == 0
        assert not (tmp_path / "new").exists()
        out.put("a", b"x")
        assert (tmp_path / "new/out/a").read_bytes() == b"x"

    def test_similar_names_do_not_overlap(self, tmp_path, photos):
        open_destination(str(tmp_path / "photos-restored"), open_source(str(photos)))

    def test_a_destination_that_cannot_be_a_folder(self, tmp_path, photos):
        (tmp_path / "file").touch()
        for where in ("file", "file/below"):
            with pytest.raises(BadLocation, match="not a folder"):
                open_destination(str(tmp_path / where), open_source(str(photos)))

    @needs_permissions
    def test_a_destination_must_be_writable(self, tmp_path, photos):
        (tmp_path / "closed").mkdir(mode=0o500)
        with pytest.raises(BadLocation, match="not writable"):
            open_destination(str(tmp_path / "closed/out"), open_source(str(photos)))

    @needs_permissions
    def test_a_destination_that_cannot_be_looked_at(self, tmp_path, photos):
        (tmp_path / "closed").mkdir(mode=0)
        with pytest.raises(BadLocation, match="permission"):
            open_destination(str(tmp_path / "closed/out"), open_source(str(photos)))
