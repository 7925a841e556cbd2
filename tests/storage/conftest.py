"""One bed per kind of store: the contract suite runs over every one of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from storage import DestinationStore, LocalDestination, LocalSource, SourceStore
from storage.s3 import S3Destination, S3Source
from storage.s3.keys import Place
from tests.s3.objects import SMALL_PARTS
from tests.s3.proxy import Proxy
from tests.s3.server import BUCKET, S3Server


class Bed(Protocol):
    """A source and a destination, and the way to lay out originals behind the source's back."""

    source: SourceStore
    destination: DestinationStore

    def lay(self, path: str, data: bytes) -> None: ...

    def leave_half_written(self, folder: str) -> None: ...


@dataclass
class LocalBed:
    source: LocalSource
    destination: LocalDestination

    def lay(self, path: str, data: bytes) -> None:
        file = self.source.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def leave_half_written(self, folder: str) -> None:
        place = self.destination.root / folder
        place.mkdir(parents=True, exist_ok=True)
        (place / f".restore-archive-{'0' * 32}.part").write_bytes(b"half")


@dataclass
class S3Bed:
    client: Any
    source: S3Source
    destination: S3Destination

    def lay(self, path: str, data: bytes) -> None:
        key = self.source.place.prefix + path
        self.client.put_object(Bucket=self.source.place.bucket, Key=key, Body=data)

    def leave_half_written(self, folder: str) -> None:
        place = self.destination.place
        target = {"Bucket": place.bucket, "Key": f"{place.prefix}{folder}/half".replace("//", "/")}
        upload = self.client.create_multipart_upload(**target)["UploadId"]
        self.client.upload_part(**target, UploadId=upload, PartNumber=1, Body=b"half")


def s3_bed(client: Any, folder: str, **options: Any) -> S3Bed:
    return S3Bed(
        client,
        S3Source(client, Place(BUCKET, f"{folder}/source/"), page_size=4),
        S3Destination(client, Place(BUCKET, f"{folder}/out/"), page_size=3, **options),
    )


@pytest.fixture(params=["local", "s3"])
def bed(request: pytest.FixtureRequest, tmp_path: Path) -> Bed:
    if request.param == "s3":
        return s3_bed(*map(request.getfixturevalue, ("s3_client", "s3_folder")))
    (tmp_path / "source").mkdir()
    return LocalBed(LocalSource(tmp_path / "source"), LocalDestination(tmp_path / "out"))


@pytest.fixture
def destination(bed: Bed) -> DestinationStore:
    return bed.destination


@pytest.fixture
def source(bed: Bed) -> SourceStore:
    return bed.source


@pytest.fixture
def permissions_bind(tmp_path: Path) -> None:
    """Skips where the tests may do everything, as root usually may."""
    closed = tmp_path / "closed-to-everyone"
    closed.mkdir(mode=0)
    free = os.access(closed, os.R_OK)
    closed.rmdir()
    if free:
        pytest.skip("permissions do not bind this user")


@pytest.fixture
def place(s3_folder: str) -> Place:
    return Place(BUCKET, f"{s3_folder}/")


@pytest.fixture
def faulty_client(s3_server: S3Server, s3_proxy: Proxy) -> Any:
    """Reaches the server through the proxy."""
    return s3_server.client(endpoint_url=s3_proxy.endpoint)


@pytest.fixture
def s3_source(s3_client: Any, place: Place) -> S3Source:
    return S3Source(s3_client, place)


@pytest.fixture
def behind_proxy(faulty_client: Any, place: Place) -> S3Source:
    return S3Source(faulty_client, place)


@pytest.fixture
def faulty(faulty_client: Any, place: Place) -> S3Destination:
    return S3Destination(faulty_client, place, uploads=SMALL_PARTS)
