"""The callers of a key are shown to its owner and to readers of the whole log. The holder of a grant sees sums only."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from django.db.models import QuerySet

from accounts.holders import find_holders
from accounts.principals import Principal
from audit.models import READ_PERMISSION
from audit.usage.of_key import CallerTotal, Total, end_of_gap
from audit.usage.queries import Denials, KeyUse, denials_of, use_of
from kernel.identities import parse_uuid
from keys.models import Key
from keys.reading.services import ids_of_own_keys

_MAX_CALLERS: Final = 50


@dataclass(frozen=True, slots=True)
class CallerUse:
    """The use of a key by one caller. ``name`` is "" if there is no such account."""

    principal_type: str
    principal_id: str
    name: str
    count: int
    last_at: datetime
    by_action: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class CallerUses:
    """The number of a key's callers, and the ``_MAX_CALLERS`` busiest; None if the reader may not see them."""

    count: int
    busiest: Sequence[CallerUse] | None


def _sees_callers(*, principal: Principal, key: Key) -> bool:
    """Whether the caller may read the entries of all callers of the key."""
    if not principal.has_permission(READ_PERMISSION):
        return False
    return principal.scope(READ_PERMISSION) == "all" or key.owner == principal.identity


def use_shown_to(principal: Principal, key: Key) -> KeyUse:
    """The usage of a visible key, and its denials as below, without names if the principal may not see its callers."""
    use = use_of(key.id, key.deletion_scheduled_at)
    if use.last is None:
        use = replace(use, unrecorded_before=unrecorded_before(key, end_of_gap()))
    return use if _sees_callers(principal=principal, key=key) else use.without_names()


def unrecorded_before(key: Key, gap: datetime | None) -> datetime | None:
    """The end of the gap in the record, if the key is older."""
    return gap if gap is not None and key.created_at < gap else None


def denials_shown_to(principal: Principal, key: Key) -> Denials | None:
    """The denials of the last 24 hours; of a key that is scheduled for deletion, those since then."""
    denials = denials_of(key.id, key.deletion_scheduled_at)
    return denials and (denials if _sees_callers(principal=principal, key=key) else denials.without_name())


def callers_shown_to(principal: Principal, key: Key, totals: Iterable[CallerTotal]) -> CallerUses:
    """The callers of a visible key that have these totals."""
    by_caller: dict[str, list[CallerTotal]] = {}
    for total in totals:
        by_caller.setdefault(total.principal, []).append(total)
    if not _sees_callers(principal=principal, key=key):
        return CallerUses(len(by_caller), None)
    busiest = sorted(by_caller, key=lambda each: (-sum(total.count for total in by_caller[each]), each))
    shown = busiest[:_MAX_CALLERS]
    # Not ``logged_names``: its statement takes longer than all others together if a key has many callers.
    holders = find_holders([found for each in shown if (found := parse_uuid(each))])
    names = {str(holder.identity.id): holder.name for holder in holders}
    return CallerUses(len(by_caller), [_caller(by_caller[each], names.get(each, "")) for each in shown])


def _caller(totals: Sequence[CallerTotal], name: str) -> CallerUse:
    return CallerUse(
        principal_type=totals[0].principal_type,
        principal_id=totals[0].principal,
        name=name,
        count=sum(total.count for total in totals),
        last_at=max(total.last_at for total in totals),
        by_action=by_action(totals),
    )


def by_action(totals: Iterable[Total]) -> Mapping[str, int]:
    """``{action: count}``, the most frequent first."""
    counts: Counter[str] = Counter()
    for total in totals:
        counts[total.operation] += total.count
    return dict(counts.most_common())


def ids_with_callers(*, principal: Principal) -> QuerySet[Key, str] | None:
    """The ids of the keys whose callers the principal sees, as ``ids_of_own_keys``; None for all keys."""
    if principal.scope(READ_PERMISSION) == "all":
        return ids_of_own_keys(principal=principal)
    return Key.objects.visible_to(principal).owned_by(principal.identity).ids_as_logged()
