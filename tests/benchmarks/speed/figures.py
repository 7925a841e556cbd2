"""How figures are told: medians with their range, and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Spread:
    """What repeated measurements said.

    Attributes:
        values: one of each repetition, in their order.
    """

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.values)

    def __str__(self) -> str:
        if len(self.values) == 1:
            return f"{self.median:.4g}"
        return f"{self.median:.4g} ({min(self.values):.4g}–{max(self.values):.4g})"

    def over(self, other: Spread) -> Spread:
        """Ratio of measurements that were taken in turns: repetition by repetition.

        What else the machine did meanwhile, it did to both.
        """
        pairs = zip(self.values, other.values, strict=True)
        return Spread(tuple(own / theirs for own, theirs in pairs))

    def times(self, factor: float) -> Spread:
        return Spread(tuple(factor * value for value in self.values))


def spread(values: Sequence[float]) -> Spread:
    return Spread(tuple(values))


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; numbers have four digits."""
    cells = [[_text(cell) for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _text(cell: object) -> str:
    if cell is None:
        return ""
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
