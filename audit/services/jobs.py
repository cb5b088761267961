"""Jobs and the log: the entries of their requests and of their ends."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db import transaction
from msgspec.structs import asdict, replace

from audit.log import heartbeats
from audit.log.events import Actor, Event, Outcome
from audit.log.personal_data import as_recorded
from audit.models import AuditBundle, AuditLog, Integrity
from audit.sequencing.bundles.taking import waiting_columns
from audit.services.recording import record
from audit.services.showing import show_rows
from kernel.jobs.job import Job, Status, requester_columns


def recorded_requester(actor: Actor) -> dict[str, Any]:
    """The columns that store the requester of a job, as the entry of its request has them."""
    return requester_columns(asdict(as_recorded(actor)))


def record_end(job: Job, actor: Actor, *, finished: Event | None, failed: Event) -> None:
    """Record how the job ended, in the transaction that ends it. Cancelling a job already records that.

    ``finished``: None if the job itself records its success.
    """
    transaction.on_commit(heartbeats.beat)  # the worker may be idle for long afterwards
    if job.status == Status.SUCCEEDED and finished is not None:
        record(finished, actor)
    elif job.status == Status.FAILED:
        record(replace(failed, outcome=Outcome.ERROR, code=job.error_code), actor)


def intact_request(job: Job, *, requested: str, ends: tuple[str, ...]) -> AuditLog | None:
    """The entry of the request, if it names the requester of the row and the log has no end of the job.

    ``requested`` and ``ends`` are actions. An altered entry is no request. The row of a job has no MAC, but the entry has one.
    """
    actions = (requested, *ends)
    found = {entry.event_id: entry for entry in _waiting(job, actions)}
    rows = AuditLog.objects.filter(object_id=str(job.id), action__in=actions)[:2]  # noqa: CC2 - the entries of a job
    found |= {entry.event_id: entry for entry in show_rows(rows)}
    if len(found) != 1:
        return None
    (entry,) = found.values()
    is_request = (entry.action, entry.outcome) == (requested, Outcome.OK)
    return (
        entry
        if is_request and entry.integrity != Integrity.ALTERED and _names_requester(entry, job)
        else None
    )


def _waiting(job: Job, actions: tuple[str, ...]) -> Iterator[AuditLog]:
    """Entries of the job in authentic bundles: a job may begin before its request is a row of the log."""
    for columns in waiting_columns(AuditBundle.objects.all()):
        if columns["object_id"] == str(job.id) and columns["action"] in actions:
            entry = AuditLog(**columns | {"event_id": UUID(columns["event_id"])})
            entry.integrity = Integrity.PENDING
            yield entry


def _names_requester(entry: AuditLog, job: Job) -> bool:
    facts = job.actor_facts
    return set(facts) == set(Actor.__struct_fields__) and all(
        str(getattr(entry, name)) == str(fact) for name, fact in facts.items()
    )
