"""What became of an archive between two runs, or under two models: photo by photo."""

from __future__ import annotations

import enum
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from restoration.errors import UsageError
from storage.manifest.database import ManifestDatabase

_MODEL: Final = "model:"
_SIDE_COLUMNS: Final = (
    "run_id",
    "status",
    "plan",
    "models",
    "restored_sha256",
    "colorized_sha256",
    "error_message",
    "needs_review",
    "noise_sigma_after",
    "blur_sigma_after",
    "niqe_after",
    "change_psnr_db",
    "change_ssim",
)
"""What is compared; the fields of `Side`, in order."""


class Change(enum.StrEnum):
    """What became of a photo from one side to the other; the first that applies."""

    ADDED = "added"
    MISSING = "missing"
    NOW_FAILS = "now fails"
    RECOVERED = "fails no more"
    NOW_RESTORED = "now restored"
    NO_LONGER_RESTORED = "no longer restored"
    OTHER_STATUS = "other status"
    OTHER_STEPS = "other steps"
    OTHER_PIXELS = "restored differently"
    OTHER_COLOURS = "coloured differently"
    SAME = "the same"

    @property
    def weight(self) -> int:
        """For sorting: what a person should see first is lightest."""
        return _IN_ORDER.index(self)

    @property
    def is_loss(self) -> bool:
        """Whether something that was there is no more."""
        return self in (Change.NOW_FAILS, Change.MISSING, Change.NO_LONGER_RESTORED)

    @property
    def is_gain(self) -> bool:
        """Whether something is there that was not."""
        return self in (Change.NOW_RESTORED, Change.RECOVERED)


_IN_ORDER: Final = (
    Change.NOW_FAILS,
    Change.MISSING,
    Change.NO_LONGER_RESTORED,
    Change.OTHER_STATUS,
    Change.OTHER_STEPS,
    Change.OTHER_PIXELS,
    Change.OTHER_COLOURS,
    Change.NOW_RESTORED,
    Change.RECOVERED,
    Change.ADDED,
    Change.SAME,
)


@dataclass(frozen=True, slots=True)
class Side:
    """A photo on one of the sides; each field is the manifest's column of that name."""

    run_id: str
    status: str
    plan: tuple[str, ...]
    models: tuple[str, ...]
    restored_sha256: str | None
    colorized_sha256: str | None
    error_message: str | None
    needs_review: bool
    noise_sigma_after: float | None
    blur_sigma_after: float | None
    niqe_after: float | None
    change_psnr_db: float | None
    change_ssim: float | None


@dataclass(frozen=True, slots=True)
class Compared:
    """A photo on both sides.

    Attributes:
        source: its path.
        change: what became of it.
        before: on the first side; None where it is not there.
        after: on the second side, likewise.
    """

    source: str
    change: Change
    before: Side | None
    after: Side | None


@dataclass(frozen=True)
class Comparison:
    """Two sides of an archive.

    Attributes:
        names: of the sides, as the user may know them: run ids or models.
        counts: photos by what became of them.
        flagged: photos that need review on the second side alone.
        unflagged: those that did on the first alone.
        photos: those with a change, what matters most first.
        in_all: how many there are; `photos` may be fewer.
    """

    names: tuple[str, str]
    counts: Counter[Change] = field(default_factory=Counter)
    flagged: int = 0
    unflagged: int = 0
    photos: tuple[Compared, ...] = ()
    in_all: int = 0


@dataclass(frozen=True)
class _Selection:
    """Which rows of the manifest are one side: a condition in SQL with its parameter."""

    name: str
    condition: str
    parameter: str


def compare(
    database: ManifestDatabase, first: str, second: str, *, at_most: int = 1_000
) -> Comparison:
    """Compare an archive as two runs left it, or as two models made it.

    Args:
        database: the manifest.
        first: a run id or the beginning of one, `first`, `previous`, `latest`, or `model:` and
            the name of a model or the beginning of its SHA-256.
        second: likewise.
        at_most: changed photos that are kept, those that matter most.

    Raises:
        UsageError: there is no such run or model, or several begin so.
    """
    sides = _selection(database, first), _selection(database, second)
    counts: Counter[Change] = Counter()
    changed: list[Compared] = []
    flagged = unflagged = 0
    for photo in compared_photos(database, sides):
        counts[photo.change] += 1
        before = photo.before is not None and photo.before.needs_review
        after = photo.after is not None and photo.after.needs_review
        flagged += after and not before
        unflagged += before and not after
        if photo.change is not Change.SAME:
            changed.append(photo)
            if len(changed) >= 2 * at_most:  # memory does not grow with the archive
                changed = _foremost(changed, at_most)
    return Comparison(
        names=(sides[0].name, sides[1].name),
        counts=counts,
        flagged=flagged,
        unflagged=unflagged,
        photos=tuple(_foremost(changed, at_most)),
        in_all=counts.total() - counts[Change.SAME],
    )


