"""From addresses and AWS settings to stores, or to one plain line."""

from __future__ import annotations

import pytest

from storage import (
    BadLocation,
    open_destination,
    open_source,
)
from storage.s3 import S3Destination, S3Source
from storage.s3.client import shared_client
from storage.s3.keys import Place, parse_address
from tests.s3.objects import lay
from tests.s3.server import BUCKET


class TestLocations:
    @pytest.fixture(autouse=True)
    def settings_of_the_server(self, s3_server, monkeypatch):
        for name, value in s3_server.environment().items():
            monkeypatch.setenv(name, value)

    def test_places_in_buckets_and_folders_mix(self, s3_source, s3_folder, tmp_path):
        lay(s3_source, "photos/a.jpg")
        url = f"s3://{BUCKET}/{s3_folder}/photos"
        origin = open_source(url + "/")
        assert isinstance(origin, S3Source)
        assert origin.url == url
        assert [entry.path for entry in origin.crawl()] == ["a.jpg"]
        target = open_destination(str(tmp_path / "out"), origin)
        target.put("x", b"1")
        (tmp_path / "photos").mkdir()
        target = open_destination(f"S3://{BUCKET}/{s3_folder}/out", open_source(str(tmp_path)))
        assert isinstance(target, S3Destination)
        assert list(target.list("")) == []

    @pytest.mark.parametrize(
        ("destination", "words"),
        [
            ("photos", "the source itself"),
            ("photos/", "the source itself"),
            ("photos/out", "inside the source"),
            ("", "above the source"),
        ],
    )
    def test_overlap_is_refused(self, s3_source, s3_folder, destination, words):
        lay(s3_source, "photos/a.jpg")
        base = f"s3://{BUCKET}/{s3_folder}/"
        with pytest.raises(BadLocation, match=words):
            open_destination(base + destination, open_source(base + "photos"))
        open_destination(base + "photos-restored", open_source(base + "photos"))

    @pytest.mark.parametrize(
        ("location", "words"),
        [
            ("s3://", "names no bucket"),
            ("s3:///x", "names no bucket"),
            ("s3://Bad_Name/x", "no name of a bucket"),
            ("s3://name--use1-az5--x-s3/x", "directory bucket"),
            ("s3://photos-abc123-s3alias/x", "another name of some bucket"),
            ("s3://photos--ol-s3/x", "another name of some bucket"),
            (f"s3://{BUCKET}//x", "names no folder"),
            (f"s3://{BUCKET}/a/../b", "would lead outside"),
            ("s3://there-is-none/x", "there is no bucket there-is-none"),
            (f"s3://{BUCKET}/empty folder", "there is nothing in"),
        ],
    )
    def test_bad_places_are_one_plain_line(self, location, words, tmp_path):
        with pytest.raises(BadLocation, match=words) as caught:
            open_source(location)
        assert "\n" not in str(caught.value)
        if "empty" not in location:
            (tmp_path / "photos").mkdir(exist_ok=True)
            with pytest.raises(BadLocation, match=words):
                open_destination(location, open_source(str(tmp_path / "photos")))

    def test_settings_that_cannot_be_used(self, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
            with pytest.raises(BadLocation, match="secret access key does not belong"):
                open_source(f"s3://{BUCKET}")
        with monkeypatch.context() as patch:
            patch.setenv("AWS_PROFILE", "nobody")
            with pytest.raises(BadLocation, match=r"settings cannot be used.*nobody"):
                open_source(f"s3://{BUCKET}")
        with monkeypatch.context() as patch:
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                patch.delenv(name)
            patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
            patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/none")
            with pytest.raises(BadLocation, match="unable to locate credentials; set AWS_PROFILE"):
                open_source(f"s3://{BUCKET}")

    def test_a_place_that_may_not_be_listed(self, s3_proxy, monkeypatch, tmp_path):
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3_proxy.endpoint)
        s3_proxy.add("GET", "list-type=2", code="AccessDenied", status=403)
        with pytest.raises(BadLocation, match=f"lacks s3:ListBucket for arn:aws:s3:::{BUCKET}"):
            open_source(f"s3://{BUCKET}")
        with pytest.raises(BadLocation, match="lacks s3:ListBucket"):
            open_destination(f"s3://{BUCKET}/x", open_source(str(tmp_path)))

    def test_one_client_for_the_same_settings(self, monkeypatch):
        first = shared_client()
        assert shared_client() is first
        monkeypatch.setenv("AWS_REGION", "eu-central-1")
        assert shared_client() is not first
        assert shared_client().meta.region_name == "eu-central-1"

    def test_addresses_are_verbatim(self):
        assert parse_address("s3://abc/a%20b+c?#d") == Place("abc", "a%20b+c?#d/")
        assert parse_address("s3://abc") == parse_address("s3://abc/") == Place("abc", "")
        assert Place("abc", "").url == "s3://abc"
