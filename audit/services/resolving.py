"""Resolve alarms, and restore deleted or altered alarm rows from their entries, which prove their content."""

import json
from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef

from audit import actions
from audit.errors import AlarmResolved
from audit.log.canonical import MAX_INTEGER, format_timestamp
from audit.log.events import Actor, Event, RowChange
from audit.models import RESOLVE_PERMISSION, AuditAlarm, AuditLog
from audit.sequencing.alarms import ACCEPTING, Alarm, AlarmKind
from audit.sequencing.catching_up import catch_up
from audit.sequencing.state import State
from audit.sequencing.state_beginning import begin_state
from audit.sequencing.state_heads import renew_heads
from audit.sequencing.tree import read_tree
from audit.services import showing
from audit.services.alarms import ACTOR, insert_alarm, insert_row, raise_alarms, set_aside
from audit.services.recording import record
from audit.verification import integrity
from audit.verification.database.schema import has_schema_alarm
from audit.verification.database.state import Difference, find_difference
from audit.verification.integrity import FoundEntry
from kernel.clock import database_now
from kernel.databases.changes import note_change
from kernel.errors import Conflict, NotFound
from kernel.freshness.epoch import require_current
from kernel.freshness.stamps import EpochStamp
from kernel.labels import check_reason
from kernel.rules import Caller
from kernel.trust.row_mac import IntegrityFailed

_READ_AT_ONCE = 1000


class Resolver(Caller, Protocol):
    """A caller who may resolve alarms."""

    @property
    def actor(self) -> Actor: ...
    @property
    def stamp(self) -> EpochStamp | None: ...


def restore_alarms() -> int:
    """Insert an open alarm for each intact alarm entry of the log that has no row. Returns their number.

    The entries are append-only, so deleting a row does not clear an alarm. This also creates the rows of alarms from
    earlier versions, which had only entries. An altered entry restores nothing: it raises an alarm of its own. Raises
    django.db.Error and the errors of the MAC's key.
    """
    catch_up()
    row = AuditAlarm.objects.filter(event_id=OuterRef("event_id"))
    entries = AuditLog.objects.filter(~Exists(row), action=actions.LOG_ALARMED).order_by("id")  # noqa: CC2 - the entries of alarms, to restore their rows
    restored, found = 0, integrity.find_entries(entries[:_READ_AT_ONCE])
    while found:
        restored += sum(_restore(entry) for entry in found if not entry.faults)
        raise_alarms([showing.alarm_of(entry) for entry in found if entry.faults])
        found = integrity.find_entries(entries.filter(id__gt=found[-1].values[0])[:_READ_AT_ONCE])
    return restored


def resolve_alarm(*, principal: Resolver, alarm_id: UUID, reason: str) -> AuditAlarm:
    """Close an alarm after an investigation, and record the decision.

    The same evidence raises no further alarm if it is still present when it is accepted. A row with a MAC mismatch is
    first replaced with the content of its log entry. Raises Denied, RecentAuthRequired, Invalid for the reason,
    NotFound, AlarmResolved, and Conflict if the entry accepts something that the row did not show. After STATE_UNKNOWN, the sums of
    the state begin again; if that fails, the alarm is raised again.
    """
    principal.require(RESOLVE_PERMISSION)
    now = database_now()
    principal.require_recent_sign_in(now)
    check_reason(reason)
    catch_up()  # the alarm's own entry decides what it is
    _restore_accepting(alarm_id)
    difference = _difference_of(alarm_id)
    with transaction.atomic():
        alarm = AuditAlarm.objects.select_for_update().with_id(alarm_id)
        if alarm is None:
            raise NotFound
        if not alarm.is_authentic:
            alarm = _rebuilt(alarm)
            _require_seen(alarm)  # it was altered after ``_restore_accepting``
        elif alarm.resolved_at is not None:
            raise AlarmResolved(format_timestamp(alarm.resolved_at))
        before = _decision(alarm)
        alarm.accepted = _accept(alarm, difference)
        event = _event_of(alarm, reason)
        if not _is_still_there(alarm):
            alarm.evidence = str(alarm.event_id)
        alarm.resolved_at, alarm.reason = now, reason
        alarm.resolved_by, alarm.resolved_by_name = principal.user_id, principal.actor.actor_name
        alarm.save_with_mac()
        change = RowChange.updated("audit_alarms", alarm.id, before, _decision(alarm))
        record(event, principal.actor, changes=[change])
        require_current(principal.stamp)
    if difference is not None:
        renew_heads(difference.model)
    if alarm.kind == AlarmKind.STATE_UNKNOWN:
        begin_state(actor=principal.actor, reason=reason)
    return alarm


