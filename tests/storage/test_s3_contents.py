"""Listings read fast say what boto3 says by itself."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from storage.s3.client import make_client
from storage.s3.contents import EVENT, take_contents_out

NAMESPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
WHERE = {
    "endpoint_url": "http://127.0.0.1:9",
    "aws_access_key_id": "a",
    "aws_secret_access_key": "b",
}
OBJECTS = st.lists(
    st.fixed_dictionaries(
        {
            "Key": st.text(st.characters(min_codepoint=32, codec="utf-8"), min_size=1),
            "LastModified": st.datetimes().map(lambda t: f"{t:%Y-%m-%dT%H:%M:%S}.000Z"),
            "ETag": st.just('"0f3a-2"'),
            "Size": st.integers(0, 5 * 2**40).map(str),
        },
        optional={
            "StorageClass": st.sampled_from(["STANDARD", "GLACIER"]),
            "ChecksumAlgorithm": st.sampled_from(["SHA256", "CRC64NVME"]),
            "RestoreStatus": st.fixed_dictionaries(
                {"IsRestoreInProgress": st.sampled_from(["true", "false"])},
                optional={"RestoreExpiryDate": st.just("2026-12-23T00:00:00.000Z")},
            ),
        },
    ),
    max_size=5,
)


def xml(name: str, value: str | dict[str, Any]) -> str:
    if isinstance(value, dict):
        return f"<{name}>{''.join(xml(*item) for item in value.items())}</{name}>"
    return f"<{name}>{escape(value)}</{name}>"


def are_alike(objects: list[dict[str, Any]]) -> bool:
    """Whether a page is one of those that are read fast: all but odd ones are."""
    has_class = {"StorageClass" in found for found in objects}
    return len(has_class) == 1 and not any("RestoreStatus" in found for found in objects)


class Canned:
    """A client whose listings are answered with `body`; what botocore's parser got of it."""

    def __init__(self, *, fast: bool) -> None:
        self._client: Any = make_client(attempts=1, **WHERE)
        self._body = self.parsed = b""
        events = self._client.meta.events
        if not fast:
            events.unregister(EVENT, take_contents_out)
        events.register("before-send.s3.ListObjectsV2", self._answer)
        events.register_last("before-parse.s3.ListObjectsV2", self._look)

    def list(self, body: str) -> dict[str, Any]:
        self._body = body.encode()
        result: dict[str, Any] = self._client.list_objects_v2(Bucket="archive")
        del result["ResponseMetadata"]
        return result

    def _answer(self, request: Any, **_: object) -> AWSResponse:
        response = AWSResponse(request.url, 200, {}, None)
        response._content = self._body
        return response

    def _look(self, response_dict: dict[str, Any], **_: object) -> None:
        self.parsed = response_dict["body"]


@pytest.fixture(scope="module")
def clients() -> tuple[Canned, Canned]:
    return Canned(fast=True), Canned(fast=False)


@pytest.mark.parametrize("namespace", [NAMESPACE, ""])
@given(objects=OBJECTS)
def test_the_answer_is_that_of_boto3(
    clients: tuple[Canned, Canned], namespace: str, objects: list[dict[str, Any]]
) -> None:
    body = (
        f"<ListBucketResult{namespace}><Name>archive</Name><KeyCount>{len(objects)}</KeyCount>"
        "<IsTruncated>true</IsTruncated><NextContinuationToken>t&amp;</NextContinuationToken>"
        f"{''.join(xml('Contents', found) for found in objects)}"
        "<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes></ListBucketResult>"
    )
    quick, plain = clients
    answer, expected = quick.list(body), plain.list(body)
    for found in (*answer.get("Contents", []), *expected.get("Contents", [])):
        found.pop("ChecksumAlgorithm", None)
    assert answer == expected
    assert len(answer.get("Contents", [])) == len(objects)
    assert plain.parsed == body.encode()
    is_quick = b"<Contents" not in quick.parsed
    assert is_quick == (not objects or are_alike(objects))


def test_an_error_in_a_good_answer_is_still_one(clients: tuple[Canned, Canned]) -> None:
    with pytest.raises(ClientError, match="InternalError"):
        clients[0].list("<Error><Code>InternalError</Code><Message>try again</Message></Error>")
