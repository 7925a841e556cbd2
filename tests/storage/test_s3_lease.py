"""The lock of a bucket: taken, renewed, taken over when stale, and lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from datetime import UTC, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from storage import DestinationBusy, LeaseLost, LocalSource, StorageError, open_destination
from storage.paths import LOCK_PATH
from storage.s3 import S3Destination
from storage.s3.client import LEASE_ATTEMPTS, shared_client
from storage.s3.keys import Place
from storage.s3.lease import Lease, LeaseTimes, _leases
from tests.s3.server import BUCKET

QUICK = LeaseTimes(stale_after_s=60, renewed_every_s=0.02)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def out(s3_client: Any, place: Place) -> S3Destination:
    return S3Destination(s3_client, place)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lease(client: Any, place: Place, clock: Clock | None = None) -> Lease:
    return Lease(client, place, LeaseTimes(), *([clock] if clock else []))


def stored(client: Any, place: Place) -> dict[str, Any]:
    return json.loads(client.get_object(Bucket=BUCKET, Key=place.key(LOCK_PATH))["Body"].read())


def rewrite(client: Any, place: Place, **changes: Any) -> None:
    body = json.dumps({**stored(client, place), **changes}).encode()
    client.put_object(Bucket=BUCKET, Key=place.key(LOCK_PATH), Body=body)


def date_at(client: Any, place: Place, age_s: float) -> str:
    """The server's date when the lease, as it is there now, has this age."""
    written = client.head_object(Bucket=BUCKET, Key=place.key(LOCK_PATH))["LastModified"]
    return format_datetime(written.astimezone(UTC) + timedelta(seconds=age_s), usegmt=True)


def test_it_is_taken_and_given_back(out, s3_client, place):
    with out.lock():
        assert stored(s3_client, place)["pid"] == os.getpid()
        with pytest.raises(DestinationBusy, match=r"process \d+ on .*free in \d+ s"):
            lease(s3_client, place).take()
    with out.lock():
        pass
    assert out.size(LOCK_PATH) is None


def test_a_stale_one_is_taken_over_by_the_servers_clock(s3_client, faulty_client, s3_proxy, place):
    dead = lease(s3_client, place)
    dead.take()
    rewrite(s3_client, place, host="another computer")
    s3_proxy.add("GET", LOCK_PATH, date=date_at(s3_client, place, 59), times=1)
    heir = lease(faulty_client, place)
    with pytest.raises(DestinationBusy, match="another computer"):
        heir.take()
    s3_proxy.add("GET", LOCK_PATH, date=date_at(s3_client, place, 60))
    heir.take()
    assert stored(s3_client, place)["token"] == heir._me["token"]
    dead.renew()
    assert dead.lost.is_set(), "who comes back from the dead knows that it was buried"


def test_of_two_heirs_one_wins(s3_client, faulty_client, s3_proxy, place):
    lease(s3_client, place).take()
    rewrite(s3_client, place, host="another computer")
    first, second = lease(faulty_client, place), lease(faulty_client, place)
    s3_proxy.add("GET", LOCK_PATH, date=date_at(s3_client, place, 60))
    # Both have looked; the first writes between the second's look and its write.
    s3_proxy.add("PUT", LOCK_PATH, before=first.take, times=1)
    with pytest.raises(DestinationBusy, match="at the same moment"):
        second.take()
    assert stored(s3_client, place)["token"] == first._me["token"]


def test_a_dead_process_of_this_computer_is_known_to_be_dead(s3_client, place):
    lease(s3_client, place).take()
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    rewrite(s3_client, place, pid=gone.pid, boot="an earlier start")
    with pytest.raises(DestinationBusy):
        lease(s3_client, place).take()
    heir = lease(s3_client, place)
    rewrite(s3_client, place, pid=gone.pid, boot=heir._me["boot"])
    heir.take()


def test_it_is_renewed_and_lost_to_whoever_writes_it(s3_client, out, place):
    def write_on_after_a_takeover() -> None:
        with S3Destination(s3_client, place, times=QUICK).lock():
            out.put("a", b"x")
            rewrite(s3_client, place, token="another's")
            assert _leases[place].lost.wait(60)
            for call in (lambda: out.put("b", b"x"), lambda: out.delete("a")):
                with pytest.raises(LeaseLost, match="another run took it over"):
                    call()

    with pytest.raises(LeaseLost, match="another run took it over"):
        write_on_after_a_takeover()
    assert out.size("b") is None
    assert stored(s3_client, place)["token"] == "another's", "not removed: it is not ours"
    s3_client.delete_object(Bucket=BUCKET, Key=place.key(LOCK_PATH))
    with out.lock():
        out.put("b", b"x")


