"""Alerts about keys: requests with an inactive key, an overdue rotation, a coming expiry or destruction."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

from django.db.models import Case, DateTimeField, IntegerField, OuterRef, Subquery, Value, When
from django.db.models.expressions import BaseExpression
from django.db.models.functions import Cast
from django.urls import reverse

from accounts.principals import Principal
from audit.log.events import Outcome
from audit.log.raw_rows import Spelled
from audit.models import READ_PERMISSION
from audit.usage.queries import rows_denied_since
from audit.usage.sums import DAY
from console.home.alerts import Alert, AlertGroup, AlertKind, AlertObject
from console.usage.services import operations_url
from keys.lifecycle import State
from keys.models import Key
from keys.models.selection import DELETION_AHEAD, EXPIRING_WITHIN, Finding

type _Page = tuple[str, str]  # the URL and the words of its link

# The states that were decided for a reason come first. Keys scheduled for deletion have findings of their own. A
# developer can make keys that are pending or expire at once, and must not hide requests with a compromised key behind
# them.
_URGENT = (State.COMPROMISED, State.DESTROYED, State.DEACTIVATED, State.SUSPENDED)
_RANK = Case(
    *(When(state=state, then=rank) for rank, state in enumerate(_URGENT)),
    default=len(_URGENT),
    output_field=IntegerField(),
)


@dataclass(frozen=True, slots=True)
class _KeyAlerts:
    """The alerts of one finding.

    ``text`` is a format of the key and the word for its state. ``urgency`` are the columns by which the most urgent key
    is first.
    """

    kind: AlertKind
    text: str
    all_text: str
    urgency: tuple[str, ...]
    since: Callable[[Any], datetime]
    page: Callable[[Any, Principal], _Page]

    def alert(self, key: Any, principal: Principal, at: datetime) -> Alert:
        text = self.text.format(key=key, state=key.lifecycle_state(at).word)
        url, action = self.page(key, principal)
        return Alert(self.kind, text, url, action, AlertObject("key", str(key.id), key.name), self.since(key))


def key_alerts(
    principal: Principal, counts: Mapping[Finding, int], at: datetime, limit: int
) -> Iterator[AlertGroup]:
    """The ``limit`` most urgent keys of each finding, with one statement. ``counts`` are the numbers of all."""
    found = [finding for finding, count in counts.items() if count]
    rows = _read_rows(principal, found, at, limit)
    for finding in found:
        of_finding = _ALERTS[finding]
        keys = sorted(
            (row for row in rows if row.finding == finding), key=attrgetter(*of_finding.urgency, "name")
        )
        alerts = [of_finding.alert(key, principal, at) for key in keys]
        all_url = f"{reverse('keys')}?finding={finding}"
        yield AlertGroup(of_finding.kind, counts[finding], alerts, all_url, of_finding.all_text)


def _read_rows(principal: Principal, findings: Sequence[Finding], at: datetime, limit: int) -> list[Any]:
    """The keys with their ``finding``. A key with several findings has several rows."""
    visible, parts = Key.objects.visible_to(principal).order_by(), []
    for finding in findings:
        # A slice inside IN, because SQLite takes none in a part of a union.
        found = visible.with_finding(finding, at).annotate(rank=_RANK)
        first = found.order_by(*_ALERTS[finding].urgency, "name")[:limit]
        parts.append(
            visible.filter(pk__in=first.values("pk")).annotate(
                rank=_RANK, finding=Value(str(finding)), denied_since=_denied_since(finding, at)
            )
        )
    return list(parts[0].union(*parts[1:], all=True)) if parts else []


def _denied_since(finding: Finding, at: datetime) -> BaseExpression:
    """The first hour of the last day in which requests with the key were denied."""
    if finding is not Finding.DENIED:
        return Cast(Value(None), DateTimeField())  # the parts of a union have the same columns
    denied = rows_denied_since(at - DAY).filter(key_id=Spelled(OuterRef("id"))).order_by("hour")
    return Subquery(denied.values("hour")[:1])


def _denied(since: str) -> Callable[[Any, Principal], _Page]:
    """The denied requests since the time in this attribute."""

    def page(key: Any, principal: Principal) -> _Page:
        words = "See denied requests"
        if principal.scope(READ_PERMISSION) == "all":
            began = attrgetter(since)(key)
            return operations_url(began, outcome=Outcome.DENIED.value, object=key.name), words
        return reverse("key-activity", args=[key.name]), words

    return page


def _change(permission: str, url_name: str, words: str) -> Callable[[Any, Principal], _Page]:
    """The page of a change, for those who may make it."""

    def page(key: Any, principal: Principal) -> _Page:
        if principal.has_permission(permission):
            return reverse(url_name, args=[key.name]), words
        return reverse("key", args=[key.name]), "See key"

    return page


def _deletion_ahead_since(key: Any) -> datetime:
    since: datetime = max(key.deletion_at - DELETION_AHEAD, key.deletion_scheduled_at)
    return since


def _expiring_since(key: Any) -> datetime:
    since: datetime = max(filter(None, (key.expires_at - EXPIRING_WITHIN, key.created_at, key.activates_at)))
    return since


_ALERTS = {
    Finding.DELETION_DENIED: _KeyAlerts(
        kind=AlertKind.KEY_DELETION_DENIED,
        text=(
            "{key.name} is scheduled for deletion on {key.deletion_at:%Y-%m-%d %H:%MZ}, and requests with it were denied."
        ),
        all_text="keys are scheduled for deletion, but still requested",
        urgency=("deletion_at",),
        since=attrgetter("deletion_scheduled_at"),
        page=_denied("deletion_scheduled_at"),
    ),
    Finding.DENIED: _KeyAlerts(
        kind=AlertKind.KEY_DENIED,
        text="{key.name} is {state}, and requests with it were denied in the last hour.",
        all_text="keys are not active, but were requested in the last hour",
        urgency=("rank",),
        since=attrgetter("denied_since"),
        page=_denied("denied_since"),
    ),
    Finding.DELETION_AHEAD: _KeyAlerts(
        kind=AlertKind.KEY_DELETION_AHEAD,
        text="{key.name} will be destroyed on {key.deletion_at:%Y-%m-%d %H:%MZ}. You cannot undo that afterwards.",
        all_text=f"keys will be destroyed within {DELETION_AHEAD.days * 24} hours",
        urgency=("deletion_at",),
        since=_deletion_ahead_since,
        page=_change("keys.destroy", "key-cancel-deletion", "Cancel deletion"),
    ),
    Finding.OVERDUE: _KeyAlerts(
        kind=AlertKind.KEY_ROTATION_OVERDUE,
        text="Rotation of {key.name} has been overdue since {key.next_rotation_at:%Y-%m-%d %H:%MZ}.",
        all_text="keys are overdue for rotation",
        urgency=("next_rotation_at",),
        since=attrgetter("next_rotation_at"),
        page=_change("keys.rotate", "key-rotate", "Rotate"),
    ),
    Finding.EXPIRING: _KeyAlerts(
        kind=AlertKind.KEY_EXPIRING,
        text="{key.name} expires on {key.expires_at:%Y-%m-%d %H:%MZ}. After that, it can no longer encrypt.",
        all_text=f"keys expire within {EXPIRING_WITHIN.days} days",
        urgency=("expires_at",),
        since=_expiring_since,
        page=_change("keys.update", "key-settings", "Change expiry"),
    ),
}
