"""The usage of many keys over time: by step, by key and by caller.

``keys`` parameters are collections of ids as text, or querysets of them, and limit the result to these keys. None
counts all keys. Hours come from the roll-ups, days from their sums. A roll-up of a whole day has its last hour.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from django.db.models import CharField, Expression, F, Q, QuerySet, Sum

from audit.log.events import Outcome
from audit.models import UsageDay, UsageRollup
from audit.sequencing.daily_usage import first_day
from kernel.databases.rows import RowsOf

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BUSIEST = 20
CONSIDERED = 30
type Keys = Collection[str] | None

_SUMS = {
    name: Sum("count", filter=Q(outcome=outcome.value), default=0)
    for name, outcome in (("allowed", Outcome.OK), ("denied", Outcome.DENIED), ("failed", Outcome.ERROR))
}

_SUMS_OF_DAYS = {f"{name}_in_all": Sum(name) for name in ("allowed", "denied", "failed")}

_BUSY = (
    "SELECT subject FROM (SELECT subject FROM usage_days WHERE kind = %s AND day = %s "  # noqa: S608 - constants
    f"ORDER BY allowed + denied + failed DESC LIMIT {CONSIDERED}) busy"
)


@dataclass(frozen=True, slots=True)
class Used:
    """Numbers of allowed operations, of those that a permission, rule or state denied, and of those that failed."""

    allowed: int = 0
    denied: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        return self.allowed + self.denied + self.failed


@dataclass(frozen=True, slots=True)
class Span:
    """``steps`` consecutive hours or days (UTC) from ``since`` on. The last one is in progress."""

    since: datetime
    step: timedelta
    steps: int

    @classmethod
    def until(cls, now: datetime, step: timedelta, steps: int) -> "Span":
        begun = now.replace(minute=0, second=0, microsecond=0)
        if step == DAY:
            begun = begun.replace(hour=0)
        return cls(begun - step * (steps - 1), step, steps)

    @property
    def starts(self) -> list[datetime]:
        return [self.since + self.step * number for number in range(self.steps)]


def step_of(at: datetime, now: datetime) -> timedelta:
    """The precision of the roll-ups at that time: hours, or days if the sequencer merges their hours."""
    return HOUR if at >= first_day(now) else DAY


def used_over_time(span: Span, keys: Keys = None) -> list[tuple[datetime, Used]]:
    """The start and the usage of each step of the span, including steps without usage."""
    if span.step == DAY:
        rows = _days(span, UsageDay.Kind.KEY, keys) if keys is not None else _days(span, UsageDay.Kind.ALL)
        sums = list(rows.values_list("day").annotate(**_SUMS_OF_DAYS).order_by())
    else:
        sums = list(_within(span.since, keys).values_list("hour").annotate(**_SUMS).order_by())
    found = {start: Used(*used) for start, *used in sums}
    return [(start, found.get(start, Used())) for start in span.starts]


def busiest_keys(span: Span, keys: Keys = None) -> list[tuple[str, Used]]:
    """The ids of the ``BUSIEST`` keys of the span, busiest first.

    In days and without ``keys``, only keys are considered that were among the ``CONSIDERED`` busiest of a day.
    """
    if span.step != DAY:
        return _busiest("key_id", span, keys)
    return _first_of(span, UsageDay.Kind.KEY, keys)


def busiest_callers(span: Span, keys: Keys = None) -> list[tuple[str, Used]]:
    """The same for callers: users' ids, "" for operations without a user."""
    if span.step != DAY or keys is not None:
        return _busiest("principal", span, keys)
    return _first_of(span, UsageDay.Kind.PRINCIPAL)


@dataclass(frozen=True, slots=True)
class Day:
    """The usage of the hours of a day, as ``used_over_time``, and the busiest keys and callers since ``since``."""

    steps: Sequence[tuple[datetime, Used]]
    since: datetime
    by_key: Sequence[tuple[str, Used]]
    by_caller: Sequence[tuple[str, Used]]

    @classmethod
    def of_row(cls, row: Mapping[str, Any], span: Span) -> Self:
        """Of a row with the ``day_columns``."""
        found = {
            datetime.fromisoformat(hour).replace(tzinfo=UTC): used
            for hour, used in _read(row["used_by_hour"])
        }
        steps = [(start, found.get(start, Used())) for start in span.starts]
        since = _two_days(span).since
        return cls(steps, since, _read(row["busiest_keys"]), _read(row["busiest_callers"]))

    @property
    def used(self) -> Used:
        return Used(*(sum(getattr(used, name) for _, used in self.steps) for name in _SUMS))


