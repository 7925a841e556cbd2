"""One photo's manifest row in plain words: what was done to it, why, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from flows.reviews import settings_in_words
from storage.manifest import COLUMNS, Decision, ManifestRow, Status

_STATUS: Final = {
    Status.RESTORED: "restored",
    Status.NOTHING_TO_DO: "nothing to do: its pixels are the original's",
    Status.SKIPPED: "skipped: it was left alone",
    Status.FAILED: "failed",
    Status.WITHDRAWN: "withdrawn after a review: the next run gives it its original",
}
_OUTPUTS: Final = ("restored", "colorized", "access", "sidecar")
_BEFORE_AND_AFTER: Final = (
    ("noise sigma", "noise_sigma", "noise_sigma_after"),
    ("blur sigma", "blur_sigma", "blur_sigma_after"),
    ("sharpness", "sharpness_before", "sharpness_after"),
    ("contrast", "contrast_before", "contrast_after"),
    ("colourfulness", "colourfulness_before", "colourfulness_after"),
    ("blockiness", "blockiness_before", "blockiness_after"),
    ("NIQE, less is better", "niqe_before", "niqe_after"),
)
"""What a person calls a measure, and its columns."""
_CHANGE: Final = (
    "change_psnr_db",
    "change_ssim",
    "change_delta_e00",
    "faces",
    "faces_ssim",
    "colour_uncertainty",
)
_UNITS: Final = {column.name: column.unit for column in COLUMNS}
_MEANINGS: Final = {column.name: column.description for column in COLUMNS}


@dataclass(frozen=True)
class Section:
    """Lines under a title."""

    title: str
    lines: tuple[str, ...]


def heading(row: ManifestRow) -> str:
    """The photo and how it came out, in a line."""
    return f"{row.source}: {_STATUS[row.status]}"


def sections(row: ManifestRow) -> tuple[Section, ...]:
    """All that a row says, for a person; without sections that have nothing to say."""
    told = (
        ("when", _when(row)),
        ("what went wrong", _error(row)),
        ("original", _original(row)),
        ("measured", _measured(row)),
        ("steps", _steps(row)),
        ("why", iter(row.plan_reasons)),
        ("before → after", _comparison(row)),
        ("how much it changed", _change(row)),
        ("notes", iter(row.notes)),
        ("review", _review(row)),
        ("outputs", _outputs(row)),
    )
    found = (Section(title, tuple(lines)) for title, lines in told)
    return tuple(section for section in found if section.lines)


def history_line(row: ManifestRow) -> str:
    """One run's row of a photo in a line."""
    words = [f"{_moment(row.time)}  run {row.run_id}: {row.status.value.replace('_', ' ')}"]
    if row.models:
        words.append(", ".join(_models(row)))
    if row.error_message:
        words.append(row.error_message)
    if row.needs_review:
        words.append("needs review")
    if row.review_decision is not None:
        words.append(f"{row.review_decision} by {row.reviewer or 'somebody'}")
    return "; ".join(words)


def _when(row: ManifestRow) -> Iterator[str]:
    yield f"{_moment(row.time)}, run {row.run_id or 'unknown'}"
    yield f"restore-archive {row.software_version or 'of an unknown version'}{_where(row)}"
    if row.recipe_id:
        yield f"recipe {row.recipe_id}"


def _where(row: ManifestRow) -> str:
    precision = f" in {row.precision}" if row.precision else ""
    return f", networks on {row.device}{precision}" if row.device and row.models else ""


def _error(row: ManifestRow) -> Iterator[str]:
    if row.error_message or row.error_class:
        yield f"{row.error_message or 'no message'} ({row.error_class or 'of an unknown kind'})"
    if not row.status.keeps_outputs:
        return
    if row.error_is_permanent:
        yield (
            "what to do: the same file would come out the same again; repair or replace it. Runs "
            "try it again when the file, the options or the models change, or with --force"
        )
    else:
        yield "what to do: run the same command again; the next run tries it once more"
    yield "what an earlier run made of it, if any did, is still there (--history)"


