"""A JSON file beside a restored photo: what was found, what was done and what came of it.

For those who take single photos out of an archive and read no Parquet. It holds no time of day,
no run and no machine: the same photo, models and options give the same bytes.
"""

from __future__ import annotations

import json
from typing import Final

from flows.version import software_version
from storage.manifest import ManifestRow

SIDECAR_VERSION: Final = 1
"""Raised when a field changes its meaning or goes; a new field alone does not need it."""

_Value = str | int | float | bool | None
_Json = _Value | list["_Json"] | dict[str, "_Json"]


def sidecar_bytes(row: ManifestRow) -> bytes:
    """The sidecar of a photo that came out, as ASCII; its fields are in flows/README.md.

    Args:
        row: of the photo, all its other outputs named.
    """
    content: _Json = {
        "sidecar_version": SIDECAR_VERSION,
        "software": f"restore-archive {software_version()}",
        "recipe_id": row.recipe_id,
        "status": row.status.value,
        "source": _of(row, "source_", ("sha256", "size"))
        | {"path": _plain(row.source)}
        | _of(row, "", ("format", "mode", "pages", "width", "height")),
        "measured": _of(
            row,
            "",
            (
                "noise_sigma",
                "noise_confidence",
                "blur_sigma",
                "blur_confidence",
                "is_monochrome",
                "monochrome_confidence",
            ),
        ),
        "plan": _plain(row.plan),
        "plan_reasons": _plain(row.plan_reasons),
        "withheld": _plain(row.withheld),
        "models": [
            {"name": _plain(name), "sha256": sha256}
            for name, sha256 in zip(row.models, row.model_sha256, strict=True)
        ],
        "strength": row.strength,
        "keep_grain": row.keep_grain,
        "passes": row.passes,
        "notes": _plain(row.notes),
        "outputs": {
            kind: _of(row, f"{kind}_", ("path", "sha256", "size"))
            for kind in ("restored", "colorized", "access")
            if getattr(row, f"{kind}_path") is not None
        },
    }
    return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode("ascii")


def _of(row: ManifestRow, prefix: str, names: tuple[str, ...]) -> dict[str, _Json]:
    """Columns whose names have a prefix, by what follows it."""
    return {name: _plain(getattr(row, prefix + name)) for name in names}


def _plain(value: _Value | tuple[str, ...]) -> _Json:
    """A column's value, with what is not UTF-8 escaped: no reader of JSON agrees on surrogates."""
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value
