"""The figures of a bar chart for ``templates/partials/chart.html`` and the table below it. No database access."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_GAP = 0.2  # fraction of the width of a column
_LEAST = 1.25  # percent: a count of one stays visible beside a count of a million
_EDGE = 5.0  # percent: a label this close to an end of the axis is aligned with that end, so that it is not cut off
_NICE_STEPS: Final = (1, 2, 3, 4, 5, 6, 8)


@dataclass(frozen=True, slots=True)
class Column:
    """The counts of one period. ``label`` names the period; ``tick`` is its label on the axis, or ""."""

    label: str
    allowed: int
    denied: int = 0
    failed: int = 0
    tick: str = ""

    @property
    def total(self) -> int:
        return self.allowed + self.denied + self.failed


@dataclass(frozen=True, slots=True)
class _Bar:
    """One rectangle, in percent of the drawing; y grows downwards."""

    outcome: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class _Tick:
    """A label at a position on an axis, in percent. ``anchor`` is the part of the text at that position."""

    position: float
    text: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Chart:
    """``name`` describes the chart in words; ``unit`` is the period of a column: ``hour``."""

    name: str
    unit: str
    columns: Sequence[Column]

    @property
    def allowed(self) -> int:
        return sum(column.allowed for column in self.columns)

    @property
    def denied(self) -> int:
        return sum(column.denied for column in self.columns)

    @property
    def failed(self) -> int:
        return sum(column.failed for column in self.columns)

    @property
    def peak(self) -> int:
        """The count of the tallest column."""
        return max((column.total for column in self.columns), default=0)

    @property
    def drawn(self) -> list[tuple[Column, list[_Bar]]]:
        """Each column with its bars, allowed operations at the bottom. A count of zero has no bar."""
        return [(column, self._bars(number, column)) for number, column in enumerate(self.columns)]

    @property
    def y_ticks(self) -> list[_Tick]:
        numbers = self._axis
        return [_Tick(100 - 100 * number / numbers[-1], compact(number)) for number in numbers]

    @property
    def x_ticks(self) -> list[_Tick]:
        room = 100 / max(1, len(self.columns))
        ticks = [((number + 0.5) * room, column.tick) for number, column in enumerate(self.columns)]
        return [_Tick(round(at, 2), text, _anchor(at)) for at, text in ticks if text]

    @property
    def _axis(self) -> list[int]:
        """Zero, the middle if it is a whole number, and the top."""
        step = _step(self.peak)
        return [0, step] if self.peak <= step else [0, step, 2 * step]

    def _bars(self, number: int, column: Column) -> list[_Bar]:
        room, bars, top, most = 100 / len(self.columns), [], 100.0, self._axis[-1]
        for outcome in ("allowed", "denied", "failed"):
            if count := getattr(column, outcome):
                height = min(top, max(_LEAST, 100 * count / most))
                top -= height
                x, width = (number + _GAP / 2) * room, room * (1 - _GAP)
                bars.append(_Bar(outcome, round(x, 2), round(top, 2), round(width, 2), round(height, 2)))
        return bars


def compact(number: int) -> str:
    """``20k`` for 20,000 and ``3M`` for 3,000,000. The other digits are zeros on an axis."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:g}{unit}"
    return str(number)


def _step(peak: int) -> int:
    """The smallest round number whose double is at least ``peak``."""
    power = 1
    while 2 * _NICE_STEPS[-1] * power < peak:
        power *= 10
    return next(step * power for step in _NICE_STEPS if 2 * step * power >= peak)


def _anchor(position: float) -> str:
    if position < _EDGE:
        return "start"
    return "end" if position > 100 - _EDGE else "middle"
