"""Changes of the states of keys, as allowed by ``lifecycle.TRANSITIONS``, and of versions.

The clock makes some changes of a key: its activation, the end of a scream test, and its expiry.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import DatabaseError, transaction
from django.db.models import Q

from accounts.principals import Principal
from audit.log.events import RowChange
from kernel.clock import database_now
from kernel.errors import DomainError, Invalid
from kernel.labels import check_reason
from keys import actions, policy_rules, trail
from keys.changing import (
    KeyResult,
    as_refusal,
    change_each,
    finish_change,
    lock_key,
    lock_policy_of,
    lock_version,
)
from keys.errors import IllegalTransition
from keys.lifecycle import State, Status, VersionState, check_transition, state_after_test
from keys.models import Key, KeyQuerySet, KeyVersion

MAX_TEST_MINUTES: Final = 60
_ACTIVATION_REASON: Final = "activation time has come"
_TEST_REASON: Final = "scream test has ended"
_EXPIRY_REASON: Final = "expiry has passed"


@dataclass(frozen=True, slots=True)
class _ClockChange:
    """A key that has begun, resumed or expired ``at``. ``error``: it was not recorded."""

    key: Key
    at: datetime
    error: DomainError | None = None


def activate_key(*, principal: Principal, key_id: UUID, reason: str) -> Key:
    """Activate a pending key before its activation time. The lifetime under its policy then ends earlier, too.

    Raises NotFound, IllegalTransition.
    """
    principal.require("keys.disable")
    return _change_state(
        principal, key_id, State.ACTIVE, actions.KEY_ACTIVATED, reason, only=State.PRE_ACTIVATION
    )


def disable_key(*, principal: Principal, key_id: UUID, reason: str, minutes: int | None = None) -> Key:
    """Suspend a key. It neither protects nor processes until it is enabled, or until the ``minutes`` of a scream test end.

    Raises NotFound, IllegalTransition, Invalid.
    """
    principal.require("keys.disable")
    if minutes is not None and not 1 <= minutes <= MAX_TEST_MINUTES:
        raise Invalid.of_field("minutes", f"Must be 1 to {MAX_TEST_MINUTES} minutes.")
    return _change_state(principal, key_id, State.SUSPENDED, actions.KEY_DISABLED, reason, minutes=minutes)


def disable_keys(*, principal: Principal, keys: Sequence[Key], reason: str) -> list[KeyResult]:
    """Suspend each key. A failure does not stop the others. Raises Denied, Invalid."""
    principal.require("keys.disable")
    check_reason(reason)

    def change(key: Key) -> bool:
        disable_key(principal=principal, key_id=key.id, reason=reason)
        return True

    return change_each(keys, change)


def enable_key(*, principal: Principal, key_id: UUID, reason: str) -> Key:
    """End a suspension, also before the end of a scream test. If the key's expiry has passed, the key is expired.

    Raises NotFound, IllegalTransition.
    """
    principal.require("keys.disable")
    return _change_state(principal, key_id, State.ACTIVE, actions.KEY_ENABLED, reason, only=State.SUSPENDED)


def revoke_key(*, principal: Principal, key_id: UUID, reason: str, compromised: bool = False) -> Key:
    """Revoke a key permanently. It can still decrypt, unless it is compromised.

    Raises RecentAuthRequired (to mark a key compromised), NotFound, IllegalTransition.
    """
    principal.require("keys.revoke")
    if compromised:
        principal.require_recent_sign_in(database_now())
    to = State.COMPROMISED if compromised else State.DEACTIVATED
    return _change_state(principal, key_id, to, actions.KEY_REVOKED, reason)


@transaction.atomic
def _change_state(
    principal: Principal,
    key_id: UUID,
    to: State,
    action: str,
    reason: str,
    *,
    only: State | None = None,
    minutes: int | None = None,
) -> Key:
    check_reason(reason)
    key = lock_key(principal, key_id)
    now = database_now()
    at = key.lifecycle_state(now)
    check_transition(at, to)
    if only not in {None, at.state}:  # activating and enabling must not replace each other
        raise IllegalTransition(
            f"The key is {at.word}. This requires a key that is {only}.", extra=at.facts()
        )
    before = trail.key_values(key)
    if at.state is State.PRE_ACTIVATION and to is State.ACTIVE:
        key.activates_at = now
        _limit_expiry(key)
    key.change_state(to)
    meta: dict[str, object] = {"reason": reason, "state": to.value}
    if minutes is not None:
        meta["resumes_at"] = key.resumes_at = now + timedelta(minutes=minutes)
    if to in {State.DEACTIVATED, State.COMPROMISED}:
        key.next_rotation_at = None
    key.save_with_mac()
    change = RowChange.of_row(key, before=before, after=trail.key_values(key))
    finish_change(principal, action, key, [change], meta=meta)
    return key


def _limit_expiry(key: Key) -> None:
    """Move the expiry to the latest one that the policy allows after a changed activation."""
    policy = lock_policy_of(key)
    latest = None if policy is None else policy_rules.latest_expiry(policy, key)
    if latest is not None:
        key.expires_at = latest if key.expires_at is None else min(key.expires_at, latest)


def disable_version(*, principal: Principal, key_id: UUID, version: int, reason: str) -> KeyVersion:
    """Stop an earlier version from decrypting. Raises NotFound, IllegalTransition (primary, or already disabled)."""
    return _change_version(principal, key_id, version, VersionState.DISABLED, reason)


def enable_version(*, principal: Principal, key_id: UUID, version: int, reason: str) -> KeyVersion:
    """Allow a disabled version to decrypt again. Raises NotFound, IllegalTransition."""
    return _change_version(principal, key_id, version, VersionState.ENABLED, reason)


@transaction.atomic
def _change_version(
    principal: Principal, key_id: UUID, number: int, to: VersionState, reason: str
) -> KeyVersion:
    principal.require("keys.disable")
    check_reason(reason)
    key, version = lock_version(principal, key_id, number)
    if version.state == to:
        raise IllegalTransition(f"Version {number} is already {to}.", extra={"state": str(to)})
    if version.state in {VersionState.SCHEDULED, VersionState.DESTROYED}:
        raise IllegalTransition(
            f"Version {number} is {version.state_word}. Only an enabled or disabled version can change.",
            extra={"state": str(version.state)},
        )
    if number == key.primary_version:
        raise IllegalTransition(
            "You cannot disable the primary version. Rotate the key first, or disable the key.",
            extra={"state": str(version.state), "primary_version": key.primary_version},
        )
    before = trail.version_values(version)
    version.state = to
    version.save_with_mac(update_fields=["state"], sets_all_fields=True)
    action = actions.VERSION_DISABLED if to is VersionState.DISABLED else actions.VERSION_ENABLED
    change = RowChange.of_row(version, before=before, after=trail.version_values(version))
    finish_change(principal, action, key, [change], version=number, meta={"reason": reason})
    return version


def record_activations(*, principal: Principal) -> Iterator[_ClockChange]:
    """Store the state ``active`` of keys whose activation time has come, one transaction each.

    Two runs at the same time record each key once. A failure does not stop the others.
    """
    due = Q(state=State.PRE_ACTIVATION.value, activates_at__lte=database_now())
    return _record_all(Key.objects.filter(due), lambda key: key.activates_at, principal, _record_activation)  # noqa: CC2 - the schedule records every activation


def end_tests(*, principal: Principal) -> Iterator[_ClockChange]:
    """Store the state ``active`` of keys whose scream test has ended, as ``record_activations`` does."""
    due = Q(resumes_at__lte=database_now())
    return _record_all(Key.objects.filter(due), lambda key: key.resumes_at, principal, _record_end)  # noqa: CC2 - the schedule records every end


def expire_keys(*, principal: Principal, dry_run: bool = False) -> Iterator[_ClockChange]:
    """Record keys whose expiry has passed, as ``record_activations`` does. They no longer rotate.

    A key that a planned activation has not reached yet in the log is recorded after it.
    """
    due = Q(state=State.ACTIVE.value, expires_at__lte=database_now(), expiry_recorded_at=None)
    record = None if dry_run else _record_expiry
    return _record_all(Key.objects.filter(due), lambda key: key.expires_at, principal, record)  # noqa: CC2 - the schedule records every expiry


def _record_all(
    due: KeyQuerySet,
    time_of: Callable[[Key], datetime | None],
    principal: Principal,
    record: Callable[[Principal, Key], bool] | None,
) -> Iterator[_ClockChange]:
    for key in list(due.order_by("name")):
        at = time_of(key)
        if at is None:
            continue
        try:
            if record is None or record(principal, key):
                yield _ClockChange(key, at)
        except (DomainError, DatabaseError) as error:
            yield _ClockChange(key, at, as_refusal(error))


@transaction.atomic
def _record_activation(principal: Principal, found: Key) -> bool:
    """Whether it was still to be recorded. The row is checked again under lock."""
    key, now = lock_key(principal, found.id), database_now()
    if key.state != State.PRE_ACTIVATION or key.activates_at is None or key.activates_at > now:
        return False
    _store_active(principal, key, actions.KEY_ACTIVATED, _ACTIVATION_REASON)
    return True


@transaction.atomic
def _record_end(principal: Principal, found: Key) -> bool:
    key, now = lock_key(principal, found.id), database_now()
    if state_after_test(State(key.state), key.resumes_at, now) == key.state:
        return False
    _store_active(principal, key, actions.KEY_ENABLED, _TEST_REASON)
    return True


def _store_active(principal: Principal, key: Key, action: str, reason: str) -> None:
    before = trail.key_values(key)
    key.change_state(State.ACTIVE)
    key.save_with_mac()
    change = RowChange.of_row(key, before=before, after=trail.key_values(key))
    finish_change(principal, action, key, [change], meta={"reason": reason, "state": State.ACTIVE.value})


@transaction.atomic
def _record_expiry(principal: Principal, found: Key) -> bool:
    key, now = lock_key(principal, found.id), database_now()
    is_expired = key.lifecycle_state(now).status is Status.EXPIRED
    if not is_expired or key.state != State.ACTIVE or key.expiry_recorded_at is not None:
        return False
    before = trail.key_values(key)
    key.expiry_recorded_at = now
    key.next_rotation_at = None
    key.save_with_mac()
    change = RowChange.of_row(key, before=before, after=trail.key_values(key))
    meta: dict[str, object] = {"reason": _EXPIRY_REASON, "expires_at": key.expires_at}
    finish_change(principal, actions.KEY_EXPIRED, key, [change], meta=meta)
    return True
