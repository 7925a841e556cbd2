"""What was measured of a photo and of what became of it, and whether a person should look at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flows.rows import PlannedPage, Prepared
from restoration.evidence import Evidence, gather
from restoration.plan import Step
from restoration.restore import Restored
from restoration.review import review
from storage.manifest import ManifestRow

SALVAGED = "the file is damaged, and was taken as far as it could be decoded"


def measured_row(row: ManifestRow, prepared: Prepared, results: Sequence[Restored]) -> ManifestRow:
    """Add measures before and after of the main page, and why a person should look at any page.

    Args:
        row: of the photo.
        prepared: the photo.
        results: what became of each of its pages.

    Raises:
        WeightsError: weights of a measure are missing or altered.
    """
    main = prepared.main
    reasons: list[str] = [SALVAGED] if prepared.photo.is_salvaged else []
    for number, (planned, result) in enumerate(zip(prepared.pages, results, strict=True)):
        evidence = _evidence(planned, result)
        where = f"page {number + 1}: " if len(results) > 1 else ""
        found = review(planned.assessment, planned.plan, result, evidence)
        reasons += (f"{where}{reason}" for reason in found.reasons)
        if number == main:
            row = _with_measures(row, evidence)
    withheld = {step for result in results for step in result.withheld}
    return replace(
        row,
        withheld=tuple(step.value for step in Step if step in withheld),
        needs_review=bool(reasons),
        review_reasons=tuple(reasons),
    )


def _evidence(planned: PlannedPage, result: Restored) -> Evidence:
    return gather(planned.page.pixels, planned.assessment, planned.plan, result)


def _with_measures(row: ManifestRow, evidence: Evidence) -> ManifestRow:
    before, after, change = evidence.before, evidence.after, evidence.change
    return replace(
        row,
        noise_sigma_after=after.noise.sigma,
        blur_sigma_after=after.blur.sigma,
        sharpness_before=before.quality.sharpness,
        sharpness_after=after.quality.sharpness,
        colourfulness_before=before.quality.colourfulness,
        colourfulness_after=after.quality.colourfulness,
        contrast_before=before.quality.contrast,
        contrast_after=after.quality.contrast,
        blockiness_before=before.blockiness,
        blockiness_after=after.blockiness,
        niqe_before=before.naturalness,
        niqe_after=after.naturalness,
        change_psnr_db=change.psnr_db if change else None,
        change_ssim=change.ssim if change else None,
        change_delta_e00=change.delta_e00 if change else None,
        faces=evidence.faces,
        faces_ssim=change.faces_ssim if change else None,
        colour_uncertainty=evidence.colour.uncertainty if evidence.colour else None,
    )