def _accept(alarm: AuditAlarm, difference: Difference | None) -> str:
    """Accept what the alarm names. Returns it in words, "" if nothing is accepted."""
    if alarm.kind == AlarmKind.STATE_UNKNOWN and State.of(read_tree()).sums is not None:
        return ""  # an older row of the alarm was put back: the sums are valid
    if alarm.kind != AlarmKind.STATE_ALTERED:
        return alarm.acceptance
    if difference is None or difference.alarm.evidence != alarm.evidence:
        return ""
    note_change(difference.acceptance)
    return str(difference)


def _difference_of(alarm_id: UUID) -> Difference | None:
    """The difference that a resolution accepts or repairs, if it is still there."""
    alarm = AuditAlarm.objects.with_id(alarm_id)
    if alarm is None or alarm.kind not in {AlarmKind.STATE_ALTERED, AlarmKind.HEADS_ALTERED}:
        return None
    return find_difference(alarm.evidence)


def _restore_accepting(alarm_id: UUID) -> None:
    """Replace an altered row whose resolution accepts a loss, because no one has seen what it accepts."""
    with transaction.atomic():
        alarm = AuditAlarm.objects.select_for_update().with_id(alarm_id)
        if alarm is None or alarm.is_authentic:
            return
        entry = _intact_entry(alarm)
        if entry is None or entry.as_row().code not in ACCEPTING:
            return
        alarm = _rebuilt(alarm)
    _require_seen(alarm)


def _require_seen(restored: AuditAlarm) -> None:
    if restored.acceptance:
        raise Conflict(
            "The stored alarm was altered, and has been restored. Look at it again: resolving it accepts what it names."
        )


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
            **({"accepted": alarm.accepted} if alarm.accepted else {}),
        },
    )


def _decision(alarm: AuditAlarm) -> Mapping[str, object]:
    names = ("resolved_at", "resolved_by", "resolved_by_name", "reason")
    return {name: getattr(alarm, name) for name in names}


def _is_still_there(alarm: AuditAlarm) -> bool:
    """Whether the alarm stays accepted. Otherwise the same evidence raises an alarm again."""
    match alarm.kind:
        case AlarmKind.ENTRY_ALTERED:
            present = showing.present_alarms(alarm.log_id, alarm.found)
            return any(each.evidence == alarm.evidence for each in present)
        case AlarmKind.ENTRY_MISSING:
            return alarm.log_id is None or not AuditLog.objects.with_entry(alarm.log_id).exists()  # noqa: CC2 - the entry of an alarm, to find it again
        case AlarmKind.SCHEMA_ALTERED:
            return has_schema_alarm(alarm.evidence)
        case AlarmKind.INTEGRITY_FAILED | AlarmKind.CHECKPOINT_INCONSISTENT:
            return False  # the sequencer checks again, and raises an alarm at most once an hour
        case AlarmKind.STATE_ALTERED | AlarmKind.STATE_UNKNOWN | AlarmKind.HEADS_ALTERED:
            return False  # it was accepted, or it can come back
    return True


def original_of(alarm: AuditAlarm) -> AuditLog | None:
    """The intact entry that decides what an altered alarm is when it is resolved."""
    entry = _intact_entry(alarm)
    return None if entry is None else entry.as_row()


def _intact_entry(alarm: AuditAlarm) -> FoundEntry | None:
    of_alarm = AuditLog.objects.filter(event_id=alarm.event_id, action=actions.LOG_ALARMED)  # noqa: CC2 - the entries of an alarm, to restore its row
    return next((entry for entry in integrity.find_entries(of_alarm) if not entry.faults), None)


def _rebuilt(forged: AuditAlarm) -> AuditAlarm:
    """The row rebuilt from its entry. A row without an intact entry becomes an alarm about that fact."""
    entry = _intact_entry(forged)
    AuditAlarm.objects.same_rows([forged]).delete()  # noqa: CC3 - the content of the entry replaces a forged row
    if entry is None:
        found = f"the row {forged.id} without one"
        alarm = Alarm(kind=AlarmKind.ENTRY_ALTERED, expected="an alarm with its entry", found=found)
        recorded = record(alarm.event, ACTOR)
        set_aside(alarm.evidence)
        insert_alarm(alarm, recorded, id=forged.id)
        event_id: object = recorded.event_id
    else:
        _restore(entry, id=forged.id)
        event_id = entry.columns["event_id"]
    rows = AuditAlarm.objects.filter(event_id=str(event_id)).found()
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
    # Entries of earlier versions have no evidence, and two of them may be equal.
    for evidence in (meta.get("evidence") or row.event_id, row.event_id):
        try:
            with transaction.atomic():
                set_aside(str(evidence))
                insert_row(texts, evidence=str(evidence), **columns)
        except IntegrityError:
            continue
        return AuditAlarm.objects.filter(event_id=row.event_id).exists()  # a trigger can suppress it silently
    return False


def _meta_of(text: str) -> Mapping[str, Any]:
    try:
        meta = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return meta if isinstance(meta, dict) else {}
