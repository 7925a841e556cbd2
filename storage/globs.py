"""Globs that choose files by their relative path.

- `*` any run of characters within one name, `?` one character, `[abc]`, `[a-z]`, `[!abc]`;
- `**` as a whole part: any number of folders, also none (`1923/**/portrait.jpg`); at the end
  everything below (`private/**`);
- a pattern without `/` is matched against the file's name, at any depth (`*.jpg`);
- a pattern with `/` is matched against the whole path; a leading `/` only anchors (`/*.jpg` are
  the files at the top); a `/` at the end stands for `/**`;
- upper and lower case are the same, and so are composed and decomposed accents.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

_FLAGS: Final = re.IGNORECASE | re.DOTALL
_WILD: Final = frozenset("*?[")
_NOTHING: Final = "(?!)"


class PathFilter:
    """Include and exclude patterns, compiled once for a crawl.

    Args:
        include: when given, only files that match one of these are admitted.
        exclude: files that match one of these are not, whatever `include` says.

    Raises:
        ValueError: a pattern is empty, has a part `.` or `..`, or a `[` that is not closed.
    """

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        included = [_parts(pattern) for pattern in include]
        excluded = [_parts(pattern) for pattern in exclude]
        self._include = _any_of(_expression(parts) for parts in included)
        self._exclude = _any_of(_expression(parts) for parts in excluded)
        self._pruned = _any_of(
            _expression(parts[:-1]) + "(?:/.+)?"
            for parts in excluded
            if len(parts) > 1 and parts[-1] == "**"
        )
        self._starts = [_literal_start(parts) for parts in included]

    def admits(self, path: str) -> bool:
        """Whether the file at this relative path is chosen."""
        text = _normal(path)
        if self._include is not None and not self._include.fullmatch(text):
            return False
        return self._exclude is None or not self._exclude.fullmatch(text)

    def enters(self, folder: str) -> bool:
        """Whether anything below this relative folder (no slash at its end) may be chosen."""
        text = _normal(folder)
        if self._pruned is not None and self._pruned.fullmatch(text):
            return False
        if not self._starts:
            return True
        parts = text.casefold().split("/")
        # zip stops at the shorter one: a folder on the way to the start is entered, too.
        return any(all(a == b for a, b in zip(parts, s, strict=False)) for s in self._starts)


def _normal(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _any_of(expressions: Iterable[str]) -> re.Pattern[str] | None:
    joined = "|".join(f"(?:{expression})" for expression in expressions)
    return re.compile(joined, _FLAGS) if joined else None


def _parts(pattern: str) -> list[str]:
    """The pattern as parts between slashes, always to be matched against the whole path."""
    text = _normal(pattern)
    if not text.strip("/"):
        raise ValueError(f"the pattern {pattern!r} is empty; write ** for everything")
    parts = [part for part in text.split("/") if part]
    if dots := next((part for part in parts if part in (".", "..")), ""):
        raise ValueError(
            f"the pattern {pattern!r} matches nothing: no path in a crawl has {dots!r}"
        )
    if text.endswith("/"):
        parts.append("**")
    if "/" not in text:
        parts.insert(0, "**")
    # "**/**" says no more than "**" and would make the expression slow.
    return [p for i, p in enumerate(parts) if p != "**" or i == 0 or parts[i - 1] != "**"]


def _expression(parts: Sequence[str]) -> str:
    pieces: list[str] = []
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            pieces.append(".+" if last else "(?:[^/]+/)*")
        else:
            pieces.append(_part_expression(part) + ("" if last else "/"))
    return "".join(pieces)


def _part_expression(part: str) -> str:
    pieces: list[str] = []
    at = 0
    while at < len(part):
        character = part[at]
        at += 1
        if character == "*":
            if pieces[-1:] != ["[^/]*"]:
                pieces.append("[^/]*")
        elif character == "?":
            pieces.append("[^/]")
        elif character == "[":
            # A "]" right after the opening (or after "!") is one of the characters.
            end = part.find("]", at + 2 if part[at : at + 1] == "!" else at + 1)
            if end < 0:
                raise ValueError(f"{part!r} has a '[' that is not closed; write [[] for the sign")
            pieces.append(_set_expression(part[at:end]))
            at = end + 1
        else:
            pieces.append(re.escape(character))
    return "".join(pieces)


def _set_expression(content: str) -> str:
    """The inside of `[...]`; a range that runs backwards holds nothing."""
    negated = content.startswith("!")
    left = content[1:] if negated else content
    members: list[str] = []
    while left:
        if len(left) >= 3 and left[1] == "-":
            if left[0] <= left[2]:
                members.append(f"{re.escape(left[0])}-{re.escape(left[2])}")
            left = left[3:]
        else:
            members.append(re.escape(left[0]))
            left = left[1:]
    if not members:
        return "[^/]" if negated else _NOTHING
    return f"(?!/)[{'^' if negated else ''}{''.join(members)}]"


def _literal_start(parts: Sequence[str]) -> list[str]:
    """The folders that every match lies in, as far as they have no wildcard, in lower case."""
    start: list[str] = []
    for part in parts[:-1]:
        if part == "**" or _WILD & set(part):
            break
        start.append(part.casefold())
    return start
