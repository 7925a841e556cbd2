"""The objects in a listing's answer, read many times faster than boto3's general parser does.

A page tells of 1,000 objects in 5,000 elements. botocore walks them by the service's model, at
some 35 ms a page; a million objects are 1,000 pages, and the interpreter's lock lets no other
thread help. So the elements are taken out of the answer before botocore sees it, by libxml2 and
outside that lock as far as it can be, and put into what botocore returns: as the model describes
them, but for what this project has no use for (owners and checksums).

An answer with anything out of the ordinary is left to botocore.

Documented at https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from botocore.utils import parse_timestamp
from lxml import etree

EVENT: Final = "before-parse.*.ListObjectsV2"
"""botocore emits it with an answer's bytes. With the asterisk it comes before the handler of
botocore that parses every answer of S3's to see whether it is an error, and then parses little."""

_OK: Final = 200
_ALWAYS: Final = ("Key", "Size", "LastModified")
_OFTEN: Final = ("ETag", "StorageClass")
"""Told of every object of a page, or of none."""


def take_contents_out(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object
) -> None:
    """Handle `EVENT`: read the objects of an answer, and leave botocore the rest of it.

    Args:
        response_dict: status_code and body, as botocore got them; the body is changed.
        customized_response_dict: what botocore adds to what it reads itself.
    """
    if response_dict["status_code"] != _OK:
        return
    try:
        # A parser of its own: threads that share one wait for each other.
        root = etree.fromstring(response_dict["body"], etree.XMLParser(resolve_entities=False))
    except etree.XMLSyntaxError:  # botocore says what is wrong with it
        return
    columns = _columns(root)
    if not columns or b"RestoreStatus>" in response_dict["body"]:
        return
    names = tuple(columns)
    columns["Size"] = map(int, columns["Size"])
    columns["LastModified"] = map(parse_time, columns["LastModified"])
    values = zip(*columns.values(), strict=True)
    customized_response_dict["Contents"] = [dict(zip(names, each, strict=True)) for each in values]
    rest = etree.Element(root.tag, nsmap=root.nsmap)
    rest.extend(_below(root, "*[not(self::{}Contents)]"))
    response_dict["body"] = etree.tostring(rest)


def _columns(root: etree._Element) -> dict[str, Any]:
    """The texts of the objects by element; nothing where an object is not like the others."""
    number = int(_below(root, "count({}Contents)"))
    if not number:
        return {}
    texts = {name: _below(root, f"{{0}}Contents/{{0}}{name}/text()") for name in _ALWAYS + _OFTEN}
    found = {name: column for name, column in texts.items() if column or name in _ALWAYS}
    return found if all(len(column) == number for column in found.values()) else {}


def _below(root: etree._Element, path: str) -> Any:  # noqa: ANN401 - as the path has it
    """What an XPath with a `{}` before each name finds."""
    namespace = etree.QName(root).namespace
    prefix, known = ("s:", {"s": namespace}) if namespace else ("", None)
    return root.xpath(path.format(prefix), namespaces=known, smart_strings=False)


def parse_time(value: str | float) -> datetime:
    """A time as S3 writes it; boto3's own way takes two thirds of the time of a listing."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None:
        # Of a header (Sun, 22 Nov 2026 09:02:38 GMT), or a number from where credentials are got.
        return parse_timestamp(value)  # type: ignore[arg-type]
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
