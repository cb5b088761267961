"""Alerts about denied acts that matter: attempts to change keys, access or accounts without the permission."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from urllib.parse import urlencode

from django.db.models import JSONField, Subquery
from django.db.models.expressions import BaseExpression
from django.db.models.functions import JSONObject
from django.urls import reverse

from accounts import actions as account_actions
from accounts.principals import Principal
from audit.log.action_labels import label_of
from audit.log.events import Outcome
from audit.log.object_names import without_prefix
from audit.log.raw_rows import SpelledTimestamp, timestamp_of
from audit.models import READ_PERMISSION, AuditLog
from audit.sequencing.timestamps import CountOf
from audit.usage.sums import DAY
from console import actions as console_actions
from console.home.alerts import Alert, AlertGroup, AlertKind, AlertObject
from kernel.errors import Denied
from keys import actions as key_actions
from notifications import actions as notification_actions

ACTS = [
    code
    for app in (key_actions, console_actions, account_actions, notification_actions)
    for code in app.LABELS.guarded
]


@dataclass(frozen=True, slots=True)
class DeniedActs:
    """The number of those of the last day, and the newest one."""

    count: int = 0
    newest: Mapping[str, Any] | None = None

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(row.get("denied_acts", 0), row.get("denied_act"))


def denied_act_columns(principal: Principal, at: datetime) -> Mapping[str, BaseExpression]:
    """The columns that ``DeniedActs.of_row`` reads; none for a reader of their own actions only."""
    if not principal.has_permission(READ_PERMISSION) or principal.scope(READ_PERMISSION) != "all":
        return {}
    acts = AuditLog.objects.visible_to(principal).filter(
        outcome=Outcome.DENIED, code=Denied.code, action__in=ACTS, timestamp__gte=at - DAY
    )
    columns = JSONObject(
        **{name: name for name in ("id", "actor_name", "action", "object_type", "object_id")},
        at=SpelledTimestamp("timestamp"),
    )
    return {
        "denied_acts": CountOf(acts.order_by().values("pk")),
        "denied_act": Subquery(acts.order_by("-id").values(newest=columns)[:1], output_field=JSONField()),
    }


def denied_act_alerts(found: DeniedActs, at: datetime) -> Iterator[AlertGroup]:
    """The newest one, and the number of all. The link leads to all requests without the permission, also those that read."""
    if found.newest is None:
        return
    query = {"outcome": Outcome.DENIED.value, "search": Denied.code, "from": f"{at - DAY:%Y-%m-%dT%H:%M:%SZ}"}
    yield AlertGroup(
        AlertKind.ACT_DENIED,
        found.count,
        [_alert(found.newest)],
        f"{reverse('audit')}?{urlencode(query)}",
        "attempts to change keys, access or accounts were denied in the last 24 hours",
        "See all requests without permission",
    )


def _alert(act: Mapping[str, Any]) -> Alert:
    """Without the name of an object that the request named by its id: the page of the entry shows it."""
    name = without_prefix(act["object_id"])
    name = "" if name == act["object_id"] else name
    action = f"The action “{label_of(act['action'])}”{name and f' on {name}'}"
    return Alert(
        AlertKind.ACT_DENIED,
        f"{action} was denied to {act['actor_name']}.",
        reverse("audit-entry", args=[act["id"]]),
        "See entry",
        AlertObject(act["object_type"], act["object_id"], name),
        timestamp_of(act["at"]),
    )
