"""Jobs that rotate many keys: request, run here, list and cancel them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Count, QuerySet

from accounts.principals import Principal
from accounts.tokens.access_tokens import confirm_rights
from audit.log.events import Event
from audit.services.jobs import recorded_requester
from audit.services.recording import record
from kernel.clock import database_now
from kernel.databases.rows import first_of
from kernel.errors import Denied, Invalid, NotFound
from kernel.jobs import delivery
from kernel.jobs.job import Job
from kernel.jobs.progress import Report
from kernel.jobs.running import run_leased
from kernel.labels import check_reason
from keys import actions, lifecycle
from keys.metadata import stored_name
from keys.models import (
    EncryptionPolicy,
    Key,
    KeyQuerySet,
    KeyRotation,
    KeyRotationJob,
    RotationStatus,
    Selection,
)
from keys.reading.services import MAX_CHOSEN
from keys.rotation.services.rotating import new_rotation
from keys.rotation.services.used_up import find_used_up

READ_PERMISSION: Final = "system.read"
_SHOWN: Final = 50
PENDING_ELSEWHERE: Final = "pending_in_another_job"


@dataclass(frozen=True, slots=True)
class RotationRequest:
    """Keys to rotate: those that are due, ``chosen`` ones, or all of an algorithm or a policy.

    ``chosen`` are IDs with the primary versions that the caller saw, at most ``MAX_CHOSEN``.
    """

    selection: Selection
    chosen: Sequence[tuple[UUID, int]] = ()
    algorithm: str = ""
    policy_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class _RotationOutcome:
    """The rotations of a job by status, and the first ``_SHOWN`` keys that it did not rotate, failed ones first.

    ``elsewhere`` keys were left out because another job will rotate them. ``selection`` is the request in words.
    """

    counts: Mapping[str, int]
    elsewhere: int
    not_rotated: Sequence[KeyRotation]
    selection: str


def request_rotation(
    *,
    principal: Principal,
    request: RotationRequest,
    reason: str,
    submit: Callable[[Job], None] = delivery.submit,
) -> KeyRotationJob:
    """Queue a job that rotates the selected keys that are active.

    Raises Denied, Invalid, UnsupportedAlgorithm, and NotFound for an unknown policy.
    """
    principal.require("keys.rotate")
    check_reason(reason)
    job = KeyRotationJob(
        **recorded_requester(principal.actor),
        selection=request.selection.value,
        algorithm=stored_name(request.algorithm) if request.algorithm else "",
        policy_id=request.policy_id,
        reason=reason,
        unit="keys",
    )
    _check(principal, request)
    with transaction.atomic():
        submit(job)
        if request.selection is Selection.KEYS:
            _plan_chosen(principal, job, request.chosen)
        meta = {
            "selection": job.selection,
            "reason": reason,
            "algorithm": job.algorithm,
            "policy_id": job.policy_id,
        }
        record(event_of(job, actions.ROTATION_JOB_REQUESTED, **meta), principal.actor)
        confirm_rights(principal)
    return job


def rotate_here(
    *,
    principal: Principal,
    request: RotationRequest,
    reason: str,
    is_stopping: Callable[[], bool],
    report: Report,
) -> KeyRotationJob:
    """Run the job in this process. If ``is_stopping``, cancels the rest. Raises as ``request_rotation``."""
    job = request_rotation(principal=principal, request=request, reason=reason, submit=delivery.submit_leased)
    run_leased(job, is_stopping, report)
    if is_stopping() and not job.has_ended:
        job = cancel_rotation_job(principal=principal, job_id=job.id)
    return job


def selected_keys(principal: Principal, request: RotationRequest) -> KeyQuerySet:
    """All selected keys, including those that are not active and will be skipped."""
    keys = Key.objects.visible_to(principal)
    if request.selection is Selection.DUE:
        return keys.due_for_rotation(database_now())
    if request.selection is Selection.ALGORITHM:
        return keys.filter(algorithm=stored_name(request.algorithm))
    if request.selection is Selection.POLICY:
        return keys.filter(policy=request.policy_id)
    return keys.filter(pk__in=[key_id for key_id, _ in request.chosen])


def foreseen_keys(principal: Principal, request: RotationRequest) -> KeyQuerySet:
    """The selected keys, and for ``DUE`` also those that ``mark_used_up`` would make due."""
    keys = selected_keys(principal, request)
    if request.selection is Selection.DUE:
        keys |= Key.objects.visible_to(principal).filter(pk__in=[key_id for key_id, _ in find_used_up()])
    return keys


def pending_rotation(principal: Principal, job: KeyRotationJob, key: Key, version: int) -> KeyRotation:
    """The row of a rotation that the job has to perform, not yet saved."""
    rotation = new_rotation(principal, key, job.reason)
    rotation.job, rotation.status = job, RotationStatus.PENDING
    rotation.old_version, rotation.new_version = version, version + 1
    return rotation


def insert_pending(job: KeyRotationJob, rows: Sequence[KeyRotation]) -> None:
    """Insert the rows. A key that is pending in another job gets a cancelled row, with ``PENDING_ELSEWHERE``.

    Keys of the job that have a row already keep it.
    """
    KeyRotation.objects.bulk_create(rows, ignore_conflicts=True)  # noqa: CC3 - key_rotations have no MAC
    own = job.rotations.filter(old_key__in=[row.old_key_id for row in rows])
    planned = set(own.order_by().values_list("old_key_id", flat=True))
    others = [row for row in rows if row.old_key_id not in planned]
    for row in others:
        row.status, row.error_code = RotationStatus.CANCELLED, PENDING_ELSEWHERE
    KeyRotation.objects.bulk_create(others)  # noqa: CC3 - key_rotations have no MAC


def count_pending_elsewhere(job: KeyRotationJob) -> int:
    """The number of the job's keys that it left out because another job will rotate them."""
    return job.rotations.filter(error_code=PENDING_ELSEWHERE).count()


