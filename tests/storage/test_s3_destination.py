"""What is special about results in buckets: parts, conditions, checksums, faults on the way."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import json
import re
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from storage import (
    AlreadyExists,
    StorageError,
)
from storage.s3 import S3Destination
from storage.s3.keys import Place
from storage.s3.upload import content_type
from tests.s3.objects import LARGE, MIB, SMALL_PARTS, contents
from tests.s3.proxy import Proxy
from tests.s3.server import BUCKET, S3Server


@pytest.fixture
def out(s3_client: Any, place: Place) -> S3Destination:
    return S3Destination(s3_client, place, uploads=SMALL_PARTS)


def uploads(client: Any, place: Place) -> list[Any]:
    return client.list_multipart_uploads(Bucket=BUCKET, Prefix=place.prefix).get("Uploads", [])


def ask_for_no_checksum(request: Any, **_: object) -> None:
    """As a server answers that keeps none."""
    del request.headers["x-amz-checksum-mode"]


class TestWhole:
    def test_content_type_and_checksum_are_stored(self, out, s3_client, place):
        stored = out.put("a.TIF", b"data")
        found = s3_client.head_object(Bucket=BUCKET, Key=place.key("a.TIF"), ChecksumMode="ENABLED")
        assert found["ContentType"] == "image/tiff"
        assert found["ChecksumSHA256"] == base64.b64encode(bytes.fromhex(stored.sha256)).decode()
        assert found["ETag"] == f'"{stored.etag}"'
        assert content_type("part-000001.parquet") == "application/vnd.apache.parquet"
        assert content_type("x") == "application/octet-stream"

    def test_bytes_that_change_on_the_way_are_refused(self, faulty, s3_proxy):
        s3_proxy.add("PUT", "a.jpg", edit_request=lambda body: b"X" + body[1:])
        with pytest.raises(StorageError, match=r"cannot write a\.jpg: BadDigest"):
            faulty.put("a.jpg", b"data")
        assert faulty.size("a.jpg") is None

    def test_sixteen_racing_puts_have_one_winner(self, out):
        start = threading.Barrier(16)

        def put(number: int) -> bool:
            start.wait()
            try:
                out.put("part", bytes([number]), overwrite=False)
            except AlreadyExists:
                return False
            return True

        with ThreadPoolExecutor(16) as pool:
            won = list(pool.map(put, range(16)))
        assert won.count(True) == 1
        assert contents(out, "part") == bytes([won.index(True)])

    def test_a_put_whose_answer_got_lost_is_done_once(self, faulty, s3_proxy):
        s3_proxy.add("PUT", "/part", lose_answer=True, times=1)
        stored = faulty.put("part", b"mine", overwrite=False)
        assert s3_proxy.count("PUT", "/part") == 2
        assert stored.etag == faulty.put("other", b"mine").etag

    def test_a_retry_that_finds_anothers_object_lost(self, faulty, out, s3_proxy):
        # The first try never arrives, and meanwhile another run puts its own.
        s3_proxy.add(
            "PUT", "/part", code="InternalError", status=500, times=1,
            before=lambda: out.put("part", b"another's"),
        )  # fmt: skip
        with pytest.raises(AlreadyExists):
            faulty.put("part", b"mine", overwrite=False)
        assert contents(out, "part") == b"another's"

    def test_where_conditions_are_ignored_it_looks_first(self, s3_server, place):
        simple = S3Destination(s3_server.client_without_conditions(), place)
        simple.put("a", b"first", overwrite=False)
        with pytest.raises(AlreadyExists):
            simple.put("a", b"second", overwrite=False)
        assert contents(simple, "a") == b"first"

    def test_a_conflict_of_conditional_writes_is_tried_again(self, faulty, s3_proxy):
        s3_proxy.add("PUT", "/a", code="ConditionalRequestConflict", status=409, times=2)
        assert faulty.put("a", b"x", overwrite=False).size == 1

    @pytest.mark.parametrize("is_there", [False, True])
    def test_a_conflict_without_end_is_no_object(self, faulty, out, s3_proxy, is_there):
        def write() -> None:
            if is_there:
                out.put("a", b"another's")

        s3_proxy.add("PUT", "/a", code="OperationAborted", status=409, before=write)
        with pytest.raises(StorageError, match=r"OperationAborted|exists already") as caught:
            faulty.put("a", b"x", overwrite=False)
        assert isinstance(caught.value, AlreadyExists) == is_there
        assert s3_proxy.count("PUT", "/a") == 5


class TestParts:
    @pytest.mark.parametrize("kind", [bytes, memoryview, io.BytesIO])
    def test_large_ones_go_in_parts(self, faulty, s3_proxy, s3_client, place, kind):
        stored = faulty.put("big.tif", kind(LARGE))
        assert s3_proxy.count("PUT", "partNumber=") == 3
        assert stored.sha256 == hashlib.sha256(LARGE).hexdigest()
        assert (stored.size, stored.etag[-2:]) == (len(LARGE), "-3")
        assert contents(faulty, "big.tif") == LARGE
        head = s3_client.head_object(Bucket=BUCKET, Key=place.key("big.tif"))
        assert head["ContentType"] == "image/tiff"
        sent = [seen.headers for seen in s3_proxy.seen if "partNumber=" in seen.query]
        assert all("x-amz-checksum-sha256" in headers for headers in sent)

    def test_up_to_the_threshold_one_request(self, faulty, s3_proxy):
        faulty.put("a", LARGE[: 6 * MIB])
        faulty.put("b", io.BytesIO(LARGE[: 6 * MIB]))
        assert s3_proxy.count("POST") == 0
        faulty.put("b", io.BytesIO(LARGE[: 6 * MIB + 1]))
        assert s3_proxy.count("POST") == 2

    def test_a_failing_part_leaves_nothing(self, faulty, s3_proxy, s3_client, place):
        faulty.put("big", b"old")
        s3_proxy.add("PUT", "partNumber=2", code="InvalidRequest", status=400)
        with pytest.raises(StorageError, match="cannot write big: InvalidRequest"):
            faulty.put("big", LARGE)
        assert contents(faulty, "big") == b"old"
        assert uploads(s3_client, place) == []

    def test_a_failing_reader_leaves_nothing(self, out, s3_client, place):
        class Broken(io.BytesIO):
            def read(self, size=-1, /):
                if self.tell() > 10 * MIB:
                    raise RuntimeError("the reader broke")
                return super().read(size)

        with pytest.raises(RuntimeError, match="the reader broke"):
            out.put("big", Broken(LARGE))
        assert out.size("big") is None
        assert uploads(s3_client, place) == []

    def test_without_overwrite(self, out, faulty, s3_proxy, s3_client, place):
        # Appears after the look, before the end: only If-None-Match can notice it.
        s3_proxy.add("POST", "uploadId=", before=lambda: out.put("big", b"first"), times=1)
        with pytest.raises(AlreadyExists, match="big exists already"):
            faulty.put("big", LARGE, overwrite=False)
        assert contents(out, "big") == b"first"
        assert uploads(s3_client, place) == []

    @pytest.mark.parametrize("overwrite", [True, False])
    @pytest.mark.parametrize("checksums", [True, False])
    def test_an_end_whose_answer_got_lost_is_done(self, faulty, s3_proxy, overwrite, checksums):
        s3_proxy.add("POST", "uploadId=", lose_answer=True, times=1)
        s3_proxy.add("POST", "uploadId=", code="NoSuchUpload", status=404, times=1)
        if not checksums:
            faulty._client.meta.events.register("before-sign.s3.HeadObject", ask_for_no_checksum)
        stored = faulty.put("big", LARGE, overwrite=overwrite)
        assert contents(faulty, "big") == LARGE
        assert stored.etag == faulty.put("other", LARGE).etag
        assert s3_proxy.count("POST", "uploadId=") == 3

    def test_an_end_that_finds_its_object_there_is_done(self, faulty, s3_proxy):
        s3_proxy.add("POST", "uploadId=", lose_answer=True, times=1)
        s3_proxy.add("POST", "uploadId=", code="PreconditionFailed", status=412)
        assert faulty.put("big", LARGE, overwrite=False).size == len(LARGE)

    @pytest.mark.parametrize("old", [b"", b"another's", LARGE[1:]])
    def test_an_upload_that_is_gone_without_its_object_is_told(self, faulty, out, s3_proxy, old):
        if old:
            out.put("big", old)
        s3_proxy.add("POST", "uploadId=", code="InternalError", status=500, times=1)
        s3_proxy.add("POST", "uploadId=", code="NoSuchUpload", status=404)
        with pytest.raises(StorageError, match="cannot write big: NoSuchUpload"):
            faulty.put("big", LARGE)
        assert (contents(out, "big") if old else out.size("big")) == (old or None)

    @pytest.mark.parametrize("kind", [bytes, io.BytesIO])
    def test_a_conflict_at_the_end_uploads_anew(self, faulty, s3_proxy, s3_client, place, kind):
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
        s3_proxy.add(
            "POST", "uploadId=", code="ConditionalRequestConflict", status=409, times=2
        )  # fmt: skip
        assert faulty.put("big", kind(LARGE), overwrite=False).size == len(LARGE)
        assert s3_proxy.count("PUT", "partNumber=") == 9
        assert contents(faulty, "big") == LARGE
        assert uploads(s3_client, place) == []

    def test_a_conflict_with_what_cannot_be_read_again(self, faulty, s3_proxy, s3_client, place):
        class Stream(io.BytesIO):
            def seekable(self):
                return False

        s3_proxy.add("POST", "uploadId=", code="ConditionalRequestConflict", status=409, times=1)
        with pytest.raises(StorageError, match="cannot write big: others write it"):
            faulty.put("big", Stream(LARGE), overwrite=False)
        assert uploads(s3_client, place) == []

    def test_who_lost_a_conflict_is_told(self, faulty, out, s3_proxy, s3_client, place):
        s3_proxy.add(
            "POST", "uploadId=", code="ConditionalRequestConflict", status=409,
            before=lambda: out.put("big", b"first"),
        )  # fmt: skip
        with pytest.raises(AlreadyExists, match="big exists already"):
            faulty.put("big", LARGE, overwrite=False)
        assert contents(out, "big") == b"first"
        assert s3_proxy.count("PUT", "partNumber=") == 3
        assert uploads(s3_client, place) == []

    def test_sweep_is_for_the_named_folders(self, out, s3_client, place):
        for folder in ("", "r/", "r/deeper/", "x/"):
            s3_client.create_multipart_upload(Bucket=BUCKET, Key=place.prefix + folder + "half")
        assert out.sweep(["r"]) == 1
        assert out.sweep(["", "r/deeper"]) == 2
        [left] = uploads(s3_client, place)
        assert left["Key"] == place.prefix + "x/half"

    def test_sweep_at_the_root_of_a_bucket(self, s3_client):
        bucket = "roots"
        s3_client.create_bucket(Bucket=bucket)
        out = S3Destination(s3_client, Place(bucket, ""))
        for key in ("half", "r/half"):
            s3_client.create_multipart_upload(Bucket=bucket, Key=key)
        assert out.sweep([""]) == 1
        assert out.sweep(["r"]) == 1
        out.put("a", b"x")
        assert [entry.path for entry in out.list("")] == ["a"]


def test_listing_streams_over_pages(s3_client, place, out):
    names = [f"m/{n:02d}" for n in range(9)] + ["m-/x", "m.d/y"]
    for name in names:
        out.put(name, b"x")
    s3_client.put_object(Bucket=BUCKET, Key=place.prefix + "m/folder/", Body=b"")
    small = S3Destination(s3_client, place, page_size=2)
    assert [entry.path for entry in small.list("")] == sorted(names)
    assert [entry.path for entry in itertools.islice(small.list("m"), 3)] == names[:3]


def test_sizes_cost_few_requests(faulty_client, s3_proxy, place):
    out = S3Destination(faulty_client, place, page_size=20)
    names = [f"restored/{n}/{m:02d}" for n in range(6) for m in range(12)]
    for name in names:
        out.put(name, b"x")
    s3_proxy.seen.clear()
    assert len(out.sizes(names[24:48])) == 24
    assert s3_proxy.count("HEAD") == 0
    assert s3_proxy.count("GET") == 1 + 2, "one level, then the two folders asked for"
    s3_proxy.seen.clear()
    assert list(out.sizes([names[0], names[-1]])) == [names[-1], names[0]]
    assert s3_proxy.count("HEAD") == 1, "after 20 + 2 * 20 others the last is looked up"


def test_the_proxy_itself_changes_nothing(s3_proxy: Proxy, s3_server: S3Server, faulty, out):
    out.put("a", LARGE)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", ResourceWarning)
        assert contents(faulty, "a") == LARGE
        assert faulty.size("a") == len(LARGE)
    assert [str(warning.message) for warning in warned] == [], "connections are closed"
    assert s3_proxy.count("GET") == 3
    assert s3_server.endpoint != s3_proxy.endpoint


def test_the_readme_has_the_policy_that_the_code_needs():
    root = Path(__file__).parents[2]
    text = (root / "storage/README.md").read_text("utf-8")
    policy = json.loads(text.partition("```json")[2].partition("```")[0])
    granted: set[str] = set()
    for statement in policy["Statement"]:
        actions = statement["Action"]
        granted |= {actions} if isinstance(actions, str) else set(actions)
    code = "".join(path.read_text("utf-8") for path in (root / "storage/s3").glob("*.py"))
    assert granted == set(re.findall(r'"(s3:[A-Z]\w+)"', code))
