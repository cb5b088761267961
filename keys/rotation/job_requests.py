"""Whether a rotation job was requested. The row of a job has no MAC, but the audit entry of its request has one."""

import json
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from accounts.principals import Principal
from audit.browse.selection import LogCriteria
from audit.log.events import Actor, Outcome, Source
from audit.models import AuditBundle, AuditLog, Integrity
from audit.sequencing.bundles.taking import waiting_columns
from audit.services.reading import find_logs
from audit.services.showing import show_rows
from keys import actions
from keys.models import KeyRotationJob

_ACTIONS: Final = (
    actions.ROTATION_JOB_REQUESTED,
    actions.ROTATION_JOB_FINISHED,
    actions.ROTATION_JOB_FAILED,
)
_READER: Final = Principal.system("rotation job", Source.SCHEDULER)


def is_requested(job: KeyRotationJob) -> bool:
    """Whether the audit log has an intact request that matches the row, and no end of the job."""
    criteria = LogCriteria(object_id=str(job.id))
    found = {entry.event_id: entry for entry in _waiting(job)}
    rows = find_logs(reader=_READER, criteria=criteria, names={}).filter(action__in=_ACTIONS)[:2]
    found |= {entry.event_id: entry for entry in show_rows(rows)}
    entries = list(found.values())
    return len(entries) == 1 and entries[0].integrity != Integrity.ALTERED and _matches(entries[0], job)


def _waiting(job: KeyRotationJob) -> Iterator[AuditLog]:
    """Entries of the job in authentic bundles: a job may begin before its request is a row of the log."""
    for columns in waiting_columns(AuditBundle.objects.all()):
        if columns["object_id"] == str(job.id) and columns["action"] in _ACTIONS:
            entry = AuditLog(**columns | {"event_id": UUID(columns["event_id"])})
            entry.integrity = Integrity.PENDING
            yield entry


def _matches(entry: AuditLog, job: KeyRotationJob) -> bool:
    facts, meta = job.actor_facts, json.loads(entry.meta)
    return (
        (entry.action, entry.outcome) == (actions.ROTATION_JOB_REQUESTED, Outcome.OK)
        and set(facts) == set(Actor.__struct_fields__)
        and all(str(getattr(entry, name)) == str(fact) for name, fact in facts.items())
        and (meta["selection"], meta["algorithm"], meta["reason"])
        == (job.selection, job.algorithm, job.reason)
        and str(meta["policy_id"]) == str(job.policy_id)
    )
