"""The successful uses of one key, added up in the database, and the gap in their record."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final

from django.db.models import Max, Q, QuerySet, Subquery, Sum

from audit import actions
from audit.log.events import Outcome
from audit.log.raw_rows import Spelled, any_text, timestamp_of
from audit.models import AuditLog, UsageRollup
from kernel.runtime import process_cache

UNNAMED: Final = 0
"""The version of a batch that opened several versions: its entry names none."""
# Entries that follow a loss of others.
_GAPS: Final = (actions.BACKUP_RESTORED, actions.LOG_ROLLBACK_ACCEPTED)


@dataclass(frozen=True, slots=True)
class Total:
    """The number of operations of one kind, and the time of the last one."""

    operation: str
    count: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class VersionTotal(Total):
    version: int


@dataclass(frozen=True, slots=True)
class CallerTotal(Total):
    """The operations of one kind by one principal. The id is "" for operations without a user."""

    principal: str
    principal_type: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The operations to add up: those with the versions ``first`` to ``last``, but not those whose name ends in one of ``spared``.

    Operations that name no version may concern any of them. Without ``last``, all versions are selected.
    """

    spared: tuple[str, ...] = ()
    first: int = 1
    last: int | None = None

    def rows(self, key_id: object, since: datetime) -> QuerySet[UsageRollup]:
        rows = UsageRollup.objects.filter(key_id=str(key_id), outcome=Outcome.OK.value, hour__gte=since)
        for end in self.spared:
            rows = rows.exclude(operation__endswith=end)
        if self.last is not None:
            rows = rows.filter(Q(version=UNNAMED) | Q(version__range=(self.first, self.last)))
        return rows.order_by()


EVERYTHING: Final = Selection()


def totals(key_id: object, since: datetime, selection: Selection) -> list[Total]:
    """The totals from the hour ``since`` on, by operation."""
    rows = selection.rows(key_id, since).values("operation").annotate(sum=Sum("count"), last=Max("last_at"))
    return [Total(*row) for row in rows.values_list("operation", "sum", "last")]


def totals_by_version(key_id: object, since: datetime) -> list[VersionTotal]:
    rows = (
        EVERYTHING.rows(key_id, since)
        .values("operation", "version")
        .annotate(sum=Sum("count"), last=Max("last_at"))
    )
    return [VersionTotal(*row) for row in rows.values_list("operation", "sum", "last", "version")]


def totals_by_caller(key_id: object, since: datetime, selection: Selection) -> list[CallerTotal]:
    rows = (
        selection.rows(key_id, since)
        .values("operation", "principal", "principal_type")
        .annotate(sum=Sum("count"), last=Max("last_at"))
    )
    return [
        CallerTotal(*row)
        for row in rows.values_list("operation", "sum", "last", "principal", "principal_type")
    ]


# Read once, because no server runs while its database is replaced.
@process_cache
@cache
def end_of_gap() -> datetime | None:
    """The last restore of an older database; None without one.

    The roll-ups count every entry of the log. Only the uses between a backup and its restore are missing in it.
    """
    newest = [
        AuditLog.objects.filter(action=each, outcome=Outcome.OK.value).order_by("-id")  # noqa: CC2 - the times of gaps in the log
        for each in _GAPS
    ]
    restores = Q(*(("id", Subquery(entries.values("id")[:1])) for entries in newest), _connector=Q.OR)
    with any_text():
        found = list(
            AuditLog.objects.filter(restores).order_by().values_list(Spelled("timestamp"), flat=True)  # noqa: CC2 - the time of the last restore
        )
    return max(filter(None, map(timestamp_of, found)), default=None)
