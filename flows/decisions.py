"""The decision file: what a person decided on photos in review, as the report's page writes it.

It comes from a browser, by mail or from a shared folder, so nothing in it is taken for granted:
what is not exactly as described is one clear line that says which entry it is in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn

from flows.console import printable
from restoration.errors import UsageError
from restoration.settings import Json, PhotoSettings
from storage.manifest import Decision

VERSION_KEY: Final = "restore_archive_decisions"
VERSION: Final = 1
MAX_FILE_BYTES: Final = 64_000_000
MAX_DECISIONS: Final = 100_000
MAX_SOURCE_LENGTH: Final = 4_096
"""Characters of a path; Linux takes 4,096 bytes (limits.h: PATH_MAX), object storage 1,024."""
MAX_NOTE_LENGTH: Final = 4_000
MAX_NAME_LENGTH: Final = 200

_FILE_KEYS: Final = (VERSION_KEY, "archive", "reviewer", "decisions")
_DECISION_KEYS: Final = (
    "source",
    "run_id",
    "restored_sha256",
    "decision",
    "note",
    "settings",
    "time",
)
_SHOWN_LENGTH: Final = 80
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class PhotoDecision:
    """What was decided on one photo.

    Attributes:
        source: path of the original, as in the manifest.
        run_id: of the row that the reviewer saw.
        restored_sha256: of the restored photo that the reviewer saw; None where there was none.
        decision: what is to become of it.
        time: when it was decided, UTC, to the microsecond.
        note: what the reviewer had to say; may be empty.
        settings: for a photo that is to be done again; None for those of the run.
    """

    source: str
    run_id: str
    restored_sha256: str | None
    decision: Decision
    time: datetime
    note: str = ""
    settings: PhotoSettings | None = None


@dataclass(frozen=True)
class DecisionFile:
    """A decision file.

    Attributes:
        archive: location of the restored archive, as it was given when the report was made.
        reviewer: who decided; may be empty.
        decisions: at most one for each photo.
    """

    archive: str
    reviewer: str
    decisions: tuple[PhotoDecision, ...]


def read_decisions(path: Path) -> DecisionFile:
    """The decision file at a path.

    Raises:
        UsageError: it cannot be read, or is no decision file.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # a NUL in the path is a ValueError
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{path} cannot be read: {reason}") from error
    try:
        return parse_decisions(data)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def parse_decisions(data: bytes) -> DecisionFile:
    """A decision file from its bytes: UTF-8, of at most `MAX_FILE_BYTES`.

    Raises:
        UsageError: it is none; one line that says what is wrong, and in which entry.
    """
    content = _object(_json(data), "the file", _FILE_KEYS)
    version = content.get(VERSION_KEY)
    if version is None:
        raise UsageError(f"no decision file: it has no {VERSION_KEY!r}")
    if isinstance(version, bool) or version != VERSION:
        raise UsageError(
            f"decisions of version {_shown(version)} are not read, only of {VERSION}; "
            "use the restore-archive that the report was made with"
        )
    listed = content.get("decisions")
    if not isinstance(listed, list):
        raise UsageError("'decisions' must be a list")
    if len(listed) > MAX_DECISIONS:
        raise UsageError(f"{len(listed)} decisions; a file has at most {MAX_DECISIONS}")
    decisions = tuple(_decision(entry, number) for number, entry in enumerate(listed, 1))
    _check_each_once(decisions)
    return DecisionFile(
        archive=_some_text(content, "archive", MAX_SOURCE_LENGTH, "the file"),
        reviewer=reviewer_name(_text(content, "reviewer", MAX_NAME_LENGTH, "the file")),
        decisions=decisions,
    )


def reviewer_name(text: str) -> str:
    """A reviewer's name as it is recorded, without spaces around it.

    Raises:
        UsageError: it is longer than `MAX_NAME_LENGTH`, or no line of text.
    """
    name = text.strip()
    if len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise UsageError(
            f"the reviewer must be one line of at most {MAX_NAME_LENGTH} characters, "
            f"not {_shown(name)}"
        )
    return name


