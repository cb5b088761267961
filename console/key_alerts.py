"""Alerts about keys: requests with an inactive key, an overdue rotation, a coming expiry."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import DateTimeField, OuterRef, Subquery, Value
from django.db.models.expressions import BaseExpression
from django.db.models.functions import Cast
from django.urls import reverse

from accounts.principals import Principal
from audit.log.events import Outcome
from audit.log.raw_rows import Spelled
from audit.models import READ_PERMISSION
from audit.usage.queries import DAY, rows_denied_since
from console.alerts import Alert, AlertGroup, Kind, Subject
from console.usage import operations_url
from keys.models import Key
from keys.selection import EXPIRING_WITHIN, Finding

_KINDS = {
    Finding.DENIED: Kind.KEY_DENIED,
    Finding.OVERDUE: Kind.KEY_ROTATION_OVERDUE,
    Finding.EXPIRING: Kind.KEY_EXPIRING,
}
_ALL = {
    Finding.DENIED: "keys are not active, but were requested in the last hour",
    Finding.OVERDUE: "keys are overdue for rotation",
    Finding.EXPIRING: f"keys expire within {EXPIRING_WITHIN.days} days",
}
_URGENCY = {Finding.DENIED: "name", Finding.OVERDUE: "next_rotation_at", Finding.EXPIRING: "expires_at"}


def key_alerts(
    principal: Principal, counts: Mapping[Finding, int], at: datetime, limit: int
) -> Iterator[AlertGroup]:
    """The ``limit`` most urgent keys of each finding, with one statement. ``counts`` are the numbers of all."""
    found = [finding for finding, count in counts.items() if count]
    rows = _read_rows(principal, found, at, limit)
    for finding in found:
        keys = sorted((row for row in rows if row.finding == finding), key=_urgency(finding))
        alerts = [_ALERTS[finding](key, principal, at) for key in keys]
        all_url = f"{reverse('keys')}?finding={finding}"
        yield AlertGroup(_KINDS[finding], counts[finding], alerts, all_url, _ALL[finding])


def _read_rows(principal: Principal, findings: Sequence[Finding], at: datetime, limit: int) -> list[Any]:
    """The keys with their ``finding``. A key with several findings has several rows."""
    visible, parts = Key.objects.visible_to(principal).order_by(), []
    for finding in findings:
        # A slice inside IN, because SQLite takes none in a part of a union.
        first = visible.with_finding(finding, at).order_by(_URGENCY[finding], "name")[:limit]
        parts.append(
            visible.filter(pk__in=first.values("pk")).annotate(
                finding=Value(str(finding)), denied_since=_denied_since(finding, at)
            )
        )
    return list(parts[0].union(*parts[1:], all=True)) if parts else []


def _denied_since(finding: Finding, at: datetime) -> BaseExpression:
    """The first hour of the last day in which requests with the key were denied."""
    if finding is not Finding.DENIED:
        return Cast(Value(None), DateTimeField())  # the parts of a union have the same columns
    denied = rows_denied_since(at - DAY).filter(key_id=Spelled(OuterRef("id"))).order_by("hour")
    return Subquery(denied.values("hour")[:1])


def _urgency(finding: Finding) -> Callable[[Key], tuple[Any, str]]:
    return lambda key: (getattr(key, _URGENCY[finding]), key.name)


def _denied(key: Any, principal: Principal, at: datetime) -> Alert:
    status = key.lifecycle_state(at).status
    if principal.scope(READ_PERMISSION) == "all":
        url = operations_url(key.denied_since, Outcome.DENIED, object=str(key.id))
    else:
        url = reverse("key-activity", args=[key.name])
    return Alert(
        Kind.KEY_DENIED,
        f"{key.name} is {status}, and requests with it were denied in the last hour.",
        url,
        "See denied requests",
        _subject(key),
        key.denied_since,
    )


def _overdue(key: Any, principal: Principal, at: datetime) -> Alert:  # noqa: ARG001 - as the other two
    since = key.next_rotation_at
    text = f"Rotation of {key.name} has been overdue since {since:%Y-%m-%d %H:%MZ}."
    page = ("key-rotate", "Rotate") if principal.has_permission("keys.rotate") else ("key", "See key")
    return _with_page(Kind.KEY_ROTATION_OVERDUE, key, text, page, since)


def _expiring(key: Any, principal: Principal, at: datetime) -> Alert:  # noqa: ARG001 - likewise
    text = f"{key.name} expires on {key.expires_at:%Y-%m-%d %H:%MZ}. After that, it can no longer encrypt."
    since = max(filter(None, (key.expires_at - EXPIRING_WITHIN, key.created_at, key.activates_at)))
    may_update = principal.has_permission("keys.update")
    page = ("key-settings", "Change expiry") if may_update else ("key", "See key")
    return _with_page(Kind.KEY_EXPIRING, key, text, page, since)


def _with_page(kind: Kind, key: Key, text: str, page: tuple[str, str], since: datetime) -> Alert:
    route, action = page
    return Alert(kind, text, reverse(route, args=[key.name]), action, _subject(key), since)


def _subject(key: Key) -> Subject:
    return Subject("key", str(key.id), key.name)


_ALERTS = {Finding.DENIED: _denied, Finding.OVERDUE: _overdue, Finding.EXPIRING: _expiring}
