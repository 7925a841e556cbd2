"""A comparison of two runs as one HTML file that needs nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from flows.comparing import Change, Compared, Comparison, Side
from flows.new_files import new_file
from flows.version import software_version
from restoration.errors import UsageError

_GENERATOR: Final = b'<meta name="generator" content="restore-archive diff">'
"""In the template: tells such a page from anybody else's."""
_HEAD_BYTES: Final = 4_096

_MEASURES: Final = (
    ("noise_sigma_after", "noise", 1),
    ("blur_sigma_after", "blur", 1),
    ("niqe_after", "NIQE", 1),
    ("change_psnr_db", "PSNR to the original", 1),
    ("change_ssim", "SSIM to the original", 3),
)
"""Columns, what they are called, and how many digits are told."""


@dataclass(frozen=True)
class Difference:
    """One thing that differs between the sides: what, and what it is on each."""

    what: str
    before: str
    after: str


def differences(photo: Compared) -> tuple[Difference, ...]:
    """What a person is told of a changed photo; what is the same on both sides is left out."""
    return tuple(each for each in _all(photo.before, photo.after) if each.before != each.after)


def _all(before: Side | None, after: Side | None) -> Iterator[Difference]:
    yield Difference("status", before.status if before else "", after.status if after else "")
    yield Difference("steps", _joined(before, "plan"), _joined(after, "plan"))
    yield Difference("models", _joined(before, "models"), _joined(after, "models"))
    yield Difference("review", _flag(before), _flag(after))
    for name, called, digits in _MEASURES:
        yield Difference(called, _figure(before, name, digits), _figure(after, name, digits))
    yield Difference("message", _text(before, "error_message"), _text(after, "error_message"))


def _joined(side: Side | None, name: str) -> str:
    return " + ".join(getattr(side, name)) if side else ""


def _text(side: Side | None, name: str) -> str:
    return (getattr(side, name) or "") if side else ""


def _flag(side: Side | None) -> str:
    return "needed" if side is not None and side.needs_review else ""


def _figure(side: Side | None, name: str, digits: int) -> str:
    value = getattr(side, name) if side else None
    return "" if value is None else f"{value:.{digits}f}"


def comparison_html(comparison: Comparison, archive: str) -> str:
    """The page.

    Args:
        comparison: what differs.
        archive: location of the archive, as the user gave it.
    """
    environment = Environment(
        loader=PackageLoader("flows"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template("comparison.html").render(
        archive=archive,
        comparison=comparison,
        counts=[(change, comparison.counts[change]) for change in Change],
        differences=differences,
        software=f"restore-archive {software_version()}",
    )


def check_page(path: Path) -> None:
    """Whether a page may be written there: nothing is, or a former page.

    Raises:
        UsageError: there is anything else.
        OSError: it cannot be read.
    """
    if not os.path.lexists(path):
        return
    if path.is_file() and not path.is_symlink():
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        if head.startswith(b"<!DOCTYPE html>") and _GENERATOR in head:
            return
    raise UsageError(f"--page {path}: exists already and is no comparison; choose another name")


def write_page(comparison: Comparison, archive: str, path: Path) -> None:
    """Write the page; it appears whole, in the place of a former one.

    Raises:
        UsageError: something else is there.
        StorageError: it cannot be written.
    """
    check_page(path)
    # Names that are not UTF-8 are escaped in the manifest; this is for the path of the archive.
    page = comparison_html(comparison, archive).encode("utf-8", errors="replace")
    with new_file(path) as file:
        file.write(page)
