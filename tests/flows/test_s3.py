"""The flow from bucket to bucket, and what happens to originals and credentials meanwhile."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as ds
import pytest
from PIL import Image

from flows.audit import Finding
from flows.batch import BatchOrder, BatchSummary, run_batch
from flows.cli import main
from flows.planning import Request, Survey, pending_items
from flows.restore_archive import restore_archive
from flows.run_summary import RunSummary
from flows.up_to_date import is_same_content
from flows.verification import verify
from restoration.recipe import Options
from storage import (
    CredentialsExpired,
    EntryKind,
    SourceEntry,
    open_destination,
    open_results,
    open_source,
)
from storage.manifest import (
    ManifestIndex,
    ManifestRow,
    Status,
    WorkItem,
    read_manifest,
    rows_of,
    write_worklist,
)
from tests.s3.proxy import Proxy
from tests.s3.server import BUCKET, S3Server
from tests.scenes import encoded, gray_scene, noisy, scene

RUN = "20261122T090000Z-abcdef"
PHOTOS = {
    "1923/box 4/Gräy + noisy.jpg": encoded(noisy(gray_scene(96, 96), 20), "JPEG", quality=95),
    "1923/box 4/clean.png": encoded(scene(96, 96, seed=1), "PNG"),
    "1923-b.tif": encoded(gray_scene(96, 96, seed=2), "TIFF"),
    "broken.jpg": encoded(scene(96, 96, seed=3), "JPEG")[:500],
    "empty.jpg": b"",
    "folder/": b"",
    "letter.txt": b"no photo",
}


class Bucket:
    """An archive in a bucket, its restored twin, and the way to both behind the flow's back."""

    def __init__(self, client: Any, folder: str) -> None:
        self.client = client
        self.folder = folder
        self.source = f"s3://{BUCKET}/{folder}/photos"
        self.target = f"s3://{BUCKET}/{folder}/restored"

    def lay(self, name: str, data: bytes, **options: Any) -> None:
        key = f"{self.folder}/photos/{name}"
        self.client.put_object(Bucket=BUCKET, Key=key, Body=data, **options)

    def restored(self, path: str) -> bytes:
        key = f"{self.folder}/restored/{path}"
        return self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def stored(self) -> list[str]:
        prefix = f"{self.folder}/restored/"
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return sorted(entry["Key"].removeprefix(prefix) for entry in found)

    def uploads(self) -> list[Any]:
        prefix = f"{self.folder}/"
        found = self.client.list_multipart_uploads(Bucket=BUCKET, Prefix=prefix)
        return found.get("Uploads", [])

    def run(self, **options: Any) -> RunSummary:
        return restore_archive(self.source, self.target, device="cpu", **options)

    def rows(self) -> dict[str, ManifestRow]:
        store = open_destination(self.target, open_source(self.source))
        return {row.source: row for row in rows_of(read_manifest(store))}

    def batch(self) -> BatchSummary:
        """The photos as they are listed now, as one batch, without Prefect."""
        source = open_source(self.source)
        destination = open_destination(self.target, source)
        items = list(pending_items(source, destination, Options(), Request(), Survey()))
        worklist = write_worklist(destination, RUN, 0, items)
        order = BatchOrder(self.source, self.target, worklist, RUN, 0, Options(), "cpu")
        return run_batch(order)


@pytest.fixture
def bucket(
    s3_server: S3Server,
    s3_client: Any,
    s3_folder: str,
    s3_proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
) -> Bucket:
    """The flow reaches the server through the proxy."""
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_proxy.endpoint)
    return Bucket(s3_client, s3_folder)


