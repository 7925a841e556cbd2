"""Objects to store, and laying them behind a source's back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from storage.s3 import S3Destination, S3Source
from storage.s3.upload import UploadSettings
from tests.s3.server import BUCKET

MIB = 1 << 20
SMALL_PARTS = UploadSettings(multipart_bytes=6 * MIB, part_bytes=5 * MIB, threads=2)
LARGE = bytes(range(256)) * (12 * MIB // 256)


def contents(out: S3Destination, path: str) -> bytes:
    with out.open(path) as file:
        return file.read()


def lay(source: S3Source, *paths: str, data: bytes = b"x", **options: Any) -> None:
    def one(path: str) -> None:
        key = source.place.prefix + path
        source._client.put_object(Bucket=BUCKET, Key=key, Body=data, **options)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, paths))
