"""Charts of key usage over time, and the ranges that can be chosen."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from audit.usage.queries import DAY, HOUR, Span, Used
from kernel.pages.chart import Chart, Column


@dataclass(frozen=True, slots=True)
class Range:
    """A range that can be chosen: its word in the URL, its label, and its division."""

    word: str
    name: str
    step: timedelta
    steps: int

    @property
    def unit(self) -> str:
        return "Hour" if self.step == HOUR else "Day"

    def span(self, now: datetime) -> Span:
        return Span.until(now, self.step, self.steps)


RANGES: Final[Mapping[str, Range]] = MappingProxyType(
    {
        each.word: each
        for each in (
            Range("24h", "24 hours", HOUR, 24),
            Range("7d", "7 days", DAY, 7),
            Range("30d", "30 days", DAY, 30),
        )
    }
)


def requested_range(asked: Mapping[str, str]) -> Range:
    """The ``range`` of a query; the shortest if it is missing or unknown."""
    return RANGES.get(asked.get("range", ""), RANGES["24h"])


def chart(chosen: Range, steps: Iterable[tuple[datetime, Used]]) -> Chart:
    return Chart(f"Operations of the last {chosen.name}", chosen.unit, columns(chosen, steps))


def columns(chosen: Range, steps: Iterable[tuple[datetime, Used]]) -> list[Column]:
    spelling = "%Y-%m-%d %H:00Z" if chosen.step < DAY else "%Y-%m-%d"
    return [Column(f"{start:{spelling}}", used.done, used.denied, used.failed) for start, used in steps]
