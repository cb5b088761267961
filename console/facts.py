"""The single values that the home page reads from many tables, in one statement."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, Q
from django.db.models.expressions import BaseExpression

from accounts.models import User
from accounts.principals import Principal
from accounts.roles import AUDITOR
from audit.services.log_status import Warnings, may_see_alarms, warning_columns, warnings_of
from audit.services.verifications import Verification, last_verification
from audit.usage.queries import DAY, Keys, rows_done
from crypto_ops.actions import MESSAGE_ENCRYPTED
from kernel.jobs import registry
from kernel.jobs.job import Status


@dataclass(frozen=True, slots=True)
class Facts:
    """Single values and the state of the log. ``verification`` is only for readers of the whole log."""

    has_second_factor: bool
    has_auditor: bool
    has_encrypted: bool
    has_failed_jobs: bool
    log: Warnings
    verification: Verification | None


def read_facts(principal: Principal, own: Keys, at: datetime) -> Facts:
    """``own``: the ids of the principal's own keys; None for every key."""
    asked = {
        "has_auditor": Exists(User.objects.filter(role=AUDITOR, is_active=True)),
        "has_encrypted": Exists(rows_done(MESSAGE_ENCRYPTED, own)),
        **_failures(principal, at - DAY),
        **warning_columns(principal),
    }
    person = User.objects.filter(pk=principal.person_id)
    row: dict[str, Any] = dict(person.values("requires_second_factor", **asked).get())
    return Facts(
        has_second_factor=row["requires_second_factor"],
        has_auditor=row["has_auditor"],
        has_encrypted=row["has_encrypted"],
        has_failed_jobs=any(row[name] for name in row if name.startswith("failed_")),
        log=warnings_of(row, at),
        verification=last_verification() if may_see_alarms(principal) else None,
    )


def _failures(principal: Principal, since: datetime) -> Mapping[str, BaseExpression]:
    """Whether a job of each kind failed: any job if the principal may read the system, else only their own."""
    whose = Q() if principal.has_permission("system.read") else Q(created_by=principal.user_id)
    failed = Q(status=Status.FAILED.value, finished_at__gte=since)
    return {
        f"failed_{number}": Exists(task.model._default_manager.filter(whose & failed))
        for number, task in enumerate(registry.tasks())
    }
