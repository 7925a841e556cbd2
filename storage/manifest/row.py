"""One row of the manifest: what was found about a photograph, what was done and how it went."""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from storage.manifest.columns import Column, column, columns_of, schema_of, type_name

SCHEMA_VERSION: Final = 2
"""Raised when a column changes its meaning, or a value is new that readers must know of.

A new column alone does not need it. 2: `status` may be "withdrawn".
"""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Status(enum.StrEnum):
    """How a photograph came out."""

    RESTORED = "restored"
    NOTHING_TO_DO = "nothing_to_do"
    SKIPPED = "skipped"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"
    """Its outputs were taken back after a review; the next run gives it its original."""

    @property
    def keeps_outputs(self) -> bool:
        """Whether a photo with this status keeps the outputs of its last success."""
        return self in (Status.FAILED, Status.SKIPPED)


class Decision(enum.StrEnum):
    """What a person decided on a photograph in review."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    REDO = "redo"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestRow:
    """What is recorded of one photograph in one run; the fields are the manifest's columns.

    None says "not known" or "does not apply". `source_mtime` follows from `source_mtime_ns`.

    Raises:
        ValueError: `time` has no time zone, or `models` and `model_sha256` differ in length.
    """

    source: str = field(metadata=column("Path of the original, relative to the source, POSIX form"))
    source_size: int = field(metadata=column("Size of the original", "bytes"))
    source_mtime: datetime = field(
        init=False, metadata=column("Last change of the original, UTC", "µs")
    )
    source_mtime_ns: int = field(
        metadata=column("Last change of the original, exact, since 1970 UTC", "ns")
    )
    source_sha256: str | None = field(
        default=None, metadata=column("SHA-256 of the original, hexadecimal")
    )
    source_etag: str | None = field(
        default=None, metadata=column("ETag of the original in object storage, without quotes")
    )
    source_version_id: str | None = field(
        default=None,
        metadata=column("Version of the original that was read, where its bucket keeps versions"),
    )
    width: int | None = field(default=None, metadata=column("Width, upright", "pixels"))
    height: int | None = field(default=None, metadata=column("Height, upright", "pixels"))
    mode: str | None = field(
        default=None,
        metadata=column("Colours and bits of the original, such as rgb8 or gray16+alpha"),
    )
    pages: int = field(
        default=1, metadata=column("Pages of the original; measurements are of the largest")
    )
    format: str | None = field(
        default=None, metadata=column("File format of the original, such as JPEG")
    )
    camera: str | None = field(
        default=None,
        metadata=column("Make and model of the camera or scanner, as the original's EXIF has them"),
    )
    noise_sigma: float | None = field(
        default=None,
        metadata=column("Standard deviation of the noise in the original", "8-bit levels"),
    )
    noise_confidence: float | None = field(
        default=None, metadata=column("Confidence in noise_sigma", "0 to 1")
    )
    blur_sigma: float | None = field(
        default=None, metadata=column("Standard deviation of the blur in the original", "pixels")
    )
    blur_confidence: float | None = field(
        default=None, metadata=column("Confidence in blur_sigma", "0 to 1")
    )
    is_monochrome: bool | None = field(
        default=None, metadata=column("Whether the original is black and white or toned")
    )
    monochrome_confidence: float | None = field(
        default=None, metadata=column("Confidence in is_monochrome", "0 to 1")
    )
    plan: tuple[str, ...] = field(default=(), metadata=column("Names of the steps taken, in order"))
    plan_reasons: tuple[str, ...] = field(
        default=(), metadata=column("Why each step was taken or left out, one sentence each")
    )
    withheld: tuple[str, ...] = field(
        default=(),
        metadata=column(
            "Names of the steps that ran but left the photo no better, so that it kept its original"
        ),
    )
    notes: tuple[str, ...] = field(
        default=(),
        metadata=column("What was found on the way, and what outputs cannot hold, a sentence each"),
    )
    restored_path: str | None = field(
        default=None, metadata=column("Path of the restored photo, relative to the destination")
    )
    restored_sha256: str | None = field(
        default=None, metadata=column("SHA-256 of the restored file, hexadecimal")
    )
    restored_size: int | None = field(
        default=None, metadata=column("Size of the restored file", "bytes")
    )
    colorized_path: str | None = field(
        default=None, metadata=column("Path of the colorized photo, relative to the destination")
    )
    colorized_sha256: str | None = field(
        default=None, metadata=column("SHA-256 of the colorized file, hexadecimal")
    )
    colorized_size: int | None = field(
        default=None, metadata=column("Size of the colorized file", "bytes")
    )
    access_path: str | None = field(
        default=None, metadata=column("Path of the access copy, relative to the destination")
    )
    access_sha256: str | None = field(
        default=None, metadata=column("SHA-256 of the access copy, hexadecimal")
    )
    access_size: int | None = field(
        default=None, metadata=column("Size of the access copy", "bytes")
    )
    sidecar_path: str | None = field(
        default=None, metadata=column("Path of the sidecar, relative to the destination")
    )
    sidecar_sha256: str | None = field(
        default=None, metadata=column("SHA-256 of the sidecar, hexadecimal")
    )
    sidecar_size: int | None = field(default=None, metadata=column("Size of the sidecar", "bytes"))
    models: tuple[str, ...] = field(
        default=(), metadata=column("Names of the models that ran, in order")
    )
    model_sha256: tuple[str, ...] = field(
        default=(), metadata=column("SHA-256 of each model's weights, in the order of models")
    )
    strength: float | None = field(
        default=None,
        metadata=column("Share of the restoration's change that was applied", "0 to 1"),
    )
    keep_grain: float | None = field(
        default=None,
        metadata=column("Share of the luminance grain that was given back", "0 to 1"),
    )
    passes: int | None = field(
        default=None,
        metadata=column(
            "How often denoise and deblur did the photo, turned and mirrored, for their mean"
        ),
    )
    sharpness_before: float | None = field(
        default=None, metadata=column("Sharpness of the original")
    )
    sharpness_after: float | None = field(
        default=None, metadata=column("Sharpness of the restored photo")
    )
    colourfulness_before: float | None = field(
        default=None, metadata=column("Colourfulness of the original")
    )
    colourfulness_after: float | None = field(
        default=None, metadata=column("Colourfulness of the final photo")
    )
    contrast_before: float | None = field(default=None, metadata=column("Contrast of the original"))
    contrast_after: float | None = field(
        default=None, metadata=column("Contrast of the restored photo")
    )
    noise_sigma_after: float | None = field(
        default=None,
        metadata=column("Standard deviation of the noise in the restored photo", "8-bit levels"),
    )
    blur_sigma_after: float | None = field(
        default=None,
        metadata=column("Standard deviation of the blur in the restored photo", "pixels"),
    )
    blockiness_before: float | None = field(
        default=None, metadata=column("Visibility of JPEG blocks in the original")
    )
    blockiness_after: float | None = field(
        default=None, metadata=column("Visibility of JPEG blocks in the restored photo")
    )
    niqe_before: float | None = field(
        default=None,
        metadata=column("Distance of the original's statistics from those of sound photographs"),
    )
    niqe_after: float | None = field(
        default=None, metadata=column("The same of the restored photo; less is better")
    )
    change_psnr_db: float | None = field(
        default=None,
        metadata=column("How close the restored photo is to the original (PSNR)", "dB"),
    )
    change_ssim: float | None = field(
        default=None,
        metadata=column("How close the restored photo is to the original (SSIM)", "-1 to 1"),
    )
    change_delta_e00: float | None = field(
        default=None,
        metadata=column(
            "Mean colour difference of the restored photo to the original", "CIEDE2000"
        ),
    )
    faces: int | None = field(
        default=None, metadata=column("Faces found in the original, where it was changed")
    )
    faces_ssim: float | None = field(
        default=None,
        metadata=column(
            "How close the most changed face is to that in the original (SSIM)", "-1 to 1"
        ),
    )
    colour_uncertainty: float | None = field(
        default=None,
        metadata=column(
            "How far the network's tries at the colours are apart, on average", "8-bit levels"
        ),
    )
    needs_review: bool = field(
        default=False, metadata=column("Whether a person should look at the photo")
    )
    review_reasons: tuple[str, ...] = field(
        default=(), metadata=column("Why a person should, one sentence each")
    )
    settings: str | None = field(
        default=None,
        metadata=column("Settings of this photo alone, which overrule those of runs, as JSON"),
    )
    decided_sha256: str | None = field(
        default=None,
        metadata=column("SHA-256 of the original that settings and review_decision are about"),
    )
    review_decision: Decision | None = field(
        default=None, metadata=column("What a person decided: accepted, rejected or redo")
    )
    reviewer: str | None = field(default=None, metadata=column("Who decided"))
    review_time: datetime | None = field(
        default=None, metadata=column("When it was decided, UTC", "µs")
    )
    review_note: str | None = field(
        default=None, metadata=column("What the person had to say about it")
    )
    seconds_decode: float | None = field(
        default=None, metadata=column("Time to read and decode", "s")
    )
    seconds_assess: float | None = field(default=None, metadata=column("Time to assess", "s"))
    seconds_restore: float | None = field(
        default=None,
        metadata=column("Time in the restoration steps, and waiting for the device", "s"),
    )
    seconds_encode: float | None = field(default=None, metadata=column("Time to encode", "s"))
    seconds_put: float | None = field(
        default=None, metadata=column("Time to store the results", "s")
    )
    device: str | None = field(
        default=None, metadata=column("Where the networks ran, such as cpu or cuda:0")
    )
    precision: str | None = field(
        default=None,
        metadata=column("In which these models calculated: fp32, bf16 or fp16"),
    )
    status: Status = field(
        default=Status.FAILED,
        metadata=column("restored, nothing_to_do, skipped, failed or withdrawn"),
    )
    error_class: str | None = field(
        default=None, metadata=column("Kind of the error or of the reason to skip")
    )
    error_message: str | None = field(
        default=None, metadata=column("What went wrong, one plain line")
    )
    error_is_permanent: bool = field(
        default=False, metadata=column("Whether trying the unchanged file again cannot help")
    )
    run_id: str = field(default="", metadata=column("Run that wrote the row; run ids sort by time"))
    recipe_id: str = field(
        default="", metadata=column("Settings and models that the row was made with")
    )
    software_version: str = field(default="", metadata=column("Version of the program"))
    time: datetime = field(
        default_factory=lambda: datetime.now(UTC),
        metadata=column("When the row was made, UTC", "µs"),
    )

    def __post_init__(self) -> None:
        if self.time.tzinfo is None:
            raise ValueError("the time of a manifest row needs a time zone")
        if len(self.models) != len(self.model_sha256):
            raise ValueError("models and model_sha256 must have the same length")
        moment = _EPOCH + timedelta(microseconds=self.source_mtime_ns // 1000)
        object.__setattr__(self, "source_mtime", moment)


COLUMNS: Final = columns_of(ManifestRow)
"""The manifest's columns in order."""

SCHEMA: Final = schema_of(ManifestRow, {"restore_archive.schema_version": str(SCHEMA_VERSION)})
"""The manifest's Arrow schema."""

FILE_METADATA: Final = {
    "restore_archive.columns": json.dumps(
        [
            {
                "name": each.name,
                "type": type_name(each),
                "unit": each.unit,
                "description": each.description,
            }
            for each in COLUMNS
        ],
        ensure_ascii=False,
    )
}
"""What a file of the manifest says of its columns to readers that do not know Arrow's schema."""


def columns_markdown(columns: Sequence[Column]) -> str:
    """Columns as a Markdown table, one line each, ending in a newline."""
    lines = ["| Column | Type | Unit | Meaning |", "| --- | --- | --- | --- |"]
    for each in columns:
        nullable = " or null" if each.nullable else ""
        kind = f"{type_name(each)}{nullable}"
        lines.append(f"| `{each.name}` | {kind} | {each.unit} | {each.description} |")
    return "\n".join(lines) + "\n"
