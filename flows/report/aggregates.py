"""Counts and averages over a manifest, by SQL: memory is the database's, however many photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeVar

from flows.report.summary import (
    Camera,
    Comparison,
    Distribution,
    Failure,
    Figures,
    Folder,
    Histograms,
    Model,
    NamedCount,
    PlanCount,
    ReasonCount,
    Run,
    Totals,
)
from restoration.assess import BLURRED_SIGMA, NOISY_SIGMA, SURE_ENOUGH
from restoration.plan import MINIMUM_CONFIDENCE
from storage.manifest import Decision, Status
from storage.manifest.database import ManifestDatabase

RUNS: Final = 200
FAILURES: Final = 100
FOLDERS: Final = 500
CAMERAS: Final = 200
MODELS: Final = 100
PLANS: Final = 100
REASONS: Final = 100
"""So many lines of each table at most: those with the most photos, of runs the last."""

DIGITS: Final = 4
"""After the point, of all figures: finer ones are noise, and half of the size."""

_BINS: Final[Mapping[str, tuple[float, float, int]]] = MappingProxyType(
    {
        "noise_sigma": (0.0, 50.0, 25),
        "blur_sigma": (0.0, 6.0, 24),
        "change_psnr_db": (20.0, 60.0, 20),
    }
)
"""First edge, last edge and number of the bins of each histogram."""

Line = TypeVar("Line")


def _degradation_conditions() -> dict[str, str]:
    conditions = {
        "noise": f"noise_sigma >= {NOISY_SIGMA} AND noise_confidence >= {SURE_ENOUGH}",
        "blur": f"blur_sigma >= {BLURRED_SIGMA} AND blur_confidence >= {SURE_ENOUGH}",
        "monochrome": f"is_monochrome AND monochrome_confidence >= {MINIMUM_CONFIDENCE}",
    }
    measured = "noise_sigma IS NOT NULL"
    found = " OR ".join(f"coalesce({condition}, false)" for condition in conditions.values())
    return {
        **conditions,
        "none": f"{measured} AND NOT ({found})",
        "not measured": f"NOT ({measured})",
    }


_DEGRADATIONS: Final[Mapping[str, str]] = MappingProxyType(_degradation_conditions())
"""SQL conditions of what a photo can suffer from, by name."""

DEGRADATIONS_OF_ROW: Final = "concat_ws('+', {})".format(
    ", ".join(
        f"CASE WHEN {condition} THEN '{name}' END" for name, condition in _DEGRADATIONS.items()
    )
)
"""SQL of their names, joined by `+`, for one photo."""


def figures(database: ManifestDatabase) -> Figures:
    """All that the first page counts.

    Raises:
        QueryError: the manifest cannot be read.
    """
    return Figures(
        totals=_totals(database),
        degradations=_degradations(database),
        plans=_lines(database, PlanCount, _PLANS),
        histograms=_histograms(database),
        runs=_lines(database, Run, _RUNS),
        failures=_lines(database, Failure, _FAILURES),
        folders=_lines(database, Folder, _FOLDERS),
        cameras=_lines(database, Camera, _CAMERAS),
        models=_lines(database, Model, _MODELS),
        reasons=_lines(database, ReasonCount, _REASONS),
    )


def finite(column: str) -> str:
    """SQL of a rounded figure; null for what JSON has no number for."""
    return f"CASE WHEN isfinite({column}) THEN round({column}, {DIGITS}) END"


def moment(column: str) -> str:
    """SQL of a time as ISO 8601 in UTC; DuckDB's own text of one needs an extension."""
    return f"strftime(make_timestamp(epoch_us({column})), '%Y-%m-%dT%H:%M:%SZ')"


def _lines(
    database: ManifestDatabase, line: type[Line], sql: str, parameters: Sequence[object] = ()
) -> tuple[Line, ...]:
    """The rows of a query as a dataclass, whose fields are its columns."""
    result = database.query(sql, parameters)
    return tuple(line(**dict(zip(result.names, row, strict=True))) for row in result.rows())


def _totals(database: ManifestDatabase) -> Totals:
    counts = [f"count(*) FILTER (status = '{each}') AS {each}" for each in Status]
    counts += [f"count(*) FILTER (review_decision = '{each}') AS {each}" for each in Decision]
    [totals] = _lines(
        database,
        Totals,
        f"""SELECT count(*) AS photos, {", ".join(counts)},
                   count(colorized_path) AS colorized,
                   count(*) FILTER (needs_review) AS needs_review,
                   coalesce(round(sum(megapixels), {DIGITS}), 0) AS megapixels,
                   coalesce(sum(source_size), 0)::BIGINT AS bytes
            FROM photos""",
    )
    return totals


def _degradations(database: ManifestDatabase) -> tuple[NamedCount, ...]:
    counts = ", ".join(f"count(*) FILTER ({each})" for each in _DEGRADATIONS.values())
    [counted] = database.query(f"SELECT {counts} FROM photos").rows()
    return tuple(NamedCount(*each) for each in zip(_DEGRADATIONS, counted, strict=True))


