"""Values as JSON has them, and as text that tells them exactly."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, time
from decimal import Decimal


def plain(value: object) -> str:
    """A value as text that tells it exactly; nothing for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    found = jsonable(value)
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def jsonable(value: object) -> object:
    """A value as JSON has it: times in ISO 8601, no number for what is none."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [jsonable(part) for part in value]
    if isinstance(value, dict):
        return {plain(name): jsonable(part) for name, part in value.items()}
    return value.hex() if isinstance(value, bytes) else str(value)
