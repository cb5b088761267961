"""Charts of key usage over time, and the ranges that can be chosen."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from audit.usage.sums import DAY, HOUR, Span, Used
from kernel.pages.chart import Chart, Column


@dataclass(frozen=True, slots=True)
class Range:
    """A range that can be chosen: its word in the URL, its label, and its division.

    Each ``tick``-th step has a label on the axis, so that the labels fit on a narrow screen.
    """

    word: str
    name: str
    step: timedelta
    steps: int
    tick: int

    @property
    def unit(self) -> str:
        return "hour" if self.step == HOUR else "day"

    def span(self, now: datetime) -> Span:
        return Span.until(now, self.step, self.steps)


RANGES: Final[Mapping[str, Range]] = MappingProxyType(
    {
        each.word: each
        for each in (
            Range("24h", "24 hours", HOUR, 24, tick=6),
            Range("7d", "7 days", DAY, 7, tick=2),
            Range("30d", "30 days", DAY, 30, tick=10),
        )
    }
)


def requested_range(asked: Mapping[str, str]) -> Range:
    """The ``range`` of a query; the shortest if it is missing or unknown."""
    return RANGES.get(asked.get("range", ""), RANGES["24h"])


def chart(chosen: Range, steps: Iterable[tuple[datetime, Used]]) -> Chart:
    return Chart(f"Operations of the last {chosen.name}", chosen.unit, columns(chosen, steps))


def columns(chosen: Range, steps: Iterable[tuple[datetime, Used]]) -> list[Column]:
    return [
        Column(_label(chosen, start), used.allowed, used.denied, used.failed, _tick(chosen, number, start))
        for number, (start, used) in enumerate(steps)
    ]


def _label(chosen: Range, start: datetime) -> str:
    return f"{start:%Y-%m-%d %H:00Z}" if chosen.step < DAY else f"{start:%Y-%m-%d}"


def _tick(chosen: Range, number: int, start: datetime) -> str:
    """The label on the axis: full hours of the day, or days counted back from the last one.

    An hour at an end of the axis has none. It would be aligned with that end, and so overlap its neighbour on a
    narrow screen.
    """
    last = chosen.steps - 1
    if chosen.step >= DAY:
        return "" if (last - number) % chosen.tick else f"{start.day} {start:%b}"
    if start.hour % chosen.tick or number in (0, last):
        return ""
    return f"{start:%H:%M}" if start.hour else f"{start.day} {start:%b}"
