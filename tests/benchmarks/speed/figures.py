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
            return number(self.median)
        return f"{number(self.median)} ({number(min(self.values))}–{number(max(self.values))})"

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
    """A Markdown table; numbers have three digits."""
    cells = [[_text(cell) for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _text(cell: object) -> str:
    if cell is None:
        return ""
    return number(cell) if isinstance(cell, float) else str(cell)
