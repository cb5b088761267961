"""Alarms of the log, each open until it is resolved."""

import uuid
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q

from audit.alarms import LABELS
from ciphercanary.labels import MAX_REASON
from ciphercanary.row_mac import MacField, MacProtectedRow

RESOLVE_PERMISSION = "audit.resolve"


_UNRESOLVED = Q(resolved_at__isnull=True)


class AuditAlarmQuerySet(models.QuerySet["AuditAlarm"]):
    def unresolved(self) -> Self:
        return self.filter(_UNRESOLVED)

    def decided(self) -> Self:
        """Rows that have a resolution, whether their MAC matches or not."""
        return self.exclude(_UNRESOLVED)

    def open(self) -> Self:
        """Unresolved alarms, and those whose MAC does not match: the database alone clears no alarm."""
        return self.filter(_UNRESOLVED | Q(pk__in=_ids_of(forged_resolutions())))

    def resolved(self) -> Self:
        return self.decided().exclude(pk__in=_ids_of(forged_resolutions()))


class AuditAlarm(MacProtectedRow):
    """An ``audit.alarms.Alarm`` on record. ``event_id`` names its entry in the log.

    ``evidence`` is the alarm's identity. The name of the user who resolved it is copied; there is no foreign key.
    """

    MAC_LABEL: ClassVar[str] = "audit-alarm"
    TEXT_LIMIT: ClassVar[int] = 400

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=64)
    log_id = models.BigIntegerField(null=True)
    writer = models.CharField(max_length=36, blank=True)
    expected = models.CharField(max_length=TEXT_LIMIT, blank=True)
    found = models.CharField(max_length=TEXT_LIMIT, blank=True)
    count = models.BigIntegerField(default=1)
    evidence = models.CharField(max_length=64, unique=True)
    event_id = models.UUIDField(unique=True)
    raised_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.UUIDField(null=True)
    resolved_by_name = models.CharField(max_length=150, blank=True)
    reason = models.CharField(max_length=MAX_REASON, blank=True)

    objects = AuditAlarmQuerySet.as_manager()

    class Meta:
        db_table = "audit_alarms"
        verbose_name = "audit alarm"
        ordering = ["-raised_at", "id"]
        indexes = [
            models.Index(fields=["raised_at", "id"], name="idx_audit_alarms_raised"),
            models.Index(
                fields=["raised_at"], condition=Q(resolved_at__isnull=True), name="idx_audit_alarms_open"
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(resolved_at__isnull=True, reason="")
                | Q(resolved_at__isnull=False) & ~Q(reason=""),
                name="audit_alarms_resolved_with_reason",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.raised_at:%Y-%m-%d %H:%M:%SZ}"

    def mac_fields(self) -> tuple[MacField, ...]:
        return (
            self.id,
            self.kind,
            self.log_id,
            self.writer,
            self.expected,
            self.found,
            self.count,
            self.evidence,
            self.event_id,
            self.raised_at,
            self.resolved_at,
            self.resolved_by,
            self.resolved_by_name,
            self.reason,
        )

    @property
    def label(self) -> str:
        return LABELS.get(self.kind, self.kind)

    @property
    def status(self) -> str:
        return "open" if self.is_open else "resolved"

    @property
    def is_altered(self) -> bool:
        return not self.is_authentic

    @property
    def is_open(self) -> bool:
        return self.resolved_at is None or not self.is_authentic


def forged_resolutions() -> list[AuditAlarm]:
    """Rows that say they are resolved, with a MAC that does not match.

    Each resolved row is read and checked. People resolve alarms one by one, so there are few.
    """
    return [alarm for alarm in AuditAlarm.objects.decided().iterator() if not alarm.is_authentic]


def _ids_of(alarms: list[AuditAlarm]) -> list[uuid.UUID]:
    return [alarm.id for alarm in alarms]
