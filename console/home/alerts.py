"""Alerts: conditions that need a decision. Home and ``GET /api/v1/attention`` show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AlertKind(StrEnum):
    """The kinds of alerts, the most severe first."""

    AUDIT_ALARM = "audit_alarm"
    AUDIT_DELAY = "audit_delay"
    KEY_DELETION_DENIED = "key_deletion_denied"
    KEY_DENIED = "key_denied"
    KEY_DELETION_AHEAD = "key_deletion_ahead"
    DISK_FULL = "disk_full"
    SIGN_INS_FAILED = "sign_ins_failed"
    AUDIT_UNVERIFIED = "audit_unverified"
    BACKUP_LATE = "backup_late"
    KEK_COPY_UNPROVED = "kek_copy_unproved"
    LOG_TARGET_LATE = "log_target_late"
    KEY_ROTATION_OVERDUE = "key_rotation_overdue"
    KEY_EXPIRING = "key_expiring"
    ACT_DENIED = "act_denied"
    JOB_FAILED = "job_failed"
    SECOND_FACTOR_MISSING = "second_factor_missing"


class Severity(StrEnum):
    CRITICAL = "critical"
    WARNING = "warning"


CRITICAL = frozenset(
    {
        AlertKind.AUDIT_ALARM,
        AlertKind.AUDIT_DELAY,
        AlertKind.KEY_DELETION_DENIED,
        AlertKind.KEY_DENIED,
        AlertKind.KEY_DELETION_AHEAD,
        AlertKind.DISK_FULL,
    }
)


@dataclass(frozen=True, slots=True)
class AlertObject:
    """The object of an alert. ``name`` is "" if it has none."""

    type: str
    id: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """One condition, with the page to act on it. ``since`` is when it began, None if that is not recorded.

    ``degree``: a condition that gets worse has a higher one.
    """

    kind: AlertKind
    text: str
    action_url: str
    action: str
    object: AlertObject | None = None
    since: datetime | None = None
    degree: int = 0

    @property
    def severity(self) -> Severity:
        return Severity.CRITICAL if self.kind in CRITICAL else Severity.WARNING

    @property
    def icon(self) -> str:
        return "shield-alert" if self.severity is Severity.CRITICAL else "triangle-alert"


@dataclass(frozen=True, slots=True)
class AlertGroup:
    """The first alerts of one kind. ``count`` is the number of all, and ``all_url`` the page that lists them.

    ``all_text`` follows the count in a sentence, and ``all_action`` is the text of the link.
    """

    kind: AlertKind
    count: int
    alerts: Sequence[Alert]
    all_url: str = ""
    all_text: str = ""
    all_action: str = "See all"

    @property
    def has_more(self) -> bool:
        return self.count > len(self.alerts)
