"""Resolve alarms, and restore those whose rows were deleted or altered: from their entries, which prove what they were."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef

from audit import actions, integrity
from audit.alarms import Alarm, Kind
from audit.canonical import MAX_INTEGER, format_timestamp
from audit.epoch import require_current
from audit.errors import AlarmResolved
from audit.events import Actor, Event, RowChange
from audit.integrity import FoundEntry
from audit.models import RESOLVE_PERMISSION, AuditAlarm, AuditLog
from audit.services import showing
from audit.services.alarms import ACTOR, insert_row, set_aside
from audit.services.recording import record
from audit.stamps import EpochStamp
from ciphercanary.clock import database_now
from ciphercanary.errors import NotFound
from ciphercanary.labels import check_reason
from ciphercanary.row_mac import IntegrityFailed
from ciphercanary.rules import Caller

READ_AT_ONCE = 1000


class Resolver(Caller, Protocol):
    """A caller who may resolve alarms."""

    @property
    def actor(self) -> Actor: ...
    @property
    def stamp(self) -> EpochStamp | None: ...
    def require_recent_log_in(self, now: datetime) -> None:
        """Raises RecentAuthRequired if the log-in is too long ago."""
        ...


def restore_alarms() -> int:
    """Insert an open alarm for every intact alarm entry of the log that has no row; how many.

    The entries are append-only, so deleting a row clears no alarm. Alarms of earlier versions, which had entries
    only, get their rows here, too. An altered entry restores nothing: showing or verifying it raises an alarm of its
    own. Raises django.db.Error and the errors of the MAC's key.
    """
    row = AuditAlarm.objects.filter(event_id=OuterRef("event_id"))
    entries = AuditLog.objects.filter(~Exists(row), action=actions.LOG_ALARMED).order_by("id")
    restored, found = 0, integrity.find_entries(entries[:READ_AT_ONCE])
    while found:
        restored += sum(_restore(entry) for entry in found if not entry.faults)
        found = integrity.find_entries(entries.filter(id__gt=found[-1].values[0])[:READ_AT_ONCE])
    return restored


def resolve_alarm(*, principal: Resolver, alarm_id: UUID, reason: str) -> AuditAlarm:
    """Close an alarm that was looked into; the decision is on record.

    The same evidence raises no alarm again if it was there when it was accepted so. A row whose MAC does not match is
    replaced first, by what its entry in the log says. Raises Denied, RecentAuthRequired, Invalid for the reason,
    NotFound, and AlarmResolved.
    """
    principal.require(RESOLVE_PERMISSION)
    now = database_now()
    principal.require_recent_log_in(now)
    check_reason(reason)
    with transaction.atomic():
        alarm = AuditAlarm.objects.select_for_update().with_id(alarm_id)
        if alarm is None:
            raise NotFound
        if not alarm.is_authentic:
            alarm = _rebuilt(alarm)
        elif alarm.resolved_at is not None:
            raise AlarmResolved(format_timestamp(alarm.resolved_at))
        before = _decision(alarm)
        event = _event_of(alarm, reason)
        if not _is_still_there(alarm):
            alarm.evidence = str(alarm.event_id)
        alarm.resolved_at, alarm.reason = now, reason
        alarm.resolved_by, alarm.resolved_by_name = principal.user_id, principal.actor.actor_name
        alarm.save_with_mac()
        change = RowChange.updated("audit_alarms", alarm.id, before, _decision(alarm))
        record(event, principal.actor, changes=[change])
        require_current(principal.stamp)
    return alarm


def _event_of(alarm: AuditAlarm, reason: str) -> Event:
    return Event(
        action=actions.ALARM_RESOLVED,
        object_type="audit_alarm",
        object_id=str(alarm.id),
        meta={
            "kind": alarm.kind,
            "evidence": alarm.evidence,
            "raised_by": alarm.event_id,
            "reason": reason,
        },
    )


def _decision(alarm: AuditAlarm) -> Mapping[str, object]:
    names = ("resolved_at", "resolved_by", "resolved_by_name", "reason")
    return {name: getattr(alarm, name) for name in names}


def _is_still_there(alarm: AuditAlarm) -> bool:
    """Whether the alarm stays accepted: otherwise the same evidence raises an alarm again."""
    match alarm.kind:
        case Kind.ENTRY_ALTERED:
            present = showing.present_alarms(alarm.log_id, alarm.found)
            return any(each.evidence == alarm.evidence for each in present)
        case Kind.INTEGRITY_FAILED | Kind.CHECKPOINT_INCONSISTENT:
            return False  # the sequencer looks again, at most once an hour
    return True


def _rebuilt(forged: AuditAlarm) -> AuditAlarm:
    """The row as its entry has it. A row without an intact entry becomes an alarm about just that."""
    of_alarm = AuditLog.objects.filter(event_id=forged.event_id, action=actions.LOG_ALARMED)
    entry = next((entry for entry in integrity.find_entries(of_alarm) if not entry.faults), None)
    AuditAlarm.objects.same_rows([forged]).delete()
    if entry is None:
        found = f"the row {forged.id} without one"
        alarm = Alarm(kind=Kind.ENTRY_ALTERED, expected="an alarm with its entry", found=found)
        row = record(alarm.event, ACTOR)
        [entry] = integrity.find_entries(AuditLog.objects.filter(id=row.id))
    _restore(entry, id=forged.id)
    rows = AuditAlarm.objects.filter(event_id=str(entry.columns["event_id"])).found()
    if not rows or not rows[0].is_authentic:
        raise IntegrityFailed(
            "The table audit_alarms does not accept rows. Check its triggers with verify_audit_log."
        )
    return rows[0]


def _restore(entry: FoundEntry, **columns: Any) -> bool:
    row = entry.as_row()
    meta = _meta_of(row.meta)
    log_id = meta.get("log_id")
    texts = {name: "" if meta.get(name) is None else meta[name] for name in ("writer", "expected", "found")}
    columns |= {"kind": row.code, "count": row.count, "event_id": row.event_id, "raised_at": row.timestamp}
    columns["log_id"] = log_id if isinstance(log_id, int) and abs(log_id) <= MAX_INTEGER else None
    # Entries of earlier versions name no evidence, and two of them may say the same.
    for evidence in (meta.get("evidence") or row.event_id, row.event_id):
        try:
            with transaction.atomic():
                set_aside(str(evidence))
                insert_row(texts, evidence=str(evidence), **columns)
        except IntegrityError:
            continue
        return AuditAlarm.objects.filter(event_id=row.event_id).exists()  # a trigger can refuse it in silence
    return False


def _meta_of(text: str) -> Mapping[str, Any]:
    try:
        meta = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return meta if isinstance(meta, dict) else {}
