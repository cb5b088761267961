"""Raise and list alarms of the log. Each is raised once, and open until an administrator resolves it with a reason."""

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from itertools import batched
from operator import attrgetter
from typing import Any, Literal
from uuid import UUID, uuid4

import django.db
from django.db import IntegrityError, connection, transaction
from django.db.models import OuterRef, Subquery

from audit.log.events import Actor, Source, clean_text
from audit.models import AuditAlarm, AuditLog
from audit.models.alarms import AuditAlarmQuerySet
from audit.sequencing.alarms import LABELS, MOST_OPEN, TOPIC, Alarm, summary_of
from audit.services.recording import Recorded, record
from kernel.errors import DomainError, NotFound
from kernel.observability.metrics import audit_alarms_total
from kernel.outbox.publishing import Announcement, publish
from kernel.rules import Caller
from kernel.runtime import ProcessState

logger = logging.getLogger(__name__)

RECORDED = 20  # alarms of one call that are stored individually
_AGAIN_SECONDS = 60.0
_ATTEMPTS = 3
_LOOKED_UP_AT_ONCE = 500
ACTOR = Actor.system("audit alarms", Source.SCHEDULER)

LIST_PERMISSION = "system.read"  # roles that may read the whole log have it


def raise_alarms(alarms: Sequence[Alarm]) -> None:
    """Store each alarm and its entry, unless it is already stored, open or resolved. Never raises.

    The first ``RECORDED`` alarms are stored individually, the others as one. Joins the caller's transaction if there is
    one. Inside a read-only snapshot nothing can be stored, so call it after the snapshot.
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


def find_alarms(
    *, principal: Caller, status: Literal["open", "resolved"] | None = None
) -> AuditAlarmQuerySet:
    """Newest first, each with the ``entry_id`` of its own entry in the log. Raises Denied."""
    principal.require(LIST_PERMISSION)
    # Both have the same timestamp, which is indexed.
    entry = AuditLog.objects.filter(timestamp=OuterRef("raised_at"), event_id=OuterRef("event_id"))  # noqa: CC2 - the entry of an alarm
    found = AuditAlarm.objects.annotate(own_entry=Subquery(entry.order_by("id").values("id")[:1]))
    if status is not None:
        found = found.open() if status == "open" else found.resolved()
    return found.order_by("-raised_at", "id")


def count_open_alarms() -> int:
    """Counts up to ``MOST_OPEN``."""
    return AuditAlarm.objects.open().order_by()[:MOST_OPEN].count()


def find_alarm(*, principal: Caller, alarm_id: UUID) -> AuditAlarm:
    """Raises Denied and NotFound."""
    alarm = find_alarms(principal=principal).with_id(alarm_id)
    if alarm is None:
        raise NotFound
    return alarm


def _without_known(alarms: Sequence[Alarm]) -> list[Alarm]:
    """Each alarm once, without those already stored."""
    new = {alarm.evidence: alarm for alarm in alarms}
    # A savepoint, so that an error here does not end the caller's transaction.
    with transaction.atomic() if connection.in_atomic_block else nullcontext():
        for some in batched(list(new), _LOOKED_UP_AT_ONCE):
            rows = AuditAlarm.objects.filter(evidence__in=some).found()
            # A forged row must not suppress the alarm.
            for known in filter(attrgetter("is_authentic"), rows):
                del new[known.evidence]
    return list(new.values())


class _Pause:
    of_alarms_until = 0.0
    of_full_table_until = 0.0


_pause = ProcessState(_Pause)


def _is_due() -> bool:
    """Allow one alarm a minute about the entries of alarms, because recording one creates another such entry."""
    pause, now = _pause.current, time.monotonic()
    if now < pause.of_alarms_until:
        return False
    pause.of_alarms_until = now + _AGAIN_SECONDS
    return True


def _record_bounded(alarms: list[Alarm]) -> None:
    if not alarms:
        return
    with transaction.atomic() if connection.in_atomic_block else nullcontext():
        room = _room()
    for alarm in alarms[:room]:
        _record(alarm)
    if alarms[room:]:
        _record(summary_of(alarms[room:]))


def _room() -> int:
    """How many alarms are stored individually. A full table is checked for forged rows once a minute: it takes 50 ms."""
    pause, now = _pause.current, time.monotonic()
    if now < pause.of_full_table_until and AuditAlarm.objects.unresolved().count() >= MOST_OPEN:
        return 0
    room = min(RECORDED, MOST_OPEN - _count_unresolved())
    if not room:
        pause.of_full_table_until = now + _AGAIN_SECONDS
    return room


def _count_unresolved() -> int:
    """Counts up to ``MOST_OPEN``, without forged rows, which would leave no room for the others."""
    unresolved = AuditAlarm.objects.unresolved()
    count = unresolved.count()
    if count > MOST_OPEN - RECORDED:
        count = sum(alarm.is_authentic for alarm in unresolved.found())
    return min(count, MOST_OPEN)


def _record(alarm: Alarm) -> None:
    """Store the row and its entry, in one transaction."""
    try:
        for _ in range(_ATTEMPTS):
            if not _without_known([alarm]) or _recorded(alarm):
                return
        logger.error("the table of alarms takes no row for this alarm; its entry is recorded alone")
        with transaction.atomic():
            _publish(alarm, record(alarm.event, ACTOR))
    except (DomainError, django.db.Error):
        logger.exception("an alarm could not be put on record")


def _publish(alarm: Alarm, recorded: Recorded) -> None:
    """A notification about the alarm with this event. Without the texts, which contain digests of the log."""
    publish(
        Announcement(
            topic=TOPIC.word,
            dedup_key=f"alarm:{recorded.event_id}",
            object_type="event",
            object_id=str(recorded.event_id),
            facts={"kind": alarm.kind.value, "label": LABELS[alarm.kind], "alarms": alarm.count},
        )
    )


def _recorded(alarm: Alarm) -> bool:
    """Whether it was stored: False if a row with the same evidence was inserted meanwhile."""
    try:
        with transaction.atomic():
            recorded = record(alarm.event, ACTOR)
            set_aside(alarm.evidence)
            insert_alarm(alarm, recorded)
            _publish(alarm, recorded)
    except IntegrityError:
        return False
    if not AuditAlarm.objects.filter(event_id=recorded.event_id).exists():
        logger.error("the row of the alarm %s was not inserted: look for triggers", recorded.event_id)
    return True


def insert_alarm(alarm: Alarm, recorded: Recorded, **columns: Any) -> None:
    """Insert the row of an alarm that was just recorded."""
    texts = {"writer": alarm.writer or "", "expected": alarm.expected, "found": alarm.found}
    insert_row(
        texts,
        kind=alarm.kind.value,
        log_id=alarm.log_id,
        count=alarm.count,
        evidence=alarm.evidence,
        event_id=recorded.event_id,
        raised_at=recorded.timestamp,
        **columns,
    )


def set_aside(evidence: str) -> None:
    """Change the evidence of forged rows with this evidence, to make room for the genuine one. They stay altered."""
    rows = AuditAlarm.objects.filter(evidence=evidence)
    if forged := [alarm for alarm in rows.found() if not alarm.is_authentic]:
        AuditAlarm.objects.same_rows(forged).update(evidence=uuid4().hex)  # noqa: CC3 - a forged row gets another evidence and stays forged


def insert_row(texts: Mapping[str, object], **columns: Any) -> None:
    limits = {"writer": 36, "expected": AuditAlarm.TEXT_LIMIT, "found": AuditAlarm.TEXT_LIMIT}
    bounded = {name: clean_text(str(texts[name]), limit) for name, limit in limits.items()}
    AuditAlarm(**columns, **bounded).save_with_mac()
