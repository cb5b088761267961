"""Full verifications, by the command or as a job. The result is an entry of the log, whose MAC and leaf protect it."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

import django.db
from django.db import transaction
from django.db.models import QuerySet
from msgspec.structs import replace

from audit import actions
from audit.log.events import Actor, Event, Outcome, Source
from audit.models import EXPORT_PERMISSION, AuditVerification
from audit.sequencing.alarms import Alarm, AlarmKind
from audit.services.alarms import LIST_PERMISSION, RECORDED, raise_alarms
from audit.services.jobs import record_end, recorded_requester
from audit.services.recording import record, record_alone
from audit.verification.findings import Report, Result
from audit.verification.fsck import verify_log
from kernel.clock import database_now
from kernel.databases.rows import first_of
from kernel.databases.transactions import wait_for_lock
from kernel.errors import Conflict, DomainError
from kernel.freshness.epoch import require_current
from kernel.freshness.stamps import EpochStamp
from kernel.jobs import delivery
from kernel.jobs.job import UNFINISHED
from kernel.jobs.progress import Progress, Stop
from kernel.rules import Caller

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
    """The task. Raises what ``verify_log`` and ``progress`` raise."""
    report = verify_and_record(actor=_requester(job), report_problem=logger.error, progress=progress)
    return {"entries": report.size, "findings": report.counts.total()}


def ended(job: AuditVerification) -> None:
    record_end(job, _requester(job), finished=None, failed=_event_of(job, actions.VERIFICATION_FAILED))


def _requester(job: AuditVerification) -> Actor:
    return replace(Actor(**job.actor_facts), source=Source.SCHEDULER)


def _event_of(job: AuditVerification, action: str) -> Event:
    return Event(action=action, object_type=KIND, object_id=str(job.id))


def verify_and_record(*, actor: Actor, report_problem: Callable[[str], object], **options: Any) -> Report:
    """Run ``verify_log`` with these options. The result goes into the log, and findings raise an alarm.

    If the log cannot be written, ``report_problem`` gets a message. Raises what ``verify_log`` raises.
    """
    started_at = database_now()
    try:
        report = verify_log(**options)
    except Stop:  # the job was cancelled, or continues elsewhere
        raise
    except Exception:
        _record(_event(Result.FAILED, started_at), actor, report_problem)
        raise
    result = Result.ALTERED if report.is_altered else Result.OK
    event = _event(result, started_at, entries=report.size, findings=report.counts.total())
    if _record(event, actor, report_problem) and (digest := report.digest):
        raise_alarms([_alarm_of(report, digest), *report.unnamed[: RECORDED - 1]])
    return report


def _alarm_of(report: Report, digest: str) -> Alarm:
    """The same findings are the same alarm. So its identity has no counts, because they include open alarms."""
    total = report.counts.total()
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(report.counts.items()))
    return Alarm(
        kind=AlarmKind.VERIFICATION_FAILED,
        expected="no findings",
        found=f"{total:,} finding{'' if total == 1 else 's'}: {kinds}",
        identity=f"findings {digest}",
    )


def _event(result: Result, started_at: datetime, **numbers: int) -> Event:
    return Event(
        action=actions.LOG_VERIFIED,
        outcome=Outcome.OK if result == Result.OK else Outcome.ERROR,
        code="" if result == Result.OK else result,
        meta={"started_at": started_at, **numbers},
    )


def _record(event: Event, actor: Actor, report_problem: Callable[[str], object]) -> bool:
    try:
        record_alone(event, actor)
    except (DomainError, django.db.Error):
        report_problem("The result was not recorded because the audit log cannot be written.")
        return False
    return True