def find_rotation_jobs(*, principal: Principal) -> QuerySet[KeyRotationJob]:
    """All of them, newest first. Raises Denied."""
    principal.require(READ_PERMISSION)
    return KeyRotationJob.objects.order_by("-created_at", "id")


def find_rotation_job(*, principal: Principal, job_id: UUID) -> KeyRotationJob:
    """Raises Denied, NotFound."""
    return first_of(find_rotation_jobs(principal=principal).filter(id=job_id))


def cancel_rotation_job(*, principal: Principal, job_id: UUID) -> KeyRotationJob:
    """Cancel an unfinished job. Rotated keys stay rotated. Raises Denied, NotFound, Conflict."""
    principal.require("keys.rotate")
    with transaction.atomic():
        job = find_rotation_job(principal=principal, job_id=job_id)
        delivery.cancel(job)
        record(event_of(job, actions.ROTATION_JOB_CANCELLED), principal.actor)
        confirm_rights(principal)
    return job


def count_rotations(job: KeyRotationJob) -> Mapping[str, int]:
    """The number of the job's rotations of each status. One query."""
    found = dict(job.rotations.order_by().values_list("status").annotate(Count("pk")))
    return {status.value: found.get(status.value, 0) for status in RotationStatus}


def read_outcome(job: KeyRotationJob) -> _RotationOutcome:
    """The outcome of an unfinished job covers its rotations so far."""
    others = job.rotations.filter(status__in=[RotationStatus.FAILED, RotationStatus.CANCELLED])
    return _RotationOutcome(
        count_rotations(job),
        count_pending_elsewhere(job),
        list(others.select_related("old_key").order_by("-status", "old_key__name")[:_SHOWN]),
        _describe_selection(job),
    )


def event_of(job: KeyRotationJob, action: str, **meta: Any) -> Event:
    """An event about a job."""
    return Event(action=action, object_type="key_rotation_job", object_id=str(job.id), meta=meta)


def _describe_selection(job: KeyRotationJob) -> str:
    if job.policy_id is not None:
        policy = EncryptionPolicy.objects.filter(pk=job.policy_id).first()
        return f"All active keys under {policy.name if policy else 'a deleted policy'}"
    if job.algorithm:
        return f"All active {job.algorithm} keys"
    return {Selection.DUE: "Keys that were due", Selection.KEYS: "Chosen keys"}[Selection(job.selection)]


def _check(principal: Principal, request: RotationRequest) -> None:
    if request.selection is not Selection.KEYS and principal.scope("keys.rotate") != "all":
        raise Denied("You can only rotate keys that you choose.")
    policy_id = request.policy_id
    if policy_id is not None and not EncryptionPolicy.objects.filter(pk=policy_id).exists():
        raise NotFound("There is no policy with this ID.")
    if len(request.chosen) > MAX_CHOSEN:
        raise Invalid.of_field("key", f"Choose at most {MAX_CHOSEN} keys.")


def _plan_chosen(principal: Principal, job: KeyRotationJob, chosen: Sequence[tuple[UUID, int]]) -> None:
    now, versions = database_now(), dict(chosen)
    keys = Key.objects.within_reach_of(principal).filter(pk__in=versions)
    rows = [
        pending_rotation(principal, job, key, versions[key.id])
        for key in keys.with_status(lifecycle.Status.ACTIVE, now)
    ]
    insert_pending(job, rows)
    job.planned_at, job.total = now, job.rotations.pending().count()
    job.save(update_fields=["planned_at", "total"])  # noqa: CC3 - progress of a job has no MAC
