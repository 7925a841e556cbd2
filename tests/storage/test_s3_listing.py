"""Listing a bucket: order, few requests, and keys of every kind."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import (
    EntryKind,
    StorageError,
)
from storage.paths import check_relative
from storage.s3 import S3Source
from storage.s3.keys import Place, problem_of
from storage.s3.listing import OrderedListing
from tests.s3.objects import lay


def paths(s3_source: S3Source, **options: Any) -> list[str]:
    return [entry.path for entry in s3_source.crawl(**options)]


class TestOrder:
    def test_2500_objects_over_pages_and_folders(self, s3_source, s3_server):
        names = [f"{y}/box {b}/{n:03d}.jpg" for y in range(4) for b in range(3) for n in range(180)]
        names += [f"{y}-{n}.jpg" for y in range(4) for n in range(80)] + [f"{y}.d/x" for y in "23"]
        names += [f"deep/{'d/' * 40}{n}" for n in range(18)]
        assert len(names) == 2500
        s3_server.lay_quickly(s3_source.place.prefix + name for name in names)
        assert paths(s3_source) == sorted(names)
        small = S3Source(s3_source._client, s3_source.place, page_size=50, threads=3)
        assert (
            paths(small, start_after="1/box 2/100.jpg")
            == sorted(names)[sorted(names).index("1/box 2/100.jpg") + 1 :]
        )

    @pytest.mark.parametrize("page_size", [1, 2, 3, 1000])
    def test_folders_sort_as_full_paths_do_on_any_server(self, s3_source, page_size):
        names = [
            "a/z",
            "a-b",
            "a.b/c",
            "a.b-c",
            "a",
            "a b/c/d",
            "a+",
            "b/é",
            "b/𝄞",
            "b/\uff5e",
            "a0",
        ]
        lay(s3_source, *names)
        listing = S3Source(s3_source._client, s3_source.place, page_size=page_size)
        assert paths(listing) == sorted(names)

    def test_few_requests_for_many_small_folders(self, behind_proxy, s3_proxy):
        lay(behind_proxy, *(f"{n}/{m}.jpg" for n in range(20) for m in range(10)))
        s3_proxy.seen.clear()
        assert len(paths(behind_proxy)) == 200
        assert s3_proxy.count("GET") == 1
        assert len(paths(S3Source(behind_proxy._client, behind_proxy.place, page_size=20))) == 200
        assert s3_proxy.count("GET") == 1 + 1 + 1 + 20, "whole, one level, then each folder"

    def test_folders_are_listed_ahead_but_not_without_bound(self, behind_proxy, s3_proxy):
        lay(behind_proxy, *(f"{n:02d}/{m}" for n in range(30) for m in range(2)))
        s3_proxy.seen.clear()
        listing = OrderedListing(behind_proxy._client, behind_proxy.place, threads=4, page_size=30)
        walk = listing.walk(lambda _: True)
        assert next(walk).path == "00/0"
        assert 3 <= s3_proxy.count("GET") <= 2 + 1 + 4 + 1
        walk.close()

    def test_left_out_folders_are_not_listed(self, behind_proxy, s3_proxy):
        lay(
            behind_proxy, *(f"{f}/{n}" for f in ("kept", "private", ".git", "@eaDir") for n in "12")
        )
        s3_proxy.seen.clear()
        small = S3Source(behind_proxy._client, behind_proxy.place, page_size=4)
        assert paths(small, exclude=["private/**"]) == ["kept/1", "kept/2"]
        listed = [re.search(r"prefix=[^/]*/(.*?)(&|$)", seen.query)[1] for seen in s3_proxy.seen]
        assert set(listed) == {"", "kept/"}

    def test_a_server_that_lists_in_no_order_is_noticed(self, behind_proxy, s3_proxy):
        lay(behind_proxy, *"abcdef")

        def swap(body: bytes) -> bytes:
            return body.replace(b"/c<", b"/0<")

        s3_proxy.add("GET", "delimiter=/", edit=swap)
        with pytest.raises(StorageError, match="lists in no order"):
            paths(S3Source(behind_proxy._client, behind_proxy.place, page_size=2))


def inject(*keys: str):
    """Adds keys to a listing that this server would not take, but others do."""
    entry = (
        "<Contents><Key>{}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>"
        '<ETag>"e"</ETag><Size>5</Size><StorageClass>STANDARD</StorageClass></Contents>'
    )

    def edit(body: bytes) -> bytes:
        added = "".join(map(entry.format, keys)).encode()
        return body.replace(b"</ListBucketResult>", added + b"</ListBucketResult>")

    return edit


class TestOddKeys:
    def test_spaces_percent_plus_and_unicode_are_verbatim(self, s3_source):
        names = ["a b.jpg", "a%20b.jpg", "a+b.jpg", "a&b=c?.jpg", "é.jpg", "e\u0301.jpg", "𝄞.jpg",
                 "line\nend.jpg", "q'u\"o<t>e.jpg", "tab\t.jpg"]  # fmt: skip
        lay(s3_source, *names)
        assert paths(s3_source) == sorted(names)
        for name in names:
            with s3_source.open(name) as file:
                assert file.read() == b"x"
            assert s3_source.stat(name).size == 1

    def test_keys_that_are_no_paths_do_not_vanish(self, behind_proxy, s3_proxy, place):
        lay(behind_proxy, "good.jpg")
        odd = ["/lead.jpg", "a//b.jpg", "a/./b.jpg", "../up.jpg", "nul%00.jpg", "..", ".", "x/"]
        keys = [place.prefix.replace(" ", "%20") + key for key in odd]
        s3_proxy.add("GET", "list-type=2", edit=inject(*keys))
        entries = {entry.path: entry for entry in behind_proxy.crawl()}
        wanted = [key.replace("%00", "\0") for key in odd]
        assert list(entries) == sorted([*wanted, "good.jpg"])
        for path in wanted:
            assert entries[path].kind is EntryKind.BAD_NAME
            assert "copy the object to another key" in entries[path].problem
            assert "\n" not in entries[path].problem
        assert entries["good.jpg"].kind is EntryKind.FILE

    def test_hidden_and_pattern_rules_hold_within_a_page(self, s3_source):
        lay(
            s3_source,
            "a/.b/c.jpg",
            "a/@eaDir/x.jpg",
            "a/b/Thumbs.db",
            "a/b/c.jpg",
            "p/q/r.jpg",
            ".h",
        )
        assert paths(s3_source) == ["a/b/c.jpg", "p/q/r.jpg"]
        assert paths(s3_source, exclude=["p/**"]) == ["a/b/c.jpg"]
        assert paths(s3_source, include=["p/**"]) == ["p/q/r.jpg"]

    def test_markers_are_no_photos_and_empty_objects_are(self, s3_source):
        lay(s3_source, "folder/", "a/b/", "", "zero.jpg", "a/zero", data=b"")
        entries = list(s3_source.crawl())
        assert [(entry.path, entry.size) for entry in entries] == [("a/zero", 0), ("zero.jpg", 0)]
        with s3_source.open("zero.jpg") as file:
            assert file.read() == b""
            assert file.seek(0, io.SEEK_END) == 0
        assert s3_source.head("zero.jpg", 10) == b""

    @settings(max_examples=200, deadline=None, derandomize=True)
    @given(path=st.text(st.sampled_from("a./\0é\udce9"), max_size=6))
    def test_a_path_has_a_problem_or_can_be_opened(self, path):
        if problem_of(path):
            with pytest.raises(StorageError):
                check_relative(path)
        else:
            assert Place("b", "p/").key(path) == "p/" + path


def test_a_folder_that_may_not_be_listed_is_reported(behind_proxy, s3_proxy):
    lay(behind_proxy, *(f"{folder}/{n}" for folder in ("closed", "open") for n in "12"))
    s3_proxy.add("GET", "/closed/", code="AccessDenied", status=403)
    small = S3Source(behind_proxy._client, behind_proxy.place, page_size=2)
    entries = list(small.crawl(include=["*"]))
    assert [entry.path for entry in entries] == ["closed/", "open/1", "open/2"]
    assert entries[0].kind is EntryKind.UNREADABLE
    assert "lacks s3:ListBucket for arn:aws:s3:::archive" in entries[0].problem
