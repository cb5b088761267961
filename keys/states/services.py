"""State changes of a key, as allowed by ``lifecycle.TRANSITIONS``."""

from uuid import UUID

from django.db import transaction

from accounts.principals import Principal
from audit.log.events import RowChange
from kernel.clock import database_now
from kernel.labels import check_reason
from keys import actions, policy_rules, trail
from keys.changing import finish_change, lock_key, lock_policy_of
from keys.errors import IllegalTransition
from keys.lifecycle import State, check_transition
from keys.models import Key


def activate_key(*, principal: Principal, key_id: UUID, reason: str) -> Key:
    """Activate a pending key before its activation time. The lifetime under its policy then ends earlier, too.

    Raises NotFound, IllegalTransition.
    """
    principal.require("keys.disable")
    return _change_state(
        principal, key_id, State.ACTIVE, actions.KEY_ACTIVATED, reason, only=State.PRE_ACTIVATION
    )


def disable_key(*, principal: Principal, key_id: UUID, reason: str) -> Key:
    """Suspend a key. It neither protects nor processes until it is enabled. Raises NotFound, IllegalTransition."""
    principal.require("keys.disable")
    return _change_state(principal, key_id, State.SUSPENDED, actions.KEY_DISABLED, reason)


def enable_key(*, principal: Principal, key_id: UUID, reason: str) -> Key:
    """End a suspension. If the key's expiry has passed in the meantime, the key is expired.

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
        principal.require_recent_log_in(database_now())
    to = State.COMPROMISED if compromised else State.DEACTIVATED
    return _change_state(principal, key_id, to, actions.KEY_REVOKED, reason)


@transaction.atomic
def _change_state(
    principal: Principal, key_id: UUID, to: State, action: str, reason: str, *, only: State | None = None
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
    key.state = to
    if to in {State.DEACTIVATED, State.COMPROMISED}:
        key.next_rotation_at = None
    key.save_with_mac()
    change = RowChange.of_row(key, before=before, after=trail.key_values(key))
    finish_change(principal, action, key, [change], meta={"reason": reason, "state": to.value})
    return key


def _limit_expiry(key: Key) -> None:
    """Move the expiry to the latest one that the policy allows after a changed activation."""
    policy = lock_policy_of(key)
    latest = None if policy is None else policy_rules.latest_expiry(policy, key)
    if latest is not None:
        key.expires_at = latest if key.expires_at is None else min(key.expires_at, latest)
