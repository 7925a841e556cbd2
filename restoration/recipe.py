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
from restoration.models import DEVICES, WEIGHTS_FOLDER, card_for
from restoration.plan import ALL_STEPS, Step

PIPELINE_VERSION: Final = "2"
"""Raised when the same options and models would give other files than before."""


@dataclass(frozen=True)
class Options:
    """What a user asks for; everything here changes the result and so the recipe.

    Attributes:
        steps: the steps that may run, in order.
        max_megapixels: larger photos are refused.
        strength: share of the restoration's change that is applied, 0 to 1; 0 leaves the
            photo's own bytes. Colour is a separate output and not concerned.
        keep_grain: share of the luminance that denoising takes away that is given back, 0 to 1.
        models: names of chosen models; a task without one is done by its device's default.
    """

    steps: tuple[Step, ...] = ALL_STEPS
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS
    strength: float = 1.0
    keep_grain: float = 0.0
    models: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            UsageError: a limit that is not positive and finite, or a share outside 0 to 1.
        """
        if not 0 < self.max_megapixels < math.inf:
            raise UsageError(f"--max-megapixels must be positive, not {self.max_megapixels:g}")
        for name, share in (("strength", self.strength), ("keep-grain", self.keep_grain)):
            if not 0 <= share <= 1:
                raise UsageError(f"--{name} must be between 0 and 1, not {share:g}")


def recipe_id(
    options: Options,
    used: Sequence[Step],
    folder: Path = WEIGHTS_FOLDER,
    *,
    device: str = "cpu",
) -> str:
    """Hash of the options and of the models that a photo's plan uses.

    Only what had a say counts, so that a new deblur model redoes the photos that were deblurred,
    and another `keep_grain` those that were denoised, and no others.

    Args:
        options: what was asked for.
        used: the steps of the photo's plan.
        folder: where the models are.
        device: cpu or cuda, where the networks ran: it may have models of its own.

    Returns:
        16 hexadecimal digits.
    """
    cards = {
        step.value: card_for(step.value, folder, device=device, chosen=options.models)
        for step in used
    }
    text = json.dumps(
        {
            "pipeline": PIPELINE_VERSION,
            "assessment": ASSESSMENT_VERSION,
            "steps": list(options.steps),
            "max_megapixels": options.max_megapixels,
            **_amounts(options, used),
            "models": {task: card.sha256 for task, card in cards.items()},
        },
        sort_keys=True,
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _amounts(options: Options, used: Sequence[Step]) -> dict[str, float]:
    """The shares of `options` that the outcome of a plan with these steps depends on."""
    amounts: dict[str, float] = {}
    # A strength of 0 takes steps out of plans: no plan under it is one under another strength.
    if options.strength == 0 or any(step.changes_pixels for step in used):
        amounts["strength"] = options.strength
    if Step.DENOISE in used:
        amounts["keep_grain"] = options.keep_grain
    return amounts


def current_recipe_ids(options: Options, folder: Path = WEIGHTS_FOLDER) -> frozenset[str]:
    """The recipe ids that any plan under `options` can have today, on any device.

    A manifest row with one of these was made with today's options and models, whatever its plan.
    Where no model is chosen, the defaults of all devices count: an archive that a GPU began is
    not done again, with smaller networks, by the laptop that goes on with it.
    """
    return frozenset(
        recipe_id(options, used, folder, device=device)
        for count in range(len(options.steps) + 1)
        for used in combinations(options.steps, count)
        for device in DEVICES
    )
