"""Data as scripts: the only thing that a page opened from file:// may load beside itself.

Everything in a manifest may be somebody's file name, chosen to do harm. It is JSON here, in ASCII,
without a character that HTML or JavaScript could read as anything but a part of a string.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import Any, Final

_ESCAPES: Final = (("&", "\\u0026"), ("<", "\\u003c"), (">", "\\u003e"))
"""Beside what `ensure_ascii` escapes, such as U+2028 and U+2029, which end a line in old engines.

In JSON these three stand in strings only. They mean nothing in a script's own file; but files are
pasted into pages, and a browser may be made to read one as HTML.
"""


def script(call: str, *values: object) -> bytes:
    """A script that hands values to the page: `restoreArchive.rows(0,{…});`.

    Args:
        call: name of the function.
        values: of numbers, text, None, lists, dicts with text as keys, and frozen dataclasses.

    Returns:
        ASCII.

    Raises:
        ValueError: a number that is not finite; JSON has none.
    """
    return f"restoreArchive.{call}({','.join(map(_json, values))});\n".encode("ascii")


def script_value(data: bytes, call: str) -> object:
    """The value that a script of `script` with a single one hands to the page.

    Raises:
        ValueError: it is no such script.
    """
    text = data.decode("ascii").strip()
    head = f"restoreArchive.{call}("
    if not (text.startswith(head) and text.endswith(");")):
        raise ValueError(f"no script that calls {call}")
    value: object = json.loads(text[len(head) : -len(");")])
    return value


def _json(value: object) -> str:
    text = json.dumps(
        value, ensure_ascii=True, allow_nan=False, separators=(",", ":"), default=_plain
    )
    for character, escape in _ESCAPES:
        text = text.replace(character, escape)
    return text


def _plain(value: object) -> dict[str, Any]:
    """A dataclass as its fields, one level; `json` asks again for those inside."""
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    raise TypeError(f"{type(value).__name__} has no place in a report")
