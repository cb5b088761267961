"""How keys are used: sums of the roll-ups, which follow the log within about a second."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max, QuerySet, Sum

from audit.events import Outcome
from audit.models import AuditLog, UsageRollup
from ciphercanary.clock import database_now

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LastUse:
    """When a key last did something for somebody, and what; ``name`` is "" for whom the log does not know."""

    at: datetime
    operation: str
    name: str


@dataclass(frozen=True, slots=True)
class Callers:
    """Who used a key in the last 24 hours: name, number of operations; the busiest first."""

    by_name: tuple[tuple[str, int], ...]
    total: int


def last_uses(key_ids: Iterable[object]) -> Mapping[str, datetime]:
    """``{key id: moment}`` of those that were ever used."""
    rows = _used().filter(key_id__in=[str(key_id) for key_id in key_ids]).values_list("key_id")
    return dict(rows.annotate(last=Max("last_at")).order_by())


def last_use(key_id: object) -> LastUse | None:
    """Of one key, None where it was never used."""
    row = _used().filter(key_id=str(key_id)).order_by("-last_at").first()
    if row is None:
        return None
    return LastUse(row.last_at, row.operation, _names([row.principal]).get(row.principal, ""))


def callers_of(key_id: object) -> Callers:
    """What would stop if the key were gone."""
    since = database_now() - DAY
    rows = _used().filter(key_id=str(key_id), hour__gte=since - timedelta(hours=1), last_at__gte=since)
    sums = dict(rows.values_list("principal").annotate(sum=Sum("count")).order_by())
    names = _names(sums)
    by_name = sorted(((names.get(who, "") or who, n) for who, n in sums.items()), key=lambda pair: -pair[1])
    return Callers(tuple(by_name), sum(sums.values()))


def _used() -> QuerySet[UsageRollup]:
    return UsageRollup.objects.filter(outcome=Outcome.OK.value, operation__startswith="crypto.")


def _names(user_ids: Iterable[str]) -> dict[str, str]:
    """``{user id: name}`` as the log last knew it."""
    found = {}
    for user_id in user_ids:
        if user_id:
            named = (
                AuditLog.objects.filter(user_id=user_id).order_by("-id").values_list("actor_name", flat=True)
            )
            found[user_id] = named.first() or ""
    return found