def test_renewals_write(s3_client, place, clock):
    mine = lease(s3_client, place, clock)
    mine.take()
    for _ in range(3):
        clock.now += 50
        mine.renew()
        mine.check()
    assert stored(s3_client, place)["renewals"] == 4
    mine.give_back()


def test_a_passing_fault_is_no_loss_but_a_long_one_is(s3_server, s3_proxy, place, clock):
    client = s3_server.client(endpoint_url=s3_proxy.endpoint, attempts=1)
    mine = lease(client, place, clock)
    mine.take()
    fault = s3_proxy.add("PUT", LOCK_PATH, code="InternalError", status=500)
    clock.now += 30
    mine.renew()
    mine.check()
    fault.times = 0
    mine.renew()
    clock.now += 59
    mine.check()
    fault.times = 10**9
    clock.now += 2
    with pytest.raises(LeaseLost, match="in time"):
        mine.check()
    mine.renew()
    assert mine.lost.is_set()


def test_puts_that_are_slowed_down_do_not_hold_the_lease_back(s3_server, s3_proxy, place):
    client = s3_server.client(endpoint_url=s3_proxy.endpoint)
    renewed = threading.Semaphore(0)

    def hold(**_: object) -> None:
        # As the limiter of adaptive retries does to all requests of its client.
        for _ in range(3):
            assert renewed.acquire(timeout=30), "the lease was not renewed meanwhile"

    out = S3Destination(
        client, place, times=QUICK,
        lease_client=lambda: s3_server.lease_client(endpoint_url=s3_proxy.endpoint),
    )  # fmt: skip
    slow = s3_proxy.add("PUT", "/a", code="SlowDown", times=2)
    s3_proxy.add("PUT", LOCK_PATH, before=renewed.release)
    with out.lock():
        client.meta.events.register_first("before-send.s3", hold)
        assert out.put("a", b"x").size == 1
        client.meta.events.unregister("before-send.s3", hold)
    assert slow.met == 2


def test_a_renewal_ends_before_the_lease_is_stale(s3_server):
    config = s3_server.lease_client().meta.config
    assert config.retries == {"mode": "standard", "total_max_attempts": LEASE_ATTEMPTS}
    tries_s = LEASE_ATTEMPTS * max(config.connect_timeout, config.read_timeout)
    waits_s = sum(2**tried for tried in range(LEASE_ATTEMPTS - 1))
    times = LeaseTimes()
    assert times.renewed_every_s + tries_s + waits_s < times.stale_after_s


def test_a_destination_that_is_opened_has_a_client_for_its_lease(
    s3_server, s3_folder, tmp_path, monkeypatch
):
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    asked: list[str] = []
    out = open_destination(f"s3://{BUCKET}/{s3_folder}", LocalSource(tmp_path))
    shared_client().meta.events.register(
        "before-send.s3", lambda request, **_: asked.append(request.url)
    )
    with out.lock():
        out.put("a", b"x")
    assert [url.rpartition("/")[2] for url in asked] == ["a"]


def test_a_renewal_whose_answer_got_lost_is_no_loss(faulty_client, s3_proxy, place, clock):
    mine = lease(faulty_client, place, clock)
    mine.take()
    s3_proxy.add("PUT", LOCK_PATH, lose_answer=True, times=1)
    mine.renew()
    mine.check()
    mine.renew()
    mine.check()
    mine.give_back()
    assert S3Destination(faulty_client, place).size(LOCK_PATH) is None


def test_a_lease_whose_first_answer_got_lost_is_taken_all_the_same(
    faulty_client, s3_proxy, place, clock
):
    mine = lease(faulty_client, place, clock)
    clock.now += 1000  # as a computer that has been up for a while
    s3_proxy.add("PUT", LOCK_PATH, lose_answer=True, times=1)
    mine.take()
    mine.check()
    mine.give_back()


def test_where_conditions_are_ignored_it_looks_first(s3_server, place):
    client = s3_server.client_without_conditions()
    with S3Destination(client, place).lock(), pytest.raises(DestinationBusy):
        lease(client, place).take()


def test_a_lock_that_is_no_json_grows_stale_too(s3_client, faulty_client, s3_proxy, place):
    s3_client.put_object(Bucket=BUCKET, Key=place.key(LOCK_PATH), Body=b"\xff?")
    with pytest.raises(DestinationBusy, match=r"process \? on \?"):
        lease(s3_client, place).take()
    s3_proxy.add("GET", LOCK_PATH, date=date_at(s3_client, place, 60))
    lease(faulty_client, place).take()


def test_a_lock_that_may_not_be_written_is_told(faulty_client, s3_proxy, place):
    s3_proxy.add("PUT", LOCK_PATH, code="AccessDenied", status=403)
    with pytest.raises(StorageError, match=r"cannot lock \.restore-archive/lock: .*s3:PutObject"):
        lease(faulty_client, place).take()