def _foremost(photos: list[Compared], at_most: int) -> list[Compared]:
    return sorted(photos, key=lambda photo: (photo.change.weight, photo.source))[:at_most]


def compared_photos(
    database: ManifestDatabase, sides: tuple[_Selection, _Selection]
) -> Iterator[Compared]:
    """Every photo that is on one of the sides, in no order."""
    columns = ", ".join(f"{side}.{name}" for side in ("a", "b") for name in _SIDE_COLUMNS)
    selected = ", ".join(("source", *_SIDE_COLUMNS))
    sql = f"""
        WITH a AS ({_latest_where(selected, sides[0])}), b AS ({_latest_where(selected, sides[1])})
        SELECT coalesce(a.source, b.source), {columns} FROM a FULL JOIN b USING (source)
    """
    count = len(_SIDE_COLUMNS)
    for row in database.query(sql, (sides[0].parameter, sides[1].parameter)).rows():
        before, after = _side(row[1 : 1 + count]), _side(row[1 + count :])
        yield Compared(row[0], change_between(before, after), before, after)


def _latest_where(selected: str, side: _Selection) -> str:
    # Of a photo's rows of one run, which happens after a worker's death, the last one counts.
    return f"""
        SELECT {selected} FROM rows WHERE {side.condition}
        QUALIFY row_number() OVER (PARTITION BY source ORDER BY run_id DESC, time DESC) = 1
    """


def _side(values: tuple[Any, ...]) -> Side | None:
    if values[0] is None:  # each row has a run
        return None
    named = dict(zip(_SIDE_COLUMNS, values, strict=True))
    for name in ("plan", "models"):
        named[name] = tuple(named[name])
    return Side(**named)


def change_between(before: Side | None, after: Side | None) -> Change:
    """What became of a photo: the first kind of change that applies, in the order of `Change`.

    Args:
        before: on the first side; None where it is not there.
        after: on the second side; not None where `before` is.
    """
    if before is None or after is None:
        return Change.ADDED if before is None else Change.MISSING
    if before.status != after.status:
        return _change_of_status(before.status, after.status)
    if before.plan != after.plan:
        return Change.OTHER_STEPS
    if before.restored_sha256 != after.restored_sha256:
        return Change.OTHER_PIXELS
    if before.colorized_sha256 != after.colorized_sha256:
        return Change.OTHER_COLOURS
    return Change.SAME


def _change_of_status(before: str, after: str) -> Change:
    if after == "failed":
        return Change.NOW_FAILS
    if before == "failed":
        return Change.RECOVERED
    if after == "restored":
        return Change.NOW_RESTORED
    return Change.NO_LONGER_RESTORED if before == "restored" else Change.OTHER_STATUS


def _selection(database: ManifestDatabase, name: str) -> _Selection:
    """The rows that a user means.

    Raises:
        UsageError: there are none, or it is not clear which.
    """
    if not name.strip():
        raise UsageError("a run's name is empty; `query RESTORED runs` lists those that there are")
    if name.startswith(_MODEL):
        return _model(database, name.removeprefix(_MODEL))
    runs = [run for (run,) in database.query("SELECT run_id FROM runs ORDER BY run_id").rows()]
    if not runs:
        raise UsageError("the manifest holds no run")
    by_name = {"first": runs[0], "latest": runs[-1]}
    if len(runs) > 1:
        by_name["previous"] = runs[-2]
    run = by_name.get(name) or _only(name, [run for run in runs if run.startswith(name)], "run")
    return _Selection(run, "run_id <= ?", run)


def _model(database: ManifestDatabase, wanted: str) -> _Selection:
    if not re.fullmatch(r"[A-Za-z0-9._-]+", wanted):
        raise UsageError(f"model:{wanted} is not model:NAME or model:SHA256")
    used = database.query(
        "SELECT DISTINCT unnest(models), unnest(model_sha256) FROM rows ORDER BY 2"
    )
    models = [(str(name), str(sha256)) for name, sha256 in used.rows()]
    # A model that was renamed is still one.
    hashes = sorted(
        {sha for name, sha in models if name == wanted or sha.startswith(wanted.lower())}
    )
    names = {sha256: name for name, sha256 in models}
    sha256 = _only(f"model:{wanted}", hashes, "model")
    shown = f"{names[sha256]} ({sha256[:8]})"
    return _Selection(shown, "list_contains(model_sha256, ?)", sha256)


def _only(wanted: str, found: list[str], what: str) -> str:
    if len(found) == 1:
        return found[0]
    if not found:
        query = {"run": "runs", "model": "by-model"}[what]
        raise UsageError(
            f"the manifest holds no {what} {wanted}; `query RESTORED {query}` lists them"
        )
    some = ", ".join(found[:3])
    raise UsageError(f"{wanted} may be {len(found)} {what}s ({some}…); write more of it")
