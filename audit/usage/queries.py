"""The usage of keys, from roll-ups that follow the log within about a second."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Max, Q, QuerySet, Sum

from audit.log.events import Outcome
from audit.log.operations import OPERATION, has_action
from audit.log.raw_rows import Spelled, any_text, timestamp_of, uuid_of
from audit.log.refusals import PERIOD
from audit.models import AuditLog, UsageRollup
from audit.services.reading import logged_names
from audit.usage.of_key import CallerTotal
from audit.usage.sums import BUSIEST, HOUR, Keys, Span, step_of
from kernel.clock import process_now
from kernel.databases.rows import OfEach
from kernel.identities import IdentityType

type _ByCaller = tuple[datetime, str, str, int]
"""The last time, the principal, the outcome and the count of a caller."""

_MOST_ENTRIES: Final = 10_000
_USED = Q(outcome=Outcome.OK.value)
# Without those of strangers: anyone can send the id of a key, and this does not show that a client still needs it.
_DENIED = Q(outcome=Outcome.DENIED.value) & ~Q(principal="")


@dataclass(frozen=True, slots=True)
class _LastUse:
    """The last successful use of a key. ``name`` is "" if the log does not know the user."""

    at: datetime
    operation: str
    name: str

    @property
    def verb(self) -> str:
        """``encrypted`` of ``crypto.message.encrypted``."""
        return self.operation.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Denials:
    """How often a key was denied to callers in a period, and the time and caller of the last denial."""

    count: int
    at: datetime
    name: str

    def without_name(self) -> "Denials":
        return replace(self, name="")


@dataclass(frozen=True, slots=True)
class _Callers:
    """Who used a key in the last 24 hours: name and number of operations, busiest first.

    ``by_id`` has the number of operations by the caller's id.
    """

    by_name: tuple[tuple[str, int], ...]
    total: int
    by_id: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class KeyUse:
    """The users of a key: pages show them before the key is taken out of service.

    ``unrecorded_before``: for a key without a use, the time before which uses may be missing in the record.
    """

    last: _LastUse | None
    callers: _Callers
    denials: Denials | None
    unrecorded_before: datetime | None = None

    def without_names(self) -> "KeyUse":
        return replace(
            self,
            last=self.last and replace(self.last, name=""),
            callers=_Callers((), self.callers.total, {}),
            denials=self.denials and self.denials.without_name(),
        )


def last_uses(key_ids: Iterable[object]) -> Mapping[str, datetime]:
    """``{key id: time}`` of keys that were ever used.

    Each key is a query of its own in the union, which reads one row. A maximum would read every hour of each key.
    """
    ids = [str(key_id) for key_id in key_ids]
    if not ids:
        return {}
    newest = OfEach(lambda key_id: _newest_first(key_id)[:1], ids)
    return dict(UsageRollup.objects.filter(id__in=newest).values_list("key_id", "last_at"))


def use_of(key_id: object, denied_since: datetime | None = None) -> KeyUse:
    """The usage and the denials of one key, these of the last 24 hours or since then."""
    key, now = str(key_id), process_now()
    row = newest_use(key)
    lately = _recent(key, now, denied_since, _used_lately(now))
    sums = {who: count for _, who, outcome, count in lately if outcome == Outcome.OK}
    busiest = sorted(sums, key=lambda who: -sums[who])
    denied = _denied(lately)
    known = logged_names([*busiest[:BUSIEST], row.principal if row else "", denied[0][1] if denied else ""])
    return KeyUse(
        last=_LastUse(row.last_at, row.operation, known.get(row.principal, "")) if row else None,
        callers=_Callers(
            tuple((known.get(who, "") or who, sums[who]) for who in busiest), sum(sums.values()), sums
        ),
        denials=_summed(denied, known),
    )


def denials_of(key_id: object, since: datetime | None = None) -> Denials | None:
    """Denied calls of a key in the last 24 hours, or since then; None if there were none."""
    denied = _denied(_recent(str(key_id), process_now(), since, Q(pk__in=())))
    return _summed(denied, logged_names([denied[0][1]]) if denied else {})


def recorded_by(at: datetime) -> datetime:
    """When the log has the denials until ``at``. An entry that counts repeats is written after them."""
    return at + timedelta(seconds=PERIOD)


def denied_by_caller(key_id: object, since: datetime, until: datetime) -> list[CallerTotal]:
    """The denied operations of one key in a period of about an hour, by operation and caller.

    They come from the newest ``_MOST_ENTRIES`` entries of the period.
    """
    sums: dict[tuple[str, str, str], tuple[int, datetime]] = {}
    for each in _denied_in_log(str(key_id), since, recorded_by(until), limit=_MOST_ENTRIES):
        of_caller = (each.operation, each.principal, each.principal_type)
        count, last_at = sums.get(of_caller, (0, each.at))
        sums[of_caller] = count + each.count, max(last_at, each.at)
    return [
        CallerTotal(operation, count, last_at, principal, principal_type)
        for (operation, principal, principal_type), (count, last_at) in sums.items()
    ]


def newest_use(key_id: object) -> UsageRollup | None:
    """The row with the last successful use of a key."""
    return _newest_first(key_id).first()


def _newest_first(key_id: object) -> QuerySet[UsageRollup]:
    """The successful uses of a key. An index leads to the latest hour, which has the last one."""
    return _used().filter(key_id=str(key_id)).order_by("-hour", "-last_at")


def rows_used_since(timestamp: datetime) -> QuerySet[UsageRollup]:
    """The usage of keys from that hour on, to filter a list of keys."""
    return _used().filter(hour__gte=timestamp)


def rows_done(operation: str, keys: Keys = None) -> QuerySet[UsageRollup]:
    """All rows in which the operation was allowed, to check whether there are any."""
    rows = UsageRollup.objects.filter(operation=operation, outcome=Outcome.OK.value)
    return rows if keys is None else rows.filter(key_id__in=keys)


def rows_denied() -> QuerySet[UsageRollup]:
    """All denied operations, to filter a list of keys."""
    return UsageRollup.objects.filter(_DENIED)


def rows_denied_since(timestamp: datetime) -> QuerySet[UsageRollup]:
    """The denied operations from that time on, likewise."""
    return rows_denied().filter(hour__gte=timestamp - HOUR, last_at__gte=timestamp)


def _used() -> QuerySet[UsageRollup]:
    return UsageRollup.objects.filter(_USED)


def _used_lately(now: datetime) -> Q:
    """The last 24 hours of the clock: those of the chart and of Home, so the numbers are equal."""
    return _USED & Q(hour__gte=Span.until(now, HOUR, 24).since)


def _recent(key_id: str, now: datetime, denied_since: datetime | None, used: Q) -> list[_ByCaller]:
    """The operations of the callers of a key: ``used``, and the denials of the last 24 hours or since then."""
    if denied_since is None:
        return _by_caller(key_id, used | _DENIED & Q(hour__gte=Span.until(now, HOUR, 24).since))
    # The roll-ups of the first hour or day also count the denials before.
    step = step_of(denied_since, now)
    until = Span.until(denied_since, step, 1).since + step
    found = _by_caller(key_id, used | _DENIED & Q(hour__gte=until))
    denied = _denied_in_log(key_id, denied_since, until)
    return found + [(each.at, each.principal, Outcome.DENIED.value, each.count) for each in denied]


@dataclass(frozen=True, slots=True)
class _LoggedDenial:
    at: datetime
    operation: str
    principal: str
    principal_type: str
    count: int


def _denied_in_log(
    key_id: str, since: datetime, until: datetime, *, limit: int | None = None
) -> list[_LoggedDenial]:
    """The denials of one key. The log counts repeated ones in one entry, so these are few."""
    entries = AuditLog.objects.filter(  # noqa: CC2 - numbers of denials, with a time and a name, as in the roll-ups
        has_action(OPERATION),
        ~Q(user_id=None, actor_id=None),
        object_id=key_id,
        outcome=Outcome.DENIED.value,
        timestamp__gte=since,
        timestamp__lt=until,
    )
    columns = [Spelled(each) for each in ("timestamp", "user_id", "actor_id")]
    entries = entries.order_by() if limit is None else entries.order_by("-id")[:limit]
    with any_text():  # an altered entry of that hour may hold anything
        found = list(entries.values_list(*columns, "action", "count"))
    return [
        _LoggedDenial(at, action, str(user or uuid_of(actor_id) or ""), kind.value, count)
        for timestamp, user_id, actor_id, action, count in found
        for user in [uuid_of(user_id)]
        for kind in [IdentityType.USER if user else IdentityType.SERVICE_ACCOUNT]
        if (at := timestamp_of(timestamp)) and isinstance(count, int)
    ]


def _by_caller(key_id: str, only: Q) -> list[_ByCaller]:
    columns = ("last", "principal", "outcome", "sum")
    rows = UsageRollup.objects.filter(only, key_id=key_id).values("principal", "outcome")
    sums = rows.annotate(last=Max("last_at"), sum=Sum("count"))
    return list(sums.order_by().values_list(*columns))


def _denied(lately: list[_ByCaller]) -> list[tuple[datetime, str, int]]:
    """The denials among them: time, principal and count, latest first."""
    return sorted(
        ((at, who, count) for at, who, outcome, count in lately if outcome == Outcome.DENIED), reverse=True
    )


def _summed(denied: list[tuple[datetime, str, int]], names: Mapping[str, str]) -> Denials | None:
    if not denied:
        return None
    at, principal, _ = denied[0]
    return Denials(sum(count for *_, count in denied), at, names.get(principal, ""))
