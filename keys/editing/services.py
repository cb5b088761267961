"""Change the settings of a key."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final, TypedDict
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.principals import Principal
from audit.log.events import RowChange
from kernel.clock import database_now
from kernel.errors import Conflict, Invalid, VersionConflict
from kernel.labels import label_fault
from keys import actions, lifecycle, metadata, policy_rules, trail
from keys.changing import (
    KeyResult,
    change_each,
    finish_change,
    lock_key,
    lock_policy,
    lock_policy_of,
    require_retag,
)
from keys.errors import IllegalTransition, PolicyViolated
from keys.lifecycle import State, VersionState
from keys.models import Key
from keys.models.rotation_policy import RotationPolicy
from keys.models.selection import searched_text
from keys.models.transit import transit_name_of

_UNPROVEN: Final = "Nothing proves that the tags of this key are unaltered. Set its tags on its page first."


class KeyUpdate(TypedDict, total=False):
    """The fields to change. Omitted fields keep their values."""

    description: str
    tags: list[str]
    expires_at: datetime | None
    rotation_period_days: int | None
    deletion_protection: bool
    policy_id: UUID | None
    min_decryption_version: int


@transaction.atomic
def update_key(
    *, principal: Principal, key_id: UUID, changes: KeyUpdate, check: Callable[[Key], None] | None = None
) -> Key:
    """Change the fields in ``changes``. ``check`` may refuse the locked key with an error of its own.

    Raises Denied, NotFound, Invalid, PolicyViolated, IllegalTransition for moving an expiry that has passed or
    protecting a key during a deletion, and RecentAuthRequired for raising the minimum version, for ending the rules of
    a policy, and for a policy that has a grace period.
    """
    principal.require("keys.update")
    key = lock_key(principal, key_id)
    if check is not None:
        check(key)
    before, granting = trail.key_values(key), key.granting_tags
    _set(principal, key, changes)
    is_first_cover = "tags" in changes and key.granting_tags != key.tags
    if trail.key_values(key) == before and not is_first_cover:
        return key
    key.searched_text = searched_text(key.name, key.description, key.tags, transit_name_of(key))
    key.save_with_mac(sets_all_fields="tags" in changes)
    change = RowChange.of_row(key, before=before, after=trail.key_values(key))
    finish_change(principal, actions.KEY_UPDATED, key, [change])
    require_retag(principal, granting, key.granting_tags)
    return key


def _set(principal: Principal, key: Key, changes: KeyUpdate) -> None:
    expiry, period = key.expires_at, key.rotation_period_days
    if "description" in changes:
        metadata.check_description(changes["description"])
        key.description = changes["description"]
    if "tags" in changes:
        metadata.check_tags(changes["tags"])
        key.tags = changes["tags"]
    if "expires_at" in changes:
        _move_expiry(key, changes["expires_at"])
    if "rotation_period_days" in changes:
        metadata.check_rotation_period(changes["rotation_period_days"], key.algorithm)
        key.rotation_period_days = changes["rotation_period_days"]
    if "deletion_protection" in changes:
        _set_protection(key, protects=changes["deletion_protection"])
    if changes.get("policy_id", key.policy_id) != key.policy_id:
        _set_policy(principal, key, changes["policy_id"])
        _set_next_rotation(key)
    elif (key.expires_at, key.rotation_period_days) != (expiry, period):
        _obey_policy(key, expiry, period)
        _set_next_rotation(key)
    if "min_decryption_version" in changes:
        _set_minimum(principal, key, changes["min_decryption_version"])


def _obey_policy(key: Key, expiry: datetime | None, period: int | None) -> None:
    """Check the new values. A policy that was tightened since leaves the old values of its keys as they are."""
    policy = lock_policy_of(key)
    if policy is not None and key.expires_at != expiry:
        policy_rules.check_expiry(policy, key)
    if policy is not None and key.rotation_period_days != period:
        policy_rules.check_rotation_period(policy, key)


def _set_next_rotation(key: Key) -> None:
    made_at = key.versions.get(version=key.primary_version).check_mac().created_at
    key.next_rotation_at = lifecycle.next_rotation(key.effective_rotation_days, made_at)


def _move_expiry(key: Key, expires_at: datetime | None) -> None:
    now = database_now()
    if expires_at == key.expires_at:
        return
    if key.expires_at is not None and key.expires_at <= now:
        # Otherwise an editor could reactivate an expired key, which no transition allows.
        raise IllegalTransition(
            "The key has expired. Its expiry cannot be changed.", extra=key.lifecycle_state(now).facts()
        )
    metadata.check_expiry(expires_at, key.activates_at, now)
    key.expires_at = expires_at


def _set_protection(key: Key, *, protects: bool) -> None:
    if protects and not key.deletion_protection:
        is_version_scheduled = key.versions.filter(state=VersionState.SCHEDULED).exists()
        if key.state == State.DELETION_SCHEDULED or is_version_scheduled:
            raise IllegalTransition(
                "The deletion of the key, or of a version, is already scheduled. Cancel the deletion first.",
                extra=key.lifecycle_state(database_now()).facts(),
            )
    key.deletion_protection = protects


def _set_policy(principal: Principal, key: Key, policy_id: UUID | None) -> None:
    """Another policy, or none. Its rules end, or its grace period can make data unreadable."""
    now = database_now()
    if key.policy_id is not None:
        principal.require_recent_sign_in(now)
    if policy_id is None:
        if settings.CC_REQUIRE_POLICY:
            raise policy_rules.required_by_setting()
        key.policy = None
        return
    policy = lock_policy(policy_id)
    if policy.rotation.is_stricter_than(RotationPolicy()):
        principal.require_recent_sign_in(now)
    policy_rules.take_over(policy, key)
    if key.expires_at is not None and key.expires_at <= now:
        raise PolicyViolated.of_field("policy_id", "The key is older than this policy allows.")


def _set_minimum(principal: Principal, key: Key, version: int) -> None:
    """Earlier versions than ``version`` stop decrypting. Only raising the minimum makes data unreadable."""
    if version > key.min_decryption_version and not principal.is_migrating:
        principal.require_recent_sign_in(database_now())
    if not 1 <= version <= key.primary_version:
        raise Invalid.of_field("min_decryption_version", f"Must be 1 to {key.primary_version}.")
    key.min_decryption_version = version


def _with_tag(key: Key, tag: str, *, adds: bool) -> list[str]:
    """The tags of the key after the change."""
    return [*(each for each in key.tags if each != tag), *([tag] if adds else [])]


def update_keys(*, principal: Principal, keys: Sequence[Key], changes: KeyUpdate) -> list[KeyResult]:
    """Change the same fields of each key, as ``update_key`` does. A failure does not stop the others.

    Raises Denied, Invalid, and RecentAuthRequired for a policy.
    """
    principal.require("keys.update")
    if "policy_id" in changes:
        principal.require_recent_sign_in(database_now())

    def change(key: Key) -> bool:
        if all(getattr(key, name) == value for name, value in changes.items()):
            return False
        update_key(principal=principal, key_id=key.id, changes=changes)
        return True

    return change_each(keys, change)


def change_tag(*, principal: Principal, keys: Sequence[Key], tag: str, adds: bool) -> list[KeyResult]:
    """Add the tag to each key, or remove it. A failure does not stop the others.

    A key whose tags were changed meanwhile fails with VersionConflict. One whose tags no MAC proves fails too, because
    the MAC would cover forged tags. Raises Denied, Invalid.
    """
    principal.require("keys.update")
    if fault := label_fault(tag, metadata.MAX_TAG):
        raise Invalid.of_field("tag", fault)

    def change(key: Key) -> bool:
        if (tag in key.tags) is adds:
            return False
        seen = list(key.tags)
        if key.granting_tags != seen:
            raise Conflict(_UNPROVEN)
        tags = _with_tag(key, tag, adds=adds)
        check = partial(_require_tags, seen)
        update_key(principal=principal, key_id=key.id, changes={"tags": tags}, check=check)
        return True

    return change_each(keys, change)


def _require_tags(seen: Sequence[str], stored: Key) -> None:
    if not stored.granting_tags == seen == stored.tags:
        raise VersionConflict("Its tags have changed since you opened this page.")
