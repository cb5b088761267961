"""Alarms of the log: raised once each, open until an administrator resolves them with a reason."""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from itertools import batched
from typing import Any, Literal, Protocol
from uuid import UUID, uuid4

import django.db
from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, OuterRef, Subquery

from audit import actions
from audit.alarms import MOST_OPEN, Alarm, summary_of
from audit.canonical import MAX_INTEGER, format_timestamp
from audit.epoch import require_current
from audit.errors import AlarmResolved
from audit.events import Actor, Event, RowChange, Source, clean_text
from audit.models import RESOLVE_PERMISSION, AuditAlarm, AuditLog
from audit.models.alarms import AuditAlarmQuerySet
from audit.raw_rows import any_text, moment_of, presentable, spelled_columns, uuid_of
from audit.services.recording import record
from audit.stamps import EpochStamp
from ciphercanary.clock import database_now
from ciphercanary.errors import DomainError, NotFound
from ciphercanary.labels import check_reason
from ciphercanary.metrics import audit_alarms_total
from ciphercanary.rules import Caller

logger = logging.getLogger(__name__)

RECORDED = 20  # alarms of one call that get a record each
AGAIN_SECONDS = 60.0
ATTEMPTS = 3
LOOKED_UP_AT_ONCE = 500
RESTORED = (
    "event_id",
    "timestamp",
    "code",
    "count",
    "meta",
)  # columns of an entry that its alarm is made from
ACTOR = Actor.system("audit alarms", Source.SCHEDULER)
_of_alarms_due = 0.0

LIST_PERMISSION = "system.read"  # the roles that read the whole log hold it


class Resolver(Caller, Protocol):
    """A caller who may resolve alarms."""

    @property
    def actor(self) -> Actor: ...
    @property
    def stamp(self) -> EpochStamp | None: ...
    def require_recent_log_in(self, now: datetime) -> None:
        """Raises RecentAuthRequired if the log-in is too long ago."""
        ...


def raise_alarms(alarms: Sequence[Alarm]) -> None:
    """Put each alarm on record, with its entry, unless it is on record already, open or resolved. Never raises.

    The first ``RECORDED`` have a record each and the others one together. Joins the caller's transaction if there is
    one; inside a read-only snapshot nothing can be recorded, so call it after the snapshot.
    """
    try:
        new = _without_known(alarms)
    except (DomainError, django.db.Error):
        logger.exception("the alarms on record cannot be read")
        new = list(alarms)
    if not new:
        return
    for alarm in new:
        audit_alarms_total.labels(alarm.kind).inc()
    for alarm in new[:RECORDED]:
        logger.error("audit log: %s", alarm)
    if len(new) > RECORDED:
        logger.error("audit log: %d alarms more", len(new) - RECORDED)
    try:
        _record_bounded([alarm for alarm in new if not alarm.is_of_alarm or _is_due()])
    except (DomainError, django.db.Error):
        logger.exception("an alarm could not be put on record")


def restore_alarms() -> int:
    """Insert an open alarm for every alarm entry of the log that has no row; how many.

    The entries are append-only, so deleting a row clears no alarm. Alarms of earlier versions, which had entries
    only, get their rows here, too. Raises django.db.Error and the errors of the MAC's key.
    """
    row = AuditAlarm.objects.filter(event_id=OuterRef("event_id"))
    entries = AuditLog.objects.filter(~Exists(row), action=actions.LOG_ALARMED).order_by("id")[:MOST_OPEN]
    with any_text():
        found = list(entries.values_list(*spelled_columns(AuditLog, RESTORED)))
    return sum(_restore(dict(zip(RESTORED, values, strict=True))) for values in found)


def find_alarms(
    *, principal: Caller, status: Literal["open", "resolved"] | None = None
) -> AuditAlarmQuerySet:
    """Newest first, each with the ``entry_id`` of its own entry in the log. Raises Denied."""
    principal.require(LIST_PERMISSION)
    # Both were written with the same time, which has an index.
    entry = AuditLog.objects.filter(timestamp=OuterRef("raised_at"), event_id=OuterRef("event_id"))
    found = AuditAlarm.objects.annotate(entry_id=Subquery(entry.order_by("id").values("id")[:1]))
    if status is not None:
        found = found.open() if status == "open" else found.resolved()
    return found.order_by("-raised_at", "id")


def count_open_alarms() -> int:
    """Up to ``MOST_OPEN``."""
    return AuditAlarm.objects.open().order_by()[:MOST_OPEN].count()


def find_alarm(*, principal: Caller, alarm_id: UUID) -> AuditAlarm:
    """Raises Denied and NotFound."""
    alarm = find_alarms(principal=principal).filter(id=alarm_id).first()
    if alarm is None:
        raise NotFound
    return alarm


