"""The task that rotates the keys of a job."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID

from django.db import transaction

from accounts.holders import require_permitted
from accounts.principals import Principal
from accounts.roles import SYSTEM_RIGHTS
from audit.log.events import Actor, Source
from audit.services.jobs import intact_request, record_end
from kernel.clock import database_now
from kernel.jobs.progress import LeaseLost, Progress
from kernel.trust.row_mac import IntegrityFailed
from keys import actions
from keys.lifecycle import Status as KeyStatus
from keys.models import KeyRotation, KeyRotationJob, RotationStatus, Selection
from keys.rotation.services.jobs import (
    PENDING_ELSEWHERE,
    RotationRequest,
    count_rotations,
    event_of,
    insert_pending,
    pending_rotation,
    selected_keys,
)
from keys.rotation.services.rotating import perform_rotation

KIND: Final = "key_rotation"
PLANNED_AT_ONCE: Final = 1000
_PERFORMED_AT_ONCE: Final = 100


def run(job: KeyRotationJob, progress: Progress) -> Mapping[str, object]:
    """Plan, unless an earlier run has finished that, then rotate each key in its own transaction.

    A run that another worker continues finds only the pending rows. Two runs at once rotate each key once.
    Raises Denied if the requester may no longer rotate keys, and IntegrityFailed for a job that was not requested.
    """
    if not _is_requested(job):
        raise IntegrityFailed("The audit log has no request for this job.")
    principal = _principal_of(job)
    if job.planned_at is None:
        _plan(principal, job, progress)
    total = job.rotations.exclude(error_code=PENDING_ELSEWHERE).count()
    done = total - job.rotations.pending().count()
    for rotation_id in _pending(job):
        progress(done, total)
        perform_rotation(principal, rotation_id)
        done += 1
    progress(total, total)
    return {}


def ended(job: KeyRotationJob) -> None:
    """Cancel what is left, and record how the job ended."""
    left = job.rotations.pending()
    left.update(status=RotationStatus.CANCELLED.value, rotated_at=database_now())
    actor = Actor(**job.actor_facts) if _is_requested(job) else Actor.system(KIND, Source.SCHEDULER)
    counts = count_rotations(job)
    record_end(
        job,
        actor,
        finished=event_of(job, actions.ROTATION_JOB_FINISHED, **counts),
        failed=event_of(job, actions.ROTATION_JOB_FAILED, **counts),
    )


def _is_requested(job: KeyRotationJob) -> bool:
    """Whether the audit log has an intact request with the requester, selection and reason of the row, and no end."""
    ends = (actions.ROTATION_JOB_FINISHED, actions.ROTATION_JOB_FAILED)
    request = intact_request(job, requested=actions.ROTATION_JOB_REQUESTED, ends=ends)
    if request is None:
        return False
    meta = json.loads(request.meta)
    return (meta["selection"], meta["algorithm"], meta["reason"], str(meta["policy_id"])) == (
        job.selection,
        job.algorithm,
        job.reason,
        str(job.policy_id),
    )


def _principal_of(job: KeyRotationJob) -> Principal:
    """The requester, with the right to rotate the planned keys, which was checked when they were planned."""
    return Principal(
        actor=Actor(**job.actor_facts),
        identity=job.requester,
        rights=SYSTEM_RIGHTS,
        permissions=frozenset({"keys.read", "keys.rotate"}),
    )


def _plan(principal: Principal, job: KeyRotationJob, progress: Progress) -> None:
    """Insert a pending row for each selected key. Only a finished plan is performed, so that no key is planned twice."""
    request = RotationRequest(Selection(job.selection), algorithm=job.algorithm, policy_id=job.policy_id)
    keys = selected_keys(principal, request).with_status(KeyStatus.ACTIVE, database_now()).order_by("pk")
    after, planned = UUID(int=0), 0
    while some := list(keys.filter(pk__gt=after)[:PLANNED_AT_ONCE]):
        rows = [pending_rotation(principal, job, key, key.primary_version) for key in some]
        _insert(job, rows)
        after, planned = some[-1].pk, planned + len(some)
        progress(0, planned)
    KeyRotationJob.objects.filter(pk=job.pk).update(planned_at=database_now())  # noqa: CC3 - progress of a job has no MAC


@transaction.atomic
def _insert(job: KeyRotationJob, rows: Sequence[KeyRotation]) -> None:
    """Only as long as this worker holds the job. Another one may already rotate keys. Raises LeaseLost."""
    held = KeyRotationJob.objects.filter(pk=job.pk, lease_holder=job.lease_holder, planned_at=None)
    if held.select_for_update().first() is None:
        raise LeaseLost
    insert_pending(job, rows)


def _pending(job: KeyRotationJob) -> Iterator[UUID]:
    while some := list(
        job.rotations.pending().order_by("pk").values_list("pk", flat=True)[:_PERFORMED_AT_ONCE]
    ):
        if job.requester.id is not None:  # a command needs no permission
            require_permitted(job.requester, "keys.rotate")
        yield from some
