"""Encryption policies: create, change, preview a change, delete."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypedDict, Unpack, cast
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Value

from accounts.authorization import READ_KEYS
from accounts.models.names import unique_name
from accounts.principals import Principal
from accounts.tokens.access_tokens import confirm_rights
from audit.log.events import Event, RowChange
from audit.services.recording import record
from kernel.clock import database_now
from kernel.crypto.algorithms import find_key_algorithms, is_deterministic, modes_of
from kernel.databases.rows import first_of
from kernel.errors import Invalid
from kernel.freshness.epoch import lock_epoch, raise_epoch
from kernel.labels import check_name
from kernel.trust.row_state import delete_rows
from keys import actions
from keys.entities import policy_entity
from keys.errors import PolicyInUse
from keys.models import EncryptionPolicy, Key, KeyVersion
from keys.models.policies import MAX_DELETION_DAYS, MIN_DELETION_DAYS
from keys.models.rotation_policy import MAX_DAYS, RotationPolicy

_MAX_AFFECTED: Final = 100
"""How many affected keys a preview names. It counts all."""


class _PolicyRules(TypedDict, total=False):
    """The rules of a policy. Omitted ones have their defaults, or keep their values."""

    allowed_modes: list[str]
    key_lifetime_days: int | None
    rotation_policy: dict[str, Any]
    minimum_deletion_days: int
    exportable: bool


class PolicyUpdate(_PolicyRules, total=False):
    """The fields to change. Name and algorithm are fixed."""

    is_active: bool


@dataclass(frozen=True, slots=True)
class Effect:
    """One consequence of a changed policy. ``count``: all affected keys; ``keys``: the first by name."""

    code: str
    text: str
    count: int
    keys: list[Key]


@dataclass(frozen=True, slots=True)
class Preview:
    """The consequences of a changed policy for the keys under it."""

    policy: EncryptionPolicy
    keys_count: int
    effects: list[Effect]


def create_policy(
    *,
    principal: Principal,
    name: str,
    algorithm: str,
    key_size: int | None = None,
    **rules: Unpack[_PolicyRules],
) -> EncryptionPolicy:
    """Create an active policy. ``allowed_modes``: all modes of the algorithm unless given.

    Raises Denied, Invalid, UnsupportedAlgorithm, NameTaken.
    """
    principal.require("policies.manage")
    check_name(name)
    kind = find_key_algorithms(algorithm)[0]
    if key_size not in {None, kind.key_size}:
        raise Invalid.of_field("key_size", f"Must be {kind.key_size}, or omit it.")
    policy = EncryptionPolicy(
        name=name, algorithm=kind.name, key_size=kind.key_size, created_at=database_now()
    )
    policy.allowed_modes = modes_of(kind.name)
    _set(policy, cast("PolicyUpdate", rules))
    with unique_name(EncryptionPolicy, name, "policy"):
        policy.save_with_mac()
        _record(principal, actions.POLICY_CREATED, policy, RowChange.of_row(policy, after=values(policy)))
        lock_epoch()
        confirm_rights(principal)
    return policy


@transaction.atomic
def update_policy(
    *,
    principal: Principal,
    policy_id: UUID,
    changes: PolicyUpdate,
    check: Callable[[EncryptionPolicy], None] | None = None,
) -> EncryptionPolicy:
    """Change a policy. Its keys obey the new rules at once, in every process.

    A stricter grace period makes data unreadable, so it requires a recent sign-in like a higher minimum version.
    ``check`` may refuse the locked policy with an error of its own. Raises Denied, RecentAuthRequired, NotFound,
    Invalid.
    """
    principal.require("policies.manage")
    policy = _lock(policy_id)
    if check is not None:
        check(policy)
    before, old = values(policy), policy.rotation
    _set(policy, changes)
    if values(policy) == before:
        return policy
    if policy.rotation.is_stricter_than(old):
        principal.require_recent_sign_in(database_now())
    policy.save_with_mac()
    if policy.rotation.every_days != old.every_days:
        _move_rotations(policy)
    change = RowChange.of_row(policy, before=before, after=values(policy))
    _record(principal, actions.POLICY_UPDATED, policy, change)
    raise_epoch(policy_entity(policy.id))
    confirm_rights(principal)
    return policy


@transaction.atomic
def delete_policy(*, principal: Principal, policy_id: UUID) -> None:
    """Delete a policy that no key has. Raises Denied, NotFound, PolicyInUse."""
    principal.require("policies.manage")
    policy = _lock(policy_id)
    if count := policy.keys.count():
        raise PolicyInUse(count)
    change = RowChange.of_row(policy, before=values(policy))
    delete_rows(EncryptionPolicy.objects.filter(pk=policy.pk))
    _record(principal, actions.POLICY_DELETED, policy, change)
    raise_epoch(policy_entity(policy_id))
    confirm_rights(principal)


def preview_policy(*, principal: Principal, policy_id: UUID, changes: PolicyUpdate) -> Preview:
    """The consequences of a change, which is not made. Names no keys to a caller who may not read them.

    Raises Denied, NotFound, Invalid.
    """
    principal.require("policies.manage")
    policy = first_of(EncryptionPolicy.objects.filter(pk=policy_id)).check_mac()
    keys = Key.objects.within_reach_of(principal).filter(policy=policy)
    shown = _MAX_AFFECTED if READ_KEYS in principal.permissions else 0
    before, modes, exportable = policy.rotation, set(policy.allowed_modes), policy.exportable
    _set(policy, changes)
    now, after = database_now(), policy.rotation
    found: list[tuple[str, str, QuerySet[Key]]] = []
    if removed := sorted(modes - set(policy.allowed_modes)):
        text = f"can no longer encrypt with {', '.join(removed)}"
        found.append(("modes_removed", text, keys))
    if after.every_days != before.every_days:
        due = _aged(keys, after.every_days, now).exclude(next_rotation_at__lte=now)
        found.append(("rotation_due", "become overdue for rotation", due))
    if after.is_stricter_than(before):
        found.append(("versions_stop", *_stopping(keys, before, after, now)))
    if exportable and not policy.exportable:
        found.append(("export_forbidden", "can no longer be exported", keys.filter(exportable=True)))
    effects = [
        Effect(code, text, affected.count(), list(affected.order_by("name")[:shown]))
        for code, text, affected in found
    ]
    return Preview(policy, keys.count(), [effect for effect in effects if effect.count])


def values(policy: EncryptionPolicy) -> dict[str, object]:
    """The declared fields for the audit trail."""
    return {
        "name": policy.name,
        "algorithm": policy.algorithm,
        "key_size": policy.key_size,
        "allowed_modes": list(policy.allowed_modes),
        "key_lifetime_days": policy.key_lifetime_days,
        "rotation_policy": dict(policy.rotation_policy),
        "minimum_deletion_days": policy.minimum_deletion_days,
        "exportable": policy.exportable,
        "is_active": policy.is_active,
        "row_seq": policy.row_seq,
    }


def _lock(policy_id: UUID) -> EncryptionPolicy:
    return first_of(EncryptionPolicy.objects.select_for_update().filter(pk=policy_id)).check_mac()


def _set(policy: EncryptionPolicy, changes: PolicyUpdate) -> None:
    """Raises Invalid."""
    if "rotation_policy" in changes:
        policy.rotation_policy = RotationPolicy.parse(changes["rotation_policy"]).document()
    for name in ("allowed_modes", "key_lifetime_days", "minimum_deletion_days", "exportable", "is_active"):
        if name in changes:
            setattr(policy, name, changes[name])
    modes, days = modes_of(policy.algorithm), policy.key_lifetime_days
    purposes = {kind.purpose for kind in find_key_algorithms(policy.algorithm)}
    if "encrypt" not in purposes and policy.rotation.is_of_encryption:
        raise Invalid.of_field(
            "rotation_policy",
            f"Omit after_uses, after_bytes and reencrypt: {policy.algorithm} does not encrypt.",
        )
    if not policy.allowed_modes or not set(policy.allowed_modes) <= set(modes):
        raise Invalid.of_field("allowed_modes", f"Choose one or more of: {', '.join(modes)}.")
    policy.allowed_modes = [mode for mode in modes if mode in policy.allowed_modes]
    if days is not None and not 1 <= days <= MAX_DAYS:
        raise Invalid.of_field("key_lifetime_days", f"Must be 1 to {MAX_DAYS} days, or null.")
    if not MIN_DELETION_DAYS <= policy.minimum_deletion_days <= MAX_DELETION_DAYS:
        raise Invalid.of_field(
            "minimum_deletion_days", f"Must be {MIN_DELETION_DAYS} to {MAX_DELETION_DAYS} days."
        )


def _record(principal: Principal, action: str, policy: EncryptionPolicy, change: RowChange) -> None:
    meta: dict[str, object] = {"name": policy.name, "row_seq": policy.row_seq}
    event = Event(action=action, object_type="policy", object_id=str(policy.id), meta=meta)
    record(event, principal.actor, changes=[change])


def _made_at() -> Subquery:
    """When the primary version of each key was created."""
    primary = KeyVersion.objects.filter(key=OuterRef("pk"), is_primary=True)  # noqa: CC2 - a condition on keys that the caller may see
    return Subquery(primary.values("created_at")[:1])


def _move_rotations(policy: EncryptionPolicy) -> None:
    """Set the next rotation of the keys without a period of their own. No decision depends on it, so no MAC covers it."""
    days = None if is_deterministic(policy.algorithm) else policy.rotation.every_days
    keys = Key.objects.filter(policy=policy, rotation_period_days=None)  # noqa: CC2 - a policy moves the dates of all its keys
    keys.update(next_rotation_at=None if days is None else _made_at() + Value(timedelta(days=days)))


def _aged(keys: QuerySet[Key], days: int | None, now: datetime) -> QuerySet[Key]:
    """The keys without a period of their own whose primary version is at least ``days`` old."""
    if days is None:
        return keys.none()
    aged = KeyVersion.objects.filter(  # noqa: CC2 - a condition on keys that the caller may see
        key=OuterRef("pk"), is_primary=True, created_at__lte=now - timedelta(days=days)
    )
    return keys.filter(Q(Exists(aged)), rotation_period_days=None)


def _stopping(
    keys: QuerySet[Key], before: RotationPolicy, after: RotationPolicy, now: datetime
) -> tuple[str, QuerySet[Key]]:
    """The effect of a stricter grace period on earlier versions, and the keys that have such versions."""
    ended = _graceless(keys, after, now)
    if after.ends_reencryption_of(before):
        return "have earlier versions that can no longer decrypt, re-encrypt or verify", ended
    stopped = _graceless(keys, before, now).values("pk")
    return "have earlier versions that stop decrypting or verifying now", ended.exclude(pk__in=stopped)


def _graceless(keys: QuerySet[Key], rotation: RotationPolicy, now: datetime) -> QuerySet[Key]:
    """The keys with an earlier version whose grace period has ended."""
    if rotation.grace_days is None:
        return keys.none()
    replaced = KeyVersion.objects.filter(  # noqa: CC2 - a condition on keys that the caller may see
        key=OuterRef("pk"),
        version__gt=F("key__min_decryption_version"),
        created_at__lte=now - timedelta(days=rotation.grace_days),
    )
    return keys.filter(Q(Exists(replaced)))
