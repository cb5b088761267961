"""Goals, whether a figure meets them, and tables for a terminal and for Markdown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

STRETCH, MET, MISSED, NO_STRETCH = "stretch", "yes", "NO", "not the stretch"
NOT_MEASURED, NOT_THERE = "not measured", "not there"
HEADINGS = ("what", "measured", "against", "ratio", "goal", "stretch", "met")


@dataclass(frozen=True)
class Goal:
    """The minimum for a figure, or the maximum if ``lower`` is better. ``stretch`` is an ambitious goal beyond it.

    If ``bound`` is None, only the stretch goal applies.
    """

    bound: float | None
    stretch: float | None = None
    unit: str = "x"
    lower: bool = False

    def verdict(self, value: float, errors: int = 0) -> str:
        """Whether ``value`` meets the goal. If requests failed, it never does, because failing is fast."""
        if errors:
            return f"{MISSED}: {errors} errors"
        if self.stretch is not None and self._reaches(value, self.stretch):
            return STRETCH
        if self.bound is None:
            return NO_STRETCH
        return MET if self._reaches(value, self.bound) else MISSED

    def words(self) -> tuple[str, str]:
        return self._words(self.bound), self._words(self.stretch)

    def _words(self, bound: float | None) -> str:
        sign = "≤" if self.lower else "≥"
        return "" if bound is None else f"{sign} {number(bound)} {self.unit}"

    def _reaches(self, value: float, bound: float) -> bool:
        return value <= bound if self.lower else value >= bound


@dataclass(frozen=True)
class Figure:
    """A line of "Figures to reach". ``value`` is compared with the goal. If it is None, ``why`` gives the reason."""

    what: str
    goal: Goal
    value: float | None = None
    errors: int = 0
    measured: str = ""
    against: str = ""
    ratio: float | None = None
    why: str = NOT_MEASURED

    def cells(self) -> list[str]:
        verdict = self.why if self.value is None else self.goal.verdict(self.value, self.errors)
        ratio = "" if self.ratio is None else f"{number(self.ratio)} x"
        return [self.what, self.measured, self.against, ratio, *self.goal.words(), verdict]


def ratio_of(value: float, other: float) -> float | None:
    """None if there is nothing to compare with, because the other contestant gave no response."""
    return value / other if other else None


def number(value: float) -> str:
    """Three significant digits, with thousands separators: ``0.25``, ``3``, ``19,400``."""
    if abs(value) >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def markdown(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def terminal(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines
    )
    return "".join(f"{line.rstrip()}\n" for line in padded)