def _json(data: bytes) -> Json:
    if len(data) > MAX_FILE_BYTES:
        raise UsageError(f"it is larger than {MAX_FILE_BYTES // 1_000_000} MB")
    try:
        content: Json = json.loads(
            data.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
    except UnicodeDecodeError as error:
        raise UsageError("it is no UTF-8") from error
    except json.JSONDecodeError as error:
        raise UsageError(f"it is no JSON: {error}") from error
    except RecursionError as error:
        raise UsageError("it is nested too deep") from error
    except UsageError:
        raise
    except ValueError as error:  # a number of thousands of digits
        raise UsageError("it holds a number that is none") from error
    return content


def _unique(pairs: Sequence[tuple[str, Json]]) -> dict[str, Json]:
    members: dict[str, Json] = {}
    for name, value in pairs:
        if name in members:
            raise UsageError(f"{_shown(name)} is given twice in one object")
        members[name] = value
    return members


def _no_constant(text: str) -> NoReturn:
    raise UsageError(f"it is no JSON: {text}")


def _decision(entry: Json, number: int) -> PhotoDecision:
    where = f"decision {number}"
    members = _object(entry, where, _DECISION_KEYS)
    source = _some_text(members, "source", MAX_SOURCE_LENGTH, where)
    where = f"decision {number} ({_shown(source)})"
    decision = _kind(members.get("decision"), where)
    return PhotoDecision(
        source=source,
        run_id=_some_text(members, "run_id", MAX_NAME_LENGTH, where),
        restored_sha256=_sha256(members.get("restored_sha256"), where),
        decision=decision,
        time=_time(members.get("time"), where),
        note=_text(members, "note", MAX_NOTE_LENGTH, where).strip(),
        settings=_settings(members.get("settings"), decision, where),
    )


def _object(value: Json, where: str, keys: Sequence[str]) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise UsageError(f"{where} must be an object")
    for name in value:
        if name not in keys:
            raise UsageError(f"{where}: {_shown(name)} is not known; there are {', '.join(keys)}")
    return value


def _text(members: dict[str, Json], name: str, longest: int, where: str) -> str:
    """A text that may be missing, null or empty."""
    value = members.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UsageError(f"{where}: {name} must be a text")
    if len(value) > longest:
        raise UsageError(f"{where}: {name} has {len(value)} characters, at most {longest} may be")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:  # half a surrogate pair: the manifest cannot hold it
        raise UsageError(f"{where}: {name} is no Unicode text") from error
    return value


def _some_text(members: dict[str, Json], name: str, longest: int, where: str) -> str:
    value = _text(members, name, longest, where)
    if not value:
        raise UsageError(f"{where}: {name} must be a text that is not empty")
    return value


def _kind(value: Json, where: str) -> Decision:
    if not isinstance(value, str) or value not in list(Decision):
        known = ", ".join(Decision)
        raise UsageError(f"{where}: decision must be one of {known}, not {_shown(value)}")
    return Decision(value)


def _sha256(value: Json, where: str) -> str | None:
    if value is not None and not (isinstance(value, str) and _SHA256.fullmatch(value)):
        raise UsageError(f"{where}: restored_sha256 must be null or 64 hexadecimal digits")
    return value


def _time(value: Json, where: str) -> datetime:
    if isinstance(value, str):
        try:
            time = datetime.fromisoformat(value)
            if time.tzinfo is not None:
                return time.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise UsageError(
        f"{where}: time must be one of ISO 8601 with its zone, such as 2026-01-31T12:00:00Z"
    )


def _settings(value: Json, decision: Decision, where: str) -> PhotoSettings | None:
    if value is None:
        return None
    if decision is not Decision.REDO:
        raise UsageError(f"{where}: settings belong to redo, not to {decision}")
    try:
        return PhotoSettings.from_json(value) or None
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error


def _check_each_once(decisions: Sequence[PhotoDecision]) -> None:
    seen: dict[str, int] = {}
    for number, each in enumerate(decisions, 1):
        first = seen.setdefault(each.source, number)
        if first != number:
            raise UsageError(f"decisions {first} and {number} are both about {_shown(each.source)}")


def _shown(value: object) -> str:
    """A value from outside in a message: on one line, and not longer than one can read."""
    text = value if isinstance(value, str) else repr(value)
    return printable(text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}…")
