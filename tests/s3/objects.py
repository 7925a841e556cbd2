"""Laying objects behind a source's back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from storage.s3 import S3Source
from tests.s3.server import BUCKET


def lay(source: S3Source, *paths: str, data: bytes = b"x", **options: Any) -> None:
    def one(path: str) -> None:
        key = source.place.prefix + path
        source._client.put_object(Bucket=BUCKET, Key=key, Body=data, **options)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, paths))
