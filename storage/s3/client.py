"""The connection: from the usual AWS settings to the clients that all threads share."""

from __future__ import annotations

import functools
import logging
import os
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.session import Session as BotocoreSession

from storage.errors import BadLocation
from storage.s3.contents import EVENT, parse_time, take_contents_out
from storage.s3.errors import CONFLICTS

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

THREADS: Final = 64
"""Connections that are kept: for 16 threads each that crawl, look outputs up and read headers, and
those that down- and upload photos beside them."""

ATTEMPTS: Final = 8
"""Tries of one request; with the waits between them about a minute and a half."""

LEASE_ATTEMPTS: Final = 5
"""Tries of a renewal. With timeouts of 5 s and waits of at most 1, 2, 4 and 8 s between them they
take 40 s: what begins 15 s after the last renewal ends before the lease is 60 s old."""

_CONNECT_TIMEOUT_S: Final = 10
_READ_TIMEOUT_S: Final = 60
_LEASE_TIMEOUT_S: Final = 5
_CONFLICT_ATTEMPTS: Final = 5
_CONFLICT_WAIT_S: Final = 0.1
_NOISY: Final = ("boto3", "botocore", "s3transfer", "urllib3.connectionpool")


def shared_client() -> S3Client:
    """The client of this process, made from its AWS settings as they are now.

    `AWS_PROFILE`, `AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_S3`, the configuration files
    and every way of the AWS tools to find credentials hold. It is safe to share among threads.

    Raises:
        BadLocation: the settings contradict themselves, such as a profile that does not exist.
    """
    return _client_for(make_client, os.getpid(), _settings())


def shared_lease_client() -> S3Client:
    """The client of this process for renewing leases; settings and errors as `shared_client`.

    One of its own: the data's client slows all its requests down when the server asks for it, and
    is patient with an answer for as long as a lease lives.
    """
    return _client_for(make_lease_client, os.getpid(), _settings())


def _settings() -> tuple[tuple[str, str], ...]:
    return tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_")))


@functools.lru_cache(maxsize=8)
def _client_for(
    make: Callable[[], S3Client], process: int, settings: tuple[tuple[str, str], ...]
) -> S3Client:
    # A forked worker must not share its parent's sockets: hence the process in the key.
    del process, settings
    return make()


def make_lease_client(**given: str) -> S3Client:
    """A client for small requests that must be done soon or not at all; see `make_client`."""
    return make_client(
        threads=1,
        attempts=LEASE_ATTEMPTS,
        retry_mode="standard",
        connect_timeout_s=_LEASE_TIMEOUT_S,
        read_timeout_s=_LEASE_TIMEOUT_S,
        **given,
    )


def make_client(
    *,
    threads: int = THREADS,
    attempts: int = ATTEMPTS,
    retry_mode: Literal["adaptive", "standard"] = "adaptive",
    connect_timeout_s: float = _CONNECT_TIMEOUT_S,
    read_timeout_s: float = _READ_TIMEOUT_S,
    **given: str,
) -> S3Client:
    """A client of its own.

    Args:
        threads: connections that are kept open.
        attempts: tries of one request.
        retry_mode: "adaptive" also holds requests back to a rate that the server can take.
        connect_timeout_s: wait for a connection.
        read_timeout_s: wait for more of an answer.
        given: what is not to be taken from the settings, as `boto3.client` names it
            (`endpoint_url`, `region_name`, `aws_access_key_id`, ...).

    Raises:
        BadLocation: the settings contradict themselves.
    """
    for name in _NOISY:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.ERROR)
    common: dict[str, Any] = {
        "max_pool_connections": threads,
        "retries": {"mode": retry_mode, "total_max_attempts": attempts},
        "connect_timeout": connect_timeout_s,
        "read_timeout": read_timeout_s,
        "signature_version": "s3v4",
        "tcp_keepalive": True,
        "user_agent_appid": "restore-archive",
    }
    try:
        settings = BotocoreSession()
        parsers = settings.get_component("response_parser_factory")
        parsers.set_parser_defaults(timestamp_parser=parse_time)
        session = boto3.session.Session(botocore_session=settings)
        # boto3 knows AWS_DEFAULT_REGION only; all other AWS tools know AWS_REGION.
        region = os.environ.get("AWS_REGION") or session.region_name or "us-east-1"
        given = {"region_name": region, **given}
        client = session.client("s3", config=Config(**common), **given)  # type: ignore[call-overload]
        if _wants_path_style(settings, client.meta.endpoint_url):
            config = Config(**common, s3={"addressing_style": "path"})
            client = session.client("s3", config=config, **given)  # type: ignore[call-overload]
    except (BotoCoreError, ValueError) as error:
        raise BadLocation(f"the AWS settings cannot be used: {error}") from error
    client.meta.events.register("needs-retry.s3.PutObject", _wait_after_conflict)
    shared: S3Client = client
    shared.meta.events.register(EVENT, take_contents_out)
    return shared


def _wait_after_conflict(
    response: tuple[object, dict[str, Any]] | None, attempts: int, **_: object
) -> float | None:
    """Makes boto3 put an object again where another conditional write was under way (409).

    None of its retry modes does, though S3 asks for it:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html

    Args:
        response: the answer and what was parsed of it; None where the connection broke.
        attempts: made so far.

    Returns:
        Seconds to wait; None where it is not to be put again because of this.
    """
    code = response[1].get("Error", {}).get("Code") if response else None
    if code not in CONFLICTS or attempts >= _CONFLICT_ATTEMPTS:
        return None
    return random.random() * _CONFLICT_WAIT_S * 2.0**attempts


def _wants_path_style(session: BotocoreSession, endpoint: str) -> bool:
    """Servers of one's own seldom have a host name for every bucket, as Amazon's have."""
    host = endpoint.split("://", 1)[-1].split("/", 1)[0]
    if host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return False
    configured = session.get_scoped_config().get("s3")
    return not (isinstance(configured, dict) and "addressing_style" in configured)
