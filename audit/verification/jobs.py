"""Full verifications that a user requests: jobs. Only one at a time is queued or running."""

import logging
from collections.abc import Mapping
from typing import Final, Protocol
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from msgspec.structs import replace

from audit import actions
from audit.log.events import Actor, Event, Source
from audit.models import EXPORT_PERMISSION, AuditVerification
from audit.services.alarms import LIST_PERMISSION
from audit.services.jobs import intact_request, record_end, recorded_requester
from audit.services.recording import record
from audit.verification.recording import verify_and_record
from kernel.databases.rows import first_of
from kernel.databases.transactions import wait_for_lock
from kernel.errors import Conflict
from kernel.freshness.epoch import require_current
from kernel.freshness.stamps import EpochStamp
from kernel.jobs import delivery
from kernel.jobs.job import UNFINISHED
from kernel.jobs.progress import Progress
from kernel.rules import Caller
from kernel.trust.row_mac import IntegrityFailed

logger = logging.getLogger(__name__)

KIND: Final = "log_verification"
READ_PERMISSION: Final = LIST_PERMISSION
# Of the roles that read the whole log, those that may also have all of it read.
PERMISSION: Final = EXPORT_PERMISSION
_LOCK: Final = int.from_bytes(b"cc-verif")  # our key among PostgreSQL's advisory locks, a bigint


class _Verifier(Caller, Protocol):
    """The principal, as its services use it."""

    @property
    def actor(self) -> Actor: ...
    @property
    def stamp(self) -> EpochStamp | None: ...


def request_verification(*, principal: _Verifier) -> AuditVerification:
    """Queue a full verification for a worker. Raises Denied, and Conflict if one is queued or running."""
    principal.require(PERMISSION)
    with transaction.atomic():
        wait_for_lock(_LOCK)  # otherwise concurrent requests would not see each other
        if AuditVerification.objects.filter(status__in=UNFINISHED).exists():
            raise Conflict(
                "A full verification is already queued or running. The page Jobs has its progress."
            )
        job = AuditVerification(**recorded_requester(principal.actor), unit="entries")
        delivery.submit(job)
        record(_event_of(job, actions.VERIFICATION_REQUESTED), principal.actor)
        require_current(principal.stamp)
    return job


def find_verifications(*, principal: Caller) -> QuerySet[AuditVerification]:
    """The requested ones, newest first. Raises Denied."""
    principal.require(READ_PERMISSION)
    return AuditVerification.objects.order_by("-created_at", "id")


def find_verification(*, principal: Caller, job_id: UUID) -> AuditVerification:
    """Raises Denied, NotFound."""
    return first_of(find_verifications(principal=principal).filter(id=job_id))


def cancel_verification(*, principal: _Verifier, job_id: UUID) -> AuditVerification:
    """Cancel an unfinished one, which then has no result. Raises Denied, NotFound, Conflict."""
    principal.require(PERMISSION)
    with transaction.atomic():
        job = find_verification(principal=principal, job_id=job_id)
        delivery.cancel(job)
        record(_event_of(job, actions.VERIFICATION_CANCELLED), principal.actor)
        require_current(principal.stamp)
    return job


def run(job: AuditVerification, progress: Progress) -> Mapping[str, object]:
    """The task. Raises IntegrityFailed for a job that was not requested, and what ``verify_log`` and ``progress`` raise."""
    actor = _requester(job)
    if actor is None:
        raise IntegrityFailed("The audit log has no request for this job.")
    report = verify_and_record(actor=actor, report_problem=logger.error, progress=progress)
    return {"entries": report.size, "findings": report.counts.total()}


def ended(job: AuditVerification) -> None:
    actor = _requester(job) or Actor.system(KIND, Source.SCHEDULER)
    record_end(job, actor, finished=None, failed=_event_of(job, actions.VERIFICATION_FAILED))


def _requester(job: AuditVerification) -> Actor | None:
    """None if the log has no intact request of the row's requester, or the job ended."""
    ends = (actions.VERIFICATION_FAILED, actions.VERIFICATION_CANCELLED)
    if intact_request(job, requested=actions.VERIFICATION_REQUESTED, ends=ends) is None:
        return None
    return replace(Actor(**job.actor_facts), source=Source.SCHEDULER)


def _event_of(job: AuditVerification, action: str) -> Event:
    return Event(action=action, object_type=KIND, object_id=str(job.id))