def resolve_alarm(*, principal: Resolver, alarm_id: UUID, reason: str) -> AuditAlarm:
    """Close an alarm that was looked into; the decision is on record, and the same evidence raises no alarm again.

    Raises Denied, RecentAuthRequired, Invalid for the reason, NotFound, and AlarmResolved.
    """
    principal.require(RESOLVE_PERMISSION)
    now = database_now()
    principal.require_recent_log_in(now)
    check_reason(reason)
    with transaction.atomic():
        alarm = AuditAlarm.objects.select_for_update().filter(id=alarm_id).first()
        if alarm is None:
            raise NotFound
        if alarm.resolved_at is not None and alarm.is_authentic:
            raise AlarmResolved(format_timestamp(alarm.resolved_at))
        before = _decision(alarm)
        alarm.resolved_at, alarm.reason = now, reason
        alarm.resolved_by, alarm.resolved_by_name = principal.user_id, principal.actor.actor_name
        alarm.save_with_mac()
        event = Event(
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
        change = RowChange.updated("audit_alarms", alarm.id, before, _decision(alarm))
        record(event, principal.actor, changes=[change])
        require_current(principal.stamp)
    return alarm


def _decision(alarm: AuditAlarm) -> Mapping[str, object]:
    names = ("resolved_at", "resolved_by", "resolved_by_name", "reason")
    return {name: getattr(alarm, name) for name in names}


def _without_known(alarms: Sequence[Alarm]) -> list[Alarm]:
    """Each alarm once, without those on record."""
    new = {alarm.evidence: alarm for alarm in alarms}
    # A savepoint, so that an error here does not end the caller's transaction.
    with transaction.atomic() if connection.in_atomic_block else nullcontext():
        for some in batched(list(new), LOOKED_UP_AT_ONCE):
            for known in AuditAlarm.objects.filter(evidence__in=some).found():
                if known.is_authentic:  # a forged row must not keep the alarm away
                    del new[known.evidence]
    return list(new.values())


def _is_due() -> bool:
    """At most one alarm a minute about the entries of alarms: recording one makes the next such entry."""
    global _of_alarms_due  # noqa: PLW0603 - a time for the whole process
    now = time.monotonic()
    if now < _of_alarms_due:
        return False
    _of_alarms_due = now + AGAIN_SECONDS
    return True


def _record_bounded(alarms: list[Alarm]) -> None:
    if not alarms:
        return
    with transaction.atomic() if connection.in_atomic_block else nullcontext():
        room = min(RECORDED, MOST_OPEN - _count_unresolved())
    for alarm in alarms[:room]:
        _record(alarm)
    if alarms[room:]:
        _record(summary_of(alarms[room:]))


def _count_unresolved() -> int:
    """Up to ``MOST_OPEN``, without forged rows, which would leave no room for the others."""
    unresolved = AuditAlarm.objects.unresolved()
    count = unresolved.count()
    if count > MOST_OPEN - RECORDED:
        count = sum(alarm.is_authentic for alarm in unresolved.found())
    return min(count, MOST_OPEN)


def _record(alarm: Alarm) -> None:
    """The row and its entry, in one transaction."""
    try:
        for _ in range(ATTEMPTS):
            if not _without_known([alarm]) or _recorded(alarm):
                return
        logger.error("the table of alarms takes no row for this alarm; its entry is recorded alone")
        with transaction.atomic():
            record(alarm.event, ACTOR)
    except (DomainError, django.db.Error):
        logger.exception("an alarm could not be put on record")


def _recorded(alarm: Alarm) -> bool:
    """False if a row with the same evidence was inserted meanwhile."""
    try:
        with transaction.atomic():
            entry = record(alarm.event, ACTOR)
            _set_aside(alarm.evidence)
            texts = {"writer": alarm.writer or "", "expected": alarm.expected, "found": alarm.found}
            _insert(
                texts,
                kind=entry.code,
                log_id=alarm.log_id,
                count=entry.count,
                evidence=alarm.evidence,
                event_id=entry.event_id,
                raised_at=entry.timestamp,
            )
    except IntegrityError:
        return False
    if not AuditAlarm.objects.filter(event_id=entry.event_id).exists():
        logger.error("the row of the alarm at entry %s was not inserted: look for triggers", entry.pk)
    return True


def _set_aside(evidence: str) -> None:
    """A forged row with this evidence makes room for the genuine one. It stays, altered as it is."""
    rows = AuditAlarm.objects.filter(evidence=evidence)
    if forged := [alarm for alarm in rows.found() if not alarm.is_authentic]:
        AuditAlarm.objects.same_rows(forged).update(evidence=uuid4().hex)


def _insert(texts: Mapping[str, object], **columns: Any) -> None:
    limits = {"writer": 36, "expected": AuditAlarm.TEXT_LIMIT, "found": AuditAlarm.TEXT_LIMIT}
    bounded = {name: clean_text(str(texts[name]), limit) for name, limit in limits.items()}
    AuditAlarm(**columns, **bounded).save_with_mac()


def _restore(entry: Mapping[str, object]) -> bool:
    """From an altered entry, too: a column that cannot be read is replaced, and the verifier reports the entry."""
    event_id = uuid_of(entry["event_id"])
    if event_id is None:
        return False
    meta = _meta_of(entry["meta"])
    texts = {name: "" if meta.get(name) is None else meta[name] for name in ("writer", "expected", "found")}
    columns = {
        "kind": clean_text(str(presentable(entry["code"])), 64),
        "log_id": _number(meta.get("log_id")),
        "count": _number(entry["count"]) or 1,
        "event_id": event_id,
        "raised_at": moment_of(entry["timestamp"]) or database_now(),
    }
    # Entries of earlier versions name no evidence, and two of them may say the same.
    for evidence in (meta.get("evidence") or event_id, event_id):
        try:
            with transaction.atomic():
                _insert(texts, evidence=clean_text(str(evidence), 64), **columns)
        except IntegrityError:
            continue
        return True
    return False


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and abs(value) <= MAX_INTEGER else None


def _meta_of(text: object) -> Mapping[str, Any]:
    try:
        meta = json.loads(text)  # type: ignore[arg-type]  # TypeError is caught
    except (TypeError, ValueError, RecursionError):
        return {}
    return meta if isinstance(meta, dict) else {}
