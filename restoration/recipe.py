"""Identity of what is done to a photo: options, thresholds and models, as one hash."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

from restoration.assess import ASSESSMENT_VERSION
from restoration.codec import DEFAULT_MAX_MEGAPIXELS
from restoration.errors import UsageError
from restoration.models import WEIGHTS_FOLDER, card_for
from restoration.plan import ALL_STEPS, Step

PIPELINE_VERSION: Final = "1"
"""Raised when the same options and models would give other files than before."""


@dataclass(frozen=True)
class Options:
    """What a user asks for; everything here changes the result and so the recipe.

    Attributes:
        steps: the steps that may run, in order.
        max_megapixels: larger photos are refused.
    """

    steps: tuple[Step, ...] = ALL_STEPS
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS

    def __post_init__(self) -> None:
        """Refuse a limit that is none.

        Raises:
            UsageError: not a positive, finite number.
        """
        if not 0 < self.max_megapixels < math.inf:
            raise UsageError(f"--max-megapixels must be positive, not {self.max_megapixels:g}")


def recipe_id(options: Options, used: Sequence[Step], folder: Path = WEIGHTS_FOLDER) -> str:
    """Hash of the options and of the models that a photo's plan uses.

    Only the models that ran count, so that a new deblur model redoes the photos that were
    deblurred, and no others.

    Returns:
        16 hexadecimal digits.
    """
    text = json.dumps(
        {
            "pipeline": PIPELINE_VERSION,
            "assessment": ASSESSMENT_VERSION,
            "steps": list(options.steps),
            "max_megapixels": options.max_megapixels,
            "models": {step.value: card_for(step.value, folder).sha256 for step in used},
        },
        sort_keys=True,
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def current_recipe_ids(options: Options, folder: Path = WEIGHTS_FOLDER) -> frozenset[str]:
    """The recipe ids that any plan under `options` can have today.

    A manifest row with one of these was made with today's options and models, whatever its plan.
    """
    return frozenset(
        recipe_id(options, used, folder)
        for count in range(len(options.steps) + 1)
        for used in combinations(options.steps, count)
    )