def _original(row: ManifestRow) -> Iterator[str]:
    words = [row.format or "", row.mode or ""]
    if row.width is not None and row.height is not None:
        words.insert(1, f"{row.width:,} × {row.height:,} pixels")
    if row.pages > 1:
        words.append(f"{row.pages:,} pages; what is measured is of the largest")
    words.append(row.camera or "")
    if said := ", ".join(word for word in words if word):
        yield said
    yield f"{row.source_size:,} bytes, last changed {_moment(row.source_mtime)}"
    if row.source_sha256:
        yield f"sha256 {row.source_sha256}"
    if row.source_version_id:
        yield f"version {row.source_version_id} in its bucket"


def _measured(row: ManifestRow) -> Iterator[str]:
    for name, value, confidence in (
        ("noise_sigma", row.noise_sigma, row.noise_confidence),
        ("blur_sigma", row.blur_sigma, row.blur_confidence),
    ):
        if value is not None:
            told = f"{name.replace('_', ' ')} {value:.1f} {_UNITS[name]}"
            yield f"{told}{_confidence(confidence)}"
    if row.is_monochrome is not None:
        colours = "monochrome" if row.is_monochrome else "in colour"
        yield f"{colours}{_confidence(row.monochrome_confidence)}"


def _confidence(value: float | None) -> str:
    return "" if value is None else f" (confidence {value:.2f})"


def _steps(row: ManifestRow) -> Iterator[str]:
    if row.status.keeps_outputs:
        if row.plan:
            yield f"planned, but not done: {', '.join(row.plan)}"
        return
    for told, sha256 in zip(_models(row), row.model_sha256, strict=True):
        yield f"{told}, weights sha256 {sha256}"
    if row.strength is not None:
        yield f"strength {row.strength:g}: the share of the change that was applied"
    if row.keep_grain:
        yield f"keep grain {row.keep_grain:g}: the share of the grain that was given back"
    if row.passes is not None and row.passes > 1:
        yield f"{row.passes} passes: the mean over the photo turned and mirrored"
    if row.withheld:
        yield (
            f"{', '.join(row.withheld)} left the photo no better: restored/ has the original's "
            "pixels"
        )


def _models(row: ManifestRow) -> tuple[str, ...]:
    """Each model that ran, with its step; an older row may name one without the other."""
    if len(row.plan) != len(row.models):
        return row.models
    return tuple(f"{step} with {name}" for step, name in zip(row.plan, row.models, strict=True))


def _comparison(row: ManifestRow) -> Iterator[str]:
    for name, before, after in _BEFORE_AND_AFTER:
        values = getattr(row, before), getattr(row, after)
        if None not in values:
            unit = f" {_UNITS[before]}" if _UNITS[before] else ""
            yield f"{name}: {values[0]:.4g} → {values[1]:.4g}{unit}"


def _change(row: ManifestRow) -> Iterator[str]:
    for name in _CHANGE:
        value = getattr(row, name)
        if value is not None:
            unit = f" {_UNITS[name]}" if _UNITS[name] not in ("", "-1 to 1") else ""
            yield f"{_MEANINGS[name][0].lower()}{_MEANINGS[name][1:]}: {value:.4g}{unit}"


def _review(row: ManifestRow) -> Iterator[str]:
    if row.needs_review:
        yield "a person should look at it"
    yield from row.review_reasons
    if row.review_decision is not None:
        when = f", {_moment(row.review_time)}" if row.review_time else ""
        yield f"{row.review_decision} by {row.reviewer or 'somebody'}{when}"
    if row.review_note:
        yield f'"{row.review_note}"'
    if row.settings is not None:
        follows = "asked for" if row.review_decision is Decision.REDO else "its own settings"
        yield f"{follows}: {settings_in_words(row.settings)}"


def _outputs(row: ManifestRow) -> Iterator[str]:
    for kind in _OUTPUTS:
        path, size = getattr(row, f"{kind}_path"), getattr(row, f"{kind}_size")
        if path is None:
            continue
        told = f"{path}, {size:,} bytes" if size is not None else path
        yield f"{told}, sha256 {getattr(row, f'{kind}_sha256') or 'unknown'}"


def _moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"
