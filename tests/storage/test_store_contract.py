"""What every source and destination must do, whatever keeps the bytes."""

from __future__ import annotations

import hashlib
import io

import pytest

from storage import (
    AlreadyExists,
    DestinationBusy,
    EntryKind,
    NotFound,
    SourceEntry,
    StoredEntry,
    StoredObject,
    UnsafePath,
)

UNSAFE = ["", "/etc/passwd", "../up.jpg", "a/../../b", "a//b", "./a", "a/", "a\0b", "caf\udce9.jpg"]


class TestSource:
    def test_crawl_yields_everything_in_path_order(self, bed):
        names = ["a/z.jpg", "a-b.jpg", "a.jpg", "b/c/d.tif", "été.png", "𝄞.jpg", "~.jpg", "a0", "Z"]
        for name in names:
            bed.lay(name, name.encode())
        entries = list(bed.source.crawl())
        assert [entry.path for entry in entries] == sorted(names)
        assert {entry.kind for entry in entries} == {EntryKind.FILE}
        assert [entry.size for entry in entries] == [len(n.encode()) for n in sorted(names)]
        assert all(entry.mtime_ns > 10**18 and entry.problem == "" for entry in entries)

    def test_crawl_leaves_out_hidden_and_litter(self, bed):
        for name in [".x/a.jpg", "b/.y.jpg", "Thumbs.db", "c/desktop.ini", "__MACOSX/a.jpg"]:
            bed.lay(name, b"x")
        bed.lay("c/@eaDir/a.jpg", b"x")
        bed.lay("kept.jpg", b"x")
        assert [entry.path for entry in bed.source.crawl()] == ["kept.jpg"]

    def test_crawl_includes_and_excludes(self, bed):
        for name in ["1923/a.JPG", "1923/private/b.jpg", "1924/c.jpg", "d.txt"]:
            bed.lay(name, b"x")
        chosen = bed.source.crawl(include=["*.jpg"], exclude=["**/private/**"])
        assert [entry.path for entry in chosen] == ["1923/a.JPG", "1924/c.jpg"]

    def test_crawl_goes_on_behind_a_path(self, bed):
        names = ["a/y.jpg", "a/z.jpg", "a-b.jpg", "a.jpg", "a.b/c.jpg", "b/c/d.tif", "b/e.tif", "é"]
        for name in names:
            bed.lay(name, b"x")
        for start in [*names, "", "a", "a-", "a/", "a0", "b/c/", "b/c/e", "~", "a-b.jpg/x"]:
            found = [entry.path for entry in bed.source.crawl(start_after=start)]
            assert found == [name for name in sorted(names) if name > start], start
            chosen = bed.source.crawl(include=["*.jpg"], exclude=["a/**"], start_after=start)
            wanted = sorted(name for name in names if name.endswith("jpg") and name[1] != "/")
            assert [entry.path for entry in chosen] == [name for name in wanted if name > start]

    def test_open_reads_and_seeks(self, bed):
        bed.lay("a/b.jpg", b"0123456789")
        with bed.source.open("a/b.jpg") as file:
            assert file.seekable()
            file.seek(-3, io.SEEK_END)
            assert file.read() == b"789"
            file.seek(0)
            assert file.read(2) == b"01"
            assert not file.writable()

    def test_head_reads_a_range(self, bed):
        bed.lay("a.jpg", b"0123456789")
        assert bed.source.head("a.jpg", 4) == b"0123"
        assert bed.source.head("a.jpg", 100) == b"0123456789"
        assert bed.source.head("a.jpg", 0) == b""

    def test_stat_says_what_the_crawl_says(self, bed):
        bed.lay("a/b.jpg", b"12345")
        [entry] = bed.source.crawl()
        assert bed.source.stat("a/b.jpg") == entry
        assert entry == SourceEntry("a/b.jpg", 5, entry.mtime_ns, etag=entry.etag)
        with bed.source.open("a/b.jpg") as file:
            assert file.entry == entry

    @pytest.mark.parametrize("path", ["no.jpg", "no/such.jpg", "a.jpg/under", "folder"])
    def test_what_is_not_a_file_is_not_found(self, bed, path):
        bed.lay("a.jpg", b"x")
        with pytest.raises(NotFound):
            bed.source.stat(path)
        if path != "folder":
            with pytest.raises(NotFound):
                bed.source.open(path)

    @pytest.mark.parametrize("path", UNSAFE)
    def test_unsafe_paths_are_refused(self, bed, path):
        for call in (bed.source.open, bed.source.stat, lambda p: bed.source.head(p, 1)):
            with pytest.raises(UnsafePath) as caught:
                call(path)
            assert "\n" not in str(caught.value)
            str(caught.value).encode()


