"""What S3 and boto3 say went wrong, as one line that a person can act on.

Error codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from storage.errors import (
    AccessDenied,
    AlreadyExists,
    Archived,
    BadLocation,
    CredentialsExpired,
    CredentialsRefused,
    NotFound,
    OutOfSpace,
    SourceChanged,
    StorageError,
    UnsafePath,
)
from storage.s3.keys import Place

_EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
_REFUSED: Final = {
    "InvalidAccessKeyId": "the access key is not known there",
    "SignatureDoesNotMatch": "the secret access key does not belong to the access key",
    "InvalidToken": "the session token is not valid",
    "RequestTimeTooSkewed": "the clock of this computer is wrong by more than 15 minutes",
}
_DENIED: Final = frozenset({"AccessDenied", "403", "Forbidden", "AllAccessDisabled"})
_MISSING: Final = frozenset({"NoSuchKey", "NoSuchVersion", "404", "NotFound"})
_BUSY: Final = frozenset(
    {"SlowDown", "ServiceUnavailable", "503", "429", "TooManyRequests", "Throttling",
     "ThrottlingException", "RequestLimitExceeded", "BandwidthLimitExceeded"}
)  # fmt: skip
_FAILING: Final = frozenset({"InternalError", "500"})
_ELSEWHERE: Final = frozenset(
    {"PermanentRedirect", "301", "AuthorizationHeaderMalformed", "TemporaryRedirect"}
)
_FULL: Final = frozenset(
    {"QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull", "507"}
)
CONFLICTS: Final = frozenset({"ConditionalRequestConflict", "OperationAborted"})
_LOGIN: Final = (
    boto.TokenRetrievalError,
    boto.SSOError,
    boto.CredentialRetrievalError,
    boto.RefreshWithMFAUnsupportedError,
)
_BROKEN: Final = (boto.HTTPClientError, boto.IncompleteReadError)
LOG_IN_AGAIN: Final = "log in again (such as aws sso login), then give the same command: it goes on"


@contextmanager
def translated(doing: str, place: Place, path: str, action: str) -> Iterator[None]:
    """Raises the errors of a block as `StorageError`s.

    Args:
        doing: what is tried, such as "cannot read".
        place: bucket and folder.
        path: what it is tried on, relative; empty for the place itself.
        action: the permission that it needs, such as "s3:GetObject".
    """
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise from_aws_error(doing, place, path, action, error) from error
    except ResponseParserError as error:  # of neither family
        raise StorageError(
            f"{doing} {path or place.url}: the answer is not one of an S3 server; is the endpoint "
            "right?"
        ) from error


def from_aws_error(
    doing: str, place: Place, path: str, action: str, error: ClientError | BotoCoreError
) -> StorageError:
    """The error to raise in the place of one of boto3's; arguments as in `translated`."""
    message = f"{doing} {path or place.url}"
    if isinstance(error, ClientError):
        return _from_answer(message, place, path, action, error)
    if isinstance(error, _LOGIN):
        return CredentialsExpired(f"{message}: {_plain(error)}; {LOG_IN_AGAIN}")
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError):
        return CredentialsRefused(
            f"{message}: {_plain(error)}; set AWS_PROFILE, or the access key in the environment"
        )
    if isinstance(error, boto.EndpointConnectionError | boto.ConnectTimeoutError):
        return StorageError(f"{message}: {_plain(error)}; is the server running and reachable?")
    if isinstance(error, _BROKEN):
        return StorageError(f"{message}: the connection broke again and again ({_plain(error)})")
    if isinstance(error, boto.ParamValidationError) and not path:
        return BadLocation(f"{message}: {_plain(error)}")
    return StorageError(f"{message}: {_plain(error)}")


def _from_answer(
    message: str, place: Place, path: str, action: str, error: ClientError
) -> StorageError:
    code = code_of(error)
    if code in _EXPIRED:
        return CredentialsExpired(f"{message}: the credentials have expired; {LOG_IN_AGAIN}")
    if code in _REFUSED:
        return CredentialsRefused(f"{message}: {_REFUSED[code]}")
    if code in _DENIED:
        resource = place.arn() if action.startswith("s3:ListBucket") else place.arn(path or "*")
        return AccessDenied(f"{message}: access denied; the policy lacks {action} for {resource}")
    if code == "NoSuchBucket":
        return BadLocation(f"{message}: there is no bucket {place.bucket}")
    if code in _MISSING:
        return NotFound(f"{message}: there is no such object in {place.url}")
    if code in _ELSEWHERE:
        return BadLocation(
            f"{message}: the bucket {place.bucket} is in another region{_region(error)}"
        )
    if code in _FULL:
        return OutOfSpace(f"{message}: the quota of {place.bucket} is used up")
    if code in _BUSY:
        return StorageError(
            f"{message}: the server asks to slow down, also after {_attempts(error)} tries;"
            " the next run tries again"
        )
    if code in _FAILING:  # which botocore also makes of a page that is no answer of S3's
        return StorageError(
            f"{message}: the server fails, also after {_attempts(error)} tries;"
            " is the endpoint right?"
        )
    if code == "InvalidObjectState":
        return Archived(f"{message}: {ARCHIVED_ADVICE}")
    if code == "KeyTooLongError":
        return UnsafePath(f"{message}: the key would be longer than 1,024 bytes")
    if code == "InvalidBucketName":
        return BadLocation(f"{message}: {place.bucket!r} is no name of a bucket")
    return StorageError(f"{message}: {code}: {_plain_text(error)}")


ARCHIVED_ADVICE: Final = (
    "it lies in an archive tier; bring it back (aws s3api restore-object), then run again"
)


def code_of(error: ClientError) -> str:
    """The error's code; the HTTP status where an answer without body (HEAD) has none."""
    return str(error.response.get("Error", {}).get("Code", "")) or str(status_of(error))


def status_of(error: ClientError) -> int:
    """The HTTP status of the answer; 0 where it is not known."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def was_retried(error: ClientError) -> bool:
    """Whether boto3 had sent the request before: an earlier try may have done its work unseen."""
    return int(error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)) > 0


def is_precondition(error: ClientError) -> bool:
    """Whether an If-Match or If-None-Match did not hold."""
    return code_of(error) in ("PreconditionFailed", "412") or status_of(error) == 412


def is_conflict(error: ClientError) -> bool:
    """Whether another conditional write was under way (409): trying again decides."""
    return code_of(error) in CONFLICTS


def source_changed(path: str) -> SourceChanged:
    """The error for an original that is no longer the one that was listed or opened."""
    return SourceChanged(f"{path} was replaced while it was being worked on")


def already_exists(place: Place, path: str) -> AlreadyExists:
    """The error for a put that was not to replace."""
    return AlreadyExists(f"{path} exists already in {place.url}")


def _attempts(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)) + 1


def _region(error: ClientError) -> str:
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = headers.get("x-amz-bucket-region") or error.response.get("Error", {}).get("Region")
    return f" ({region}); set AWS_REGION" if region else "; set AWS_REGION to it"


def _plain_text(error: ClientError) -> str:
    text = " ".join(str(error.response.get("Error", {}).get("Message", "")).split())
    return text.rstrip(".") or "no reason given"


def _plain(error: Exception) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return text[:1].lower() + text[1:]
