"""Old roll-ups: the hours of a day become one row, because no page shows hours of that age.

The row with the last hour stays and gets the totals, so the newest row of a key still has its last use, at any time. A
row for each bucket and day at midnight would hide it while some buckets of the day are merged and others are not.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import connection

from audit.log.raw_rows import Spelled, timestamp_of
from audit.models import UsageRollup
from audit.sequencing.daily_usage import day_of, first_day, stored
from audit.sequencing.leadership import leading
from kernel.clock import process_now, require_reading

BUCKET: Final = ("key_id", "version", "principal", "operation", "outcome")
STEP: Final = 200  # rows, because entries wait meanwhile
_DAY: Final = timedelta(days=1)
_OF_DAY: Final = f"{' AND '.join(f'{name} = %s' for name in BUCKET)} AND hour >= %s AND hour < %s"
_LAST: Final = f"(SELECT max(hour) FROM usage_rollups WHERE {_OF_DAY})"  # noqa: S608 - constants
_ADD: Final = (
    "UPDATE usage_rollups SET (count, size) = (SELECT sum(count), sum(size) FROM usage_rollups "  # noqa: S608 - constants
    f"WHERE {_OF_DAY}) WHERE {_OF_DAY} AND hour = {_LAST}"
)
_REMOVE: Final = f"DELETE FROM usage_rollups WHERE {_OF_DAY} AND hour < {_LAST}"  # noqa: S608 - constants
# The first hours come first, because hours that were merged already are late ones.
_NOT_LAST: Final = (
    f"SELECT {', '.join(BUCKET)} FROM usage_rollups u WHERE hour >= %s AND hour < %s AND EXISTS (SELECT 1 "  # noqa: S608 - constants
    f"FROM usage_rollups later WHERE {' AND '.join(f'later.{name} = u.{name}' for name in BUCKET)} "
    "AND later.hour > u.hour AND later.hour < %s) ORDER BY hour LIMIT %s"
)

type OfDay = tuple[str, int, str, str, str, datetime]
"""The values of ``BUCKET``, and a day (UTC)."""


def merged_before() -> datetime:
    """The hours before are merged: a day later than readers and a verification expect it, which have clocks of their own.

    Raises django.db.Error.
    """
    require_reading()  # a wrong clock of this node must not merge hours that pages show
    return first_day(process_now()) - _DAY


def merge(buckets: Iterable[OfDay]) -> None:
    """Merge the rows of each bucket and day. Raises django.db.Error."""
    of_day = [(*bucket, stored(day), stored(day + _DAY)) for *bucket, day in buckets]
    with connection.cursor() as cursor:
        cursor.executemany(_ADD, [each * 3 for each in of_day])
        cursor.executemany(_REMOVE, [each * 2 for each in of_day])


class Merging:
    """Merges all days that are old enough, the newest first, and after each midnight the next one."""

    def __init__(self) -> None:
        self._until: datetime | None = None  # where the work began
        self._before: datetime | None = None  # the next day is before; None without any
        self._merged: datetime = datetime.min.replace(tzinfo=UTC)  # all days before are merged

    def run(self) -> None:
        """One step. Raises django.db.Error: an altered row may cause it, so the work goes on after midnight only."""
        until = merged_before()
        if until != self._until:
            self._until = self._before = until
        if self._before is None:
            return
        before, self._before = self._before, None
        with leading() as leads:
            self._before = _merge_some(before) if leads else before
        if self._before is None or self._before <= self._merged:
            self._before, self._merged = None, until


def _merge_some(before: datetime) -> datetime | None:
    """Merge rows of the last day before. Returns the day before which there may be more to do; None without any."""
    hours = UsageRollup.objects.filter(hour__lt=before).order_by("-hour")
    hour = timestamp_of(hours.values_list(Spelled("hour"), flat=True).first())
    if hour is None:  # or an altered one, which a verification finds
        return None
    day = day_of(hour)
    bounds = stored(day), stored(day + _DAY)
    with connection.cursor() as cursor:
        cursor.execute(_NOT_LAST, [*bounds, bounds[1], STEP])
        found = cursor.fetchall()
    merge({(*bucket, day) for bucket in found})
    return before if len(found) == STEP else day
