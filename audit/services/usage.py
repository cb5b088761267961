"""How keys are used: sums of the roll-ups, which follow the log within about a second."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max, QuerySet, Sum

from audit.events import Outcome
from audit.models import AuditLog, UsageRollup
from ciphercanary.clock import database_now

DAY = timedelta(days=1)
MONTH = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class LastUse:
    """When a key last did something for somebody, and what; ``name`` is "" for whom the log does not know."""

    at: datetime
    operation: str
    name: str

    @property
    def verb(self) -> str:
        """``encrypted`` of ``crypto.message.encrypted``."""
        return self.operation.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Refusals:
    """How often a key was refused to callers in the last 24 hours, and when, and to whom, for the last time."""

    count: int
    at: datetime
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


def refusals_of(key_id: object) -> Refusals | None:
    """Calls that want a key which does not serve them; None where there were none."""
    since = database_now() - DAY
    rows = UsageRollup.objects.filter(key_id=str(key_id), outcome=Outcome.DENIED.value, last_at__gte=since)
    found = list(rows.order_by("-last_at").values_list("last_at", "principal", "count"))
    if not found:
        return None
    at, principal, _ = found[0]
    return Refusals(sum(count for *_, count in found), at, _names([principal]).get(principal, ""))


def uses_by_version(key_id: object, versions: Iterable[int]) -> Mapping[int, int]:
    """``{version: operations in the last 30 days}`` of those that were used in that time."""
    since = database_now() - MONTH
    rows = _used().filter(key_id=str(key_id), version__in=list(versions), hour__gte=since)
    return dict(rows.values_list("version").annotate(sum=Sum("count")).order_by())


def used_since(moment: datetime) -> QuerySet[UsageRollup]:
    """The use of keys from that hour on; a list of keys asks which of them occur in it."""
    return _used().filter(hour__gte=moment)


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
