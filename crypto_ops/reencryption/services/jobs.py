"""Jobs that re-encrypt the ciphertexts that a client sends: begin, list and end them."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from msgspec import Struct

from accounts.principals import Principal
from accounts.tokens.access_tokens import confirm_rights
from audit.commit.decisions import Decision
from audit.log.events import Event
from audit.services.jobs import recorded_requester
from audit.services.recording import record
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext
from crypto_ops.deciding.services import CommitWithChange, decision_of, default_mode, perform
from crypto_ops.models import READ_PERMISSION, Reencryption
from crypto_ops.reencryption.services.one_message import require_reason, target_of
from kernel.clock import database_now, process_now
from kernel.crypto.modes import SEALING_MODES, TransitMode
from kernel.databases.rows import first_of
from kernel.errors import Conflict
from kernel.jobs.job import Status
from kernel.labels import check_reason
from keys import lifecycle

KIND: Final = "reencryption"
PERMISSION: Final = "crypto.reencrypt"
_PROGRESS: Final = ("status", "finished_at", "done", "total", "current", "refused", "versions")


def begin_reencryption(
    *,
    principal: Principal,
    key_id: UUID,
    target_key_id: UUID | None = None,
    total: int | None = None,
    reason: str = "",
) -> Reencryption:
    """Begin a job. ``target_key_id``: None for the same key. ``total``: the number of items, for display.

    Raises Denied, NotFound, UnsupportedAlgorithm, KeyNotActive, KeyNotUsable, and Invalid without a reason for a
    compromised key.
    """
    if reason:
        check_reason(reason)
    now = database_now()
    job = Reencryption(
        **recorded_requester(principal.actor),
        kind=KIND,
        key_id=key_id,
        target_key_id=target_key_id or key_id,
        reason=reason,
        status=Status.RUNNING,
        created_at=now,
        due_at=None,
        started_at=now,
        total=total,
        unit="items",
    )
    return perform(_Beginning(job), principal, _Insertion())


def find_reencryptions(*, principal: Principal) -> QuerySet[Reencryption]:
    """The jobs that the caller may see, newest first. Raises Denied."""
    found = Reencryption.objects.within_reach_of(principal, READ_PERMISSION)
    return found.select_related("key", "target_key").order_by("-created_at", "id")


def find_reencryption(*, principal: Principal, job_id: UUID) -> Reencryption:
    """Raises Denied, NotFound, IntegrityFailed."""
    return _one(find_reencryptions(principal=principal), job_id)


def find_running(*, principal: Principal, job_id: UUID) -> Reencryption:
    """A running job that the caller may feed. Raises Denied, NotFound, Conflict, IntegrityFailed."""
    return _require_running(_one(_own(principal), job_id))


def complete_reencryption(*, principal: Principal, job_id: UUID) -> Reencryption:
    """End a job whose client has sent all items. Raises Denied, NotFound, Conflict."""
    return _end(principal, job_id, Status.SUCCEEDED, actions.REENCRYPTION_COMPLETED)


def cancel_reencryption(*, principal: Principal, job_id: UUID) -> Reencryption:
    """End a job early. New ciphertexts stay valid, as do those under old versions. Raises Denied, NotFound, Conflict."""
    return _end(principal, job_id, Status.CANCELLED, actions.REENCRYPTION_CANCELLED)


def _require_running(job: Reencryption) -> Reencryption:
    """The job itself. Raises Conflict with its status if it has ended."""
    if job.status != Status.RUNNING:
        word = "completed" if job.status == Status.SUCCEEDED else job.status
        raise Conflict(f"This job is {word}. Begin a new one.", extra={"job_status": job.status})
    return job


class _Beginning(Struct, frozen=True):
    job: Reencryption

    def decide(self, context: DecisionContext) -> Decision[Reencryption]:
        """Refuse a job of which no page could succeed. Each page is decided again."""
        context.principal.require(PERMISSION)
        now = process_now()
        source = context.find(self.job.key_id, PERMISSION)
        require_reason(source, self.job.reason)
        lifecycle.require_process(source.lifecycle_state(now), for_reencryption=True)
        target = target_of(self.job.target_key_id, source, context)
        target.require_protect(now)
        if source.purpose != TransitMode.purpose:
            default_mode(source, SEALING_MODES)
        default_mode(target, SEALING_MODES, field="target_key_id")
        event = _event(self.job, actions.REENCRYPTION_BEGUN, total=self.job.total, **_request_of(self.job))
        return decision_of(self.job, event, context, protects=target)


class _Insertion(CommitWithChange[Reencryption]):
    def change(self, job: Reencryption) -> None:
        job.insert_with_mac()


def _request_of(job: Reencryption) -> Mapping[str, object]:
    return {"key_id": job.key_id, "target_key_id": job.target_key_id, "reason": job.reason}


def _own(principal: Principal) -> QuerySet[Reencryption]:
    """The jobs that the caller may feed and end. Raises Denied."""
    return Reencryption.objects.within_reach_of(principal, PERMISSION)


def _one(found: QuerySet[Reencryption], job_id: UUID) -> Reencryption:
    return first_of(found.filter(pk=job_id)).check_mac()


@transaction.atomic
def _end(principal: Principal, job_id: UUID, status: Status, action: str) -> Reencryption:
    job = _one(_own(principal), job_id)
    row = lock_running(job.pk)
    row.status, row.finished_at = status.value, database_now()
    save_progress(row)
    job.refresh_from_db(fields=_PROGRESS)
    counts = {"reencrypted": job.reencrypted, "current": job.current, "refused": job.refused}
    record(_event(job, action, **counts), principal.actor)
    confirm_rights(principal)
    return job


def lock_running(job_id: UUID) -> Reencryption:
    """The row of a running job, for ``save_progress`` in the caller's transaction. Raises Conflict if it has ended."""
    return _require_running(Reencryption.objects.select_for_update().get(pk=job_id))


def save_progress(row: Reencryption) -> None:
    row.save(update_fields=_PROGRESS)  # noqa: CC3 - progress of a job has no MAC


def _event(job: Reencryption, action: str, **meta: Any) -> Event:
    return Event(action=action, object_type=KIND, object_id=str(job.id), meta=meta)
