"""Settings of one photograph, which overrule the options of every run that meets it.

They come from a person who looked at the photo, and are kept as JSON in its manifest row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, NoReturn, TypeAlias

from restoration.errors import UsageError
from restoration.plan import ALL_STEPS, Step, parse_steps
from restoration.recipe import Options
from restoration.self_ensemble import TURNS

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
"""What a JSON document may hold, as Python's `json` reads it."""

_NAMES: Final = ("keep_grain", "passes", "steps", "strength")


@dataclass(frozen=True)
class PhotoSettings:
    """What a person wants for one photo; None leaves it to the run.

    Attributes:
        steps: that may run, in order; none of them passes the photo through.
        strength: share of the restoration's change that is applied, 0 to 1.
        keep_grain: share of the luminance that denoising takes away that is given back, 0 to 1.
        passes: how often denoise and deblur do it for their mean: 1, 2, 4 or 8.
    """

    steps: tuple[Step, ...] | None = None
    strength: float | None = None
    keep_grain: float | None = None
    passes: int | None = None

    @classmethod
    def from_json(cls, value: Json) -> PhotoSettings:
        """Settings from a JSON object with some of the attributes.

        Raises:
            UsageError: it is none, has other members, or one of another type or range.
        """
        if not isinstance(value, dict):
            raise UsageError('settings must be an object such as {"strength": 0.5}')
        for name in value:
            if name not in _NAMES:
                raise UsageError(f"settings: {name!r} is none; there are {', '.join(_NAMES)}")
        return cls(
            steps=_steps(value),
            strength=_share(value, "strength"),
            keep_grain=_share(value, "keep_grain"),
            passes=_passes(value),
        )

    @classmethod
    def parse(cls, text: str) -> PhotoSettings:
        """Settings from what `text` made of them.

        Raises:
            UsageError: it is no such text.
        """
        try:
            value = json.loads(text, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise UsageError("settings are no JSON") from error
        return cls.from_json(value)

    @property
    def text(self) -> str:
        """The settings as JSON, always the same for the same: sorted, without what is None."""
        chosen: dict[str, object] = {
            "keep_grain": self.keep_grain,
            "passes": self.passes,
            "steps": None if self.steps is None else [step.value for step in self.steps],
            "strength": self.strength,
        }
        return json.dumps({name: value for name, value in chosen.items() if value is not None})

    def __bool__(self) -> bool:
        """Whether they say anything."""
        return self != PhotoSettings()

    def __str__(self) -> str:
        """In words, on one line: 'only denoise, strength 0.5'."""
        words = []
        if self.steps is not None:
            words.append(f"only {' and '.join(self.steps)}" if self.steps else "no steps")
        if self.strength is not None:
            words.append(f"strength {self.strength:g}")
        if self.keep_grain is not None:
            words.append(f"keep_grain {self.keep_grain:g}")
        if self.passes is not None:
            words.append(f"{self.passes} pass{'es' if self.passes > 1 else ''}")
        return ", ".join(words) or "those of the run"

    def applied_to(self, options: Options) -> Options:
        """A run's options as they are for this photo."""
        return replace(
            options,
            steps=options.steps if self.steps is None else self.steps,
            strength=options.strength if self.strength is None else self.strength,
            keep_grain=options.keep_grain if self.keep_grain is None else self.keep_grain,
            passes=options.passes if self.passes is None else self.passes,
        )


LEFT_ALONE: Final = PhotoSettings(steps=())
"""No step at all: the photo passes through, whatever a run asks for."""


@lru_cache(maxsize=1024)
def options_under(options: Options, settings: str | None) -> Options:
    """A run's options as they are for a photo with settings of its own.

    Args:
        options: of the run.
        settings: `PhotoSettings.text`; None for a photo that has none.

    Raises:
        UsageError: the settings are not understood.
    """
    return options if settings is None else PhotoSettings.parse(settings).applied_to(options)


def _steps(value: Mapping[str, Json]) -> tuple[Step, ...] | None:
    names = value.get("steps")
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UsageError(f"settings: steps must be a list of names from {', '.join(ALL_STEPS)}")
    for name in names:
        if name not in list(Step):  # a comma in a name would make two of one
            raise UsageError(
                f"settings: no step is named {name!r}; choose from {', '.join(ALL_STEPS)}"
            )
    try:
        return parse_steps(",".join(map(str, names))) if names else ()
    except UsageError as error:
        raise UsageError(f"settings: {error}") from error


def _share(value: Mapping[str, Json], name: str) -> float | None:
    share = value.get(name)
    if share is None:
        return None
    # bool is an int to Python, and true is no number to JSON.
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise UsageError(f"settings: {name} must be a number from 0 to 1")
    return float(share) + 0.0  # which has no sign where it is 0


def _passes(value: Mapping[str, Json]) -> int | None:
    passes = value.get("passes")
    # True is 1 to Python, and 2.0 is 2.
    if passes is None or (type(passes) is int and passes in TURNS):
        return passes
    raise UsageError(f"settings: passes must be one of {', '.join(map(str, TURNS))}")


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")
