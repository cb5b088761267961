"""The figures of a bar chart for ``templates/partials/chart.html`` and the table below it. No database access."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 160  # units of the drawing, which the page stretches
GAP = 0.2  # fraction of the room of a column
LEAST = 2.0  # units: a count of one stays visible beside a count of a million


@dataclass(frozen=True, slots=True)
class Column:
    """The counts of one period; ``label`` names the period wherever it is shown."""

    label: str
    done: int
    denied: int = 0
    failed: int = 0

    @property
    def refused(self) -> int:
        """All operations that ended in an error, as the glossary defines it."""
        return self.denied + self.failed

    @property
    def total(self) -> int:
        return self.done + self.refused


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle, in units of the drawing; y grows downwards."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class DrawnColumn:
    """A column with its rectangles: refused above done. None for a count of zero."""

    column: Column
    done: Bar | None
    refused: Bar | None


@dataclass(frozen=True, slots=True)
class Chart:
    """``name`` describes the chart in words; ``unit`` is the heading of the first column of the table."""

    name: str
    unit: str
    columns: Sequence[Column]

    width = WIDTH
    height = HEIGHT

    @property
    def done(self) -> int:
        return sum(column.done for column in self.columns)

    @property
    def refused(self) -> int:
        return sum(column.refused for column in self.columns)

    @property
    def peak(self) -> int:
        """The count of the tallest column."""
        return max((column.total for column in self.columns), default=0)

    @property
    def drawn(self) -> list[DrawnColumn]:
        room = WIDTH / max(1, len(self.columns))
        return [self._draw(column, at * room, room) for at, column in enumerate(self.columns)]

    def _draw(self, column: Column, left: float, room: float) -> DrawnColumn:
        x, width = round(left + room * GAP / 2, 2), round(room * (1 - GAP), 2)
        tall = [self._height(count) for count in (column.done, column.refused)]
        tops = [HEIGHT - tall[0], HEIGHT - tall[0] - tall[1]]
        bars = [
            Bar(x, round(max(0.0, y), 2), width, h) if h else None for y, h in zip(tops, tall, strict=True)
        ]
        return DrawnColumn(column, *bars)

    def _height(self, count: int) -> float:
        return round(max(LEAST, count / self.peak * HEIGHT), 2) if count else 0.0
