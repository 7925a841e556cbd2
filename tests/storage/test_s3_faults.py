"""What networks, servers and policies do at times, and what is said about it."""

from __future__ import annotations

import pytest

from storage import (
    CredentialsExpired,
    NotFound,
    OutOfSpace,
    StorageError,
    UnsafePath,
)
from storage.s3 import S3Destination, S3Source
from storage.s3.keys import Place
from tests.s3.objects import LARGE, MIB, contents


class TestFaults:
    def test_a_web_page_for_an_answer_is_said_in_one_line(self, faulty, s3_proxy):
        s3_proxy.add("GET", "list-type=2", edit=lambda _: b"<html><p>Welcome<br></html>")
        with pytest.raises(StorageError, match="is the endpoint right"):
            list(faulty.list(""))

    def test_a_page_that_is_xml_is_no_empty_listing(self, faulty, s3_proxy):
        page = b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body/></html>'
        s3_proxy.add("GET", "list-type=2", edit=lambda _: page)
        source = S3Source(faulty._client, faulty.place)
        whole = S3Source(faulty._client, Place(faulty.place.bucket, ""))
        calls = [
            lambda: list(faulty.list("")),
            lambda: list(source.crawl()),
            lambda: faulty.sizes(["a", "b"]),
            faulty.check,
            source.check,
            whole.check,
        ]
        for call in calls:
            with pytest.raises(StorageError, match="is the endpoint right"):
                call()

    def test_slow_down_is_waited_out(self, faulty, s3_proxy):
        s3_proxy.add("PUT", code="SlowDown", times=2)
        assert faulty.put("a", b"x").size == 1
        assert s3_proxy.count("PUT") == 3

    def test_slow_down_without_end_is_told(self, s3_server, s3_proxy, place):
        s3_proxy.add("PUT", code="SlowDown")
        client = s3_server.client(endpoint_url=s3_proxy.endpoint, attempts=2)
        with pytest.raises(StorageError, match="asks to slow down, also after 2 tries"):
            S3Destination(client, place).put("a", b"x")

    def test_a_connection_reset_in_the_middle_of_a_body(self, faulty, s3_proxy):
        faulty.put("a", LARGE[: 6 * MIB])
        for part, after in (("/a", 1000), ("/a", 0), ("/a", 100_000)):
            s3_proxy.add("GET", part, cut_after=after, times=1)
        assert contents(faulty, "a") == LARGE[: 6 * MIB]
        assert s3_proxy.count("GET", "/a") == 5

    def test_a_connection_that_always_breaks_is_told(self, s3_server, s3_proxy, place):
        client = s3_server.client(endpoint_url=s3_proxy.endpoint, attempts=1)
        out = S3Destination(client, place)
        out.put("a", b"data")
        s3_proxy.add("GET", "/a", cut_after=2)
        with pytest.raises(StorageError, match="cannot read a: the connection broke again"):
            out.open("a")
        s3_proxy.add("PUT", "/a", lose_answer=True)
        with pytest.raises(StorageError, match="cannot write a: the connection broke again"):
            out.put("a", b"x")

    def test_a_server_that_is_not_there(self, s3_server, place):
        client = s3_server.client(endpoint_url="http://127.0.0.1:9", attempts=1)
        with pytest.raises(StorageError, match="is the server running and reachable"):
            S3Destination(client, place).put("a", b"x")

    @pytest.mark.parametrize("code", ["ExpiredToken", "TokenRefreshRequired"])
    def test_credentials_that_expire(self, faulty, s3_proxy, code):
        faulty.put("a", b"x")
        for method in ("PUT", "POST", "DELETE", "HEAD", "GET"):
            s3_proxy.add(method, code=code, status=400)
        calls = [
            lambda: faulty.put("a", b"x"),
            lambda: faulty.put("a", b"x", overwrite=False),
            lambda: faulty.put("big", LARGE),
            lambda: faulty.open("a"),
            lambda: faulty.size("a"),
            lambda: faulty.delete("a"),
            lambda: list(faulty.list("")),
            lambda: faulty.sweep([""]),
            lambda: faulty.lock().__enter__(),
            lambda: list(S3Source(faulty._client, faulty.place).crawl()),
        ]
        for call in calls:
            with pytest.raises(CredentialsExpired, match="expired; log in again") as caught:
                call()
            assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("method", "call", "action"),
        [
            ("PUT", lambda out: out.put("a", b"x"), "s3:PutObject"),
            ("GET", lambda out: out.open("a"), "s3:GetObject"),
            ("DELETE", lambda out: out.delete("a"), "s3:DeleteObject"),
            ("GET", lambda out: list(out.list("")), "s3:ListBucket"),
            ("GET", lambda out: out.sweep([""]), "s3:ListBucketMultipartUploads"),
        ],
    )
    def test_a_missing_permission_is_named(self, faulty, s3_proxy, method, call, action):
        s3_proxy.add(method, code="AccessDenied", status=403)
        with pytest.raises(StorageError, match=f"the policy lacks {action} for arn:aws:s3:::"):
            call(faulty)

    @pytest.mark.parametrize(
        ("code", "status", "kind", "words"),
        [
            ("QuotaExceeded", 403, OutOfSpace, "quota of archive is used up"),
            ("KeyTooLongError", 400, UnsafePath, "longer than 1,024 bytes"),
            ("NoSuchBucket", 404, StorageError, "no bucket archive"),
            ("PermanentRedirect", 301, StorageError, "another region; set AWS_REGION"),
            ("NoSuchKey", 404, NotFound, "no such object"),
        ],
    )
    def test_other_answers(self, faulty, s3_proxy, code, status, kind, words):
        s3_proxy.add("PUT", code=code, status=status)
        with pytest.raises(kind, match=words):
            faulty.put("a", b"x")
