"""Questions that are asked of every archive, ready made: `restore-archive query RESTORED NAME`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MANY: Final = 100
"""Rows of the queries that rank photos."""


@dataclass(frozen=True, slots=True)
class NamedQuery:
    """A query for `ManifestDatabase.query`.

    Attributes:
        summary: what it answers, in a line.
        sql: over `photos`, `rows` and `runs`.
        is_priced: whether its one parameter, `$1`, is the price of a machine's hour, or None.
    """

    summary: str
    sql: str
    is_priced: bool = False


_TOTALS: Final = """count(*) AS photos,
    count(*) FILTER (status = 'restored') AS restored,
    count(*) FILTER (status = 'nothing_to_do') AS nothing_to_do,
    count(*) FILTER (status = 'skipped') AS skipped,
    count(*) FILTER (status = 'failed') AS failed,
    count(*) FILTER (needs_review) AS needs_review,
    sum(megapixels) AS megapixels,
    avg(noise_sigma) AS noise_sigma, avg(noise_sigma_after) AS noise_sigma_after,
    avg(blur_sigma) AS blur_sigma, avg(blur_sigma_after) AS blur_sigma_after"""

_STEPS: Final = "seconds_decode, seconds_assess, seconds_restore, seconds_encode, seconds_put"

QUERIES: Final[dict[str, NamedQuery]] = {
    "totals": NamedQuery(
        "how many photos came out how",
        "SELECT status, count(*) AS photos, sum(megapixels) AS megapixels FROM photos"
        " GROUP BY status ORDER BY photos DESC, status",
    ),
    "failures": NamedQuery(
        "photos that failed or were skipped, and why",
        "SELECT source, status, error_class, error_message, error_is_permanent, run_id FROM photos"
        " WHERE status IN ('failed', 'skipped') ORDER BY status, error_class, source",
    ),
    "failure-kinds": NamedQuery(
        "how many failed or were skipped for which reason, with an example",
        "SELECT status, error_class, count(*) AS photos, min(source) AS example,"
        " min_by(error_message, source) AS message FROM photos"
        " WHERE status IN ('failed', 'skipped') GROUP BY ALL ORDER BY photos DESC, error_class",
    ),
    "needs-review": NamedQuery(
        "photos that a person should look at, those with most reasons first",
        "SELECT source, review_reasons, plan, change_psnr_db, change_ssim, review_decision"
        " FROM photos WHERE needs_review ORDER BY len(review_reasons) DESC, source",
    ),
    "decisions": NamedQuery(
        "what people decided, the latest first",
        "SELECT source, review_decision, reviewer, review_time, review_note, status FROM photos"
        " WHERE review_decision IS NOT NULL ORDER BY review_time DESC, source",
    ),
    "most-changed": NamedQuery(
        f"the {MANY} photos that are least like their originals (SSIM)",
        "SELECT source, change_ssim, change_psnr_db, change_delta_e00, plan, restored_path"
        " FROM photos WHERE change_ssim IS NOT NULL"
        f" ORDER BY change_ssim, change_psnr_db, source LIMIT {MANY}",
    ),
    # These measures have different units: a photo counts by its place among the others in each.
    "worst-after": NamedQuery(
        f"the {MANY} photos that are still the noisiest, most blurred or least natural (NIQE)",
        "SELECT source, noise_sigma, noise_sigma_after, blur_sigma, blur_sigma_after, niqe_before,"
        " niqe_after, plan, status FROM photos"
        " WHERE coalesce(noise_sigma_after, blur_sigma_after, niqe_after) IS NOT NULL"
        " ORDER BY greatest(percent_rank() OVER (ORDER BY noise_sigma_after NULLS FIRST),"
        " percent_rank() OVER (ORDER BY blur_sigma_after NULLS FIRST),"
        " percent_rank() OVER (ORDER BY niqe_after NULLS FIRST)) DESC, source"
        f" LIMIT {MANY}",
    ),
    "withheld": NamedQuery(
        "photos that steps left no better, so that they kept their originals",
        "SELECT source, withheld, plan, noise_sigma, noise_sigma_after, blur_sigma,"
        " blur_sigma_after FROM photos WHERE len(withheld) > 0 ORDER BY source",
    ),
    "by-folder": NamedQuery(
        "totals and average quality of each folder",
        f"SELECT folder, {_TOTALS} FROM photos GROUP BY folder ORDER BY folder",
    ),
    "by-camera": NamedQuery(
        "the same of each camera or scanner",
        f"SELECT camera, {_TOTALS} FROM photos GROUP BY camera ORDER BY photos DESC, camera",
    ),
    "by-plan": NamedQuery(
        "the same of each plan: which steps were taken together",
        f"SELECT array_to_string(plan, '+') AS plan, {_TOTALS} FROM photos GROUP BY ALL"
        " ORDER BY photos DESC, plan",
    ),
    "by-model": NamedQuery(
        "how many photos which model worked on, by the hash of its weights",
        "WITH work AS (SELECT unnest(models) AS model, unnest(model_sha256) AS sha256,"
        " change_psnr_db, change_ssim FROM photos)"
        " SELECT model, sha256, count(*) AS photos, avg(change_psnr_db) AS change_psnr_db,"
        " avg(change_ssim) AS change_ssim FROM work GROUP BY model, sha256 ORDER BY ALL",
    ),
    # Rows that were carried over (a photo touched, or reviewed) repeat the times of earlier ones.
    "cost": NamedQuery(
        "time, and cost with --price-per-hour, by device and step, of all runs",
        "WITH work AS (SELECT DISTINCT ON (source, recipe_id, columns('seconds_.*')) device,"
        f" megapixels, {_STEPS} FROM rows)"
        " SELECT device, replace(step, 'seconds_', '') AS step, count(*) AS photos,"
        " sum(seconds) / 3600 AS hours, sum(seconds) / sum(megapixels) AS seconds_per_megapixel,"
        f" sum(seconds) / 3600 * $1::DOUBLE AS cost FROM work UNPIVOT (seconds FOR step IN"
        f" ({_STEPS})) GROUP BY ALL ORDER BY device, hours DESC",
        is_priced=True,
    ),
    "slowest": NamedQuery(
        f"the {MANY} photos that took longest",
        f"SELECT source, list_sum([{_STEPS}]) AS seconds, megapixels, pages, plan, device,"
        f" precision, {_STEPS} FROM photos ORDER BY seconds DESC NULLS LAST, source LIMIT {MANY}",
    ),
    "runs": NamedQuery(
        "what each run did, how long it took, and cost with --price-per-hour",
        "SELECT run_id, kind, started, seconds / 3600 AS hours, photos, restored, nothing_to_do,"
        " skipped, failed, unchanged, withdrawn, megapixels, megapixels / nullif(seconds, 0)"
        " AS megapixels_per_second, device, workers, stopped, software_version,"
        " seconds / 3600 * $1::DOUBLE AS cost FROM runs ORDER BY run_id",
        is_priced=True,
    ),
    "duplicates": NamedQuery(
        "originals that are byte for byte the same",
        "SELECT source_sha256, count(*) AS photos, list(source ORDER BY source) AS sources"
        " FROM photos WHERE source_sha256 IS NOT NULL GROUP BY source_sha256"
        " HAVING count(*) > 1 ORDER BY photos DESC, source_sha256",
    ),
}
"""By name, in the order in which a person is told of them."""
