"""Jobs that wrap all stored keys under the primary key-encryption key again: request, run, show and cancel them."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from msgspec.structs import replace

from accounts.principals import Principal
from accounts.tokens.access_tokens import confirm_rights
from audit.log.events import Actor, Event, Source
from audit.services.jobs import record_end, recorded_requester
from audit.services.recording import record
from console import actions
from console.key_encryption.services import PERMISSION
from kernel.clock import database_now
from kernel.databases.rows import first_of
from kernel.databases.transactions import wait_for_lock
from kernel.errors import Conflict
from kernel.jobs import delivery, job
from kernel.jobs.progress import Progress, Report
from kernel.jobs.running import run_leased
from kernel.models import KekRewrap
from kernel.trust import kek_records, rewrapping

KIND: Final = "kek_rewrap"
READ_PERMISSION: Final = "system.read"
_LOCK: Final = int.from_bytes(b"cc-rewrp")  # our key among PostgreSQL's advisory locks, a bigint


def request_rewrap(*, principal: Principal) -> KekRewrap:
    """Queue a run for a worker. Raises Denied, RecentAuthRequired, and Conflict if one is queued or running."""
    principal.require(PERMISSION)
    principal.require_recent_sign_in(database_now())
    with transaction.atomic():
        wait_for_lock(_LOCK)  # otherwise concurrent requests would not see each other
        if KekRewrap.objects.filter(status__in=job.UNFINISHED).exists():
            raise Conflict("A rewrap is already queued or running.")
        return _submit(principal, delivery.submit)


def rewrap_here(*, principal: Principal, is_stopping: Callable[[], bool], report: Report) -> KekRewrap:
    """Run a job in this process, which may have other runs beside it. Cancels it if ``is_stopping``. Raises Denied."""
    principal.require(PERMISSION)
    principal.require_recent_sign_in(database_now())
    with transaction.atomic():
        rewrap = _submit(principal, delivery.submit_leased)
    run_leased(rewrap, is_stopping, report)
    if is_stopping() and not rewrap.has_ended:
        rewrap = cancel_rewrap(principal=principal, job_id=rewrap.id)
    return rewrap


def find_rewraps(*, principal: Principal) -> QuerySet[KekRewrap]:
    """All of them, newest first. Raises Denied."""
    principal.require(READ_PERMISSION)
    return KekRewrap.objects.order_by("-created_at", "id")


def find_rewrap(*, principal: Principal, job_id: UUID) -> KekRewrap:
    """Raises Denied, NotFound."""
    return first_of(find_rewraps(principal=principal).filter(id=job_id))


def cancel_rewrap(*, principal: Principal, job_id: UUID) -> KekRewrap:
    """Cancel an unfinished run. Rows that it has rewrapped stay so. Raises Denied, NotFound, Conflict."""
    principal.require(PERMISSION)
    with transaction.atomic():
        rewrap = find_rewrap(principal=principal, job_id=job_id)
        delivery.cancel(rewrap)
        record(_event(rewrap, actions.REWRAP_CANCELLED, rows=rewrap.done), principal.actor)
        confirm_rights(principal)
    return rewrap


def run(rewrap: KekRewrap, progress: Progress) -> Mapping[str, object]:
    """The task. A run that another worker continues finds only the remaining rows."""
    altered = rewrapping.rewrap_all(progress, done=rewrap.done)
    return {"kek_id": kek_records.primary_id(), "altered": altered}


def ended(rewrap: KekRewrap) -> None:
    """Record how the run ended."""
    meta = {"kek_id": rewrap.kek_id, "rows": rewrap.done, "altered": rewrap.altered}
    record_end(
        rewrap,
        replace(Actor(**rewrap.actor_facts), source=Source.SCHEDULER),
        finished=_event(rewrap, actions.REWRAP_FINISHED, **meta),
        failed=_event(rewrap, actions.REWRAP_FAILED, rows=rewrap.done),
    )


def _submit(principal: Principal, submit: Callable[[job.Job], None]) -> KekRewrap:
    rewrap = KekRewrap(**recorded_requester(principal.actor), unit="keys")
    submit(rewrap)
    meta = {"kek_id": kek_records.primary_id(), "rows": kek_records.count_outdated()}
    record(_event(rewrap, actions.REWRAP_REQUESTED, **meta), principal.actor)
    confirm_rights(principal)
    return rewrap


def _event(rewrap: KekRewrap, action: str, **meta: Any) -> Event:
    return Event(action=action, object_type=KIND, object_id=str(rewrap.id), meta=meta)
