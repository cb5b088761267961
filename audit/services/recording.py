"""Write the log: an event in the transaction of its change or, without a change, in its own transaction."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import django.db
from django.db import transaction

from audit import actions
from audit.errors import AuditUnavailable, RecordUnknown
from audit.log import bundles, entries, numbering
from audit.log.events import Actor, Event, RowChange, Source, clean_mapping, clean_text
from audit.models import AuditTrail
from kernel.clock import database_now
from kernel.databases.changes import Change, take_changes
from kernel.databases.commit_waits import CommitUnconfirmed

ACTOR_OF_STATE = Actor.system("protected rows", Source.SCHEDULER)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event that will be an entry of the log once its transaction commits."""

    event_id: uuid.UUID
    timestamp: datetime
    writer: uuid.UUID
    wseq: int


def record(
    event: Event, actor: Actor, *, changes: Sequence[RowChange] = (), at: datetime | None = None
) -> Recorded:
    """Write one event, and the rows it changed, in the transaction of the change itself.

    ``at`` is the database time, if the caller has already read it. Raises TransactionManagementError outside a
    transaction, and AuditUnavailable if the log cannot be written; the change is rolled back then.
    """
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("an event is recorded in the transaction of its change")
    try:
        return _insert(event, actor, changes, at or database_now())
    except django.db.Error as error:
        raise AuditUnavailable from error


def record_alone(event: Event, actor: Actor) -> Recorded:
    """Write an event that changed nothing (such as a refusal) in its own transaction. Raises AuditUnavailable.

    It is RecordUnknown if the event may be stored nevertheless.
    """
    try:
        with transaction.atomic(durable=True):
            return record(event, actor)
    except CommitUnconfirmed as error:
        raise RecordUnknown from error
    except django.db.Error as error:
        raise AuditUnavailable from error


def record_changes(changes: Sequence[Change]) -> None:
    """Write an entry that carries these changes of the transaction, which no other entry does. Raises as ``record``."""
    meta = {
        "tables": sorted({change.table for change in changes}),
        "rows": len({change[:2] for change in changes}),
    }
    record(Event(action=actions.ROWS_CHANGED, object_type="audit_log", meta=meta), ACTOR_OF_STATE)


def _insert(event: Event, actor: Actor, changes: Sequence[RowChange], timestamp: datetime) -> Recorded:
    event_id = uuid.uuid4()
    # Insert the changed rows first, because their ids are part of the digests that the event contains.
    digests = [_insert_change(change, event_id, actor, timestamp) for change in changes]
    writer = numbering.current_writer()
    wseq = numbering.next_wseq(writer)
    entry = bundles.entry_of(event, actor, event_id=event_id.hex, digests=digests)
    bundle = bundles.bundle_of([entry], at=timestamp, writer=str(writer), first=wseq, changes=take_changes())
    bundles.insert_bundle(bundle)
    return Recorded(event_id, timestamp, writer, wseq)


def _insert_change(change: RowChange, event_id: uuid.UUID, actor: Actor, timestamp: datetime) -> str:
    row = AuditTrail.objects.create(  # noqa: CC3 - an entry, which has a MAC, names the row
        event_id=event_id,
        table_name=clean_text(change.table_name, 50),
        record_id=clean_text(change.record_id, 100),
        action=change.action,
        old_values=None if change.old_values is None else clean_mapping(change.old_values),
        new_values=None if change.new_values is None else clean_mapping(change.new_values),
        changed_by=actor.user_id,
        changed_at=timestamp,
        actor_id=actor.actor_id,
    )
    return entries.trail_digest(entries.values_of(row, entries.TRAIL_FIELDS))
