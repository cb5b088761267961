"""The sums of ``usage_days``, from the same operations as the roll-ups, in the same transaction.

Only the last ``KEPT`` are stored, because pages show a month.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import connection

from audit.log.events import Outcome
from audit.models import UsageDay
from audit.sequencing.leadership import leading
from kernel.clock import process_now

KEPT: Final = timedelta(days=40)
_DAY: Final = timedelta(days=1)
_COLUMN_OF: Final = {Outcome.OK.value: 0, Outcome.DENIED.value: 1, Outcome.ERROR.value: 2}
_SUBJECTS: Final = {
    UsageDay.Kind.ALL: "CAST('' AS text)",
    UsageDay.Kind.KEY: "key_id",
    UsageDay.Kind.PRINCIPAL: "principal",
}
_DAY_OF: Final = {
    "postgresql": "date_trunc('day', {0}, 'UTC')",
    "sqlite": "substr({0}, 1, 10) || ' 00:00:00'",
}
# A sum of absurd numbers must not abort the statement.
_SUM: Final = {
    "postgresql": "coalesce(sum(count) FILTER (WHERE outcome = '{0}'), 0)",
    "sqlite": "CAST(total(count) FILTER (WHERE outcome = '{0}') AS integer)",
}
_UPSERT: Final = """
INSERT INTO usage_days (day, kind, subject, allowed, denied, failed) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (kind, subject, day) DO UPDATE SET allowed = usage_days.allowed + EXCLUDED.allowed,
    denied = usage_days.denied + EXCLUDED.denied, failed = usage_days.failed + EXCLUDED.failed
"""

type _Operations = tuple[datetime, str, str, str, int]
"""The day of operations, their key, principal and outcome, and their number."""


def first_day(now: datetime) -> datetime:
    """The earliest day that is stored."""
    return day_of(now) - KEPT


def day_of(moment: datetime) -> datetime:
    """The start of its day (UTC)."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def add_days(operations: Iterable[_Operations]) -> None:
    """Add the operations, and remove what is too old. Raises django.db.Error."""
    first, sums = first_day(process_now()), dict[tuple[datetime, str, str], list[int]]()
    for day, key, principal, outcome, count in operations:
        if day < first:
            continue
        for kind, subject in (("all", ""), ("key", key), ("principal", principal)):
            counts = sums.setdefault((day, kind, subject), [0, 0, 0])
            if (column := _COLUMN_OF.get(outcome)) is not None:
                counts[column] += count
    UsageDay.objects.filter(day__lt=first).delete()  # noqa: CC3 - deletes old days, which the roll-ups prove
    values = [(stored(day), *rest, *counts) for (day, *rest), counts in sums.items()]
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(_UPSERT, values)


def days_to_mend() -> list[datetime]:
    """The days whose sums differ from the roll-ups: an earlier version of the sequencer wrote none.

    Raises django.db.Error.
    """
    now, day_of = process_now(), _DAY_OF[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {day_of.format('hour')}, sum(count) FROM usage_rollups "  # noqa: S608 - a constant
            "WHERE hour >= %s AND hour < %s GROUP BY 1 ORDER BY 1 DESC",
            [stored(first_day(now)), stored(now + _DAY)],
        )
        counted = cursor.fetchall()
        cursor.execute(
            f"SELECT {day_of.format('day')}, allowed + denied + failed FROM usage_days WHERE kind = %s",  # noqa: S608 - a constant
            [UsageDay.Kind.ALL.value],
        )
        sums = dict(cursor.fetchall())
    return [_read(day) for day, count in counted if sums.get(day) != count]


def rebuild_day(day: datetime) -> None:
    """Sum up the roll-ups of one day again. Raises django.db.Error."""
    bounds = [stored(day), stored(day + _DAY)]
    with leading(waits=True), connection.cursor() as cursor:
        UsageDay.objects.filter(day=day).delete()  # noqa: CC3 - replaces a day, which the roll-ups prove
        cursor.execute(
            f"INSERT INTO usage_days (day, kind, subject, allowed, denied, failed) {_counted_days()}",
            bounds * len(_SUBJECTS),
        )


def _counted_days() -> str:
    """A SELECT that counts the roll-ups. Its parameters are the first hour and the end, once for each kind."""
    vendor = connection.vendor
    sums = ", ".join(_SUM[vendor].format(outcome) for outcome in _COLUMN_OF)
    return " UNION ALL ".join(
        f"SELECT {_DAY_OF[vendor].format('hour')}, '{kind}', {subject}, {sums} FROM usage_rollups "  # noqa: S608 - constants
        "WHERE hour >= %s AND hour < %s GROUP BY 1, 3"
        for kind, subject in _SUBJECTS.items()
    )


def _read(day: Any) -> datetime:
    return day if isinstance(day, datetime) else datetime.fromisoformat(day).replace(tzinfo=UTC)


def stored(day: datetime) -> Any:
    return UsageDay._meta.get_field("day").get_db_prep_save(day, connection)
