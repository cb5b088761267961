"""Alarms of the log. Each stays open until it is resolved."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

from django.db import connection, models
from django.db.models import Q

from audit.log.raw_rows import Octets, any_text, presentable, spelled_columns, timestamp_of, uuid_of
from audit.sequencing.alarms import LABELS, AlarmKind, missing_entries
from kernel.labels import MAX_REASON
from kernel.trust.row_mac import MacField, MacProtectedRow

RESOLVE_PERMISSION = "audit.resolve"
_UNREADABLE = object()


_UNRESOLVED = Q(resolved_at__isnull=True)


class AuditAlarmQuerySet(models.QuerySet["AuditAlarm"]):
    def unresolved(self) -> Self:
        return self.filter(_UNRESOLVED)

    def decided(self) -> Self:
        """Rows with a resolution, whether their MAC matches or not."""
        return self.exclude(_UNRESOLVED)

    def open(self) -> Self:
        """Unresolved alarms, and those with a MAC mismatch: write access to the database cannot close an alarm."""
        return self._identified().filter(_UNRESOLVED | Q(stored_id__in=_ids_of(forged_resolutions())))

    def resolved(self) -> Self:
        forged = _ids_of(forged_resolutions())
        return self._identified().exclude(_UNRESOLVED).exclude(stored_id__in=forged)

    def same_rows(self, rows: "Sequence[AuditAlarm]") -> Self:
        """The rows that ``found`` returned, even if their ids are not valid UUIDs."""
        return self._identified().filter(stored_id__in=_ids_of(rows))

    def _identified(self) -> Self:
        return self.alias(stored_id=Octets("id"))

    def with_id(self, alarm_id: uuid.UUID) -> "AuditAlarm | None":
        """A row as ``found`` returns it, also by a placeholder id."""
        rows = self.filter(id=alarm_id).found() or [row for row in self.found() if row.id == alarm_id]
        return rows[0] if rows else None

    def found(self) -> "list[AuditAlarm]":
        """The rows as stored. Rows that Django could not read have placeholders, and are not authentic."""
        fields = AuditAlarm._meta.concrete_fields
        columns = spelled_columns(AuditAlarm, [field.attname for field in fields])
        annotated = [name for name in ("own_entry",) if name in self.query.annotations]
        with any_text():
            rows = list(self.values_list(Octets("id"), *columns, *annotated))
        return [_as_row(stored_id, fields, values) for stored_id, *values in rows]


class AuditAlarm(MacProtectedRow):
    """A stored ``audit.sequencing.alarms.Alarm``. ``event_id`` refers to its entry in the log.

    ``evidence`` is the alarm's identity. The name of the user who resolved it is copied; there is no foreign key.
    """

    MAC_LABEL: ClassVar[str] = "audit-alarm"
    STATE: ClassVar[tuple[str, ...]] = ()  # entries of the log have each alarm and its resolution
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

    # Not columns: ``found`` sets them.
    stored_id: str = ""  # as ``Octets`` returns it
    entry_id: int | None = None  # of its own entry, if the queryset has it
    is_readable = True
    accepted: str = ""  # by ``resolve_alarm``, in words

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
    def is_authentic(self) -> bool:
        return self.is_readable and super().is_authentic

    @property
    def label(self) -> str:
        return LABELS.get(self.kind, self.kind)

    @property
    def acceptance(self) -> str:
        """The missing entries or the rows that a resolution accepts, in words; "" if it accepts nothing."""
        if self.kind == AlarmKind.STATE_ALTERED:
            return self.found
        if self.kind == AlarmKind.STATE_UNKNOWN:
            return "all protected rows as they are now"
        return self.missing

    @property
    def missing(self) -> str:
        """The missing entries, in words; "" for an alarm of another kind."""
        if self.kind != AlarmKind.SEQUENCE_GAP or not (self.expected.isdecimal() and self.found.isdecimal()):
            return ""
        return missing_entries(self.writer, int(self.found), int(self.expected))

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
    """Rows that claim to be resolved, with a MAC that does not match.

    Reads and checks every resolved row. People resolve alarms one by one, so there are few.
    """
    return [alarm for alarm in AuditAlarm.objects.decided().found() if not alarm.is_authentic]


def _ids_of(alarms: Sequence[AuditAlarm]) -> list[str]:
    return [alarm.stored_id for alarm in alarms]


def _as_row(stored_id: str, fields: Sequence[Any], columns: Sequence[Any]) -> AuditAlarm:
    names = [field.attname for field in fields]
    stored, annotated = columns[: len(fields)], columns[len(fields) :]
    values = [_typed(field, value) for field, value in zip(fields, stored, strict=True)]
    is_readable = _UNREADABLE not in values
    if not is_readable:
        values = [
            _placeholder(*each) if each[2] is _UNREADABLE else each[2]
            for each in zip(fields, stored, values, strict=True)
        ]
    row = AuditAlarm.from_db(connection.alias, names, values)
    row.is_readable, row.stored_id = is_readable, stored_id
    if annotated and annotated[0] is not None and annotated[0] > 0:  # only positive ids have a page
        [row.entry_id] = annotated
    return row


def _typed(field: Any, stored: object) -> object:
    """The value of a column, ``_UNREADABLE`` for one that the application never writes."""
    if stored is None:
        return None if field.null else _UNREADABLE
    match field.get_internal_type():
        case "UUIDField":
            value: object = uuid_of(stored)
        case "DateTimeField":
            value = timestamp_of(stored)
        case "CharField":
            value = stored if isinstance(stored, str) and presentable(stored) == stored else None
        case _:
            value = stored if type(stored) is int else None
    return _UNREADABLE if value is None else value


def _placeholder(field: Any, stored: object, _unreadable: object) -> object:
    """The value shown instead. The generated id of a row stays the same until the row is altered again."""
    match field.get_internal_type():
        case "CharField":
            return presentable("" if stored is None else stored)
        case "UUIDField" if not field.null:
            return uuid.uuid5(uuid.NAMESPACE_OID, str(presentable(stored)))
        case "DateTimeField" if not field.null:
            return datetime(1970, 1, 1, tzinfo=UTC)
    return None if field.null else 0
