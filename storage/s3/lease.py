"""The lock of a bucket: an object that its holder renews, and that grows stale when it dies.

There is no kernel that would free a lock, so the holder writes `.restore-archive/lock` again and
again. Every write is conditional: the first with If-None-Match, a renewal or a takeover with
If-Match on the ETag that was seen, so that of two that race one wins. Ages are differences of
the server's own times (`Last-Modified` and `Date`): no computer's clock has to be right.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from storage.errors import DestinationBusy, LeaseLost, StorageError
from storage.paths import LOCK_PATH
from storage.s3.errors import from_aws_error, is_precondition, status_of, translated
from storage.s3.keys import Place

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ResponseMetadataTypeDef

_leases: Final[dict[Place, Lease]] = {}
"""The leases of this process, with those that it lost, until it holds the place again."""


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """All in seconds.

    Attributes:
        stale_after_s: age at which a lease that was not renewed may be taken over.
        renewed_every_s: how often the holder renews it; several tries fit before it is stale.
    """

    stale_after_s: float = 60.0
    renewed_every_s: float = 15.0


def check_not_lost(place: Place) -> None:
    """Keeps a writer from writing on.

    Raises:
        LeaseLost: this process held the lease of the place and lost it.
    """
    if place in _leases:
        _leases[place].check()


def server_time(metadata: ResponseMetadataTypeDef) -> datetime:
    """The server's clock at the time of an answer; ours where it sends no date."""
    date = metadata["HTTPHeaders"].get("date")
    return parsedate_to_datetime(date).astimezone(UTC) if date else datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The lease object as found."""

    etag: str
    age_s: float
    holder: dict[str, object]


def uptime_s() -> float:
    """Seconds of a clock that goes on while the computer sleeps, where the system has one."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Lease:
    """One holder's lease of a place.

    Args:
        client: for nothing else: what holds other requests back must not hold a renewal back.
        place: what is leased.
        times: how long it holds.
        clock: seconds that never go back, for the time since the last renewal.
    """

    def __init__(
        self,
        client: S3Client,
        place: Place,
        times: LeaseTimes,
        clock: Callable[[], float] = uptime_s,
    ) -> None:
        self._client = client
        self._place = place
        self._times = times
        self._clock = clock
        self._key: Final = place.key(LOCK_PATH)
        self._me: Final = {**_this_process(), "token": secrets.token_hex(16)}
        self._etag = ""
        self._renewals = 0
        self._renewed_at = 0.0
        self._why_lost = ""
        self.lost: Final = threading.Event()

    def take(self) -> None:
        """Takes the lease, if it is free or its holder is dead.

        Raises:
            DestinationBusy: a live holder, or one that won a race.
            StorageError: the object cannot be written.
        """
        # A look first: a server that ignores the conditions then still keeps most runs apart.
        seen = self._look()
        # Nothing that carries our token can be older, also where the answer to its writing is lost.
        self._renewed_at = self._clock()
        if seen is not None and not self._is_dead(seen):
            raise DestinationBusy(self._busy(seen))
        if not self._write(seen.etag if seen else "") and not self._is_mine(self._look()):
            raise DestinationBusy(f"another run took {self._place.url} at the same moment")
        _leases[self._place] = self

    def check(self) -> None:
        """Raises `LeaseLost` when the lease is lost, or so old that another run may have it."""
        if not self.lost.is_set() and self._is_overdue():
            self._lose("it could not be renewed in time")
        if self.lost.is_set():
            raise LeaseLost(f"the lock of {self._place.url} was lost: {self._why_lost}")

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """Renews the lease in a thread for as long as the block lasts."""
        stop = threading.Event()

        def renew() -> None:
            while not self.lost.is_set() and not stop.wait(self._times.renewed_every_s):
                self.renew()

        thread = threading.Thread(target=renew, name="s3-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def renew(self) -> None:
        """Writes the lease again; sets `lost`, and stops all writers, where it is lost."""
        try:
            if self._write(self._etag) or self._is_mine(self._look()):
                return
            self._lose("another run took it over")
        except StorageError as error:
            # It may be a passing fault, as long as nobody else can have taken the lease.
            if self._is_overdue():
                self._lose(f"it could not be renewed in time ({error})")

    def give_back(self) -> None:
        """Removes the lease if it is still ours. Never raises: a lease left behind grows stale."""
        if self.lost.is_set():
            return
        _leases.pop(self._place, None)
        with suppress(ClientError, BotoCoreError, StorageError):
            if self._is_mine(self._look()):
                target = {"Bucket": self._place.bucket, "Key": self._key}
                try:
                    self._client.delete_object(**target, IfMatch=f'"{self._etag}"')  # type: ignore[arg-type]
                except ClientError as error:
                    if status_of(error) != 501:
                        raise
                    self._client.delete_object(**target)  # type: ignore[arg-type]

    def _is_overdue(self) -> bool:
        return self._clock() - self._renewed_at >= self._times.stale_after_s

    def _lose(self, why: str) -> None:
        self._why_lost = why
        self.lost.set()

    def _write(self, seen: str) -> bool:
        """Writes the lease where it is as it was seen ("" for not there); False where it is not."""
        self._renewals += 1
        body = json.dumps({**self._me, "renewals": self._renewals}).encode()
        condition = {"IfMatch": f'"{seen}"'} if seen else {"IfNoneMatch": "*"}
        asked_at = self._clock()
        try:
            answer = self._client.put_object(
                Bucket=self._place.bucket,
                Key=self._key,
                Body=body,
                ContentType="application/json",
                **condition,  # type: ignore[arg-type]
            )
        except ClientError as error:
            if is_precondition(error) or status_of(error) in (404, 409):
                return False
            raise self._failed(error) from error
        except BotoCoreError as error:
            raise self._failed(error) from error
        self._etag, self._renewed_at = answer["ETag"].strip('"'), asked_at
        return True

    def _failed(self, error: ClientError | BotoCoreError) -> StorageError:
        return from_aws_error("cannot lock", self._place, LOCK_PATH, "s3:PutObject", error)

    def _look(self) -> _Seen | None:
        with translated("cannot look at", self._place, LOCK_PATH, "s3:GetObject"):
            try:
                answer = self._client.get_object(Bucket=self._place.bucket, Key=self._key)
            except ClientError as error:
                if status_of(error) == 404:
                    return None
                raise
            body = answer["Body"].read()
        age = server_time(answer["ResponseMetadata"]) - answer["LastModified"]
        holder: object = None
        with suppress(ValueError):
            holder = json.loads(body)
        return _Seen(
            answer["ETag"].strip('"'),
            age.total_seconds(),
            holder if isinstance(holder, dict) else {},
        )

    def _is_mine(self, seen: _Seen | None) -> bool:
        """Whether the lease is ours after all: a write whose answer got lost was tried again."""
        if seen is None or seen.holder.get("token") != self._me["token"]:
            return False
        self._etag = seen.etag
        return True

    def _is_dead(self, seen: _Seen) -> bool:
        if seen.age_s >= self._times.stale_after_s:
            return True
        here = ("host", "boot", "pids")
        pid = seen.holder.get("pid")
        if not all(self._me[key] and seen.holder.get(key) == self._me[key] for key in here):
            return False
        # A process of this very computer: the kernel knows.
        return isinstance(pid, int) and not _is_running(pid)

    def _busy(self, seen: _Seen) -> str:
        pid, host = seen.holder.get("pid", "?"), seen.holder.get("host", "?")
        left = max(0.0, self._times.stale_after_s - seen.age_s)
        return (
            f"another run writes to {self._place.url} (process {pid} on {host}); wait until it"
            f" ends, or stop it (if it was killed, its lock is free in {left:.0f} s)"
        )


def _this_process() -> dict[str, object]:
    """Names this process so that another one on this computer knows whether it lives."""

    def read(name: str, how: Callable[[Path], object]) -> str:
        with suppress(OSError):
            return str(how(Path(name))).strip()
        return ""

    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "boot": read("/proc/sys/kernel/random/boot_id", Path.read_text),
        "pids": read("/proc/self/ns/pid", Path.readlink),
    }


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
