"""Scheduled deletion of keys and versions: schedule, cancel, and destroy the material when the wait is over."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import DatabaseError, transaction

from accounts.principals import Principal
from audit.log.events import RowChange
from kernel.clock import database_now
from kernel.errors import DomainError, Invalid
from kernel.labels import check_reason
from keys import actions, trail
from keys.changing import as_refusal, finish_change, lock_key, lock_policy_of, lock_version
from keys.deletion.announcements import announce_scheduled_deletion
from keys.deletion.transit_names import reclaim_name
from keys.errors import IllegalTransition, PolicyViolated
from keys.lifecycle import State, VersionState, check_transition, effective_state, state_after_test
from keys.models import Key, KeyVersion
from keys.models.policies import MAX_DELETION_DAYS, MIN_DELETION_DAYS

DUE_REASON: Final = "waiting period has ended"


@transaction.atomic
def schedule_deletion(
    *,
    principal: Principal,
    key_id: UUID,
    reason: str,
    confirm_name: str,
    waiting_days: int = MAX_DELETION_DAYS,
) -> Key:
    """Stop every use of the key now, and destroy its material after ``waiting_days`` (7 to 30).

    ``confirm_name`` must be the key's name. Raises RecentAuthRequired, NotFound, Invalid, PolicyViolated, and
    IllegalTransition, also under deletion protection.
    """
    principal.require("keys.destroy")
    now = database_now()
    principal.require_recent_sign_in(now)
    check_reason(reason)
    key = lock_key(principal, key_id)
    _check_name(key, confirm_name)
    at = key.lifecycle_state(now)
    check_transition(at, State.DELETION_SCHEDULED)
    if key.deletion_protection:
        raise IllegalTransition(
            "The key is protected against deletion. Turn off its deletion protection first.",
            extra={**at.facts(), "deletion_protection": True},
        )
    return schedule_locked(principal, key, reason, waiting_days)


def schedule_locked(
    principal: Principal, key: Key, reason: str, waiting_days: int = MAX_DELETION_DAYS
) -> Key:
    """Schedule the deletion of a locked key whose caller was checked. Raises Invalid, PolicyViolated, IllegalTransition."""
    now = database_now()
    check_transition(key.lifecycle_state(now), State.DELETION_SCHEDULED)
    _check_wait(key, waiting_days)
    before = trail.key_values(key)
    key.state_before_deletion = state_after_test(State(key.state), key.resumes_at, now)
    key.change_state(State.DELETION_SCHEDULED)
    key.deletion_scheduled_at, key.deletion_at = now, now + timedelta(days=waiting_days)
    key.save_with_mac()
    _finish(principal, actions.KEY_DELETION_SCHEDULED, key, before, reason)
    announce_scheduled_deletion(principal, key, key.deletion_at)
    return key


@transaction.atomic
def cancel_deletion(*, principal: Principal, key_id: UUID, reason: str) -> Key:
    """Keep the key. It returns to its earlier state, but an active key returns as a disabled one.

    Raises NotFound, IllegalTransition if no deletion is scheduled or the wait is over, and Conflict if another transit
    key has its name now or its mount does not exist.
    """
    principal.require("keys.destroy")
    check_reason(reason)
    key, now = lock_key(principal, key_id), database_now()
    at = key.lifecycle_state(now)
    if key.deletion_at is None or at.state is not State.DELETION_SCHEDULED:
        raise IllegalTransition(f"The key is {at.word}. No deletion is scheduled.", extra=at.facts())
    if key.deletion_at <= now:
        raise IllegalTransition("The waiting period has ended. The key is being destroyed.", extra=at.facts())
    before = trail.key_values(key)
    change_of_name = reclaim_name(key)
    earlier = State(key.state_before_deletion)
    is_active = effective_state(earlier, key.activates_at, key.expires_at, now) is State.ACTIVE
    key.change_state(State.SUSPENDED if is_active else earlier)
    key.deletion_scheduled_at = key.deletion_at = None
    key.state_before_deletion = ""
    key.save_with_mac()
    _finish(principal, actions.KEY_DELETION_CANCELLED, key, before, reason, *change_of_name)
    return key


@transaction.atomic
def schedule_version_destruction(
    *,
    principal: Principal,
    key_id: UUID,
    version: int,
    reason: str,
    confirm_name: str,
    waiting_days: int = MAX_DELETION_DAYS,
) -> KeyVersion:
    """Destroy the material of an earlier version after ``waiting_days``. It stops decrypting now.

    Raises as ``schedule_deletion``.
    """
    principal.require("keys.destroy")
    now = database_now()
    principal.require_recent_sign_in(now)
    check_reason(reason)
    key, row = lock_version(principal, key_id, version)
    _check_name(key, confirm_name)
    if row.state not in {VersionState.ENABLED, VersionState.DISABLED}:
        raise IllegalTransition(
            f"Version {version} is already {row.state_word}.", extra={"state": str(row.state)}
        )
    if version == key.primary_version or key.deletion_protection:
        needs = "Turn off its deletion protection" if key.deletion_protection else "Rotate the key"
        raise IllegalTransition(
            f"You cannot destroy version {version} of this key. {needs} first.",
            extra={"state": str(row.state), "primary_version": key.primary_version},
        )
    _check_wait(key, waiting_days)
    before = trail.version_values(row)
    row.state = VersionState.SCHEDULED
    row.destruction_at = now + timedelta(days=waiting_days)
    _save_version(principal, actions.VERSION_DESTRUCTION_SCHEDULED, key, row, before, reason)
    announce_scheduled_deletion(principal, key, row.destruction_at, version=version)
    return row


@transaction.atomic
def cancel_version_destruction(
    *, principal: Principal, key_id: UUID, version: int, reason: str
) -> KeyVersion:
    """Keep the version, as a disabled one. Raises NotFound, IllegalTransition."""
    principal.require("keys.destroy")
    check_reason(reason)
    key, row = lock_version(principal, key_id, version)
    if row.destruction_at is None or row.state != VersionState.SCHEDULED:
        raise IllegalTransition(
            f"Version {version} is {row.state_word}. No destruction is scheduled.",
            extra={"state": str(row.state)},
        )
    if row.destruction_at <= database_now():
        raise IllegalTransition(
            "The waiting period has ended. The version is being destroyed.", extra={"state": str(row.state)}
        )
    before = trail.version_values(row)
    row.state, row.destruction_at = VersionState.DISABLED, None
    return _save_version(principal, actions.VERSION_DESTRUCTION_CANCELLED, key, row, before, reason)


@dataclass(frozen=True, slots=True)
class DueDestruction:
    """A key, or one ``version`` of it, whose waiting period has ended. ``error``: it was not destroyed."""

    key: Key
    version: int | None
    due_at: datetime
    error: DomainError | None = None


def destroy_due_keys(*, principal: Principal, dry_run: bool = False) -> Iterator[DueDestruction]:
    """Destroy what is due, one transaction each. A failure does not stop the others.

    Two runs at the same time destroy each key once.
    """
    for due in _find_due():
        if dry_run:
            yield due
            continue
        try:
            if not _destroy(principal, due):
                continue  # another run was faster, or the deletion was cancelled
        except (DomainError, DatabaseError) as error:
            yield replace(due, error=as_refusal(error))
        else:
            yield due


def _find_due() -> list[DueDestruction]:
    now = database_now()
    keys = Key.objects.filter(state=State.DELETION_SCHEDULED, deletion_at__lte=now).order_by("name")  # noqa: CC2 - the schedule destroys all due keys
    versions = KeyVersion.objects.filter(state=VersionState.SCHEDULED, destruction_at__lte=now)  # noqa: CC2 - the schedule destroys all due versions
    return [
        *(DueDestruction(key, None, key.deletion_at) for key in keys if key.deletion_at),
        *(
            DueDestruction(row.key, row.version, row.destruction_at)
            for row in versions.select_related("key").order_by("key__name", "version")
            if row.destruction_at
        ),
    ]


@transaction.atomic
def _destroy(principal: Principal, due: DueDestruction) -> bool:
    """Whether it was still due. The rows are checked again under lock."""
    key, now = lock_key(principal, due.key.id), database_now()
    meta: dict[str, object] = {"reason": DUE_REASON}
    if due.version is None:
        if key.state != State.DELETION_SCHEDULED or key.deletion_at is None or key.deletion_at > now:
            return False
        before = trail.key_values(key)
        changes = [_erase(row) for row in key.versions.exclude(state=VersionState.DESTROYED)]
        key.state = State.DESTROYED
        key.next_rotation_at = None
        key.save_with_mac()
        changes.append(RowChange.of_row(key, before=before, after=trail.key_values(key)))
        finish_change(principal, actions.KEY_DESTROYED, key, changes, meta=meta)
        return True
    row = key.versions.get(version=due.version)
    if row.state != VersionState.SCHEDULED or row.destruction_at is None or row.destruction_at > now:
        return False
    changes = [_erase(row)]
    finish_change(principal, actions.VERSION_DESTROYED, key, changes, version=row.version, meta=meta)
    return True


def _erase(row: KeyVersion) -> RowChange:
    """Erase the wrapped material. Backups and write-ahead logs still contain it (docs/threat-model.md)."""
    before = trail.version_values(row.check_mac())
    row.wrapped, row.state = b"", VersionState.DESTROYED
    row.save_with_mac(sets_all_fields=True)
    return RowChange.of_row(row, before=before, after=trail.version_values(row))


def _check_wait(key: Key, days: int) -> None:
    if not MIN_DELETION_DAYS <= days <= MAX_DELETION_DAYS:
        raise Invalid.of_field("waiting_days", f"Must be {MIN_DELETION_DAYS} to {MAX_DELETION_DAYS} days.")
    policy = lock_policy_of(key)
    if policy is not None and days < policy.minimum_deletion_days:
        minimum = policy.minimum_deletion_days
        raise PolicyViolated.of_field("waiting_days", f"The policy requires at least {minimum} days.")


def _check_name(key: Key, confirm_name: str) -> None:
    if confirm_name != key.name:
        raise Invalid.of_field("confirm_name", "This is not the name of the key.")


def _save_version(
    principal: Principal, action: str, key: Key, row: KeyVersion, before: trail.Values, reason: str
) -> KeyVersion:
    row.save_with_mac(sets_all_fields=True)
    change = RowChange.of_row(row, before=before, after=trail.version_values(row))
    finish_change(principal, action, key, [change], version=row.version, meta={"reason": reason})
    return row


def _finish(
    principal: Principal, action: str, key: Key, before: trail.Values, reason: str, *others: RowChange
) -> None:
    change = RowChange.of_row(key, before=before, after=trail.key_values(key))
    meta: dict[str, object] = {"reason": reason, "deletion_at": key.deletion_at}
    finish_change(principal, action, key, [change, *others], meta=meta)
