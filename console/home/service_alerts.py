"""Alerts about the installation. Home, ``GET /api/v1/attention`` and notifications draw from this list."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Self
from urllib.parse import urlencode

from django.db.models import Subquery, Sum, Value
from django.db.models.expressions import BaseExpression
from django.db.models.functions import Coalesce
from django.urls import reverse

from accounts.actions import SESSION_OPENED
from accounts.errors import OtpRequired
from audit.actions import BACKUP_CREATED
from audit.forwarding.lags import late_targets
from audit.log.events import Outcome
from audit.models import AuditLog
from audit.sequencing.timestamps import last_done_at
from console.checks import BAD, OK, check_backup, check_disk
from console.home.alerts import Alert, AlertKind, AlertObject
from console.key_encryption.keks import has_good_copies

SIGN_INS_WITHIN: Final = timedelta(hours=1)
MANY_SIGN_INS: Final = 20


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """``failed_sign_ins``: those of users within ``SIGN_INS_WITHIN``."""

    backed_up_at: datetime | None
    has_kek_copies: bool
    failed_sign_ins: int

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(row["backed_up_at"], row["has_kek_copies"], row["failed_sign_ins"])


def service_columns(at: datetime) -> Mapping[str, BaseExpression]:
    """The columns that ``ServiceFacts.of_row`` reads."""
    # An entry counts equal refusals within some seconds. A request for the one-time code is a step of a sign-in.
    failed = AuditLog.objects.filter(  # noqa: CC2 - a number, for readers of the system
        action=SESSION_OPENED, outcome=Outcome.DENIED, timestamp__gte=at - SIGN_INS_WITHIN
    ).exclude(code=OtpRequired.code)
    sums = failed.order_by().values("outcome").annotate(all=Sum("count")).values("all")
    return {
        "backed_up_at": last_done_at(BACKUP_CREATED),
        "has_kek_copies": has_good_copies(),
        "failed_sign_ins": Coalesce(Subquery(sums), Value(0)),
    }


def service_alerts(facts: ServiceFacts, at: datetime) -> Iterator[Alert]:
    system, action = reverse("system"), "Check the system"
    disk = check_disk()
    if disk.state == BAD:
        yield Alert(AlertKind.DISK_FULL, f"The data folder is nearly full: {disk.measured}.", system, action)
    if facts.failed_sign_ins >= MANY_SIGN_INS:
        yield _sign_in_alert(facts.failed_sign_ins, at)
    backup = check_backup(facts.backed_up_at, at)
    if backup.state != OK:
        last = facts.backed_up_at
        text = "There is no database backup yet."
        if last is not None:
            text = f"The latest database backup is more than a day old ({last:%Y-%m-%d %H:%MZ})."
        yield Alert(AlertKind.BACKUP_LATE, text, system, action, since=last)
    if not facts.has_kek_copies:
        text = (
            "The copy of at least one key-encryption key has not been checked. Without its key-encryption keys, a backup "
            "cannot be restored."
        )
        yield Alert(AlertKind.KEK_COPY_UNPROVED, text, system, action)


def log_target_alerts(at: datetime) -> list[Alert]:
    page, action = reverse("log-targets"), "See the log targets"
    return [
        Alert(
            AlertKind.LOG_TARGET_LATE,
            text,
            page,
            action,
            AlertObject("log_target", str(target.id), target.name),
            target.failing_since,
        )
        for target, text in late_targets(at)
    ]


def _sign_in_alert(failed: int, at: datetime) -> Alert:
    since = at - SIGN_INS_WITHIN
    query = {
        "action": SESSION_OPENED,
        "outcome": Outcome.DENIED.value,
        "from": f"{since:%Y-%m-%dT%H:%M:%SZ}",
    }
    text = f"{failed} sign-ins failed in the last hour. Someone may be guessing passwords."
    return Alert(
        AlertKind.SIGN_INS_FAILED,
        text,
        f"{reverse('audit')}?{urlencode(query)}",
        "See the sign-ins",
        since=since,
        degree=len(str(failed // MANY_SIGN_INS)),  # ten times as many
    )
