"""An S3 server that pretends to hold a million photographs: what a benchmark of planning lists.

Names, sizes and ETags are made from numbers; only what is put is kept, in memory. It answers what
this project asks of a bucket: ListObjectsV2, HEAD and GET with ranges, PUT.
"""

from __future__ import annotations

import hashlib
import heapq
import multiprocessing
import re
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape

TIME = "2026-01-01T00:00:00.000Z"
HTTP_TIME = "Thu, 01 Jan 2026 00:00:00 GMT"
_LAST = chr(0x10FFFF)


@dataclass(frozen=True)
class Archive:
    """Photographs `photos/box-00000/photo-000.jpg` and what a run made of them.

    Attributes:
        photos: how many, 1,000 to a box.
        changed: how many of them, evenly spread, are not what the run saw.
        head: the first bytes of each.
    """

    photos: int
    changed: int
    head: bytes

    def names(self) -> list[str]:
        """Paths of the photographs in the archive, in order."""
        boxes = -(-self.photos // 1000)
        names = [f"box-{box:05d}/photo-{number:03d}.jpg" for box in range(boxes)
                 for number in range(1000)]  # fmt: skip
        return names[: self.photos]

    def size(self, number: int) -> int:
        """Bytes of a photograph."""
        return 2_000_000 + number % 1_000_000

    def etag(self, number: int, *, now: bool = True) -> str:
        """Its ETag, now or as the run saw it."""
        is_changed = now and number % max(1, self.photos // max(1, self.changed)) == 0
        return f"{number:031x}{int(is_changed)}"


class _Bucket:
    """Sorted keys, and what is known of each."""

    def __init__(self, archive: Archive) -> None:
        names = archive.names()
        self._archive = archive
        self._made = [f"{top}/{name}" for top in ("out/restored", "photos") for name in names]
        self.kept: dict[str, bytes] = {}
        self._kept_keys: list[str] = []

    def keys(self, prefix: str, after: str) -> Iterator[tuple[str, int, str]]:
        """Keys with a prefix, behind a key, in order; each with its bytes and ETag."""
        at = max(bisect_left(self._made, prefix), bisect_right(self._made, after))
        end = bisect_left(self._made, prefix + _LAST)
        photos, size, etag = self._archive.photos, self._archive.size, self._archive.etag
        made = ((self._made[n], size(n % photos), etag(n % photos)) for n in range(at, end))
        at = max(bisect_left(self._kept_keys, prefix), bisect_right(self._kept_keys, after))
        kept = self._kept_keys[at : bisect_left(self._kept_keys, prefix + _LAST)]
        return heapq.merge(((key, *self._of_kept(key)) for key in kept), made) if kept else made

    def keep(self, key: str, data: bytes) -> None:
        """Take in what is put."""
        if key not in self.kept:
            insort(self._kept_keys, key)
        self.kept[key] = data

    def _of_kept(self, key: str) -> tuple[int, str]:
        data = self.kept[key]
        return len(data), hashlib.md5(data, usedforsecurity=False).hexdigest()

    def describe(self, key: str) -> tuple[int, str] | None:
        """Bytes and ETag."""
        if key in self.kept:
            return self._of_kept(key)
        at = bisect_left(self._made, key)
        if at == len(self._made) or self._made[at] != key:
            return None
        number = at % self._archive.photos
        return self._archive.size(number), self._archive.etag(number)

    def read(self, key: str, first: int, last: int) -> bytes:
        data = self.kept.get(key)
        if data is not None:
            return data[first : last + 1]
        head = self._archive.head[first : last + 1]
        return head + bytes(last + 1 - first - len(head))


def _handler(bucket: _Bucket) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def log_message(self, *_: object) -> None:
            """Says nothing."""

        def handle_expect_100(self) -> bool:
            go_on = super().handle_expect_100()
            self.wfile.flush()  # boto3 waits a second for it
            return go_on

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = dict(parse_qsl(parts.query, keep_blank_values=True))
            key = unquote(parts.path).split("/", 2)[2:]
            if "list-type" in asked:
                self._answer(200, _page(bucket, asked))
            else:
                self._object(key[0] if key else "", body=True)

        def do_HEAD(self) -> None:
            self._object(unquote(self.path).split("/", 2)[2], body=False)

        def do_PUT(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            key = unquote(urlsplit(self.path).path).split("/", 2)[2]
            bucket.keep(key, data)
            described = bucket.describe(key)
            self._answer(200, b"", ETag=f'"{described[1] if described else ""}"')

        def _object(self, key: str, *, body: bool) -> None:
            described = bucket.describe(key)
            if described is None:
                self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>" if body else b"")
                return
            size, etag = described
            common = {"ETag": f'"{etag}"', "Last-Modified": HTTP_TIME, "Accept-Ranges": "bytes"}
            wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            if not body:
                self._answer(200, b"", size, **common)
            elif wanted:
                first, last = int(wanted[1]), min(int(wanted[2] or size), size - 1)
                common["Content-Range"] = f"bytes {first}-{last}/{size}"
                self._answer(206, bucket.read(key, first, last), **common)
            else:
                self._answer(200, bucket.read(key, 0, size - 1), **common)

        def _answer(self, status: int, body: bytes, size: int = -1, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) if size < 0 else size))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

    return Handler


def _page(bucket: _Bucket, asked: dict[str, str]) -> bytes:
    """An answer of ListObjectsV2: https://docs.aws.amazon.com/AmazonS3/latest/API/."""
    prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
    after = asked.get("continuation-token") or asked.get("start-after", "")
    limit = int(asked.get("max-keys", 1000))
    lines: list[str] = []
    token = last = ""
    keys = bucket.keys(prefix, after)
    while (found := next(keys, None)) is not None:
        key, size, etag = found
        if len(lines) == limit:
            token = last
            break
        folder, slash, _ = key[len(prefix) :].partition("/") if delimiter else ("", "", "")
        if slash:
            whole = f"{prefix}{folder}/"
            lines.append(f"<CommonPrefixes><Prefix>{quote(whole)}</Prefix></CommonPrefixes>")
            last = whole + _LAST
            keys = bucket.keys(prefix, last)
        else:
            lines.append(
                f"<Contents><Key>{quote(key)}</Key><LastModified>{TIME}</LastModified>"
                f"<ETag>&quot;{etag}&quot;</ETag>"
                "<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>"
                f"<ChecksumType>FULL_OBJECT</ChecksumType><Size>{size}</Size>"
                "<StorageClass>STANDARD</StorageClass></Contents>"
            )
            last = key
    more = f"<NextContinuationToken>{escape(token)}</NextContinuationToken>" if token else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>archive</Name><KeyCount>{len(lines)}</KeyCount><MaxKeys>{limit}</MaxKeys>"
        f"<EncodingType>url</EncodingType><IsTruncated>{str(bool(token)).lower()}</IsTruncated>"
        f"{more}{''.join(lines)}</ListBucketResult>"
    ).encode()


def _serve(archive: Archive, ready: Connection) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(_Bucket(archive)))
    ready.send(server.server_address[1])
    server.serve_forever()


@contextmanager
def synthetic_bucket(archive: Archive) -> Iterator[str]:
    """Serve the bucket `archive` from a process of its own; yields the endpoint's address."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(archive, there), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}"
    finally:
        process.terminate()
        process.join()