def _histograms(database: ManifestDatabase) -> Histograms:
    return Histograms(
        noise_sigma=_comparison(database, "noise_sigma"),
        blur_sigma=_comparison(database, "blur_sigma"),
        change_psnr_db=Distribution(
            _edges("change_psnr_db"), _counted(database, "change_psnr_db", "change_psnr_db")
        ),
    )


def _comparison(database: ManifestDatabase, measure: str) -> Comparison:
    after = f"coalesce({measure}_after, {measure})"
    before = _counted(database, measure, measure)
    return Comparison(_edges(measure), before, _counted(database, measure, after))


def _edges(measure: str) -> tuple[float, ...]:
    first, last, bins = _BINS[measure]
    return tuple(round(first + (last - first) * n / bins, DIGITS) for n in range(bins + 1))


def _counted(database: ManifestDatabase, measure: str, value: str) -> tuple[int, ...]:
    """Photos in each bin; what lies outside is in the nearest one."""
    first, last, bins = _BINS[measure]
    at = f"floor(({value} - {first}) * {bins} / {last - first})"
    found = database.query(
        f"""SELECT greatest(0, least({bins - 1}, {at}))::INTEGER AS bin, count(*)
            FROM photos WHERE isfinite({value}) GROUP BY bin"""
    )
    counts = dict(found.rows())
    return tuple(counts.get(number, 0) for number in range(bins))


_MEAN_NOISE: Final = finite("avg(noise_sigma) FILTER (isfinite(noise_sigma))")

_PLANS: Final = f"""
    SELECT array_to_string(plan, '+') AS plan, count(*) AS photos FROM photos
    GROUP BY ALL ORDER BY photos DESC, plan LIMIT {PLANS}"""

_RUNS: Final = f"""
    SELECT * FROM (
        SELECT run_id, kind, {moment("started")} AS started, {finite("seconds")} AS seconds,
               photos, restored, failed, {finite("megapixels")} AS megapixels,
               {finite("megapixels / nullif(seconds, 0)")} AS megapixels_per_second,
               device, software_version
        FROM runs ORDER BY run_id DESC LIMIT {RUNS})
    ORDER BY run_id"""

_FAILURES: Final = f"""
    SELECT coalesce(error_class, 'unknown') AS error_class, count(*) AS photos,
           min(source) AS example_source, arg_min(error_message, source) AS example_message
    FROM photos WHERE status = 'failed'
    GROUP BY ALL ORDER BY photos DESC, error_class LIMIT {FAILURES}"""

_FOLDERS: Final = f"""
    WITH counted AS (
        SELECT folder, count(*) AS photos, count(*) FILTER (status = 'restored') AS restored,
               count(*) FILTER (status = 'failed') AS failed,
               count(*) FILTER (needs_review) AS needs_review,
               sum(noise_sigma) FILTER (isfinite(noise_sigma)) AS noise,
               count(*) FILTER (isfinite(noise_sigma)) AS measured,
               row_number() OVER (ORDER BY count(*) DESC, folder) AS place
        FROM photos GROUP BY folder)
    SELECT CASE WHEN place <= {FOLDERS} THEN folder END AS folder, count(*) AS folders,
           sum(photos)::BIGINT AS photos, sum(restored)::BIGINT AS restored,
           sum(failed)::BIGINT AS failed, sum(needs_review)::BIGINT AS needs_review,
           {finite("sum(noise) / nullif(sum(measured), 0)")} AS mean_noise_sigma
    FROM counted GROUP BY least(place, {FOLDERS + 1}), CASE WHEN place <= {FOLDERS} THEN folder END
    ORDER BY least(place, {FOLDERS + 1})"""

_CAMERAS: Final = f"""
    SELECT camera, count(*) AS photos, count(*) FILTER (needs_review) AS needs_review,
           {_MEAN_NOISE} AS mean_noise_sigma
    FROM photos GROUP BY camera ORDER BY photos DESC, camera LIMIT {CAMERAS}"""

_MODELS: Final = f"""
    SELECT model.name AS name, model.sha256 AS sha256, count(*) AS photos FROM (
        SELECT unnest(list_transform(list_zip(models, model_sha256),
                      lambda pair: {{'name': pair[1], 'sha256': pair[2]}})) AS model FROM photos)
    GROUP BY ALL ORDER BY photos DESC, name, sha256 LIMIT {MODELS}"""

_REASONS: Final = f"""
    SELECT regexp_replace(reason, '\\b[0-9]+([.][0-9]+)?\\b', '…', 'g') AS reason,
           count(*) AS photos
    FROM (SELECT unnest(review_reasons) AS reason FROM photos WHERE needs_review)
    GROUP BY ALL ORDER BY photos DESC, reason LIMIT {REASONS}"""