def day_columns(span: Span, keys: Keys, keys_of_callers: Keys, most: int) -> Mapping[str, RowsOf]:
    """The columns of a larger statement that ``Day.of_row`` reads. ``most``: the number of keys, and of callers.

    The busiest come from the sums of days, because those of hours take a scan of all hours for each column.
    """
    hours = _within(span.since, keys).values_list("hour").annotate(**_SUMS).order_by()
    days = _two_days(span)
    callers = RowsOf(_by_days(days, UsageDay.Kind.PRINCIPAL)[:most], "subject", *_SUMS_OF_DAYS)
    if keys_of_callers is not None:
        callers = RowsOf(_by_use("principal", days, keys_of_callers)[:most], "principal", *_SUMS)
    return {
        "used_by_hour": RowsOf(hours, "hour", *_SUMS),
        "busiest_keys": RowsOf(_by_days(days, UsageDay.Kind.KEY, keys)[:most], "subject", *_SUMS_OF_DAYS),
        "busiest_callers": callers,
    }


def _two_days(span: Span) -> Span:
    """Yesterday and today, which contain the 24 hours of the span."""
    return Span.until(span.starts[-1], DAY, 2)


def _read(rows: Sequence[tuple[str, int, int, int]] | None) -> list[tuple[str, Used]]:
    """The busiest first."""
    found = [(name, Used(*sums)) for name, *sums in rows or ()]
    return sorted(found, key=lambda each: (-each[1].total, each[0]))


def _within(since: datetime, keys: Keys) -> QuerySet[UsageRollup]:
    rows = UsageRollup.objects.filter(hour__gte=since)
    return rows if keys is None else rows.filter(key_id__in=keys)


def _busiest(column: str, span: Span, keys: Keys) -> list[tuple[str, Used]]:
    return [(found, Used(*sums)) for found, *sums, _ in _by_use(column, span, keys)[:BUSIEST]]


def _by_use(column: str, span: Span, keys: Keys) -> QuerySet[UsageRollup, tuple[Any, ...]]:
    rows = _within(span.since, keys).values_list(column).annotate(**_SUMS, all=Sum("count"))
    return rows.order_by("-all", column)


def _days(span: Span, kind: UsageDay.Kind, subjects: "Keys | _Busiest" = None) -> QuerySet[UsageDay]:
    rows = UsageDay.objects.filter(kind=kind, day__gte=span.since)
    return rows if subjects is None else rows.filter(subject__in=subjects)


def _by_days(span: Span, kind: UsageDay.Kind, subjects: Keys = None) -> QuerySet[UsageDay, tuple[Any, ...]]:
    """The busiest first. Without ``subjects``, of those that were among the busiest of a day."""
    considered: Keys | _Busiest = _Busiest(kind, span) if subjects is None else subjects
    sums = _days(span, kind, considered).values_list("subject")
    total = Sum(F("allowed") + F("denied") + F("failed"))
    return sums.annotate(**_SUMS_OF_DAYS, all=total).order_by("-all", "subject")


class _Busiest(Expression):
    """The first subjects of each day, which an index has. A union by the ORM takes 10 ms to write."""

    output_field = CharField()

    def __init__(self, kind: UsageDay.Kind, span: Span) -> None:
        super().__init__()
        self.kind, self.span = kind.value, span

    def as_sql(self, _compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        days = map(connection.ops.adapt_datetimefield_value, self.span.starts)
        parameters = [each for day in days for each in (self.kind, day)]
        return f"({' UNION ALL '.join([_BUSY] * self.span.steps)})", tuple(parameters)


def _first_of(span: Span, kind: UsageDay.Kind, subjects: Keys = None) -> list[tuple[str, Used]]:
    return [(found, Used(*used)) for found, *used, _ in _by_days(span, kind, subjects)[:BUSIEST]]
