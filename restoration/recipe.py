"""Identity of what is done to a photo: options, thresholds and models, as one hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

from restoration.assess import ASSESSMENT_VERSION
from restoration.catalogue import DEVICES, WEIGHTS_FOLDER, card_for
from restoration.codec.access import AccessCopies
from restoration.codec.c2pa_signing import Signing
from restoration.codec.formats import FORMATS
from restoration.codec.limits import DEFAULT_LIMITS, Limits
from restoration.errors import UsageError
from restoration.plan import ALL_STEPS, Step
from restoration.self_ensemble import check_passes

PIPELINE_VERSION: Final = "3"
"""Raised when the same options and models would give other files than before.

3: a photo that is no better for its restoration keeps its original.
"""


@dataclass(frozen=True)
class Options:
    """What a user asks for; everything here changes the result and so the recipe.

    Attributes:
        steps: the steps that may run, in order.
        limits: what a file may cost; others are refused.
        strength: share of the restoration's change that is applied, 0 to 1; 0 leaves the
            photo's own bytes. Colour is a separate output and not concerned.
        keep_grain: share of the luminance that denoising takes away that is given back, 0 to 1.
        passes: how often denoise and deblur do a photo, turned and mirrored, for the mean of what
            they make of it: 1, 2, 4 or 8 (`restoration.self_ensemble`).
        models: names of chosen models; a task without one is done by its device's default.
        salvage: whether damaged files are restored as far as they can be decoded.
        output_format: name of the format of all outputs; None for each source's own.
        quality: 1 to 100, of lossy outputs; None for what suits each source.
        label: whether outputs say in their XMP that a network has changed them.
        access: what access copies are to be; None for none.
        sidecar: whether a JSON file beside each restored photo says what was done.
        signing: who signs the C2PA credentials of what is encoded; None for none.
        even_if_worse: whether a restored photo that is no better than its original is kept.
    """

    steps: tuple[Step, ...] = ALL_STEPS
    limits: Limits = DEFAULT_LIMITS
    strength: float = 1.0
    keep_grain: float = 0.0
    passes: int = 1
    models: tuple[str, ...] = ()
    salvage: bool = False
    output_format: str | None = None
    quality: int | None = None
    label: bool = True
    access: AccessCopies | None = None
    sidecar: bool = False
    signing: Signing | None = None
    even_if_worse: bool = False

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            UsageError: a share outside 0 to 1, passes other than 1, 2, 4 and 8, an unknown format
                or a quality outside 1 to 100.
        """
        for name, share in (("strength", self.strength), ("keep-grain", self.keep_grain)):
            if not 0 <= share <= 1:
                raise UsageError(f"--{name} must be between 0 and 1, not {share:g}")
        check_passes(self.passes)
        if self.output_format is not None and self.output_format not in FORMATS:
            known = ", ".join(name.lower() for name in FORMATS)
            raise UsageError(f"unknown --output-format {self.output_format!r}; one of {known}")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise UsageError(f"--quality must be between 1 and 100, not {self.quality}")


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
            "limits": asdict(options.limits),
            "salvage": options.salvage,
            "output": [options.output_format, options.quality, options.label],
            **_amounts(options, used),
            **_extras(options),
            # Who does not ask for it has the recipe without it. Colour is judged apart.
            **({"even_if_worse": True} if options.even_if_worse else {}),
            "models": {task: card.sha256 for task, card in cards.items()},
        },
        sort_keys=True,
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _amounts(options: Options, used: Sequence[Step]) -> dict[str, float]:
    """The shares and passes of `options` that the outcome of a plan with these steps depends on."""
    amounts: dict[str, float] = {}
    # A strength of 0 takes steps out of plans: no plan under it is one under another strength.
    changes_pixels = any(step.changes_pixels for step in used)
    if options.strength == 0 or changes_pixels:
        amounts["strength"] = options.strength
    if options.passes != 1 and changes_pixels:  # who does not ask for it has the recipe without it
        amounts["passes"] = options.passes
    if Step.DENOISE in used:
        amounts["keep_grain"] = options.keep_grain
    return amounts


def _extras(options: Options) -> dict[str, object]:
    """What is asked for beside the photos. Who asks for nothing has the recipe without it."""
    extras: dict[str, object] = {}
    if options.access is not None:
        extras["access"] = astuple(options.access)
    if options.sidecar:
        extras["sidecar"] = True
    if options.signing is not None:  # by its certificates: files are moved, and keys are secret
        extras["signed"] = options.signing.sha256
    return extras


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