@pytest.mark.usefixtures("prefect_harness")
class TestRuns:
    def test_a_bucket_is_restored_once(self, bucket: Bucket, decoded: list[str]) -> None:
        for name, data in PHOTOS.items():
            bucket.lay(name, data)
        summary = bucket.run()
        assert (summary.photos, summary.restored, summary.nothing_to_do) == (5, 2, 1)
        assert (summary.failed, summary.other_files) == (2, 1)
        rows = bucket.rows()
        gray = rows["1923/box 4/Gräy + noisy.jpg"]
        assert gray.plan == ("denoise", "colorize")
        assert gray.source_etag == hashlib.md5(PHOTOS[gray.source]).hexdigest()
        assert rows["empty.jpg"].source_size == 0
        for path, digest in ((gray.restored_path, gray.restored_sha256),
                             (gray.colorized_path, gray.colorized_sha256)):  # fmt: skip
            data = bucket.restored(path)
            assert hashlib.sha256(data).hexdigest() == digest
            assert Image.open(io.BytesIO(data)).size == (96, 96)
        assert bucket.restored("restored/1923/box 4/clean.png") == PHOTOS["1923/box 4/clean.png"]
        beside = [key for key in bucket.stored() if not key.startswith(("restored", "colorized"))]
        of_run = f"manifest/{summary.run_id}"
        kept = ["latest.parquet", f"{of_run}/_run.json", f"{of_run}/part-000000.parquet"]
        assert beside == kept, "no lock, no work-list"

        decoded.clear()
        again = bucket.run()
        assert decoded == []
        assert (again.unchanged, again.restored) == (5, 0)

        bucket.lay("1923/box 4/clean.png", encoded(noisy(scene(96, 96, seed=1), 30), "PNG"))
        third = bucket.run()
        assert (third.unchanged, third.restored) == (4, 1)
        assert bucket.rows()["1923/box 4/clean.png"].plan == ("denoise",)

    def test_what_was_restored_is_read_back(self, bucket: Bucket) -> None:
        for name, data in PHOTOS.items():
            bucket.lay(name, data)
        bucket.run()
        source, destination = open_source(bucket.source), open_results(bucket.target)
        sound = verify(destination, source)
        assert (sound.files, sound.originals, sound.findings) == (5, 3, 0)

        path = "restored/1923/box 4/clean.png"
        data = bytearray(bucket.restored(path))
        data[-9] ^= 1
        key = f"{bucket.folder}/restored/{path}"
        bucket.client.put_object(Bucket=BUCKET, Key=key, Body=bytes(data))
        found: list[Finding] = []
        assert verify(destination, source, tell=found.append).findings == 1
        assert found[0].path == path
        assert found[0].problem.startswith("other bytes: sha256 ")

    def test_what_a_reviewer_rejected_is_taken_back(
        self, bucket: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        gray, clean = "1923/box 4/Gräy + noisy.jpg", "1923/box 4/clean.png"
        for name in (gray, clean):
            bucket.lay(name, PHOTOS[name])
        bucket.run()
        row = bucket.rows()[gray]
        decision = {
            "source": gray,
            "run_id": row.run_id,
            "restored_sha256": row.restored_sha256,
            "decision": "rejected",
            "note": "waxy",
            "time": "2026-11-22T03:00:00Z",
        }
        content = {
            "restore_archive_decisions": 1,
            "archive": bucket.target,
            "reviewer": "Anna",
            "decisions": [decision],
        }
        path = tmp_path / "decisions.json"
        path.write_text(json.dumps(content))
        assert main(["review", "apply", str(path)]) == 0
        assert "rejected 1" in capsys.readouterr().out
        books = ("manifest", "latest.parquet")
        outputs = [key for key in bucket.stored() if not key.startswith(books)]
        assert outputs == [f"restored/{clean}"], "no lock is left, either"
        assert main(["review", "list", bucket.target]) == 0
        assert f"rejected: {gray}: by Anna" in capsys.readouterr().out
        assert bucket.run().nothing_to_do == 1
        assert bucket.restored(f"restored/{gray}") == PHOTOS[gray]
        assert bucket.run(strength=0.5).unchanged == 2
        assert main(["review", "apply", str(path)]) == 0
        assert "applied before 1" in capsys.readouterr().out
        assert verify(open_results(bucket.target)).findings == 0

    def test_from_a_folder_to_a_bucket_and_back(self, bucket: Bucket, tmp_path: Path) -> None:
        (tmp_path / "photos").mkdir()
        (tmp_path / "photos/a.png").write_bytes(PHOTOS["1923/box 4/clean.png"])
        there = restore_archive(str(tmp_path / "photos"), bucket.target, device="cpu")
        back = restore_archive(bucket.target, str(tmp_path / "back"), device="cpu")
        assert there.all_well
        assert (back.photos, back.nothing_to_do) == (1, 1)
        copied = tmp_path / "back/restored/restored/a.png"
        assert copied.read_bytes() == PHOTOS["1923/box 4/clean.png"]
        table = ds.dataset(tmp_path / "back/manifest").to_table()
        assert len(table["source_etag"].to_pylist()[0]) == 32

    def test_credentials_that_expire_end_the_run_and_it_goes_on_later(
        self, bucket: Bucket, s3_proxy: Proxy, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for number in range(4):
            bucket.lay(f"{number}.png", encoded(noisy(scene(96, 96, seed=number), 25), "PNG"))
        moment = s3_proxy.add(
            "PUT", "/restored/restored/2.png", code="ExpiredToken", status=400,
            before=lambda: [s3_proxy.add(method, code="ExpiredToken", status=400)
                            for method in ("GET", "PUT", "POST", "HEAD", "DELETE")],
        )  # fmt: skip
        words = ["run", bucket.source, bucket.target, "--device", "cpu", "--quiet"]
        assert main([*words, "--threads", "1"]) == 1
        said = capsys.readouterr().err.strip().splitlines()
        assert len(said) == 1
        assert "the credentials have expired; log in again" in said[0]
        assert moment.met == 1
        assert bucket.uploads() == []
        assert [key for key in bucket.stored() if key.startswith("restored/")] == [
            "restored/0.png",
            "restored/1.png",
        ]
        s3_proxy.faults.clear()
        # The lock of the ended run is left behind: without credentials nobody can remove it. Its
        # process is this one, which lives, so the test does what a minute of patience does.
        lock = f"{bucket.folder}/restored/.restore-archive/lock"
        bucket.client.delete_object(Bucket=BUCKET, Key=lock)
        assert main(words) == 0
        assert {row.status for row in bucket.rows().values()} == {Status.RESTORED}
        assert len(bucket.rows()) == 4
        assert not [key for key in bucket.stored() if "worklists" in key]


class TestReplaced:
    def test_between_listing_and_reading(self, bucket: Bucket, s3_proxy: Proxy) -> None:
        new = encoded(noisy(scene(96, 96, seed=1), 30), "PNG")
        bucket.lay("a.png", PHOTOS["1923/box 4/clean.png"])
        bucket.lay("b.png", PHOTOS["1923/box 4/clean.png"])
        # The first GET is for the header, when batches are cut; the second reads the photo.
        s3_proxy.add("GET", "/photos/a.png", times=1)
        s3_proxy.add("GET", "/photos/a.png", times=1, before=lambda: bucket.lay("a.png", new))
        summary = bucket.batch()
        assert (summary.restored, summary.nothing_to_do, summary.failed) == (1, 1, 0)
        rows = bucket.rows()
        assert list(rows) == ["a.png", "b.png"]
        assert rows["a.png"].source_etag == hashlib.md5(new).hexdigest()
        assert rows["a.png"].source_sha256 == hashlib.sha256(new).hexdigest()
        assert rows["a.png"].source_size == len(new)
        restored = np.asarray(Image.open(io.BytesIO(bucket.restored("restored/a.png"))))
        assert restored.shape == (96, 96, 3)

    def test_after_reading(self, bucket: Bucket, s3_proxy: Proxy) -> None:
        old, new = PHOTOS["1923/box 4/clean.png"], encoded(scene(96, 96, seed=9), "PNG")
        bucket.lay("a.png", old)
        put = "/restored/restored/a.png"
        s3_proxy.add("PUT", put, times=1, before=lambda: bucket.lay("a.png", new))
        assert bucket.batch().nothing_to_do == 1
        assert s3_proxy.count("GET", "/photos/a.png") == 2, "the header; the photo, once"
        assert bucket.restored("restored/a.png") == old
        row = bucket.rows()["a.png"]
        assert row.source_sha256 == hashlib.sha256(old).hexdigest()
        assert row.source_etag == hashlib.md5(old).hexdigest()
        assert bucket.run().nothing_to_do == 1, "it is another one now"
        assert bucket.restored("restored/a.png") == new

    def test_again_and_again_fails_with_a_clear_message(
        self, bucket: Bucket, s3_proxy: Proxy
    ) -> None:
        bucket.lay("a.png", PHOTOS["1923/box 4/clean.png"])
        seeds = iter(range(10, 100))

        def replace() -> None:
            bucket.lay("a.png", encoded(scene(96, 96, seed=next(seeds)), "PNG"))

        s3_proxy.add("GET", "/photos/a.png", before=replace)
        assert bucket.batch().failed == 1
        row = bucket.rows()["a.png"]
        assert row.error_class == "SourceChanged"
        assert "was replaced while it was being worked on" in row.error_message
        assert not row.error_is_permanent
        assert next(seeds) == 10 + 1 + 3, "the header, the first try and two more"

    def test_an_original_that_goes_away_fails(self, bucket: Bucket, s3_proxy: Proxy) -> None:
        bucket.lay("a.png", PHOTOS["1923/box 4/clean.png"])
        bucket.lay("b.png", PHOTOS["1923/box 4/clean.png"])
        key = f"{bucket.folder}/photos/a.png"
        s3_proxy.add("GET", "/photos/a.png", times=1)
        s3_proxy.add(
            "GET", "/photos/a.png",
            before=lambda: bucket.client.delete_object(Bucket=BUCKET, Key=key),
        )  # fmt: skip
        assert bucket.batch().failed == 1
        assert bucket.rows()["a.png"].error_class == "NotFound"


def test_what_was_archived_is_done_once_it_is_back(bucket: Bucket, s3_proxy: Proxy) -> None:
    bucket.lay("a.png", PHOTOS["1923/box 4/clean.png"], StorageClass="GLACIER")
    bucket.lay("b.png", PHOTOS["1923/box 4/clean.png"])
    s3_proxy.add("GET", "/photos/b.png", code="InvalidObjectState", status=403)
    assert bucket.batch().skipped == 2
    rows = bucket.rows()
    assert [row.status for row in rows.values()] == [Status.SKIPPED] * 2
    assert [row.error_class for row in rows.values()] == ["archived", "Archived"]
    s3_proxy.faults.clear()
    back = (
        b"<RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress>"
        b"<RestoreExpiryDate>2999-01-01T00:00:00Z</RestoreExpiryDate></RestoreStatus>"
    )
    s3_proxy.add(
        "GET", "list-type=2",
        edit=lambda body: body.replace(b"</StorageClass>", b"</StorageClass>" + back),
    )  # fmt: skip
    source = open_source(bucket.source)
    destination = open_destination(bucket.target, source)
    pending = pending_items(source, destination, Options(), Request(), Survey())
    assert [(item.path, item.kind) for item in pending] == [("a.png", "file"), ("b.png", "file")]


@pytest.mark.parametrize(
    ("etag", "mtime_ns", "same"),
    [("e", 1, True), ("e", 2, True), ("f", 1, False), ("", 1, True), ("", 2, False)],
)
def test_etags_say_what_is_the_same(tmp_path: Path, etag: str, mtime_ns: int, same: bool) -> None:
    from storage import LocalDestination
    from storage.manifest import encode_rows, part_path

    out = LocalDestination(tmp_path)
    row = ManifestRow(source="a", source_size=1, source_mtime_ns=1, source_etag="e")
    out.put(part_path(RUN, 0), encode_rows([row]))
    [known] = ManifestIndex.load(out).lookup(["a"])
    assert known is not None
    assert is_same_content(SourceEntry("a", 1, mtime_ns, EntryKind.FILE, etag=etag), known) is same


def test_expired_credentials_stop_the_planning(bucket: Bucket, s3_proxy: Proxy) -> None:
    bucket.lay("a.png", PHOTOS["1923/box 4/clean.png"])
    source = open_source(bucket.source)
    destination = open_destination(bucket.target, source)
    s3_proxy.add("GET", "/photos/a.png", code="ExpiredToken", status=400)
    with pytest.raises(CredentialsExpired):
        list(pending_items(source, destination, Options(), Request(), Survey()))


def test_odd_names_of_a_killed_run_do_not_stop_the_next(bucket: Bucket) -> None:
    from flows.sweeping import sweep_after_killed_runs

    bucket.lay("a.png", PHOTOS["1923/box 4/clean.png"])
    destination = open_destination(bucket.target, open_source(bucket.source))
    items = [
        WorkItem("a//b/c.jpg", 1, 1, "bad_name", "the key is no plain path", 0.0, ""),
        WorkItem("a.png", 1, 1, "file", "", 0.1, ""),
    ]
    write_worklist(destination, RUN, 0, items)
    sweep_after_killed_runs(destination)
    assert bucket.stored() == []
