"""Alarms of the log: raised once each, open until an administrator resolves them with a reason."""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from itertools import batched
from typing import Any

import django.db
from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, OuterRef

from audit import actions
from audit.alarms import Alarm, Kind, summary_of
from audit.canonical import MAX_INTEGER
from audit.events import Actor, Source, clean_text
from audit.models import AuditAlarm, AuditLog
from audit.services.recording import record
from ciphercanary.errors import DomainError
from ciphercanary.metrics import audit_alarms_total

logger = logging.getLogger(__name__)

RECORDED = 20  # alarms of one call that get a record each
MOST_OPEN = 1000  # open alarms that get a record each
AGAIN_SECONDS = 60.0
LOOKED_UP_AT_ONCE = 500
ACTOR = Actor.system("audit alarms", Source.SCHEDULER)
_of_alarms_due = 0.0


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
    entries = AuditLog.objects.filter(~Exists(row), action=actions.LOG_ALARMED).order_by("id")
    return sum(map(_restore, entries[:MOST_OPEN]))


def _without_known(alarms: Sequence[Alarm]) -> list[Alarm]:
    """Each alarm once, without those on record."""
    new = {alarm.evidence: alarm for alarm in alarms}
    # A savepoint, so that an error here does not end the caller's transaction.
    with transaction.atomic() if connection.in_atomic_block else nullcontext():
        for some in batched(list(new), LOOKED_UP_AT_ONCE):
            for known in AuditAlarm.objects.filter(evidence__in=some).values_list("evidence", flat=True):
                del new[known]
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
        unresolved = AuditAlarm.objects.filter(resolved_at__isnull=True)
        room = min(RECORDED, max(0, MOST_OPEN - unresolved.count()))
        has_summary = unresolved.filter(kind=Kind.MORE).exists()
    for alarm in alarms[:room]:
        _record(alarm)
    if alarms[room:] and not has_summary:
        _record(summary_of(alarms[room:]))


def _record(alarm: Alarm) -> None:
    """The row and its entry, in one transaction."""
    try:
        with transaction.atomic():
            entry = record(alarm.event, ACTOR)
            _insert(
                entry,
                log_id=alarm.log_id,
                writer=alarm.writer or "",
                expected=alarm.expected,
                found=alarm.found,
                evidence=alarm.evidence,
            )
    except IntegrityError:
        pass  # another process raised the same alarm at the same moment
    except (DomainError, django.db.Error):
        logger.exception("an alarm could not be put on record")


def _insert(entry: AuditLog, *, evidence: str, log_id: int | None, **texts: object) -> None:
    limits = {"writer": 36, "expected": AuditAlarm.TEXT_LIMIT, "found": AuditAlarm.TEXT_LIMIT}
    AuditAlarm(
        kind=entry.code,
        log_id=log_id,
        count=entry.count,
        evidence=evidence,
        event_id=entry.event_id,
        raised_at=entry.timestamp,
        **{name: clean_text(str(texts[name]), limit) for name, limit in limits.items()},
    ).save_with_mac()


def _restore(entry: AuditLog) -> bool:
    meta = _meta_of(entry)
    log_id = meta.get("log_id")
    texts = {name: "" if meta.get(name) is None else meta[name] for name in ("writer", "expected", "found")}
    # Entries of earlier versions name no evidence, and two of them may say the same.
    for evidence in (meta.get("evidence"), str(entry.event_id)):
        try:
            with transaction.atomic():
                _insert(
                    entry,
                    evidence=clean_text(str(evidence or entry.event_id), 64),
                    log_id=log_id if isinstance(log_id, int) and abs(log_id) <= MAX_INTEGER else None,
                    **texts,
                )
        except IntegrityError:
            continue
        return True
    return False


def _meta_of(entry: AuditLog) -> Mapping[str, Any]:
    try:
        meta = json.loads(entry.meta)
    except (ValueError, RecursionError):
        return {}
    return meta if isinstance(meta, dict) else {}
