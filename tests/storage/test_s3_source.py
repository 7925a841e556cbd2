"""What is special about originals in buckets: ranges, versions, archive tiers."""

from __future__ import annotations

import io
import tempfile
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import (
    Archived,
    EntryKind,
    NotFound,
    SourceChanged,
)
from storage.s3 import S3Source
from storage.s3.blocks import Blocks
from storage.s3.contents import parse_time
from storage.s3.keys import Place
from storage.s3.reader import RangedReader
from tests.s3.objects import lay
from tests.s3.server import BUCKET


class TestReading:
    @settings(max_examples=12, deadline=None, derandomize=True)
    @given(moves=st.lists(st.tuples(st.integers(0, 5200), st.integers(0, 2500)), max_size=6))
    def test_any_seek_and_read(self, s3_client, moves):
        data = bytes(n * 7919 % 251 for n in range(5000))
        place = Place(BUCKET, "seek and read/")
        s3_client.put_object(Bucket=BUCKET, Key=place.key("p"), Body=data)
        raw = RangedReader(s3_client, place, "p", first=100, block=400)
        with io.BufferedReader(raw, 64) as file:
            for at, length in moves:
                file.seek(at)
                assert file.read(length) == data[at : at + length]
            file.seek(-10, io.SEEK_END)
            assert file.read() == data[-10:]
            file.seek(0)
            assert file.read() == data

    def test_requests_are_few_and_blocks_are_kept(self, behind_proxy, s3_proxy):
        data = bytes(9 << 20)
        lay(behind_proxy, "p.tif", data=data)
        s3_proxy.seen.clear()
        with behind_proxy.open("p.tif") as file:
            file.read(1000)
            assert s3_proxy.count("GET") == 1, "a header"
            for _ in range(2):
                file.seek(0)
                assert file.read() == data
        assert s3_proxy.count("GET") == 3, "hashed and decoded from one download"
        assert all("range" in seen.headers for seen in s3_proxy.seen)

    @pytest.mark.parametrize("has_room", [True, False])
    def test_what_memory_does_not_hold_is_kept_on_the_disk(
        self, behind_proxy, s3_proxy, tmp_path, monkeypatch, has_room
    ):
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path if has_room else tmp_path / "none"))
        data = bytes(n * 7919 % 251 for n in range(20_100))
        lay(behind_proxy, "p", data=data)
        s3_proxy.seen.clear()
        client, place = behind_proxy._client, behind_proxy.place
        with RangedReader(client, place, "p", first=100, block=1000) as file:
            for _ in range(3):
                file.seek(0)
                assert file.read() == data
        assert s3_proxy.count("GET") == 1 + 20 * (1 if has_room else 3)
        assert list(tmp_path.iterdir()) == []

    def test_no_more_is_kept_than_is_allowed(self):
        blocks = Blocks(10, kept=2, spilled_bytes=50)
        for number in range(10):
            blocks.add(number, bytes([number]) * 10)
        # In memory the first and the last two, on the disk those up to 50 bytes.
        held = {number: blocks.get(number) for number in (0, 8, 9, 6, 7, *range(1, 6))}
        assert {number for number, data in held.items() if data} == {0, 1, 2, 3, 4, 5, 8, 9}
        assert all(data in (None, bytes([number]) * 10) for number, data in held.items())
        assert len(blocks._blocks) == 3
        blocks.close()
        assert [blocks.get(number) for number in range(10)] == [None] * 10

    def test_a_replaced_object_is_noticed_between_two_ranges(self, s3_source):
        lay(s3_source, "p", data=b"old" * 100_000)
        with s3_source.open("p") as file:
            assert file.read(3) == b"old"
            lay(s3_source, "p", data=b"new" * 100_000)
            with pytest.raises(SourceChanged, match="p was replaced"):
                file.read()

    def test_versions_never_mix_where_conditions_are_ignored(self, s3_server, place):
        source = S3Source(s3_server.client_without_conditions(), place)
        lay(source, "p", data=b"old" * 100_000)
        with source.open("p") as file:
            assert file.read(3) == b"old"
            lay(source, "p", data=b"new" * 100_000)
            with pytest.raises(SourceChanged, match="p was replaced"):
                file.read()

    def test_only_the_wanted_content_is_opened(self, s3_source):
        lay(s3_source, "p", data=b"old")
        [entry] = s3_source.crawl()
        with s3_source.open("p", etag=entry.etag) as file:
            assert file.read() == b"old"
        lay(s3_source, "p", data=b"new")
        with pytest.raises(SourceChanged):
            s3_source.open("p", etag=entry.etag)
        lay(s3_source, "p", data=b"")
        with pytest.raises(SourceChanged):
            s3_source.open("p", etag=entry.etag)

    def test_versions_are_told(self, s3_client, s3_server):
        bucket = "versioned"
        s3_client.create_bucket(Bucket=bucket)
        s3_client.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
        )
        version = s3_client.put_object(Bucket=bucket, Key="a.jpg", Body=b"x")["VersionId"]
        s3_source = S3Source(s3_client, Place(bucket, ""))
        assert s3_source.stat("a.jpg").version_id == version
        with s3_source.open("a.jpg") as file:
            assert file.entry.version_id == version

    def test_archive_tiers(self, behind_proxy, s3_proxy):
        lay(behind_proxy, "a.jpg", StorageClass="GLACIER")
        lay(behind_proxy, "b.jpg", StorageClass="DEEP_ARCHIVE")
        lay(behind_proxy, "c.jpg", StorageClass="GLACIER_IR")
        kinds = {entry.path: entry for entry in behind_proxy.crawl()}
        assert [entry.kind for entry in kinds.values()] == ["archived", "archived", "file"]
        assert "restore-object" in kinds["a.jpg"].problem
        assert "DEEP_ARCHIVE" in kinds["b.jpg"].problem

        def status(text: str):
            tag = f"<StorageClass>GLACIER</StorageClass><RestoreStatus>{text}</RestoreStatus>"
            return lambda body: body.replace(b"<StorageClass>GLACIER</StorageClass>", tag.encode())

        coming = status("<IsRestoreInProgress>true</IsRestoreInProgress>")
        fault = s3_proxy.add("GET", "list-type=2", edit=coming)
        assert "being brought back" in next(iter(behind_proxy.crawl())).problem
        fault.edit = status(
            "<IsRestoreInProgress>false</IsRestoreInProgress>"
            "<RestoreExpiryDate>2999-01-01T00:00:00Z</RestoreExpiryDate>"
        )
        assert next(iter(behind_proxy.crawl())).kind is EntryKind.FILE
        s3_proxy.add("GET", "a.jpg", code="InvalidObjectState", status=403)
        with pytest.raises(Archived, match="restore-object"):
            behind_proxy.open("a.jpg")


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T09:02:38.000Z",
        "Sun, 22 Nov 2026 09:02:38 GMT",
        "2026-11-22T09:02:38",
        1795338158,
    ],
)
def test_times_of_listings_and_headers(text):
    assert parse_time(text) == datetime(2026, 11, 22, 9, 2, 38, tzinfo=UTC)


def test_what_is_gone_is_not_found(s3_source):
    for call in (s3_source.open, s3_source.stat):
        with pytest.raises(NotFound, match="no such object in s3://archive/test"):
            call("gone.jpg")
