"""What the first page asks of many tables, in one statement: each answer is one value."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import DateTimeField, Exists, Q, Subquery, Value
from django.db.models.expressions import BaseExpression
from django.db.models.functions import Cast

from accounts.models import User
from accounts.principals import Principal
from accounts.roles import AUDITOR
from audit.events import Outcome
from audit.models import UsageRollup
from audit.moments import alarms, since_unsequenced
from audit.services.usage import DAY, Keys
from ciphercanary.jobs import registry
from ciphercanary.jobs.job import Status
from crypto_ops.actions import MESSAGE_ENCRYPTED

ALARM_DAYS = 7


@dataclass(frozen=True, slots=True)
class Facts:
    """Of the log only where he may see the system: ``oldest_unsequenced`` is an entry's moment."""

    has_second_factor: bool
    has_auditor: bool
    has_encrypted: bool
    has_failed_jobs: bool
    last_alarm: datetime | None
    oldest_unsequenced: datetime | None


def read_facts(principal: Principal, own: Keys, at: datetime) -> Facts:
    """``own``: the ids of his keys, None for every key."""
    asked = {
        "has_auditor": Exists(User.objects.filter(role=AUDITOR, is_active=True)),
        "has_encrypted": Exists(_encryptions(own)),
        **_failures(principal, at - DAY),
        **_of_the_log(principal, at),
    }
    person = User.objects.filter(pk=principal.person_id)
    row: dict[str, Any] = dict(person.values("requires_second_factor", **asked).get())
    return Facts(
        has_second_factor=row["requires_second_factor"],
        has_auditor=row["has_auditor"],
        has_encrypted=row["has_encrypted"],
        has_failed_jobs=any(row[name] for name in row if name.startswith("failed_")),
        last_alarm=row["last_alarm"],
        oldest_unsequenced=row["oldest_unsequenced"],
    )


def _encryptions(own: Keys) -> Any:
    rows = UsageRollup.objects.filter(operation=MESSAGE_ENCRYPTED, outcome=Outcome.OK.value)
    return rows if own is None else rows.filter(key_id__in=own)


def _failures(principal: Principal, since: datetime) -> Mapping[str, BaseExpression]:
    """Of each kind of job whether one failed: anybody's for who sees the system, else his own."""
    whose = Q() if principal.has_permission("system.read") else Q(created_by=principal.user_id)
    failed = Q(status=Status.FAILED.value, finished_at__gte=since)
    return {
        f"failed_{number}": Exists(task.model._default_manager.filter(whose & failed))
        for number, task in enumerate(registry.tasks())
    }


def _of_the_log(principal: Principal, at: datetime) -> Mapping[str, BaseExpression]:
    if not principal.has_permission("system.read"):
        nothing = Cast(Value(None), DateTimeField())
        return {"last_alarm": nothing, "oldest_unsequenced": nothing}
    recent = alarms().filter(timestamp__gte=at - ALARM_DAYS * DAY)
    return {
        "last_alarm": Subquery(recent.values("timestamp")[:1]),
        "oldest_unsequenced": since_unsequenced(),
    }