class TestDestination:
    @pytest.mark.parametrize(
        "data", [b"", b"photo", bytes(3 << 20)], ids=["empty", "small", "large"]
    )
    def test_put_then_open(self, destination, data):
        expected = destination.put("r/é.jpg", data)
        digest = hashlib.sha256(data).hexdigest()
        assert expected == StoredObject("r/é.jpg", len(data), digest, expected.etag)
        assert destination.put("r/é.jpg", memoryview(data)) == expected
        reader = io.BytesIO(b"skipped" + data)
        reader.seek(7)
        assert destination.put("r/é.jpg", reader) == expected
        with destination.open("r/é.jpg") as file:
            assert file.seekable()
            assert file.read() == data
        assert destination.size("r/é.jpg") == len(data)

    def test_put_replaces(self, destination):
        destination.put("a.jpg", b"old and long")
        destination.put("a.jpg", b"new")
        with destination.open("a.jpg") as file:
            assert file.read() == b"new"

    def test_put_without_overwrite(self, destination):
        destination.put("d/a.jpg", b"first", overwrite=False)
        with pytest.raises(AlreadyExists, match=r"d/a\.jpg"):
            destination.put("d/a.jpg", b"second", overwrite=False)
        with destination.open("d/a.jpg") as file:
            assert file.read() == b"first"
        assert [entry.path for entry in destination.list("")] == ["d/a.jpg"]

    def test_a_reader_that_fails_leaves_nothing(self, destination):
        class Broken(io.BytesIO):
            def read(self, size=-1, /):
                if self.tell() > 0:
                    raise RuntimeError("the reader broke")
                return super().read(size)

        with pytest.raises(RuntimeError, match="the reader broke"):
            destination.put("a/b.jpg", Broken(bytes(2 << 20)))
        assert destination.size("a/b.jpg") is None
        assert list(destination.list("")) == []
        assert destination.sweep(["a", ""]) == 0

    def test_a_very_long_name(self, destination):
        name = "x" * 251 + ".jpg"
        destination.put(name, b"x")
        assert destination.size(name) == 1

    def test_what_is_not_there(self, destination):
        assert destination.size("no/such") is None
        destination.delete("no/such")
        with pytest.raises(NotFound, match="no/such"):
            destination.open("no/such")
        assert list(destination.list("")) == []
        assert list(destination.list("no/folder")) == []

    def test_sizes_of_many(self, destination):
        names = [
            f"{top}/{n}/{m}" for top in ("r", "c") for n in range(3) for m in ("a", "b-1", "b")
        ]
        for number, name in enumerate(names):
            destination.put(name, bytes(number))
        for name in [f"r/1/{n:02d}" for n in range(30)]:
            destination.put(name, b"x")
        asked = [names[1], names[7], names[16], "r/9/none", "r/1", "top", "../up", "r//x"]
        assert destination.sizes(asked) == {names[n]: n for n in (1, 7, 16)}
        assert destination.sizes(names) == {name: n for n, name in enumerate(names)}
        assert destination.sizes([]) == {}

    def test_delete(self, destination):
        destination.put("a.jpg", b"x")
        destination.delete("a.jpg")
        assert destination.size("a.jpg") is None

    def test_list_is_sorted_and_below_the_folder_only(self, destination):
        for name in ["m/b/2", "m/b-1", "m/b.1", "m2/x", "m/a", ".restore-archive/w/1"]:
            destination.put(name, name.encode())
        expected = [StoredEntry(n, len(n)) for n in ["m/a", "m/b-1", "m/b.1", "m/b/2"]]
        assert list(destination.list("m")) == expected
        assert list(destination.list("m/")) == expected
        everything = [entry.path for entry in destination.list("")]
        assert everything == sorted(everything)
        assert len(everything) == 6

    def test_lock_is_exclusive_and_not_listed(self, destination):
        with destination.lock():
            with pytest.raises(DestinationBusy, match="another run"), destination.lock():
                pass
            assert list(destination.list("")) == []
        with destination.lock():
            pass

    def test_sweep_removes_only_what_was_left_half_written(self, bed):
        bed.destination.put("r/a.jpg", b"x")
        bed.leave_half_written("r")
        bed.leave_half_written("r/deeper")
        bed.leave_half_written("")
        assert [entry.path for entry in bed.destination.list("")] == ["r/a.jpg"]
        assert bed.destination.sweep(["r", "no/such"]) == 1
        assert bed.destination.sweep(["", "r", "r/deeper/"]) == 2
        assert bed.destination.size("r/a.jpg") == 1

    @pytest.mark.parametrize("path", UNSAFE)
    def test_unsafe_paths_are_refused(self, destination, path):
        calls = (
            lambda p: destination.put(p, b"x"),
            destination.open,
            destination.size,
            destination.delete,
        )
        for call in calls:
            with pytest.raises(UnsafePath):
                call(path)

    @pytest.mark.parametrize("folder", ["/", "/etc", "..", "a/../..", "a//b"])
    def test_unsafe_folders_are_refused(self, destination, folder):
        with pytest.raises(UnsafePath):
            list(destination.list(folder))
        with pytest.raises(UnsafePath):
            destination.sweep([folder])

    @pytest.mark.parametrize(
        "path", [".restore-archive/lock", f"a/.restore-archive-{'0' * 32}.part"]
    )
    def test_reserved_names_are_refused(self, destination, path):
        with pytest.raises(UnsafePath, match="keeps for itself"):
            destination.put(path, b"x")
        with pytest.raises(UnsafePath):
            destination.delete(path)
