"""Succession: another key takes the place of a key, for example with another algorithm or policy."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from accounts.models.names import unique_name
from accounts.principals import Principal
from audit.log.events import RowChange
from kernel.clock import database_now
from kernel.crypto.algorithms import GENERATED_NAMES, KeyAlgorithm, find_key_algorithms, is_deterministic
from kernel.databases.rows import first_of
from kernel.errors import Invalid
from kernel.labels import check_name, check_reason
from kernel.trust.row_heads import current_rows
from keys import actions, new_material, trail
from keys.changing import finish_change, lock_key, lock_policy, lock_policy_of, require_retag
from keys.creation.services import first_version, insert_key, new_key
from keys.errors import IllegalTransition
from keys.lifecycle import LifecycleState, State, Status
from keys.models import EncryptionPolicy, Key, KeyGrant, KeyRotation, RotationStatus
from keys.new_material import NewMaterial

PERMISSIONS: Final = ("keys.revoke", "keys.rotate", "keys.create")
TRANSIT: Final = (
    "Clients of Vault and OpenBao name this key, so another key cannot replace it. Rotate it instead."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Successor:
    """The new key. Without ``policy_id`` it keeps the policy of the old key if that allows the algorithm."""

    name: str
    algorithm: str | None = None
    policy_id: UUID | None = None


def succeed_key(
    *,
    principal: Principal,
    key_id: UUID,
    successor: Successor,
    reason: str,
    material: NewMaterial | None = None,
) -> Key:
    """Create a key that takes the place of an active or expired key. The old key only works for existing data from now on.

    The new key has the same owner, description, tags, rotation period and deletion protection, and copies of the grants
    on the old key. It has no tags that no MAC proves. Raises Denied, RecentAuthRequired, NotFound, Invalid,
    UnsupportedAlgorithm, PolicyViolated, NameTaken, and IllegalTransition for a key in another state or with a
    successor.
    """
    first, *others = PERMISSIONS
    principal.require(first)
    principal.require_recent_sign_in(database_now())
    for permission in others:
        principal.require(permission)
    check_reason(reason)
    check_name(successor.name)
    material = material or material_for_succession(principal, key_id, successor)
    with unique_name(Key, successor.name, "key"):  # noqa: CC2 - a name is unique among all keys
        return _succeed(principal, key_id, successor, reason, material)


def material_for_succession(principal: Principal, key_id: UUID, wanted: Successor) -> NewMaterial:
    """Material for the new key, generated before anything is locked: algorithms of keys and policies never change.

    Raises NotFound, Invalid (a transit key), UnsupportedAlgorithm, Overloaded, Throttled.
    """
    keys = Key.objects.within_reach_of(principal).filter(pk=key_id)
    own, purpose = first_of(keys.values_list("algorithm", "purpose"))
    _require_replaceable(purpose)
    name = wanted.algorithm
    if name is None and wanted.policy_id is not None:
        policies = EncryptionPolicy.objects.filter(pk=wanted.policy_id)
        name = policies.values_list("algorithm", flat=True).first()
    name = name or own
    kind = find_key_algorithms(name, allowed=GENERATED_NAMES)[0]
    return new_material.generate(kind, principal.identity)


def _succeed(
    principal: Principal,
    key_id: UUID,
    successor: Successor,
    reason: str,
    material: NewMaterial,
) -> Key:
    old, now = lock_key(principal, key_id), database_now()
    _check(old, now)
    kind = next(
        (kind for kind in find_key_algorithms(material.algorithm) if kind.purpose == old.purpose), None
    )
    if kind is None:
        raise Invalid.of_field(
            "algorithm", f"The purpose of the key is {old.purpose}. Choose an algorithm with the same one."
        )
    before = trail.key_values(old)
    new, policy = _plan(old, successor, kind, now)
    # The old row first: a user has one default key of each algorithm. The foreign key is checked at the commit.
    old.successor_id = new.id
    if old.lifecycle_state(now).state is State.ACTIVE:
        old.change_state(State.DEACTIVATED)
    old.is_default = old.is_default and not new.is_default
    old.next_rotation_at = None
    old.save_with_mac()
    rotation = _rotation(principal, old, new, reason)
    meta: dict[str, object] = {"reason": reason, "rotation_id": str(rotation.id)}
    grants = [_copy(grant, new) for grant in current_rows(old.grants.order_by("created_at", "id"))]
    created = {**meta, "predecessor_id": old.id}
    insert_key(principal, new, policy, versions=[first_version(new, material)], meta=created, grants=grants)
    rotation.save()  # noqa: CC3 - key_rotations have no MAC
    change = RowChange.of_row(old, before=before, after=trail.key_values(old))
    meta |= {"successor_id": new.id, "successor": new.name}
    finish_change(principal, actions.KEY_SUCCEEDED, old, [change], meta=meta)
    require_retag(principal, (), new.tags)
    return new


def may_be_succeeded(key: Key, at: LifecycleState) -> bool:
    """Whether the state and the purpose allow it."""
    return (
        key.purpose != "transit" and key.successor_id is None and at.status in {Status.ACTIVE, Status.EXPIRED}
    )


def _require_replaceable(purpose: str) -> None:
    if purpose == "transit":
        raise Invalid(TRANSIT)


def _check(key: Key, now: datetime) -> None:
    _require_replaceable(key.purpose)
    at = key.lifecycle_state(now)
    if key.successor_id is not None:
        raise IllegalTransition(
            f"The key was already replaced by key {key.successor_id}.",
            extra={**at.facts(), "successor_id": str(key.successor_id)},
        )
    if not may_be_succeeded(key, at):
        raise IllegalTransition(
            f"The key is {at.word}. Only an active or expired key can be replaced.", extra=at.facts()
        )


def _plan(
    old: Key, wanted: Successor, kind: KeyAlgorithm, now: datetime
) -> tuple[Key, EncryptionPolicy | None]:
    """The new key, not yet saved, and its locked policy."""
    policy = lock_policy(wanted.policy_id) if wanted.policy_id is not None else lock_policy_of(old)
    keeps_period = not is_deterministic(kind.name) and wanted.policy_id is None
    new = new_key(
        kind,
        name=wanted.name,
        description=old.description,
        tags=old.granting_tags,
        rotation_period_days=old.rotation_period_days if keeps_period else None,
        is_default=old.is_default and kind.name == old.algorithm,
        deletion_protection=old.deletion_protection,
        created_at=now,
        created_by_id=old.created_by_id,
        service_account_id=old.service_account_id,
    )
    if policy is not None and wanted.policy_id is None and policy.algorithm != kind.name:
        policy = None
    return new, policy


def _copy(grant: KeyGrant, key: Key) -> KeyGrant:
    """The same rights on another key, until the same time, not yet saved."""
    return KeyGrant(
        key=key,
        principal_type=grant.principal_type,
        principal_id=grant.principal_id,
        operations=list(grant.operations),
        networks=list(grant.networks),
        expires_at=grant.expires_at,
        created_at=key.created_at,
        created_by_id=grant.created_by_id,
    )


def _rotation(principal: Principal, old: Key, new: Key, reason: str) -> KeyRotation:
    return KeyRotation(
        old_key=old,
        new_key=new,
        old_version=old.primary_version,
        new_version=1,
        rotation_reason=reason,
        rotated_by_id=principal.user_id,
        service_account_id=principal.identity.service_account_id,
        rotated_at=new.created_at,
        status=RotationStatus.COMPLETED,
    )
